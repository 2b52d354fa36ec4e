//! Actors as the queue knows them: announcements, drains, and what happens to their jobs when they go.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use redis::{FromRedisValue, ParsingError, Value};

use super::{ROUND, ROUNDS, RedisQueue, span_millis};
use crate::adapters::redis::damaged_records::{RecordKind, keep, note_queue};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::records::{encode_error, time_of};
use crate::adapters::redis::reply::{Lossy, Parts};
use crate::domain::model::id::ActorId;
use crate::domain::model::job::JobError;
use crate::domain::model::queue_name::QueueName;
use crate::ports::Cause;
use crate::ports::actor_presence::{ActorPresence, Presence, Reclaimed};
use crate::ports::job_queue::QueueError;
use crate::ports::store_fault::StoreFault;

#[async_trait]
impl ActorPresence for RedisQueue {
    async fn presences(&self, queue: QueueName) -> Result<Vec<Presence>, QueueError> {
        // While actors come and go, a scan may meet one of them twice; the later answer counts.
        let mut presences = BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut command = Function::PresencePage.on_queue(queue);
            command.arg(&cursor);
            let page = self.shared.connection.call::<PresencePage>(&command, "the presences").await;
            let page = page.inspect_err(note_queue)?;
            for entry in page.entries {
                if let Some(presence) = keep(RecordKind::Presence, presence_of(entry)) {
                    presences.insert(presence.actor_id.clone(), presence);
                }
            }
            if page.next == "0" {
                return Ok(presences.into_values().collect());
            }
            cursor = page.next;
        }
    }

    async fn forget_actor(&self, queue: QueueName, actor: &ActorId) -> Result<(), QueueError> {
        // Delayed jobs first: those that become due meanwhile come into the inbox.
        let mut cursor = "0".to_owned();
        loop {
            let mut delayed = Function::ForgetDelayed.on_queue(queue);
            delayed.arg(actor.as_str()).arg(&cursor).arg(ROUND);
            cursor = self.shared.connection.call(&delayed, "a cursor").await?;
            if cursor == "0" {
                break;
            }
        }
        let mut command = Function::ForgetActor.on_queue(queue);
        command.arg(actor.as_str()).arg(ROUND);
        Ok(self.repeat_until_done(&command, "the removal of an actor").await?)
    }

    async fn request_drain(
        &self,
        queue: QueueName,
        actor: &ActorId,
        resume_after: Duration,
    ) -> Result<(), QueueError> {
        let mut command = Function::Drain.on_queue(queue);
        command.arg(actor.as_str()).arg(span_millis(resume_after));
        Ok(self.shared.connection.call(&command, "a drain").await?)
    }

    async fn reclaim(
        &self,
        queue: QueueName,
        actor: &ActorId,
        pid: u32,
        error: &JobError,
    ) -> Result<Reclaimed, QueueError> {
        let mut command = Function::Reclaim.on_queue(queue);
        command.arg(actor.as_str()).arg(pid).arg(&error.message).arg(encode_error(error)).arg(ROUND);
        let mut reclaimed = Reclaimed::default();
        for _round in 0..ROUNDS {
            let answer: (u32, u32, i64) = self.shared.connection.call(&command, "a reclaim").await?;
            let (retried, failed, more) = answer;
            reclaimed.retried += retried;
            reclaimed.failed += failed;
            if more == 0 {
                break;
            }
        }
        Ok(reclaimed)
    }
}

/// The answer of `hero_presence_page`.
struct PresencePage {
    next: String,
    entries: Vec<PresenceEntry>,
}

/// Id, announcement (JSON) and number of held jobs.
type PresenceEntry = (Lossy, Vec<u8>, u32);

impl FromRedisValue for PresencePage {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        Ok(Self { next: parts.next()?, entries: parts.rest()? })
    }
}

#[derive(serde::Deserialize)]
struct PresenceRecord {
    pid: u32,
    #[serde(default)]
    draining: bool,
    #[serde(rename = "beat_ms")]
    heartbeat_ms: i64,
    last_job_ms: Option<i64>,
    #[serde(default)]
    pending_ends: u64,
    #[serde(default)]
    refused_ends: u64,
}

fn presence_of((Lossy(id), json, in_flight): PresenceEntry) -> Result<Presence, StoreFault> {
    let corrupt =
        |source: Cause| StoreFault::Corrupt { what: format!("the announcement of actor {id}"), source };
    let actor_id = ActorId::parse(&id).map_err(|error| corrupt(error.into()))?;
    let record: PresenceRecord = serde_json::from_slice(&json).map_err(|error| corrupt(error.into()))?;
    Ok(Presence {
        actor_id,
        pid: record.pid,
        draining: record.draining,
        in_flight,
        heartbeat_at: time_of(record.heartbeat_ms),
        last_job_at: record.last_job_ms.map(time_of),
        pending_ends: record.pending_ends,
        refused_ends: record.refused_ends,
    })
}

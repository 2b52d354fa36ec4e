//! Queues that are created and deleted by name.
//!
//! A key in its own slot tells whether a queue exists, so that jobs are accepted and the queue is deleted by steps that see each
//! other. The records of all queues stand in one hash. It is written behind that key, so a creation or a deletion that broke off is
//! finished by its repeat.

use async_trait::async_trait;

use super::{ROUND, RedisQueue, known_queues, used_queues};
use crate::adapters::redis::damaged_records::{RecordKind, keep};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{decode_queue, encode_queue, time_of};
use crate::adapters::redis::reply::{self, Lossy};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;
use crate::ports::queue_registry::{QueueCreated, QueueDeleted, QueueRecord, QueueRegistry};
use crate::ports::store_fault::StoreFault;

/// Name of an answer in errors.
const CREATED: &str = "a created queue";
/// The answer about a queue that is being deleted.
const DELETING: i64 = 2;

/// 1 for a new queue, its script type, and its time of creation.
type Answer = (i64, String, i64);

#[async_trait]
impl QueueRegistry for RedisQueue {
    async fn create_queue(
        &self,
        name: QueueName,
        script_type: ScriptType,
    ) -> Result<QueueCreated, QueueError> {
        if self.has_too_many(name).await? {
            return Ok(QueueCreated::TooMany { limit: self.shared.config.named_queue_limit });
        }
        let mut create = Function::CreateQueue.on_queue(name);
        create.arg(script_type.as_str());
        // The first of two calls may have created it.
        let (mut answer, repeated): (Answer, bool) =
            self.shared.connection.call_again(&create, CREATED).await?;
        if answer.0 == DELETING {
            // Its deletion broke off, or has not ended yet.
            self.clear(name).await?;
            answer = self.shared.connection.call(&create, CREATED).await?;
        }
        let (is_new, word, created_ms) = answer;
        let kept = ScriptType::parse(&word).map_err(|error| reply::corrupt(CREATED, &error))?;
        let record = QueueRecord { name, script_type: kept, created_at: time_of(created_ms) };
        self.write_record(&record).await?;
        let is_ours = is_new == 1 || (repeated && kept == script_type);
        Ok(if is_ours { QueueCreated::New(record) } else { QueueCreated::Exists(record) })
    }

    async fn queue(&self, name: QueueName) -> Result<Option<QueueRecord>, QueueError> {
        let mut get = redis::cmd("HGET");
        get.arg(keys::QUEUES).arg(name.as_str());
        let json: Option<Lossy> = self.shared.connection.call(&get, "a queue").await?;
        Ok(json.map(|json| decode_queue(name, &json.0)).transpose()?)
    }

    async fn queues(&self) -> Result<Vec<QueueRecord>, QueueError> {
        let all = known_queues::records(&self.shared.connection).await?;
        let read = |(name, json): (&QueueName, &String)| keep(RecordKind::Queue, decode_queue(*name, json));
        Ok(all.iter().filter_map(read).collect())
    }

    async fn used_queues(&self, most: usize) -> Result<Vec<QueueRecord>, QueueError> {
        let names = used_queues::first(&self.shared, most).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("HMGET");
        get.arg(keys::QUEUES).arg(names.iter().map(|name| name.as_str()).collect::<Vec<_>>());
        let records: Vec<Option<Lossy>> = self.shared.connection.call(&get, "used queues").await?;
        let read = |(name, json): (&QueueName, Option<Lossy>)| {
            keep(RecordKind::Queue, decode_queue(*name, &json?.0))
        };
        Ok(names.iter().zip(records).filter_map(read).collect())
    }

    async fn delete_queue(&self, name: QueueName) -> Result<QueueDeleted, QueueError> {
        if self.queue(name).await?.is_none() {
            return Ok(QueueDeleted::Unknown);
        }
        let delete = Function::DeleteQueue.on_queue(name);
        let (gone, jobs, actors): (i64, u64, u64) =
            self.shared.connection.call(&delete, "a deleted queue").await?;
        if gone != 1 {
            return Ok(QueueDeleted::InUse { jobs, actors });
        }
        self.clear(name).await?;
        self.shared.recent.lock().remove(&name);
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZREM").arg(keys::DUE_QUEUES).arg(name.as_str());
        pipeline.cmd("HDEL").arg(keys::QUEUES).arg(name.as_str());
        pipeline.cmd("HINCRBY").arg(keys::QUEUES).arg(keys::CHANGES_OF_QUEUES).arg(1);
        let _counts: Vec<i64> = self.shared.connection.pipe(&pipeline, "a deleted queue").await?;
        self.look_again().await?;
        Ok(QueueDeleted::Gone)
    }
}

impl RedisQueue {
    async fn write_record(&self, record: &QueueRecord) -> Result<(), StoreFault> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HSET").arg(keys::QUEUES).arg(record.name.as_str()).arg(encode_queue(record)?);
        pipeline.cmd("HINCRBY").arg(keys::QUEUES).arg(keys::CHANGES_OF_QUEUES).arg(1);
        let _counts: Vec<i64> = self.shared.connection.pipe(&pipeline, CREATED).await?;
        self.look_again().await
    }

    /// Reads the names of the queues, whenever they were read last.
    async fn look_again(&self) -> Result<(), StoreFault> {
        self.shared.known.forget();
        known_queues::refresh(&self.shared).await
    }

    /// True if there are as many queues as may be, and not this one. Two creations in the same moment can both find room.
    async fn has_too_many(&self, name: QueueName) -> Result<bool, StoreFault> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HEXISTS").arg(keys::QUEUES).arg(name.as_str());
        pipeline.cmd("HEXISTS").arg(keys::QUEUES).arg(keys::CHANGES_OF_QUEUES);
        pipeline.cmd("HLEN").arg(keys::QUEUES);
        let counts: Vec<u64> = self.shared.connection.pipe(&pipeline, "the number of queues").await?;
        let [there, counter, fields] = counts[..] else { return Ok(false) };
        Ok(there == 0 && fields.saturating_sub(counter) >= self.shared.config.named_queue_limit)
    }

    /// Removes the keys of a queue that is being deleted.
    async fn clear(&self, name: QueueName) -> Result<(), StoreFault> {
        let mut clear = Function::ClearQueue.on_queue(name);
        clear.arg(ROUND);
        while self.shared.connection.call::<i64>(&clear, "a cleared queue").await? == 1 {}
        Ok(())
    }
}

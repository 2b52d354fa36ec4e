//! Settings, health and scaling decisions in hashes; the leader and the usage of each node in keys of their own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use super::RedisActorStore;
use super::actor_store::Swap;
use super::damaged_records::{RecordKind, keep};
use super::functions::Function;
use super::keys;
use super::records::{
    decode_decision, decode_health, decode_settings, decode_usage, decode_usages, encode_decision,
    encode_health, encode_settings, encode_usage, encode_usages,
};
use super::reply::{self, Lossy};
use crate::domain::model::fleet::Fleet;
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::model::usage::{ActorUsage, Usage};
use crate::ports::shared_store::{SharedStore, SharedStoreError, USAGE_POINTS};
use crate::ports::store_fault::StoreFault;

/// Time of a point of usage.
const POINT_MS: u64 = 300_000;
/// Name of an answer in errors.
const NODES: &str = "the machines of the fleet";

#[async_trait]
impl SharedStore for RedisActorStore {
    async fn settings(&self) -> Result<Vec<ScriptTypeSettings>, SharedStoreError> {
        let all = self.hash(keys::SETTINGS).await?;
        let read = |(word, json): &(String, String)| keep(RecordKind::Settings, decode_settings(word, json));
        let mut settings: Vec<ScriptTypeSettings> = all.iter().filter_map(read).collect();
        settings.extend(self.queue_settings.read(self.connection()).await?);
        Ok(settings)
    }

    async fn put_settings(&self, settings: &ScriptTypeSettings) -> Result<bool, SharedStoreError> {
        let expected = if settings.generation == 0 { String::new() } else { settings.generation.to_string() };
        let is_named = settings.queue.default_type().is_none();
        let hash = if is_named { keys::QUEUE_SETTINGS } else { keys::SETTINGS };
        let mut put = Function::CompareAndSet.on(hash);
        put.arg(settings.queue.as_str());
        let ours = encode_settings(settings, settings.generation + 1)?;
        put.arg(&ours).arg(expected);
        let written = match self.connection().call_again(&put, "settings").await? {
            (Swap::Written, _repeated) => true,
            (Swap::Conflict(json), true) => json == ours,
            (Swap::Missing | Swap::Conflict(_), _repeated) => false,
        };
        if written && is_named {
            self.queue_settings.changed(self.connection()).await?;
        }
        if written {
            return Ok(true);
        }
        // A damaged record matches no generation: to try again would never end in success.
        let mut get = redis::cmd("HGET");
        get.arg(hash).arg(settings.queue.as_str());
        let stored: Option<Lossy> = self.connection().call(&get, "settings").await?;
        if let Some(Lossy(json)) = stored {
            decode_settings(settings.queue.as_str(), &json)?;
        }
        Ok(false)
    }

    async fn forget_queue(&self, queue: QueueName) -> Result<(), SharedStoreError> {
        for hash in [keys::QUEUE_SETTINGS, keys::TEMPLATES, keys::DECISIONS] {
            let mut remove = redis::cmd("HDEL");
            remove.arg(hash).arg(queue.as_str());
            let removed: i64 = self.connection().call(&remove, "a deleted queue").await?;
            if removed > 0 && hash == keys::QUEUE_SETTINGS {
                self.queue_settings.changed(self.connection()).await?;
            }
        }
        Ok(())
    }

    async fn healths(&self) -> Result<Vec<HealthRecord>, SharedStoreError> {
        let all = self.hash(keys::HEALTHS).await?;
        Ok(all.iter().filter_map(|(id, json)| keep(RecordKind::Health, decode_health(id, json))).collect())
    }

    async fn put_health(&self, record: &HealthRecord) -> Result<(), SharedStoreError> {
        Ok(self.set(keys::HEALTHS, record.actor_id.as_str(), encode_health(record)?, false).await?)
    }

    async fn decisions(&self) -> Result<Vec<(QueueName, ScalingDecision)>, SharedStoreError> {
        let all = self.hash(keys::DECISIONS).await?;
        // Whatever has no name of a queue is of a later version.
        let known = all.iter().filter_map(|(word, json)| Some((QueueName::parse(word).ok()?, json)));
        let read = |(queue, json): (QueueName, &String)| {
            Some((queue, keep(RecordKind::Decision, decode_decision(json))?))
        };
        Ok(known.filter_map(read).collect())
    }

    async fn put_decision(
        &self,
        queue: QueueName,
        decision: &ScalingDecision,
    ) -> Result<(), SharedStoreError> {
        Ok(self.set(keys::DECISIONS, queue.as_str(), encode_decision(decision)?, false).await?)
    }

    async fn put_usage(
        &self,
        node: &NodeName,
        actors: &[ActorUsage],
        term: Duration,
    ) -> Result<(), SharedStoreError> {
        let mut set = redis::cmd("SET");
        set.arg(keys::usage_of_node(node)).arg(encode_usages(actors)?).arg("PX").arg(millis(term));
        Ok(self.connection().call(&set, "usage").await?)
    }

    async fn usage(&self, node: &NodeName) -> Result<Vec<ActorUsage>, SharedStoreError> {
        let get = redis::cmd("GET").arg(keys::usage_of_node(node)).to_owned();
        let json: Option<Lossy> = self.connection().call(&get, "usage").await?;
        Ok(json.map(|Lossy(json)| decode_usages(&json)).transpose()?.unwrap_or_default())
    }

    async fn put_usage_point(&self, actor: &ActorId, point: &Usage) -> Result<(), SharedStoreError> {
        let key = keys::usage_of_actor(actor);
        let number = millis(point.at.duration_since(UNIX_EPOCH).unwrap_or_default()) / POINT_MS;
        let mut pipeline = redis::pipe();
        // A point of the day before is in its place.
        pipeline.cmd("HSET").arg(&key).arg(number % USAGE_POINTS).arg(encode_usage(point)?);
        pipeline.cmd("PEXPIRE").arg(&key).arg((USAGE_POINTS + 1) * POINT_MS);
        let _set: Vec<i64> = self.connection().pipe(&pipeline, "usage").await?;
        Ok(())
    }

    async fn usage_points(&self, actor: &ActorId, after: SystemTime) -> Result<Vec<Usage>, SharedStoreError> {
        let all = self.hash(&keys::usage_of_actor(actor)).await?;
        // One that cannot be read is a gap.
        let points = all.iter().filter_map(|(_number, json)| decode_usage(json).ok());
        let mut points: Vec<Usage> = points.filter(|point| point.at > after).collect();
        points.sort_by_key(|point| point.at);
        Ok(points)
    }

    async fn lead(&self, node: &NodeName, instance: &str, term: Duration) -> Result<bool, SharedStoreError> {
        let mut lead = Function::Lead.on(keys::lead(node));
        lead.arg(instance);
        lead.arg(millis(term));
        Ok(self.connection().call::<i64>(&lead, "leadership").await? == 1)
    }

    async fn step_down(&self, node: &NodeName, instance: &str) -> Result<(), SharedStoreError> {
        let mut down = Function::StepDown.on(keys::lead(node));
        down.arg(instance);
        Ok(self.connection().call(&down, "leadership").await?)
    }

    async fn join_fleet(&self, node: &NodeName, term: Duration) -> Result<Fleet, SharedStoreError> {
        self.look_at_fleet(node.as_str(), term).await
    }

    async fn fleet(&self) -> Result<Fleet, SharedStoreError> {
        self.look_at_fleet("", Duration::ZERO).await
    }

    async fn leave_fleet(&self, node: &NodeName) -> Result<(), SharedStoreError> {
        let mut down = Function::StepDown.on(keys::FLEET_LEAD);
        down.arg(node.as_str());
        Ok(self.connection().call(&down, "leadership of the fleet").await?)
    }
}

impl RedisActorStore {
    /// Reads which machines there are; one that is named joins them.
    async fn look_at_fleet(&self, node: &str, term: Duration) -> Result<Fleet, SharedStoreError> {
        let mut nodes = Function::Nodes.on(keys::NODES);
        nodes.arg(node).arg(millis(term));
        let answer: Vec<Lossy> = self.connection().call(&nodes, NODES).await?;
        let mut words = answer.iter().map(|Lossy(word)| word.as_str());
        let (Some(at), Some(leader)) = (words.next().and_then(moment), words.next()) else {
            return Err(reply::corrupt(NODES, "no time").into());
        };
        let mut seen = Vec::with_capacity(words.len() / 2);
        while let (Some(name), Some(seen_at)) = (words.next(), words.next()) {
            // Whatever has no name of a machine is of a later version.
            if let (Ok(name), Some(seen_at)) = (NodeName::parse(name), moment(seen_at)) {
                seen.push((name, seen_at));
            }
        }
        Ok(Fleet { at, leader: NodeName::parse(leader).ok(), seen })
    }

    /// Reads all fields of a hash. Values that are not UTF-8 are no JSON either, and fail when they are read as such.
    async fn hash(&self, key: &str) -> Result<Vec<(String, String)>, StoreFault> {
        let all: Vec<(Lossy, Lossy)> = self.connection().call(redis::cmd("HGETALL").arg(key), key).await?;
        Ok(all.into_iter().map(|(Lossy(name), Lossy(value))| (name, value)).collect())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a time in milliseconds.
fn moment(text: &str) -> Option<SystemTime> {
    let millis = text.parse::<u64>().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

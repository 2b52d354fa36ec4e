//! Records and templates of actors in two hashes.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{FromRedisValue, ParsingError, Value};

use super::RedisQueue;
use super::connection::Connection;
use super::damaged_records::{self, RecordKind};
use super::functions::Function;
use super::keys;
use super::queue_settings::QueueSettings;
use super::records::{decode_actor, decode_config, encode_actor, encode_config};
use super::reply::{self, Lossy};
use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::error::chain;
use crate::ports::actor_store::{ActorStore, Loaded, StoreError, Stored};
use crate::ports::store_fault::StoreFault;

/// Name of these records in errors.
const RECORD: &str = "a record of an actor";

/// The actor store, on the connection of a queue.
pub struct RedisActorStore {
    connection: Arc<Connection>,
    pub(super) queue_settings: QueueSettings,
}

impl RedisActorStore {
    /// Shares the connection of `queue`.
    pub fn new(queue: &RedisQueue) -> Self {
        Self { connection: queue.connection(), queue_settings: QueueSettings::default() }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sets a field of a hash; if `only_new`, when it is not there.
    pub(super) async fn set(
        &self,
        hash: &str,
        field: &str,
        value: String,
        only_new: bool,
    ) -> Result<(), StoreFault> {
        let mut set = Function::Set.on(hash);
        set.arg(field).arg(value).arg(u8::from(only_new));
        self.connection.call(&set, "a field").await
    }

    /// Writes `record` as generation `next` if the stored one has generation `expected`, or if there is none.
    async fn put(
        &self,
        record: &ActorRecord,
        expected: Option<u64>,
        next: u64,
    ) -> Result<Stored, StoreFault> {
        let mut put = Function::CompareAndSet.on(keys::ACTORS);
        let ours = encode_actor(record, next)?;
        put.arg(record.id.as_str());
        put.arg(&ours).arg(expected.map(|generation| generation.to_string()).unwrap_or_default());
        match self.connection.call_again(&put, RECORD).await? {
            (Swap::Written, _repeated) => Ok(Stored::Written(next)),
            (Swap::Conflict(json), true) if json == ours => Ok(Stored::Written(next)),
            (Swap::Missing, _repeated) => Ok(Stored::Missing),
            (Swap::Conflict(json), _repeated) => {
                let stored = decode_actor(record.id.as_str(), &json)?;
                Ok(Stored::Conflict(Box::new(stored)))
            }
        }
    }
}

#[async_trait]
impl ActorStore for RedisActorStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let all: Vec<(Lossy, Value)> =
            self.connection.call(redis::cmd("HGETALL").arg(keys::ACTORS), RECORD).await?;
        let mut loaded = Loaded::default();
        for (Lossy(id), json) in all {
            match reply::read::<String>(RECORD, json).and_then(|json| decode_actor(&id, &json)) {
                Ok(record) => loaded.records.push(record),
                Err(error) => {
                    let why = chain(&error);
                    damaged_records::note(RecordKind::Actor, &why);
                    loaded.damaged.insert(id, why);
                }
            }
        }
        Ok(loaded)
    }

    async fn get(&self, id: &ActorId) -> Result<Option<ActorRecord>, StoreError> {
        let mut get = redis::cmd("HGET");
        get.arg(keys::ACTORS).arg(id.as_str());
        let json: Option<String> = self.connection.call(&get, RECORD).await?;
        Ok(json.map(|json| decode_actor(id.as_str(), &json)).transpose()?)
    }

    async fn epoch(&self) -> Result<Option<String>, StoreError> {
        Ok(self.connection.call(redis::cmd("GET").arg(keys::EPOCH), "the epoch").await?)
    }

    async fn insert(&self, record: &ActorRecord) -> Result<Stored, StoreError> {
        Ok(self.put(record, None, 1).await?)
    }

    async fn update(&self, record: &ActorRecord) -> Result<Stored, StoreError> {
        Ok(self.put(record, Some(record.generation), record.generation + 1).await?)
    }

    async fn remove(&self, id: &ActorId) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HDEL").arg(keys::HEALTHS).arg(id.as_str());
        pipeline.cmd("HDEL").arg(keys::ACTORS).arg(id.as_str());
        let removed: Vec<i64> = self.connection.pipe(&pipeline, "a removal").await?;
        Ok(removed.last() == Some(&1))
    }

    async fn template(&self, queue: QueueName) -> Result<Option<ActorConfig>, StoreError> {
        let mut get = redis::cmd("HGET");
        get.arg(keys::TEMPLATES).arg(queue.as_str());
        let Some(json) = self.connection.call::<Option<Value>>(&get, RECORD).await? else { return Ok(None) };
        let json = reply::read::<String>(RECORD, json);
        let template = json.and_then(|json| decode_config(queue.as_str(), &json));
        Ok(damaged_records::keep(RecordKind::Template, template))
    }

    async fn set_template(&self, template: &ActorConfig, replace: bool) -> Result<(), StoreError> {
        let json = encode_config(template)?;
        Ok(self.set(keys::TEMPLATES, template.queue().as_str(), json, !replace).await?)
    }
}

/// The answer of `hero_compare_and_set`.
pub(super) enum Swap {
    Written,
    /// There is no record, though there should be.
    Missing,
    /// The stored record has another generation.
    Conflict(String),
}

impl FromRedisValue for Swap {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::Int(_) => Ok(Self::Written),
            Value::Nil => Ok(Self::Missing),
            other => String::from_redis_value(other).map(Self::Conflict),
        }
    }
}

//! Actor records and templates in two hashes.

use std::sync::Arc;

use async_trait::async_trait;
use redis::Value;

use super::RedisQueue;
use super::connection::{Connection, unexpected};
use super::damaged_records::{self, RecordKind};
use super::keys;
use super::records::{decode_actor, decode_config, encode_actor, encode_config};
use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::id::ActorId;
use crate::domain::model::script_type::ScriptType;
use crate::error::chain;
use crate::ports::actor_store::{ActorStore, Loaded, StoreError, Stored};

/// The actor store, on the connection of a queue.
pub struct RedisActorStore {
    connection: Arc<Connection>,
}

impl RedisActorStore {
    /// Shares the connection of `queue`.
    pub fn new(queue: &RedisQueue) -> Self {
        Self { connection: queue.connection() }
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
    ) -> Result<(), StoreError> {
        let mut set = redis::cmd("FCALL");
        set.arg("hero_set").arg(1).arg(hash).arg(field).arg(value).arg(u8::from(only_new));
        self.connection.call(&set).await.map(drop)
    }

    /// Writes `record` as generation `next` if the stored one has generation `expected`, or if there is none.
    async fn put(
        &self,
        record: &ActorRecord,
        expected: Option<u64>,
        next: u64,
    ) -> Result<Stored, StoreError> {
        let mut put = redis::cmd("FCALL");
        put.arg("hero_put").arg(1).arg(keys::ACTORS).arg(record.id.as_str());
        put.arg(encode_actor(record, next)?)
            .arg(expected.map(|generation| generation.to_string()).unwrap_or_default());
        match self.connection.call(&put).await? {
            Value::Int(_) => Ok(Stored::Written(next)),
            Value::Nil => Ok(Stored::Missing),
            other => {
                let stored = decode_actor(record.id.as_str(), &text(other)?)?;
                Ok(Stored::Conflict(Box::new(stored)))
            }
        }
    }
}

#[async_trait]
impl ActorStore for RedisActorStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let mut all = redis::cmd("HGETALL");
        all.arg(keys::ACTORS);
        let answer = self.connection.call(&all).await?;
        let Value::Array(flat) = answer else { return Err(unexpected("the actors", &answer)) };
        let mut loaded = Loaded::default();
        let mut flat = flat.into_iter();
        while let (Some(id), Some(json)) = (flat.next(), flat.next()) {
            let Value::BulkString(id) = id else { return Err(unexpected("the name of an actor", &id)) };
            let id = String::from_utf8_lossy(&id).into_owned();
            match text(json).and_then(|json| decode_actor(&id, &json)) {
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
        match self.connection.call(&get).await? {
            Value::Nil => Ok(None),
            json => decode_actor(id.as_str(), &text(json)?).map(Some),
        }
    }

    async fn epoch(&self) -> Result<Option<String>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(keys::EPOCH);
        match self.connection.call(&get).await? {
            Value::Nil => Ok(None),
            epoch => text(epoch).map(Some),
        }
    }

    async fn insert(&self, record: &ActorRecord) -> Result<Stored, StoreError> {
        self.put(record, None, 1).await
    }

    async fn update(&self, record: &ActorRecord) -> Result<Stored, StoreError> {
        self.put(record, Some(record.generation), record.generation + 1).await
    }

    async fn remove(&self, id: &ActorId) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HDEL").arg(keys::HEALTHS).arg(id.as_str());
        pipeline.cmd("HDEL").arg(keys::ACTORS).arg(id.as_str());
        Ok(self.connection.pipe(&pipeline).await?.last() == Some(&Value::Int(1)))
    }

    async fn template(&self, script_type: ScriptType) -> Result<Option<ActorConfig>, StoreError> {
        let mut get = redis::cmd("HGET");
        get.arg(keys::TEMPLATES).arg(script_type.as_str());
        match self.connection.call(&get).await? {
            Value::Nil => Ok(None),
            json => {
                let read = text(json).and_then(|json| decode_config(script_type.as_str(), &json));
                Ok(damaged_records::keep(RecordKind::Template, read))
            }
        }
    }

    async fn set_template(&self, template: &ActorConfig, replace: bool) -> Result<(), StoreError> {
        self.set(keys::TEMPLATES, template.script_type.as_str(), encode_config(template)?, !replace).await
    }
}

fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|error| StoreError::Corrupt {
            what: "a record of an actor".to_owned(),
            source: error.utf8_error().into(),
        }),
        other => Err(unexpected("a record of an actor", &other)),
    }
}

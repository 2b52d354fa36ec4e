//! Rules, verdicts and decisions in three hashes, and the turn of each node in a key of its own.

use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use super::RedisActorStore;
use super::connection::unexpected;
use super::damaged_records::{RecordKind, keep};
use super::keys;
use super::records::{
    decode_decision, decode_health, decode_settings, encode_decision, encode_health, encode_settings,
};
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::NodeName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::ports::job_queue::QueueError;
use crate::ports::shared_store::SharedStore;

#[async_trait]
impl SharedStore for RedisActorStore {
    async fn settings(&self) -> Result<Vec<ScriptTypeSettings>, QueueError> {
        let all = self.hash(keys::SETTINGS).await?;
        Ok(all
            .iter()
            .filter_map(|(word, json)| keep(RecordKind::Settings, decode_settings(word, json)))
            .collect())
    }

    async fn put_settings(&self, settings: &ScriptTypeSettings) -> Result<bool, QueueError> {
        let expected = if settings.generation == 0 { String::new() } else { settings.generation.to_string() };
        let mut put = redis::cmd("FCALL");
        put.arg("hero_put").arg(1).arg(keys::SETTINGS).arg(settings.script_type.as_str());
        put.arg(encode_settings(settings, settings.generation + 1)?).arg(expected);
        Ok(matches!(self.connection().call(&put).await?, Value::Int(_)))
    }

    async fn healths(&self) -> Result<Vec<HealthRecord>, QueueError> {
        let all = self.hash(keys::HEALTHS).await?;
        Ok(all.iter().filter_map(|(id, json)| keep(RecordKind::Health, decode_health(id, json))).collect())
    }

    async fn put_health(&self, record: &HealthRecord) -> Result<(), QueueError> {
        self.set(keys::HEALTHS, record.actor_id.as_str(), encode_health(record)?, false).await
    }

    async fn decisions(&self) -> Result<Vec<(ScriptType, ScalingDecision)>, QueueError> {
        let all = self.hash(keys::DECISIONS).await?;
        // A type of a newer supervisor is none of ours.
        let known = all.iter().filter_map(|(word, json)| Some((ScriptType::parse(word).ok()?, json)));
        let read = |(script_type, json): (ScriptType, &String)| {
            Some((script_type, keep(RecordKind::Decision, decode_decision(json))?))
        };
        Ok(known.filter_map(read).collect())
    }

    async fn put_decision(
        &self,
        script_type: ScriptType,
        decision: &ScalingDecision,
    ) -> Result<(), QueueError> {
        self.set(keys::DECISIONS, script_type.as_str(), encode_decision(decision)?, false).await
    }

    async fn lead(&self, node: &NodeName, instance: &str, term: Duration) -> Result<bool, QueueError> {
        let mut lead = redis::cmd("FCALL");
        lead.arg("hero_lead").arg(1).arg(keys::lead(node)).arg(instance);
        lead.arg(u64::try_from(term.as_millis()).unwrap_or(u64::MAX));
        Ok(self.connection().call(&lead).await? == Value::Int(1))
    }

    async fn step_down(&self, node: &NodeName, instance: &str) -> Result<(), QueueError> {
        let mut down = redis::cmd("FCALL");
        down.arg("hero_step_down").arg(1).arg(keys::lead(node)).arg(instance);
        self.connection().call(&down).await.map(drop)
    }
}

impl RedisActorStore {
    /// All names of a hash with their values.
    async fn hash(&self, key: &str) -> Result<Vec<(String, String)>, QueueError> {
        let mut all = redis::cmd("HGETALL");
        all.arg(key);
        let answer = self.connection().call(&all).await?;
        let Value::Array(flat) = answer else { return Err(unexpected(key, &answer)) };
        let mut pairs = Vec::with_capacity(flat.len() / 2);
        let mut flat = flat.into_iter();
        while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
            // What is not UTF-8 is no JSON of ours either, and is found out when that is read.
            pairs.push((text(key, &name)?, text(key, &value)?));
        }
        Ok(pairs)
    }
}

fn text(key: &str, value: &Value) -> Result<String, QueueError> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => Err(unexpected(key, other)),
    }
}

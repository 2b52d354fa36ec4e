//! Settings, health and scaling decisions in three hashes, and the leader of each node in a key of its own.

use std::time::Duration;

use async_trait::async_trait;

use super::RedisActorStore;
use super::actor_store::Swap;
use super::damaged_records::{RecordKind, keep};
use super::functions::Function;
use super::keys;
use super::records::{
    decode_decision, decode_health, decode_settings, encode_decision, encode_health, encode_settings,
};
use super::reply::Lossy;
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::NodeName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::ports::shared_store::{SharedStore, SharedStoreError};
use crate::ports::store_fault::StoreFault;

#[async_trait]
impl SharedStore for RedisActorStore {
    async fn settings(&self) -> Result<Vec<ScriptTypeSettings>, SharedStoreError> {
        let all = self.hash(keys::SETTINGS).await?;
        Ok(all
            .iter()
            .filter_map(|(word, json)| keep(RecordKind::Settings, decode_settings(word, json)))
            .collect())
    }

    async fn put_settings(&self, settings: &ScriptTypeSettings) -> Result<bool, SharedStoreError> {
        let expected = if settings.generation == 0 { String::new() } else { settings.generation.to_string() };
        let mut put = Function::CompareAndSet.on(keys::SETTINGS);
        put.arg(settings.script_type.as_str());
        let ours = encode_settings(settings, settings.generation + 1)?;
        put.arg(&ours).arg(expected);
        match self.connection().call_again(&put, "settings").await? {
            (Swap::Written, _repeated) => return Ok(true),
            (Swap::Conflict(json), true) if json == ours => return Ok(true),
            (Swap::Missing | Swap::Conflict(_), _repeated) => {}
        }
        // A damaged record matches no generation: to try again would never end in success.
        let all = self.hash(keys::SETTINGS).await?;
        let stored = all.iter().find(|(word, _json)| word == settings.script_type.as_str());
        if let Some((word, json)) = stored {
            decode_settings(word, json)?;
        }
        Ok(false)
    }

    async fn healths(&self) -> Result<Vec<HealthRecord>, SharedStoreError> {
        let all = self.hash(keys::HEALTHS).await?;
        Ok(all.iter().filter_map(|(id, json)| keep(RecordKind::Health, decode_health(id, json))).collect())
    }

    async fn put_health(&self, record: &HealthRecord) -> Result<(), SharedStoreError> {
        Ok(self.set(keys::HEALTHS, record.actor_id.as_str(), encode_health(record)?, false).await?)
    }

    async fn decisions(&self) -> Result<Vec<(ScriptType, ScalingDecision)>, SharedStoreError> {
        let all = self.hash(keys::DECISIONS).await?;
        // A newer supervisor may know further script types.
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
    ) -> Result<(), SharedStoreError> {
        Ok(self.set(keys::DECISIONS, script_type.as_str(), encode_decision(decision)?, false).await?)
    }

    async fn lead(&self, node: &NodeName, instance: &str, term: Duration) -> Result<bool, SharedStoreError> {
        let mut lead = Function::Lead.on(keys::lead(node));
        lead.arg(instance);
        lead.arg(u64::try_from(term.as_millis()).unwrap_or(u64::MAX));
        Ok(self.connection().call::<i64>(&lead, "leadership").await? == 1)
    }

    async fn step_down(&self, node: &NodeName, instance: &str) -> Result<(), SharedStoreError> {
        let mut down = Function::StepDown.on(keys::lead(node));
        down.arg(instance);
        Ok(self.connection().call(&down, "leadership").await?)
    }
}

impl RedisActorStore {
    /// Reads all fields of a hash. Values that are not UTF-8 are no JSON either, and fail when they are read as such.
    async fn hash(&self, key: &str) -> Result<Vec<(String, String)>, StoreFault> {
        let all: Vec<(Lossy, Lossy)> = self.connection().call(redis::cmd("HGETALL").arg(key), key).await?;
        Ok(all.into_iter().map(|(Lossy(name), Lossy(value))| (name, value)).collect())
    }
}

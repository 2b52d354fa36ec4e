//! Settings, health, scaling decisions and leaders, in memory.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::adapters::memory::actor_store::MemoryActorStore;
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::NodeName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::ports::shared_store::{SharedStore, SharedStoreError};

#[async_trait]
impl SharedStore for MemoryActorStore {
    async fn settings(&self) -> Result<Vec<ScriptTypeSettings>, SharedStoreError> {
        self.broker().without_waking(|state| state.settings.values().cloned().collect())
    }

    async fn put_settings(&self, settings: &ScriptTypeSettings) -> Result<bool, SharedStoreError> {
        self.broker().without_waking(|state| {
            let known = state.settings.get(&settings.script_type).map_or(0, |known| known.generation);
            let fresh = known == settings.generation;
            if fresh {
                let kept = ScriptTypeSettings { generation: known + 1, ..settings.clone() };
                state.settings.insert(settings.script_type, kept);
            }
            fresh
        })
    }

    async fn healths(&self) -> Result<Vec<HealthRecord>, SharedStoreError> {
        self.broker().without_waking(|state| state.healths.values().cloned().collect())
    }

    async fn put_health(&self, record: &HealthRecord) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| {
            state.healths.insert(record.actor_id.clone(), record.clone());
        })
    }

    async fn decisions(&self) -> Result<Vec<(ScriptType, ScalingDecision)>, SharedStoreError> {
        self.broker().without_waking(|state| {
            let all = state.decisions.iter();
            all.map(|(script_type, decision)| (*script_type, decision.clone())).collect()
        })
    }

    async fn put_decision(
        &self,
        script_type: ScriptType,
        decision: &ScalingDecision,
    ) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| {
            state.decisions.insert(script_type, decision.clone());
        })
    }

    async fn lead(&self, node: &NodeName, instance: &str, term: Duration) -> Result<bool, SharedStoreError> {
        self.broker().without_waking(|state| {
            let now = Instant::now();
            let holder = state.leaders.get(node.as_str()).filter(|(_holder, until)| *until > now);
            let free = holder.is_none_or(|(holder, _until)| holder == instance);
            if free {
                state.leaders.insert(node.as_str().to_owned(), (instance.to_owned(), now + term));
            }
            free
        })
    }

    async fn step_down(&self, node: &NodeName, instance: &str) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| {
            if state.leaders.get(node.as_str()).is_some_and(|(holder, _until)| holder == instance) {
                state.leaders.remove(node.as_str());
            }
        })
    }
}

//! Settings, health, scaling decisions, usage and leaders, in memory.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::adapters::memory::actor_store::MemoryActorStore;
use crate::domain::model::fleet::Fleet;
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::model::usage::{ActorUsage, Usage};
use crate::ports::shared_store::{SharedStore, SharedStoreError, USAGE_POINTS};

#[async_trait]
impl SharedStore for MemoryActorStore {
    async fn settings(&self) -> Result<Vec<ScriptTypeSettings>, SharedStoreError> {
        self.broker().without_waking(|state| state.settings.values().cloned().collect())
    }

    async fn put_settings(&self, settings: &ScriptTypeSettings) -> Result<bool, SharedStoreError> {
        self.broker().without_waking(|state| {
            let known = state.settings.get(&settings.queue).map_or(0, |known| known.generation);
            let fresh = known == settings.generation;
            if fresh {
                let kept = ScriptTypeSettings { generation: known + 1, ..settings.clone() };
                state.settings.insert(settings.queue, kept);
            }
            fresh
        })
    }

    async fn forget_queue(&self, queue: QueueName) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| {
            state.settings.remove(&queue);
            state.templates.remove(&queue);
            state.decisions.remove(&queue);
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

    async fn decisions(&self) -> Result<Vec<(QueueName, ScalingDecision)>, SharedStoreError> {
        self.broker().without_waking(|state| {
            let all = state.decisions.iter();
            all.map(|(queue, decision)| (*queue, decision.clone())).collect()
        })
    }

    async fn put_decision(
        &self,
        queue: QueueName,
        decision: &ScalingDecision,
    ) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| {
            state.decisions.insert(queue, decision.clone());
        })
    }

    async fn put_usage(
        &self,
        node: &NodeName,
        actors: &[ActorUsage],
        term: Duration,
    ) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| {
            state.usages.insert(node.as_str().to_owned(), (actors.to_vec(), Instant::now() + term));
        })
    }

    async fn usage(&self, node: &NodeName) -> Result<Vec<ActorUsage>, SharedStoreError> {
        self.broker().without_waking(|state| {
            let told = state.usages.get(node.as_str()).filter(|(_actors, until)| *until > Instant::now());
            told.map(|(actors, _until)| actors.clone()).unwrap_or_default()
        })
    }

    async fn put_usage_point(&self, actor: &ActorId, point: &Usage) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| {
            let points = state.usage_points.entry(actor.clone()).or_default();
            points.insert(point.at, *point);
            while points.len() as u64 > USAGE_POINTS {
                points.pop_first();
            }
        })
    }

    async fn usage_points(&self, actor: &ActorId, after: SystemTime) -> Result<Vec<Usage>, SharedStoreError> {
        self.broker().without_waking(|state| {
            let points = state.usage_points.get(actor).into_iter().flat_map(BTreeMap::values);
            points.filter(|point| point.at > after).copied().collect()
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

    async fn join_fleet(&self, node: &NodeName, term: Duration) -> Result<Fleet, SharedStoreError> {
        self.broker().without_waking(|state| state.join_fleet(node, term))
    }

    async fn fleet(&self) -> Result<Fleet, SharedStoreError> {
        self.broker().without_waking(|state| state.fleet())
    }

    async fn leave_fleet(&self, node: &NodeName) -> Result<(), SharedStoreError> {
        self.broker().without_waking(|state| state.leave_fleet(node))
    }
}

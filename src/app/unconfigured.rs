//! Stands in for a Redis that nobody named properly: every call answers with what is missing.

use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::redis::RedisConfig;
use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::domain::model::job::{Job, JobError, JobState, JobView};
use crate::domain::model::output::{Kept, OutputMark};
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::ports::actor_presence::{ActorPresence, Presence, Reclaimed};
use crate::ports::actor_store::{ActorStore, Loaded, StoreError, Stored};
use crate::ports::job_queue::{
    Attached, Cancelled, Changes, Deleted, JobCursor, JobFilter, JobPage, JobQueue, QueueError, Retried,
    Submission, SubmitRefused, Submitted,
};
use crate::ports::queue_admin::{QueueAdmin, QueueDepth, QueueState};
use crate::ports::queue_maintenance::QueueMaintenance;
use crate::ports::shared_store::SharedStore;

/// What is missing.
#[derive(Debug, Clone)]
pub(super) struct Unconfigured(pub(super) String);

impl Unconfigured {
    fn refuse<T>(&self) -> Result<T, QueueError> {
        Err(QueueError::Rejected { reason: self.0.clone() })
    }
}

#[async_trait]
impl ActorStore for Unconfigured {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.refuse()
    }

    async fn get(&self, _: &ActorId) -> Result<Option<ActorRecord>, StoreError> {
        self.refuse()
    }

    async fn insert(&self, _: &ActorRecord) -> Result<Stored, StoreError> {
        self.refuse()
    }

    async fn update(&self, _: &ActorRecord) -> Result<Stored, StoreError> {
        self.refuse()
    }

    async fn remove(&self, _: &ActorId) -> Result<bool, StoreError> {
        self.refuse()
    }

    async fn template(&self, _: ScriptType) -> Result<Option<ActorConfig>, StoreError> {
        self.refuse()
    }

    async fn set_template(&self, _: &ActorConfig, _: bool) -> Result<(), StoreError> {
        self.refuse()
    }
}

#[async_trait]
impl SharedStore for Unconfigured {
    async fn settings(&self) -> Result<Vec<ScriptTypeSettings>, QueueError> {
        self.refuse()
    }

    async fn put_settings(&self, _: &ScriptTypeSettings) -> Result<bool, QueueError> {
        self.refuse()
    }

    async fn healths(&self) -> Result<Vec<HealthRecord>, QueueError> {
        self.refuse()
    }

    async fn put_health(&self, _: &HealthRecord) -> Result<(), QueueError> {
        self.refuse()
    }

    async fn decisions(&self) -> Result<Vec<(ScriptType, ScalingDecision)>, QueueError> {
        self.refuse()
    }

    async fn put_decision(&self, _: ScriptType, _: &ScalingDecision) -> Result<(), QueueError> {
        self.refuse()
    }

    async fn lead(&self, _: &NodeName, _: &str, _: Duration) -> Result<bool, QueueError> {
        self.refuse()
    }

    async fn step_down(&self, _: &NodeName, _: &str) -> Result<(), QueueError> {
        self.refuse()
    }
}

#[async_trait]
impl JobQueue for Unconfigured {
    async fn submit(&self, _: Vec<Submission>) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError> {
        self.refuse()
    }

    async fn attach(&self, _: &JobId) -> Result<Option<Attached>, QueueError> {
        self.refuse()
    }

    async fn get(&self, _: &JobId, _: JobView) -> Result<Option<Job>, QueueError> {
        self.refuse()
    }

    async fn output(
        &self,
        _: ScriptType,
        _: &JobId,
        _: &OutputMark,
        _: usize,
    ) -> Result<Vec<Kept>, QueueError> {
        self.refuse()
    }

    fn changes(&self, _: &JobId) -> Changes {
        Changes::never()
    }

    async fn list(&self, _: &JobFilter, _: Option<&JobCursor>, _: usize) -> Result<JobPage, QueueError> {
        self.refuse()
    }

    async fn cancel(&self, _: &JobId, _: &str) -> Result<Option<Cancelled>, QueueError> {
        self.refuse()
    }

    async fn delete(&self, _: &JobId) -> Result<Deleted, QueueError> {
        self.refuse()
    }

    async fn retry(&self, _: &JobId, _: bool) -> Result<Retried, QueueError> {
        self.refuse()
    }
}

#[async_trait]
impl QueueAdmin for Unconfigured {
    async fn depth(&self, _: ScriptType) -> Result<QueueDepth, QueueError> {
        self.refuse()
    }

    async fn state(&self, _: ScriptType) -> Result<QueueState, QueueError> {
        self.refuse()
    }

    async fn pause(&self, _: ScriptType, _: &str) -> Result<bool, QueueError> {
        self.refuse()
    }

    async fn resume(&self, _: ScriptType) -> Result<bool, QueueError> {
        self.refuse()
    }

    async fn count(&self, _: ScriptType, _: &[JobState]) -> Result<u64, QueueError> {
        self.refuse()
    }

    async fn purge(&self, _: ScriptType, _: &[JobState], _: &str, _: u64) -> Result<u64, QueueError> {
        self.refuse()
    }

    fn limit_depth(&self, _: ScriptType, _: Option<u64>) {}
}

#[async_trait]
impl ActorPresence for Unconfigured {
    async fn reclaim(
        &self,
        _: ScriptType,
        _: &ActorId,
        _: u32,
        _: &JobError,
    ) -> Result<Reclaimed, QueueError> {
        self.refuse()
    }

    async fn presences(&self, _: ScriptType) -> Result<Vec<Presence>, QueueError> {
        self.refuse()
    }

    async fn forget_actor(&self, _: ScriptType, _: &ActorId) -> Result<(), QueueError> {
        self.refuse()
    }

    async fn request_drain(&self, _: ScriptType, _: &ActorId, _: Duration) -> Result<(), QueueError> {
        self.refuse()
    }
}

#[async_trait]
impl QueueMaintenance for Unconfigured {
    async fn probe(&self) -> Result<Duration, QueueError> {
        self.refuse()
    }

    async fn maintain(&self) -> Result<(), QueueError> {
        self.refuse()
    }

    fn lease(&self) -> Duration {
        RedisConfig::default().lease
    }

    async fn close(&self) {}
}

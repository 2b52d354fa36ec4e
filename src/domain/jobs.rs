//! Jobs as callers see them: submit, run, await, read, cancel.
//!
//! | file | subject |
//! |---|---|
//! | `submission` | a request becomes a job in its queue |
//! | `run` | RunJob and AwaitJob: submit, then wait for the end |
//! | `pinned` | jobs for one named actor |
//! | `follow` | a job, followed to its end |
//! | `job_builder` | a job, described step by step |

pub mod follow;
mod job_builder;
mod pinned;
mod queues;
mod run;
mod submission;

pub use job_builder::JobBuilder;
pub use run::{Awaited, Begun};
pub use submission::{Accepted, JobRequest};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::domain::model::clock_offset::ClockOffset;
use crate::domain::model::flow::FlowRules;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{DEFAULT_AGEING, IdentityQuota, Job, JobSpec, JobView, Priority, Unique};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::scaling::trigger::ScaleTrigger;
use crate::domain::script_types::settings_cache::SettingsCache;
use crate::error::SupervisorError;
use crate::ports::actor_store::ActorStore;
use crate::ports::clock::Clock;
use crate::ports::job_queue::{Cancelled, Deleted, JobCursor, JobFilter, JobPage, Reprioritized, Retried};
use crate::ports::queue::Queue;
use crate::ports::queue_admin::QueueDepth;
use follow::MOST_FOLLOWED;
use run::SUBMITS_AT_A_TIME;

/// A record is kept at least this long by default; an older unknown id is reported as expired.
const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Generation of settings that have gone: later than any that are stored, and a number that every store can hold.
const LATEST_GENERATION: u64 = 1 << 52;

/// Hands jobs to actors. A cheap clone; all clones are one supervisor.
#[derive(Clone)]
pub struct Supervisor {
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    defaults: Arc<JobDefaults>,
    store: Arc<dyn ActorStore>,
    turns: Arc<Semaphore>,
    follow_places: Arc<Semaphore>,
    settings: SettingsCache,
    scale_trigger: ScaleTrigger,
    actor_env: Arc<BTreeMap<String, String>>,
}

/// Defaults of jobs whose callers leave fields open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobDefaults {
    /// `caller_id` of jobs that have none.
    pub caller_id: String,
    /// `context_id` of jobs that have none.
    pub context_id: String,
}

impl Supervisor {
    /// Makes a supervisor on a queue and the store of actors beside it.
    pub fn new(
        queue: Arc<dyn Queue>,
        store: Arc<dyn ActorStore>,
        clock: Arc<dyn Clock>,
        defaults: JobDefaults,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(SUBMITS_AT_A_TIME));
        let follow_places = Arc::new(Semaphore::new(MOST_FOLLOWED));
        let (defaults, settings) = (Arc::new(defaults), SettingsCache::default());
        let scale_trigger = ScaleTrigger::default();
        let actor_env = Arc::default();
        Self { queue, clock, defaults, store, turns, follow_places, settings, scale_trigger, actor_env }
    }

    /// Sets the variables by which actors find the queue.
    pub(crate) fn with_actor_env(self, actor_env: BTreeMap<String, String>) -> Self {
        Self { actor_env: Arc::new(actor_env), ..self }
    }

    /// Returns the variables by which actors find the queue.
    pub(crate) fn actor_env(&self) -> &BTreeMap<String, String> {
        &self.actor_env
    }

    /// Returns the store of actors, by which jobs for one named actor are checked.
    pub fn store(&self) -> &Arc<dyn ActorStore> {
        &self.store
    }

    /// The rules of script types, as far as they are known here: they are read by the manager of actors.
    pub fn settings(&self) -> &SettingsCache {
        &self.settings
    }

    /// Takes over rules that somebody has made, and returns whether they are newer than those that are known here.
    pub(crate) fn apply_settings(&self, settings: ScriptTypeSettings) -> bool {
        let (queue, depth) = (settings.queue, settings.max_queue_depth);
        let (ageing, flow, generation) =
            (settings.priority_ageing, settings.flow.clone(), settings.generation);
        let is_newer = self.settings.store(settings);
        if is_newer {
            let any = |depth: u32| if depth == 0 { u64::MAX } else { u64::from(depth) };
            self.queue.limit_depth(queue, depth.map(any));
            self.queue.set_ageing(queue, ageing.unwrap_or(DEFAULT_AGEING));
            self.queue.set_flow(queue, generation, &flow);
        }
        is_newer
    }

    /// Takes over that these are the named queues that have settings; those of others are forgotten.
    pub(crate) fn retain_settings(&self, named: &BTreeSet<QueueName>) {
        for queue in self.settings.retain_named(named) {
            self.forget_limits(queue);
        }
    }

    fn forget_limits(&self, queue: QueueName) {
        self.queue.limit_depth(queue, None);
        self.queue.set_ageing(queue, DEFAULT_AGEING);
        self.queue.set_flow(queue, LATEST_GENERATION, &FlowRules::default());
    }

    /// Forgets the settings of a named queue that is deleted, or that begins without any.
    pub(crate) fn forget_settings(&self, queue: QueueName) {
        if self.settings.forget(queue) {
            self.forget_limits(queue);
        }
    }

    /// Returns the trigger that wakes the scaler for jobs of script types that have no actor.
    pub(crate) fn scale_trigger(&self) -> &ScaleTrigger {
        &self.scale_trigger
    }

    /// Starts to describe a job.
    pub fn new_job(&self) -> JobBuilder {
        JobBuilder {
            script_type: None,
            spec: JobSpec {
                caller_id: self.defaults.caller_id.clone(),
                context_id: self.defaults.context_id.clone(),
                ..JobSpec::new(ScriptType::OSIS, "")
            },
        }
    }

    /// Reads a job.
    ///
    /// # Errors
    /// `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn job(&self, id: &JobId, view: JobView) -> Result<Job, SupervisorError> {
        self.queue.get(id, view).await?.ok_or_else(|| self.unknown(id))
    }

    /// Returns the texts of a unique key, as a caller means it: the one that all share who see all jobs, and the one of this caller and
    /// context if it is named or is the only one that the caller sees.
    pub fn unique_keys(&self, key: &str, filter: &JobFilter, own_only: bool) -> Vec<String> {
        let owner = || {
            let caller = filter.caller_id.as_ref().unwrap_or(&self.defaults.caller_id);
            let context = filter.context_id.as_ref().unwrap_or(&self.defaults.context_id);
            Unique::owner_of(caller, context)
        };
        let shared = (!own_only).then(String::new);
        let own = (own_only || filter.caller_id.is_some()).then(owner);
        let text = |owner| Unique { owner, ..Unique::new(key) }.text();
        shared.into_iter().chain(own).map(text).collect()
    }

    /// Lists jobs, newest first.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn jobs(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, SupervisorError> {
        Ok(self.queue.list(filter, after, limit).await?)
    }

    /// Cancels a job; one that has ended is left as it is and answered with `changed: false`.
    ///
    /// # Errors
    /// `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn cancel(&self, id: &JobId, reason: &str) -> Result<Cancelled, SupervisorError> {
        self.queue.cancel(id, reason).await?.ok_or_else(|| self.unknown(id))
    }

    /// Gives a job that waits another priority; answers with it, and whether that changed it.
    ///
    /// # Errors
    /// `JobState` once an actor has it or it has ended, `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn reprioritize(&self, id: &JobId, priority: Priority) -> Result<(Job, bool), SupervisorError> {
        match self.queue.reprioritize(id, priority).await? {
            Reprioritized::Done { job, changed } => Ok((*job, changed)),
            Reprioritized::Unknown => Err(self.unknown(id)),
            Reprioritized::NotWaiting(state) => {
                let hint = "only a job that waits can be changed";
                Err(SupervisorError::JobState { id: id.clone(), state, hint })
            }
        }
    }

    /// Puts a job that failed or was cancelled into its queue once more; its attempts count from 0 again, or it gets one
    /// more than it was allowed.
    ///
    /// # Errors
    /// `JobState` unless it failed or was cancelled, `ActorNotFound` if it is for one that is gone, `QuotaReached` if it is a job of
    /// the caller whose quota this is, `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn retry(
        &self,
        id: &JobId,
        reset_attempts: bool,
        quota: Option<&IdentityQuota>,
    ) -> Result<Job, SupervisorError> {
        let job = self.queue.get(id, JobView::Basic).await?;
        if let Some(job) = job.filter(|job| job.spec.target_actor.is_some())
            && let Some(error) = self.unroutable(&job.spec).await?
        {
            return Err(error);
        }
        match self.queue.retry(id, reset_attempts, quota).await? {
            Retried::Queued(job) => {
                self.scale_trigger.submitted(job.spec.queue());
                self.fail_unroutable(&job.spec).await;
                Ok(*job)
            }
            Retried::Unknown => Err(self.unknown(id)),
            Retried::NotPossible(state) => {
                let hint = "only a job that failed or was cancelled can be tried again";
                Err(SupervisorError::JobState { id: id.clone(), state, hint })
            }
            Retried::QuotaReached(reached) => Err(reached.into()),
            Retried::KeyHeld { holder, state } => Err(SupervisorError::UniqueKeyHeld { holder, state }),
        }
    }

    /// Removes the record of an ended job; false when there was none and `allow_missing` is set.
    ///
    /// # Errors
    /// `JobState` while it has not ended, `JobNotFound`, `QueueUnavailable`.
    pub async fn delete(&self, id: &JobId, allow_missing: bool) -> Result<bool, SupervisorError> {
        match self.queue.delete(id).await? {
            Deleted::Gone => Ok(true),
            Deleted::Unknown if allow_missing => Ok(false),
            Deleted::Unknown => Err(self.unknown(id)),
            Deleted::NotFinished(state) => {
                let hint = "cancel it first, or wait for its end";
                Err(SupervisorError::JobState { id: id.clone(), state, hint })
            }
        }
    }

    /// Returns the number of jobs in the queue of a script type.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn depth(&self, script_type: ScriptType) -> Result<QueueDepth, SupervisorError> {
        Ok(self.queue.depth(script_type.into()).await?)
    }

    /// Measures the response time of the queue.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn probe(&self) -> Result<Duration, SupervisorError> {
        Ok(self.queue.probe().await?)
    }

    /// Compares the clock of the queue with that of this machine; None where they are one.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn clock_offset(&self) -> Result<Option<ClockOffset>, SupervisorError> {
        let asked = self.clock.now();
        let store = self.queue.wall_time().await?;
        Ok(store.map(|store| ClockOffset::between(asked, store, self.clock.now())))
    }

    /// Returns the server that the queue uses, where it can be another one at any time.
    pub fn primary(&self) -> Option<String> {
        self.queue.primary()
    }

    /// The queue itself, for the lifecycle of actors.
    pub(crate) fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    /// The clock that this supervisor goes by.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Makes the error for a missing id: not known, or no longer kept.
    pub(crate) fn unknown(&self, id: &JobId) -> SupervisorError {
        let age = id.minted_at().and_then(|at| self.clock.now().duration_since(at).ok());
        match age {
            Some(age) if age > DEFAULT_RETENTION => SupervisorError::JobExpired(id.clone()),
            Some(_) | None => SupervisorError::JobNotFound(id.clone()),
        }
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("defaults", &self.defaults).finish_non_exhaustive()
    }
}

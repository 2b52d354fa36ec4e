//! The supervisor's side of the in-memory queue.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::adapters::memory::broker::{Holder, MemoryBroker};
use crate::domain::model::flow::FlowRules;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{IdentityQuota, Job, JobError, JobState, JobView, Priority};
use crate::domain::model::output::{OutputMark, StoredChunk};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::actor_presence::{ActorPresence, Presence, Reclaimed};
use crate::ports::job_position::JobPosition;
use crate::ports::job_queue::{
    Cancelled, Changes, Deleted, JobCursor, JobFilter, JobPage, JobQueue, QueueError, Reprioritized, Retried,
};
use crate::ports::job_submission::{Attached, JobSubmission, Submission, SubmitRefused, Submitted};
use crate::ports::queue_admin::{EndCount, FlowHeld, FlowStanding, QueueAdmin, QueueDepth, QueueState};
use crate::ports::queue_maintenance::QueueMaintenance;
use crate::ports::queue_registry::{QueueCreated, QueueDeleted, QueueRecord, QueueRegistry};
use crate::ports::work_queue::Work;

/// A view of a [`MemoryBroker`].
#[derive(Debug, Clone)]
pub struct MemoryJobQueue {
    pub(super) broker: MemoryBroker,
}

impl MemoryBroker {
    /// The queue as a supervisor sees it.
    pub fn job_queue(&self) -> MemoryJobQueue {
        MemoryJobQueue { broker: self.clone() }
    }
}

#[async_trait]
impl JobSubmission for MemoryJobQueue {
    async fn submit(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError> {
        submissions.into_iter().map(|submission| self.submit_one(submission)).collect()
    }

    async fn attach(&self, id: &JobId) -> Result<Option<Attached>, QueueError> {
        self.broker.with(|state| {
            let job = state.job(id).map(basic)?;
            Some(Attached { job, completion: state.completion(id) })
        })
    }
}

#[async_trait]
impl JobQueue for MemoryJobQueue {
    async fn get(&self, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError> {
        self.broker.without_waking(|state| match view {
            JobView::Basic => state.job(id).map(basic),
            JobView::Full => state.job(id).cloned(),
        })
    }

    async fn output(
        &self,
        _script_type: QueueName,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Result<Vec<StoredChunk>, QueueError> {
        self.broker.without_waking(|state| state.output(id, after, limit))
    }

    fn changes(&self, _id: &JobId) -> Changes {
        Changes::new(self.broker.changes())
    }

    async fn list(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, QueueError> {
        self.broker.with(|state| {
            let holds = |job: &&Job| {
                let mut keys = filter.unique_keys.iter();
                filter.unique_keys.is_empty()
                    || keys.any(|key| state.holders(job.spec.queue(), key).contains(&job.id))
            };
            let looked_at = state.jobs().count();
            let found = state.jobs().filter(|job| passes(filter, job)).filter(holds);
            let mut jobs: Vec<Job> = found.map(basic).collect();
            jobs.sort_by_key(|job| std::cmp::Reverse((millis(job.created_at), job.id.clone())));
            if let Some(after) = after {
                let last = (after.created_ms, &after.job_id);
                jobs.retain(|job| (millis(job.created_at), &job.id) < last);
            }
            let more = jobs.len() > limit;
            jobs.truncate(limit);
            let last = jobs
                .last()
                .map(|last| JobCursor { created_ms: millis(last.created_at), job_id: last.id.clone() });
            let next = last.clone().filter(|_last| more);
            JobPage::new(jobs, next, looked_at, last.as_ref())
        })
    }

    async fn position(&self, queue: QueueName, id: &JobId) -> Result<Option<JobPosition>, QueueError> {
        self.broker.without_waking(|state| state.position_of(queue, id))
    }

    async fn cancel(&self, id: &JobId, reason: &str) -> Result<Option<Cancelled>, QueueError> {
        self.broker.with(|state| {
            let changed = !state.job(id)?.state.is_terminal();
            if changed {
                state.cancel(id, reason);
            }
            let job = state.job(id).map(basic)?;
            Some(Cancelled { job, changed })
        })
    }

    async fn delete(&self, id: &JobId) -> Result<Deleted, QueueError> {
        self.broker.with(|state| match state.job(id).map(|job| job.state) {
            None => Deleted::Unknown,
            Some(ended) if ended.is_terminal() => {
                state.delete(id);
                Deleted::Gone
            }
            Some(other) => Deleted::NotFinished(other),
        })
    }

    async fn reprioritize(&self, id: &JobId, priority: Priority) -> Result<Reprioritized, QueueError> {
        self.broker.with(|state| match state.reprioritize(id, priority) {
            Reprioritized::Done { job, changed } => {
                Reprioritized::Done { job: Box::new(basic(&job)), changed }
            }
            other @ (Reprioritized::Unknown | Reprioritized::NotWaiting(_)) => other,
        })
    }

    async fn retry(
        &self,
        id: &JobId,
        reset_attempts: bool,
        quota: Option<&IdentityQuota>,
    ) -> Result<Retried, QueueError> {
        self.broker.with(|state| match state.retry(id, reset_attempts, quota) {
            Retried::Queued(job) => Retried::Queued(Box::new(basic(&job))),
            other @ (Retried::Unknown
            | Retried::NotPossible(_)
            | Retried::QuotaReached(_)
            | Retried::KeyHeld { .. }) => other,
        })
    }
}

#[async_trait]
impl QueueAdmin for MemoryJobQueue {
    async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError> {
        self.broker.with(|state| QueueDepth {
            queued: state.queued(queue),
            running: state.running(queue),
            delayed: state.delayed(queue),
        })
    }

    async fn state(&self, queue: QueueName) -> Result<QueueState, QueueError> {
        self.broker.without_waking(|state| state.state_of(queue))
    }

    async fn ends(&self, queue: QueueName) -> Result<Vec<EndCount>, QueueError> {
        self.broker.without_waking(|state| state.ends_of(queue))
    }

    async fn pause(&self, queue: QueueName, reason: &str, by: Option<&str>) -> Result<bool, QueueError> {
        self.broker.with(|state| state.set_paused(queue, Some((reason, by))))
    }

    async fn resume(&self, queue: QueueName) -> Result<bool, QueueError> {
        self.broker.with(|state| state.set_paused(queue, None))
    }

    async fn count(&self, queue: QueueName, states: &[JobState]) -> Result<u64, QueueError> {
        self.broker.without_waking(|state| state.jobs_waiting_in(queue, states).len() as u64)
    }

    async fn purge(
        &self,
        queue: QueueName,
        states: &[JobState],
        reason: &str,
        most: u64,
    ) -> Result<u64, QueueError> {
        self.broker.with(|state| {
            let ids = state.jobs_waiting_in(queue, states);
            let count = ids.len().min(usize::try_from(most).unwrap_or(usize::MAX));
            ids.iter().take(count).for_each(|id| state.cancel(id, reason));
            count as u64
        })
    }

    fn limit_depth(&self, queue: QueueName, limit: Option<u64>) {
        let _away = self.broker.without_waking::<_, QueueError>(|state| state.set_limit(queue, limit));
    }

    fn set_ageing(&self, queue: QueueName, ageing: Duration) {
        let _away = self.broker.without_waking::<_, QueueError>(|state| state.set_ageing(queue, ageing));
    }

    fn set_flow(&self, queue: QueueName, _generation: u64, rules: &FlowRules) {
        let rules = rules.clone();
        let _away = self.broker.with::<_, QueueError>(|state| state.set_flow(queue, rules));
    }

    async fn push_flow(&self, _queue: QueueName) -> Result<(), QueueError> {
        Ok(())
    }

    async fn flow_standing(
        &self,
        queue: QueueName,
        key: &str,
        job: &JobId,
    ) -> Result<FlowStanding, QueueError> {
        self.broker.without_waking(|state| state.flow_standing(queue, key, job))
    }

    async fn flow_held(&self, queue: QueueName) -> Result<FlowHeld, QueueError> {
        self.broker.without_waking(|state| state.flow_held(queue))
    }

    fn depth_limit(&self, queue: QueueName) -> u64 {
        let set = self.broker.without_waking::<_, QueueError>(|state| state.limit(queue));
        set.ok().flatten().unwrap_or(self.broker.config().queue_limit)
    }
}

#[async_trait]
impl QueueRegistry for MemoryJobQueue {
    async fn create_queue(
        &self,
        name: QueueName,
        script_type: ScriptType,
    ) -> Result<QueueCreated, QueueError> {
        let limit = self.broker.config().named_queue_limit;
        self.broker.with(|state| state.create_queue(name, script_type, limit))
    }

    async fn queue(&self, name: QueueName) -> Result<Option<QueueRecord>, QueueError> {
        self.broker.without_waking(|state| state.registry.get(&name).cloned())
    }

    async fn queues(&self) -> Result<Vec<QueueRecord>, QueueError> {
        self.broker.without_waking(|state| state.registry.values().cloned().collect())
    }

    async fn used_queues(&self, most: usize) -> Result<Vec<QueueRecord>, QueueError> {
        self.broker.without_waking(|state| state.used_queues(most))
    }

    async fn delete_queue(&self, name: QueueName) -> Result<QueueDeleted, QueueError> {
        self.broker.with(|state| state.delete_queue(name))
    }
}

#[async_trait]
impl ActorPresence for MemoryJobQueue {
    async fn reclaim(
        &self,
        queue: QueueName,
        actor: &ActorId,
        pid: u32,
        error: &JobError,
    ) -> Result<Reclaimed, QueueError> {
        let holder = Holder { actor_id: actor.clone(), pid };
        self.broker.with(|state| state.reclaim(queue, &holder, error))
    }

    async fn presences(&self, queue: QueueName) -> Result<Vec<Presence>, QueueError> {
        self.broker.with(|state| state.presences(queue))
    }

    async fn forget_actor(&self, queue: QueueName, actor: &ActorId) -> Result<(), QueueError> {
        self.broker.with(|state| state.forget_actor(queue, actor))
    }

    async fn request_drain(
        &self,
        queue: QueueName,
        actor: &ActorId,
        resume_after: Duration,
    ) -> Result<(), QueueError> {
        self.broker.with(|state| state.message(queue, actor, Work::Drain { resume_after }))
    }
}

#[async_trait]
impl QueueMaintenance for MemoryJobQueue {
    async fn probe(&self) -> Result<Duration, QueueError> {
        self.broker.with(|_state| Duration::ZERO)
    }

    async fn wall_time(&self) -> Result<Option<SystemTime>, QueueError> {
        Ok(None)
    }

    async fn maintain(&self) -> Result<(), QueueError> {
        self.broker.with(|state| state.maintain())
    }

    fn lease(&self) -> Duration {
        self.broker.config().lease
    }

    async fn close(&self) {}
}

pub(super) fn basic(job: &Job) -> Job {
    let mut job = job.clone();
    job.spec.script.clear();
    job.spec.input = None;
    job
}

fn passes(filter: &JobFilter, job: &Job) -> bool {
    let named = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    let of_queue = match filter.queues.is_empty() {
        true => job.spec.queue().default_type().is_some(),
        false => filter.queues.contains(&job.spec.queue()),
    };
    of_queue
        && (filter.script_types.is_empty() || filter.script_types.contains(&job.spec.script_type))
        && (filter.states.is_empty() || filter.states.contains(&job.state))
        && named(&filter.caller_id, &job.spec.caller_id)
        && named(&filter.context_id, &job.spec.context_id)
        && (filter.actor_id.is_none() || filter.actor_id == job.actor_id)
        && filter.may_be(&job.id)
        && filter.has_marks(&job.spec)
        && filter.has_failed_so(job)
        && filter.created_after.is_none_or(|after| job.created_at >= after)
        && filter.created_before.is_none_or(|before| job.created_at < before)
        && filter.may_see(&job.spec)
}

fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

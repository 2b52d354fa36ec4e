//! The jobs of a queue, for the supervisor: read, list, follow, cancel, retry.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::access::Permit;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{
    IdentityQuota, Job, JobErrorKind, JobSpec, JobState, JobView, Priority, QuotaReached,
};
use crate::domain::model::output::{OutputMark, StoredChunk};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_position::JobPosition;
use crate::ports::store_fault::store_error;

store_error! {
    /// Error of a call to the job queue.
    QueueError, "the job queue"
}

/// Hints that something may have changed at a job that goes on: its state, or its output. A hint may come for nothing,
/// and it can be lost, so read now and then without one. The end of a job is reported by a
/// [`Completion`](crate::ports::job_submission::Completion).
#[derive(Debug)]
pub struct Changes {
    receiver: watch::Receiver<u64>,
}

impl Changes {
    /// Hints whenever the number changes.
    pub fn new(receiver: watch::Receiver<u64>) -> Self {
        Self { receiver }
    }

    /// No hints.
    pub fn never() -> Self {
        Self { receiver: watch::channel(0).1 }
    }

    /// Waits for a hint that came after the last one that was waited for. Never, once the queue is closed.
    pub async fn heard(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Result of a cancel.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelled {
    /// The job after it, without its script.
    pub job: Job,
    /// False when it had already ended.
    pub changed: bool,
}

/// Result of a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The record is gone.
    Gone,
    /// There was none.
    Unknown,
    /// The job has not ended; cancel it first.
    NotFinished(JobState),
}

/// Filter of jobs; empty lists mean all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Queues; none means all default ones.
    pub queues: Vec<QueueName>,
    /// Script types.
    pub script_types: Vec<ScriptType>,
    /// States.
    pub states: Vec<JobState>,
    /// Caller.
    pub caller_id: Option<String>,
    /// Context.
    pub context_id: Option<String>,
    /// Had last by this actor.
    pub actor_id: Option<ActorId>,
    /// Labels; a job needs every one of them.
    pub labels: Vec<(String, String)>,
    /// Priorities.
    pub priorities: Vec<Priority>,
    /// Kinds of the error by which the job has failed.
    pub error_kinds: Vec<JobErrorKind>,
    /// Text in the message of that error, capitals or not.
    pub error_message: Option<String>,
    /// Holds one of these unique keys, or waits for the end of the job that does: [`Unique::text`].
    ///
    /// [`Unique::text`]: crate::domain::model::job::Unique::text
    pub unique_keys: Vec<String>,
    /// Beginning of the id.
    pub id_prefix: Option<String>,
    /// Accepted at or after this time.
    pub created_after: Option<SystemTime>,
    /// Accepted before this time.
    pub created_before: Option<SystemTime>,
    /// Permit that must allow to see the job; None lets all through.
    pub permit: Option<Permit>,
}

impl JobFilter {
    /// Returns true for an id that may belong to a job that is looked for.
    pub fn may_be(&self, id: &JobId) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| id.as_str().starts_with(prefix.as_str()))
    }

    /// Returns true for a job that has all labels, and one of the priorities, that are looked for.
    pub fn has_marks(&self, job: &JobSpec) -> bool {
        self.labels.iter().all(|(name, value)| job.labels.get(name) == Some(value))
            && (self.priorities.is_empty() || self.priorities.contains(&job.priority))
    }

    /// Returns true for a job that has failed by one of the kinds of errors that are looked for, with such a message.
    pub fn has_failed_so(&self, job: &Job) -> bool {
        if self.error_kinds.is_empty() && self.error_message.is_none() {
            return true;
        }
        let Some(error) = job.error.as_ref().filter(|_error| job.state == JobState::Failed) else {
            return false;
        };
        let is_in = |text: &String| error.message.to_lowercase().contains(&text.to_lowercase());
        (self.error_kinds.is_empty() || self.error_kinds.contains(&error.kind))
            && self.error_message.as_ref().is_none_or(is_in)
    }

    /// True for a job that may be seen.
    pub fn may_see(&self, job: &JobSpec) -> bool {
        self.permit.as_ref().is_none_or(|permit| permit.job(job).is_some())
    }
}

/// Start of a page: behind this job, counted from the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCursor {
    /// Time of the submission of the last job of the page before, in milliseconds since 1970.
    pub created_ms: i64,
    /// Id of that job.
    pub job_id: JobId,
}

impl JobCursor {
    /// Returns the time of the submission.
    pub fn created_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(self.created_ms).unwrap_or_default())
    }
}

/// Some jobs, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobPage {
    /// The jobs, without their scripts.
    pub jobs: Vec<Job>,
    /// Start of the next page; None at the end. A page may be short, even empty, and have a next one.
    pub next: Option<JobCursor>,
    /// Jobs that were looked at for the page.
    pub looked_at: usize,
    /// Acceptance of the last of them; None if there was none.
    pub looked_back_to: Option<SystemTime>,
}

impl JobPage {
    /// Makes a page for which so many jobs were looked at, the last of them being this one.
    pub fn new(jobs: Vec<Job>, next: Option<JobCursor>, looked_at: usize, last: Option<&JobCursor>) -> Self {
        Self { jobs, next, looked_at, looked_back_to: last.map(JobCursor::created_at) }
    }
}

/// Outcome of a request to give a job another priority.
#[derive(Debug, Clone, PartialEq)]
pub enum Reprioritized {
    /// The job has the priority.
    Done {
        /// The job, without its script.
        job: Box<Job>,
        /// False when it had the priority before.
        changed: bool,
    },
    /// There is no such job.
    Unknown,
    /// The job is in this state, or an actor has just taken it (RUNNING).
    NotWaiting(JobState),
}

/// Outcome of a request to retry a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Retried {
    /// The job waits again; without its script.
    Queued(Box<Job>),
    /// There is no such job.
    Unknown,
    /// The job is in this state: only a job that failed or was cancelled can be retried.
    NotPossible(JobState),
    /// The job is the caller's own, and the caller's quota allows no further one now.
    QuotaReached(QuotaReached),
    /// Another job holds its unique key.
    KeyHeld {
        /// Id of that job.
        holder: JobId,
        /// State of that job.
        state: JobState,
    },
}

/// Jobs in their queues, as the supervisor uses them.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Reads a job.
    async fn get(&self, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError>;

    /// Reads the output of a job behind `after`, at most `limit`, oldest first. It is kept as long as
    /// the job, and bounded: of a job that says very much the oldest is removed.
    async fn output(
        &self,
        queue: QueueName,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Result<Vec<StoredChunk>, QueueError>;

    /// Hints at changes of a job from now on. Dropping it costs nothing.
    fn changes(&self, id: &JobId) -> Changes;

    /// Lists jobs, newest first, at most `limit`, from behind `after`. Pings are left out.
    async fn list(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, QueueError>;

    /// Reads the position of a job of this queue; None for one that does not wait there for an actor.
    async fn position(&self, queue: QueueName, id: &JobId) -> Result<Option<JobPosition>, QueueError>;

    /// Ends a job as CANCELLED; its actor drops it at the next heartbeat, or sooner. None for an unknown job.
    async fn cancel(&self, id: &JobId, reason: &str) -> Result<Option<Cancelled>, QueueError>;

    /// Removes the record of an ended job.
    async fn delete(&self, id: &JobId) -> Result<Deleted, QueueError>;

    /// Gives a job that waits another priority, and the place in its queue that it would have had with it from the start. A second
    /// call changes nothing.
    async fn reprioritize(&self, id: &JobId, priority: Priority) -> Result<Reprioritized, QueueError>;

    /// Puts a job that failed or was cancelled into its queue once more: with its attempts counted from 0 again, or with
    /// one more allowed than it has had. The quota is the caller's; a job that another identity has submitted is not under it.
    async fn retry(
        &self,
        id: &JobId,
        reset_attempts: bool,
        quota: Option<&IdentityQuota>,
    ) -> Result<Retried, QueueError>;
}

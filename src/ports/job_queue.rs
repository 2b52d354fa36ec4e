//! The jobs of a queue, for the supervisor: submit, await, read, list, cancel, retry.
//!
//! Promises that every adapter keeps (and `tests/it/contract/job_queue.rs` holds them to):
//! * an accepted job is stored before `submit` returns, and reaches exactly one terminal state;
//! * one request id is one job;
//! * a [`Completion`] resolves for every job that ends while it is held, also when the notice was lost on the way.

mod error;

use std::borrow::Cow;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

use crate::domain::access::Permit;
use crate::domain::model::id::{ActorId, JobId, RequestId};
use crate::domain::model::job::{Finished, Job, JobSpec, JobState, JobView};
use crate::domain::model::output::{Kept, OutputMark};
use crate::domain::model::script_type::ScriptType;

pub use error::{QueueError, Refusal};

/// One job to submit; already validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// The job's name.
    pub id: JobId,
    /// What to run.
    pub spec: JobSpec,
    /// The request that asks for it, to make repeats harmless.
    pub request: Option<RequestKey>,
    /// Whether the caller waits for the end.
    pub wanted: bool,
    /// The actor that it is for is not there, so it is refused, unless its request has made it before.
    pub unroutable: bool,
}

/// What makes two requests the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's name for it.
    pub id: RequestId,
    /// Digest of the content; the same id with another one is refused.
    pub fingerprint: String,
    /// Whose ids they are: callers who see only their own jobs share no ids with others.
    pub owner: Option<String>,
}

impl RequestKey {
    /// The text that is the same for the same requests only. An id has no space.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.owner {
            None => Cow::Borrowed(self.id.as_str()),
            Some(owner) => Cow::Owned(format!("{} {}", owner, self.id)),
        }
    }
}

/// A job that is in the queue now.
#[derive(Debug)]
pub struct Submitted {
    /// The job, without its script.
    pub job: Job,
    /// True when an earlier call with the same request id had made it.
    pub deduplicated: bool,
    /// Resolves at its end; present if it was `wanted` and has not ended yet.
    pub completion: Option<Completion>,
}

/// Why a single job was not accepted, the queue itself being fine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefused {
    /// As many jobs wait as are allowed.
    #[error("the {script_type} queue is full: {queued} jobs wait, {limit} are allowed")]
    QueueFull {
        /// Which queue.
        script_type: ScriptType,
        /// Jobs that wait.
        queued: u64,
        /// Jobs that may wait.
        limit: u64,
    },
    /// The caller chose an id that is taken.
    #[error("job {job_id} exists already")]
    JobExists {
        /// The id.
        job_id: JobId,
    },
    /// The request id was used for something else.
    #[error("request id {request_id} was used before with other content")]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
        /// When it was first used.
        first_use: SystemTime,
    },
    /// There is no such actor as the job is for.
    #[error("there is no actor {actor_id}, which the job is for")]
    Unroutable {
        /// The actor.
        actor_id: ActorId,
    },
    /// The answer to the submit was lost: the job may be in the queue, or not.
    #[error("it is not known whether job {job_id} was accepted: {reason}")]
    Uncertain {
        /// The name that the job has if it was.
        job_id: JobId,
        /// What came in between.
        reason: String,
    },
    /// The queue did not accept this one, though it may have accepted others of the same call.
    #[error("the job queue is unavailable: {reason}")]
    NotAccepted {
        /// Which kind of refusal, if it was one.
        refusal: Option<Refusal>,
        /// In its own words, or what came in between.
        reason: String,
    },
    /// The request was made before; its job has ended and its record is no longer kept, and it will not run twice.
    #[error("the request made job {job_id}, which ended and whose record is no longer kept")]
    JobExpired {
        /// The job that the request had made.
        job_id: JobId,
    },
}

/// A known job and, while it has not ended, a way to wait for its end.
#[derive(Debug)]
pub struct Attached {
    /// The job, without its script.
    pub job: Job,
    /// None when the job has ended.
    pub completion: Option<Completion>,
}

/// Resolves when a job has ended. Dropping it costs nothing and frees its place.
#[derive(Debug)]
pub struct Completion {
    receiver: oneshot::Receiver<Finished>,
}

impl Completion {
    /// A completion and the end that resolves it.
    pub fn pair() -> (oneshot::Sender<Finished>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self { receiver })
    }

    /// Waits for the end. None when the queue was closed, or has lost the job: read it again to find out.
    pub async fn wait(self) -> Option<Finished> {
        self.receiver.await.ok()
    }
}

/// Says when something may have changed at a job that goes on: its state, or what its script has said. It is a hint: it
/// may come for nothing, and it can be lost, so look now and then without it. The end of a job is told by a
/// [`Completion`].
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

/// What happened to a cancel.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelled {
    /// The job after it, without its script.
    pub job: Job,
    /// False when it had already ended.
    pub changed: bool,
}

/// What happened to a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The record is gone.
    Gone,
    /// There was none.
    Unknown,
    /// It has not ended; cancel it first.
    NotFinished(JobState),
}

/// Which jobs to list; empty lists mean all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Of these types.
    pub script_types: Vec<ScriptType>,
    /// In these states.
    pub states: Vec<JobState>,
    /// Of this caller.
    pub caller_id: Option<String>,
    /// Of this context.
    pub context_id: Option<String>,
    /// Had last by this actor.
    pub actor_id: Option<ActorId>,
    /// Accepted at or after this time.
    pub created_after: Option<SystemTime>,
    /// Accepted before this time.
    pub created_before: Option<SystemTime>,
    /// That may be seen with this permit; None lets all through.
    pub permit: Option<Permit>,
}

impl JobFilter {
    /// True for a job that may be seen.
    pub fn may_see(&self, job: &JobSpec) -> bool {
        self.permit.as_ref().is_none_or(|permit| permit.job(job).is_some())
    }
}

/// Where a page starts: behind this job, counted from the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCursor {
    /// When the last job of the page before was accepted, in milliseconds since 1970.
    pub created_ms: i64,
    /// Its id.
    pub job_id: JobId,
}

/// Some jobs, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobPage {
    /// The jobs, without their scripts.
    pub jobs: Vec<Job>,
    /// Where the next page starts; None at the end. A page may be short, even empty, and have a next one.
    pub next: Option<JobCursor>,
}

/// Outcome of a request to retry a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Retried {
    /// The job waits again; without its script.
    Queued(Box<Job>),
    /// There is no such job.
    Unknown,
    /// It is in this state: only what failed or was cancelled can be tried again.
    NotPossible(JobState),
}

/// Jobs in their queues, as the supervisor uses them.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Puts jobs into their queues; answers in the order of `submissions`. All of one script type are one atomic step.
    /// An error means that none was accepted.
    async fn submit(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError>;

    /// Finds a job and a way to await its end, whoever submitted it.
    async fn attach(&self, id: &JobId) -> Result<Option<Attached>, QueueError>;

    /// Reads a job.
    async fn get(&self, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError>;

    /// Reads what the scripts of a job have said, behind `after`, at most `limit`, oldest first. It is kept as long as
    /// the job, and bounded: of a job that says very much the oldest is removed.
    async fn output(
        &self,
        script_type: ScriptType,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Result<Vec<Kept>, QueueError>;

    /// Hints at changes of a job from now on. Dropping it costs nothing.
    fn changes(&self, id: &JobId) -> Changes;

    /// Lists jobs, newest first, at most `limit`, from behind `after`. Pings are left out.
    async fn list(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, QueueError>;

    /// Ends a job as CANCELLED; its actor drops it at the next heartbeat, or sooner. None for an unknown job.
    async fn cancel(&self, id: &JobId, reason: &str) -> Result<Option<Cancelled>, QueueError>;

    /// Removes the record of an ended job.
    async fn delete(&self, id: &JobId) -> Result<Deleted, QueueError>;

    /// Puts a job that failed or was cancelled into its queue once more: with its attempts counted from 0 again, or with
    /// one more allowed than it has had.
    async fn retry(&self, id: &JobId, reset_attempts: bool) -> Result<Retried, QueueError>;
}

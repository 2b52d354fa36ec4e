//! Submits jobs to their queues and awaits their ends.
//!
//! Promises that every adapter keeps (and `tests/it/contract/job_queue.rs` holds them to):
//! * an accepted job is stored before `submit` returns, and reaches exactly one terminal state;
//! * one request id is one job;
//! * a [`Completion`] resolves for every job that ends while it is held, also when the notice was lost on the way.

use std::borrow::Cow;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::domain::model::flow::FlowKeyFull;
use crate::domain::model::id::{ActorId, JobId, RequestId};
use crate::domain::model::job::{Finished, Job, JobQuota, JobSpec, JobState, QuotaReached};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;
use crate::ports::store_fault::Refusal;

/// One job to submit; already validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// The job's name.
    pub id: JobId,
    /// The job to run.
    pub spec: JobSpec,
    /// The request that asks for it, to make repeats harmless.
    pub request: Option<RequestKey>,
    /// True if the caller waits for the end.
    pub wanted: bool,
    /// The actor that it is for is not there, so it is refused, unless its request has made it before.
    pub unroutable: bool,
    /// Most unfinished jobs of the callers.
    pub quota: JobQuota,
}

/// Key by which two requests are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's name for it.
    pub id: RequestId,
    /// Digest of the content; the same id with another one is refused.
    pub fingerprint: String,
    /// Owner of the ids: callers who see only their own jobs share no ids with others.
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
    /// True when the job was there before and has the unique key of the one that was submitted.
    pub existing: bool,
    /// Resolves at its end; present if it was `wanted` and has not ended yet.
    pub completion: Option<Completion>,
}

/// Reason for which a single job was not accepted, the queue itself being fine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefused {
    /// The queue has as many waiting jobs as are allowed.
    #[error("the {queue} queue is full: {queued} jobs wait, {limit} are allowed")]
    QueueFull {
        /// Name of the queue.
        queue: QueueName,
        /// Jobs that wait.
        queued: u64,
        /// Jobs that may wait.
        limit: u64,
    },
    /// As many jobs of the key wait as its flow rule allows.
    #[error(transparent)]
    FlowKeyFull(#[from] FlowKeyFull),
    /// There is no such queue.
    #[error("there is no queue {queue}")]
    NoQueue {
        /// Name of the queue.
        queue: QueueName,
    },
    /// The queue takes jobs of another script type.
    #[error("queue {queue} takes {serves} jobs only")]
    WrongQueue {
        /// Name of the queue.
        queue: QueueName,
        /// Script type of its jobs.
        serves: ScriptType,
    },
    /// The identity has as many unfinished jobs as its quota allows.
    #[error(transparent)]
    QuotaReached(#[from] QuotaReached),
    /// The caller chose an id that is taken.
    #[error("job {job_id} exists already")]
    JobExists {
        /// The id.
        job_id: JobId,
    },
    /// Another job holds the unique key.
    #[error("job {holder}, which is {state}, holds the unique key")]
    KeyHeld {
        /// Id of that job.
        holder: JobId,
        /// State of that job.
        state: JobState,
    },
    /// The request id was used for something else.
    #[error("request id {request_id} was used before with other content")]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
        /// Time of the first use.
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
        /// The fault.
        reason: String,
    },
    /// The queue did not accept this one, though it may have accepted others of the same call.
    #[error("the job queue is unavailable: {reason}")]
    NotAccepted {
        /// Kind of the refusal, if the fault was one.
        refusal: Option<Refusal>,
        /// Message of the store, or the fault of the connection.
        reason: String,
    },
    /// A record that is needed for this one cannot be read.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The record.
        what: String,
        /// The fault of the record.
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
    /// Completion of the job; None when it has ended.
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

/// Submits jobs and awaits their ends.
#[async_trait]
pub trait JobSubmission: Send + Sync {
    /// Puts jobs into their queues; answers in the order of `submissions`. All of one queue are one atomic step.
    /// An error means that none was accepted.
    async fn submit(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError>;

    /// Finds a job and a way to await its end, whoever submitted it.
    async fn attach(&self, id: &JobId) -> Result<Option<Attached>, QueueError>;
}

//! The actor's side of the job queue: announce, take, keep, finish.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobError, JobResult, JobSpec, JobUsage};
use crate::domain::model::output::OutputChunk;
use crate::ports::job_queue::QueueError;

/// The right to finish one attempt of one job; void once the job was cancelled or given to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// Opaque to the actor: where the entry lies and which one it is. It orders as the queue does.
    pub token: String,
    /// The job.
    pub job_id: JobId,
}

/// A job in the hands of an actor.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenJob {
    /// The right to finish the attempt.
    pub lease: Lease,
    /// The script, and how to run it.
    pub spec: JobSpec,
    /// Number of this attempt, from 1.
    pub attempt: u32,
}

/// One piece of work that the queue gives to an actor.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// A job.
    Job(Box<TakenJob>),
    /// A request to take no new jobs until this long has passed.
    Drain {
        /// Time at which the actor takes jobs again, if the process still lives then.
        resume_after: Duration,
    },
    /// A hint that this lease is void, sooner than the next heartbeat would show it: its job was cancelled.
    Cancelled {
        /// The lease, as it was given.
        lease: Lease,
    },
}

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEnd {
    /// The right to write the end.
    pub lease: Lease,
    /// Start of the script.
    pub started_at: SystemTime,
    /// Result or error. [`AttemptError::retry`] says whether an error leads to another attempt.
    pub outcome: Result<JobResult, AttemptError>,
    /// Resources that the attempt has used; None if they are not known.
    pub usage: Option<JobUsage>,
    /// Output that was not reported before; refused together with the end.
    pub output: Vec<OutputChunk>,
}

/// Output of one attempt since the last report.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseOutput {
    /// The right to write the end.
    pub lease: Lease,
    /// The output, in order.
    pub chunks: Vec<OutputChunk>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptError {
    /// The error that the caller sees.
    pub error: JobError,
    /// Rule for a further attempt.
    pub retry: Retryability,
}

/// Rule for a further attempt after a failed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryability {
    /// Another attempt would end the same way: the script does not parse, or there is no compiler.
    Final,
    /// The job is tried again while it has attempts left.
    Retry,
    /// The script was not started: the job is tried again, and the attempt does not count.
    NotStarted,
}

/// The queue as one actor process uses it. The calls may be made side by side; `take` has a connection of its own.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Makes the queue ready and announces the actor, or says that it is still there and whether it drains. To be
    /// called at the start, every few seconds, and when `draining` changes.
    async fn announce(&self, draining: bool) -> Result<(), QueueError>;

    /// Has the next announcement say how many ends could not be written yet, and how many calls with ends were refused.
    fn note_pending_ends(&self, _pending: u64, _refused: u64) {}

    /// Waits up to `wait` for work and takes at most `max` jobs, oldest first; with 0 it waits for messages (drain,
    /// cancelled leases) only. An empty list after `wait` and after `interrupt_take`.
    /// With `max` 0 it takes nothing of the queue that all actors share and waits for what is meant for this actor
    /// alone: drains, hints and jobs pinned to it. A busy or draining actor waits like this.
    /// Only one call at a time; dropping it may lose track of what was delivered until `recover`.
    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Work>, QueueError>;

    /// Makes a waiting `take` return now, with what it has.
    async fn interrupt_take(&self) -> Result<(), QueueError>;

    /// Returns the work that was delivered to this process and has not reached it, after a lost connection.
    async fn recover(&self, known: &[Lease]) -> Result<Vec<Work>, QueueError>;

    /// Renews the leases, also of jobs that have ended and whose ends are not accepted yet. Returns the void ones: their
    /// scripts must be killed and their results dropped.
    async fn heartbeat(&self, leases: &[Lease]) -> Result<Vec<Lease>, QueueError>;

    /// Reports that scripts run, so that others see RUNNING with its start time. Returns void leases.
    async fn start(&self, started: &[(Lease, SystemTime)]) -> Result<Vec<Lease>, QueueError>;

    /// Stores output with its jobs and publishes it to watches. Returns void leases, whose output is not stored. Output that
    /// was reported before is not stored twice.
    async fn report_output(&self, output: &[LeaseOutput]) -> Result<Vec<Lease>, QueueError>;

    /// Writes ends of attempts. Returns, in order, whether each was accepted; false if the lease was void or the end was
    /// accepted before. After an error some of them may have been accepted.
    async fn finish(&self, ends: Vec<AttemptEnd>) -> Result<Vec<bool>, QueueError>;

    /// Releases untouched jobs to the front of the queue, in their order.
    async fn release(&self, leases: &[Lease]) -> Result<(), QueueError>;

    /// Says that this process does not run these jobs any more, whose leases are void: a job that waits for the end of one of them need
    /// not wait for the length of a lease.
    async fn let_go(&self, leases: &[Lease]) -> Result<(), QueueError>;

    /// The length of a lease without heartbeat.
    fn lease(&self) -> Duration;

    /// Withdraws the announcement and closes the connections.
    async fn close(&self);
}

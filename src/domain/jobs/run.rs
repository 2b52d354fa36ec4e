//! RunJob and AwaitJob: callers that wait for the end of a job.
//!
//! `run` is `begin`, which submits, and `wait`. A call keeps only what the second half needs, however much the first one took.

use std::time::Duration;

use tokio::time::Instant;

use super::{JobRequest, Supervisor};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobSpec, JobView};
use crate::error::SupervisorError;
use crate::ports::job_queue::QueueError;
use crate::ports::job_submission::{Attached, Submitted};
use crate::ports::store_fault::StoreFault;

/// Most concurrent submissions of waiting callers: several full batches of the queue. The bound keeps a burst of ten
/// thousand callers from holding ten thousand submission buffers.
pub(super) const SUBMITS_AT_A_TIME: usize = 512;
/// Longest wait for one of these places. It is reached only when the queue hangs; callers then get the error as soon as
/// from the queue itself.
const TURN_LIMIT: Duration = Duration::from_secs(2);
/// One wait of [`Supervisor::run_job_and_await_result`], which waits again as long as the job lives.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A job that was submitted and whose end is waited for; see [`Supervisor::begin`].
#[derive(Debug)]
pub struct Begun {
    attached: Attached,
    deduplicated: bool,
    existing: bool,
}

impl Begun {
    /// The job that is waited for.
    pub fn job_id(&self) -> &JobId {
        &self.attached.job.id
    }
}

/// The answer to a wait: the job, ended or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    /// The job as it is now, without its script.
    pub job: Job,
    /// True when it has ended; false when the wait was over first.
    pub done: bool,
    /// True when an earlier request with the same id had made it.
    pub deduplicated: bool,
    /// True when the job was there before and has the unique key of the one that was submitted.
    pub existing: bool,
}

impl Supervisor {
    /// Submits a job and waits up to `wait` for its end. The job goes on whatever becomes of the wait.
    ///
    /// # Errors
    /// Those of [`Supervisor::submit`].
    pub async fn run(&self, request: JobRequest, wait: Duration) -> Result<Awaited, SupervisorError> {
        let deadline = Instant::now() + wait;
        let begun = Box::pin(self.begin(request)).await?;
        self.wait(begun, deadline).await
    }

    /// The first half of [`Supervisor::run`]: submits a job whose end somebody will wait for. In two halves, and its
    /// answer in a box, so that ten thousand waiting calls do not keep the room that submitting them took.
    ///
    /// # Errors
    /// Those of [`Supervisor::submit`].
    pub async fn begin(&self, request: JobRequest) -> Result<Box<Begun>, SupervisorError> {
        let submission = Box::new(self.admit(request, true)?);
        let _turn = match tokio::time::timeout(TURN_LIMIT, self.turns.acquire()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_closed)) => return Err(SupervisorError::ShuttingDown),
            Err(_elapsed) => return Err(QueueError::from(StoreFault::TimedOut { after: TURN_LIMIT }).into()),
        };
        let submitted = Box::pin(self.submit_one(*submission)).await?;
        let Submitted { job, deduplicated, existing, completion } = submitted;
        Ok(Box::new(Begun { attached: Attached { job, completion }, deduplicated, existing }))
    }

    /// The second half of [`Supervisor::run`]: waits for the end of a job. A completion that breaks means that the notice was
    /// lost, not the job: its record tells.
    ///
    /// # Errors
    /// `QueueUnavailable`, if the job could not be read at the end of the wait.
    pub async fn wait(&self, mut begun: Box<Begun>, deadline: Instant) -> Result<Awaited, SupervisorError> {
        let (deduplicated, existing) = (begun.deduplicated, begun.existing);
        let Some(completion) = begun.attached.completion.take() else {
            return Ok(Awaited { job: begun.attached.job, done: true, deduplicated, existing });
        };
        match tokio::time::timeout_at(deadline, completion.wait()).await {
            Ok(Some(end)) => {
                Ok(Awaited { job: begun.attached.job.finish(end), done: true, deduplicated, existing })
            }
            Ok(None) | Err(_) => {
                let job = Box::pin(self.job(&begun.attached.job.id, JobView::Basic)).await?;
                Ok(Awaited { done: job.state.is_terminal(), job, deduplicated, existing })
            }
        }
    }

    /// Waits up to `wait` for the end of a job, whoever submitted it; zero looks without waiting.
    ///
    /// # Errors
    /// `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn await_end(&self, id: &JobId, wait: Duration) -> Result<Awaited, SupervisorError> {
        let deadline = Instant::now() + wait;
        let attached = self.queue.attach(id).await?.ok_or_else(|| self.unknown(id))?;
        self.wait(Box::new(Begun { attached, deduplicated: false, existing: false }), deadline).await
    }

    /// Runs a job and returns the text of its result, however long it takes (its `run_timeout` bounds each attempt).
    ///
    /// # Errors
    /// `JobFailed` and `JobCancelled` when it ends so; those of [`Supervisor::submit`].
    pub async fn run_job_and_await_result(&self, job: &JobSpec) -> Result<String, SupervisorError> {
        let mut awaited = self.run(JobRequest::new(job.clone()), LONGEST_WAIT).await?;
        while !awaited.done {
            awaited = self.await_end(&awaited.job.id, LONGEST_WAIT).await?;
        }
        let job = awaited.job;
        if let Some(result) = job.result {
            return Ok(result.text);
        }
        match (job.error, job.cancel_reason) {
            (Some(error), _) => Err(SupervisorError::JobFailed { id: job.id, error }),
            (None, reason) => {
                Err(SupervisorError::JobCancelled { id: job.id, reason: reason.unwrap_or_default() })
            }
        }
    }
}

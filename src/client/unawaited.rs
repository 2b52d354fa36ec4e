//! Cancels a job because the wait for it has ended before it.

use std::time::Duration;

use tokio::runtime::Handle;
use tonic::Code;

use super::wait::{WAIT_OVER, Wait};
use super::{Client, ClientError};
use crate::proto::run_job_request::OnWaitEnd;
use crate::proto::{CancelJobRequest, Job, RunJobRequest, job};

/// Longest time for the cancellation.
const LIMIT: Duration = Duration::from_secs(3);
/// The `cancel_reason` of the job.
const REASON: &str = "its caller stopped waiting";

/// A job that is cancelled when this is dropped, as it is with the future of a run.
pub(super) struct Unawaited {
    client: Client,
    job: Option<Submission>,
}

/// Knowledge of the job.
enum Submission {
    /// The id of an accepted job.
    Accepted(String),
    /// A request whose answer did not arrive.
    Unanswered(Box<RunJobRequest>),
}

impl Unawaited {
    /// Makes a guard for the job of a request.
    pub(super) fn new(client: &Client, request: RunJobRequest) -> Self {
        Self { client: client.clone(), job: Some(Submission::Unanswered(Box::new(request))) }
    }

    /// Notes the id of the job. One that was there before is left as it is.
    pub(super) fn accepted(&mut self, job_id: &str, existing: bool) {
        self.job = (!existing).then(|| Submission::Accepted(job_id.to_owned()));
    }

    /// Leaves the job as it is.
    pub(super) fn keep(mut self) {
        self.job = None;
    }

    /// Cancels the job after the wait that ended with `over`, and returns it if it had ended by itself.
    ///
    /// # Errors
    /// `over`, which says whether the job was cancelled.
    pub(super) async fn cancelled(mut self, over: ClientError) -> Result<Job, ClientError> {
        let Some(job) = self.job.take() else { return Err(over) };
        match cancel(&self.client, job).await {
            Ok(job) if job.state() == job::State::Cancelled => Err(told_cancelled(over, job.job_id)),
            // It was there before, and goes on.
            Ok(job) if job.finish_time.is_none() => Err(over),
            Ok(job) => Ok(job),
            Err(why) => Err(told_uncertain(over, &why)),
        }
    }
}

impl Drop for Unawaited {
    fn drop(&mut self) {
        // Without a runtime nothing can be called any more.
        let (Some(job), Ok(runtime)) = (self.job.take(), Handle::try_current()) else { return };
        let client = self.client.clone();
        runtime.spawn(async move {
            if let Err(why) = cancel(&client, job).await {
                tracing::warn!(error = %why, "supervisor client: could not cancel a job whose wait was dropped");
            }
        });
    }
}

/// Cancels the job, and returns it as it is then.
async fn cancel(client: &Client, job: Submission) -> Result<Job, ClientError> {
    let mut wait = Wait::new(client, "the job", Some(LIMIT));
    match job {
        Submission::Accepted(job_id) => {
            let request = CancelJobRequest { job_id, reason: REASON.to_owned() };
            let answer = wait.outlive(LIMIT, |wait, _poll| {
                let mut calls = client.calls_of_wait();
                let request = wait.request(request.clone(), Duration::ZERO);
                async move { calls.cancel_job(request).await }
            });
            Ok(answer.await?.job.unwrap_or_default())
        }
        // The same request finds the job if there is one. If there is none yet, the call that was broken off
        // cannot create another one later.
        Submission::Unanswered(request) => {
            let at_once = RunJobRequest {
                max_wait: Some(prost_types::Duration::default()),
                on_wait_end: OnWaitEnd::Cancel.into(),
                ..*request
            };
            let answer = wait.outlive(LIMIT, |wait, _poll| {
                let mut calls = client.calls_of_wait();
                let request = wait.request(at_once.clone(), Duration::ZERO);
                async move { calls.run_job(request).await }
            });
            Ok(answer.await?.job.unwrap_or_default())
        }
    }
}

/// The error of a wait whose job was cancelled.
fn told_cancelled(mut over: ClientError, job_id: String) -> ClientError {
    over.code = Code::DeadlineExceeded;
    over.reason = WAIT_OVER.to_owned();
    over.message = "the wait is over before the job, which was cancelled".to_owned();
    over.metadata.insert("job_id".to_owned(), job_id);
    over.metadata.insert("cancelled".to_owned(), "true".to_owned());
    over
}

/// The error of a wait whose job may continue, because no server has confirmed its end. Where nothing is known of a job, the
/// error says so already.
fn told_uncertain(mut over: ClientError, why: &ClientError) -> ClientError {
    if over.reason == WAIT_OVER {
        over.message.push_str(&format!("; the job could not be cancelled: {}", why.message));
    }
    over
}

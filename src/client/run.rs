//! Runs a job from submit to end, and creates it once.

use std::time::Duration;

use uuid::Uuid;

use super::unawaited::Unawaited;
use super::wait::Wait;
use super::{Client, ClientError};
use crate::proto::{
    AwaitJobRequest, Job, JobSpec, RunJobRequest, ScriptType, SubmitJobRequest, UniqueKey, WaitOutcome,
};

/// Longest wait of one call; a further call continues the wait.
const POLL: Duration = Duration::from_secs(60);

/// A job to run, or to submit.
#[derive(Debug, Clone)]
pub struct Run {
    request: SubmitJobRequest,
    timeout: Option<Duration>,
    cancel_on_wait_end: bool,
}

impl Run {
    /// Makes a job with all defaults and without a timeout.
    pub fn new(script_type: ScriptType, script: impl Into<String>) -> Self {
        let job = JobSpec { script_type: script_type.into(), script: script.into(), ..JobSpec::default() };
        let request =
            SubmitJobRequest { job: Some(job), job_id: String::new(), request_id: new_request_id() };
        Self { request, timeout: None, cancel_on_wait_end: false }
    }

    /// Sets the longest wait: of [`Client::run`] for the end of the job, of [`Client::submit`] for a server that accepts it. The job
    /// continues after it, unless [`Run::cancel_on_wait_end`] says otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Cancels the job if the wait of [`Client::run`] ends before it: by the timeout, or because the future is dropped. The
    /// timeout may take up to 3 seconds longer for this. Without an answer within this time the job may continue; the error
    /// of the timeout says so.
    pub fn cancel_on_wait_end(mut self) -> Self {
        self.cancel_on_wait_end = true;
        self
    }

    /// Sets the request id instead of a random UUID. A run with the same id within 24 hours, also from another
    /// process, gets the same job.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }

    /// Sets the id of the job instead of one made by the server.
    pub fn job_id(mut self, id: impl Into<String>) -> Self {
        self.request.job_id = id.into();
        self
    }

    /// Sets the priority: 1 runs first, 5 last, and 3 is the default.
    pub fn priority(self, level: i32) -> Self {
        self.spec(|job| job.priority = Some(level))
    }

    /// Sets the unique key: of all jobs of the queue with this key there is one at a time. A job that was there before may be the
    /// answer; see [`UniqueKey`] for what becomes of the new one.
    pub fn unique(self, key: UniqueKey) -> Self {
        self.spec(|job| job.unique = Some(key))
    }

    /// Sets the key by which the flow rules of the queue hold for the job; without it that is the caller.
    pub fn flow_key(self, key: impl Into<String>) -> Self {
        self.spec(|job| job.flow_key = key.into())
    }

    /// Sets the queue: one of the script type that was created by name.
    pub fn queue(self, name: impl Into<String>) -> Self {
        self.spec(|job| job.queue = name.into())
    }

    /// Sets the input of the script: JSON text, which the script sees parsed, as `INPUT`.
    pub fn input(self, json: impl Into<String>) -> Self {
        self.spec(|job| job.input = json.into())
    }

    /// Changes other fields of the job: caller, environment, labels, limits, retries.
    pub fn spec(mut self, change: impl FnOnce(&mut JobSpec)) -> Self {
        change(self.request.job.get_or_insert_default());
        self
    }

    pub(super) fn into_parts(self) -> (SubmitJobRequest, Option<Duration>) {
        (self.request, self.timeout)
    }
}

/// Makes a request id.
pub(super) fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

impl Client {
    /// Runs a script and waits for its end, over lost connections and restarts of the server. The job is created
    /// once. The returned job has ended, which does not mean that it has succeeded: see [`result`](super::result).
    ///
    /// Dropping the future ends the wait and not the job; [`Run::cancel_on_wait_end`] ends both.
    ///
    /// # Errors
    /// Every error that a repeat does not cure. DEADLINE_EXCEEDED if the timeout ends the wait, with a reason that says what is
    /// known of the job: WAIT_OVER if the server has accepted it, and it continues; the metadata has its `job_id`. NO_SERVER if
    /// no server has answered; the last failure is the source. Another one if the server could not help.
    pub async fn run(&self, run: Run) -> Result<Job, ClientError> {
        let cancel = run.cancel_on_wait_end;
        let (request, timeout) = run.into_parts();
        let mut wait = Wait::new(self, "a job", timeout);
        wait.request_id.clone_from(&request.request_id);
        let SubmitJobRequest { job, job_id, request_id } = request;
        let request = RunJobRequest { job, job_id, request_id, ..Default::default() };
        if !cancel {
            return self.run_to_end(&mut wait, &request, |_job_id, _existing| ()).await;
        }
        let mut unawaited = Unawaited::new(self, request.clone());
        let accepted = |job_id: &str, existing| unawaited.accepted(job_id, existing);
        let ended = self.run_to_end(&mut wait, &request, accepted).await;
        match ended {
            Err(error) if wait.is_over() => unawaited.cancelled(error).await,
            ended => {
                unawaited.keep();
                ended
            }
        }
    }

    /// Calls RunJob, and then AwaitJob until the end. `accepted` gets the id of the job as soon as it is known, and whether it was
    /// there before.
    async fn run_to_end(
        &self,
        wait: &mut Wait,
        request: &RunJobRequest,
        accepted: impl FnOnce(&str, bool),
    ) -> Result<Job, ClientError> {
        let answer = wait
            .outlive(POLL, |wait, poll| {
                let mut calls = self.calls_of_wait();
                let request = RunJobRequest { max_wait: proto_of(poll), ..request.clone() };
                let request = wait.request(request, poll);
                async move { calls.run_job(request).await }
            })
            .await?;
        let outcome = answer.wait_outcome();
        let job = answer.job.unwrap_or_default();
        match outcome {
            WaitOutcome::Done => Ok(job),
            WaitOutcome::TimedOut | WaitOutcome::Unspecified => {
                accepted(&job.job_id, answer.existing);
                wait.job_id = job.job_id;
                wait.known = true;
                self.await_end(wait).await
            }
        }
    }

    /// Waits for the end of any job, as [`Client::run`] does. Without a timeout the wait has no limit.
    ///
    /// # Errors
    /// Those of [`Client::run`]; NOT_FOUND for a job that does not exist.
    pub async fn await_job(&self, job_id: &str, timeout: Option<Duration>) -> Result<Job, ClientError> {
        self.await_end(&mut Wait::for_job(self, job_id, timeout)).await
    }

    async fn await_end(&self, wait: &mut Wait) -> Result<Job, ClientError> {
        loop {
            let answer = wait
                .outlive(POLL, |wait, poll| {
                    let mut calls = self.calls_of_wait();
                    let request = AwaitJobRequest { job_id: wait.job_id.clone(), max_wait: proto_of(poll) };
                    let request = wait.request(request, poll);
                    async move { calls.await_job(request).await }
                })
                .await?;
            if answer.wait_outcome() == WaitOutcome::Done {
                return Ok(answer.job.unwrap_or_default());
            }
            wait.known = true;
        }
    }
}

fn proto_of(span: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(span).ok()
}

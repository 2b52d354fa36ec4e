//! Runs a job from submit to end, and creates it once.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request};
use uuid::Uuid;

use super::delays::Delays;
use super::{Client, ClientError, Disposition};
use crate::proto::{AwaitJobRequest, Job, JobSpec, RunJobRequest, ScriptType, WaitOutcome};

/// Longest wait of one call; a further call continues the wait.
const POLL: Duration = Duration::from_secs(60);
/// Time that a call may take beyond its wait before it counts as lost.
const MARGIN: Duration = Duration::from_secs(10);
/// Time that the last call may take beyond the timeout of the caller, since its response names the job.
const GRACE: Duration = Duration::from_millis(500);

/// A job to run.
#[derive(Debug, Clone)]
pub struct Run {
    request: RunJobRequest,
    timeout: Option<Duration>,
}

impl Run {
    /// Makes a job with all defaults and without a timeout.
    pub fn new(script_type: ScriptType, script: impl Into<String>) -> Self {
        let job = JobSpec { script_type: script_type.into(), script: script.into(), ..JobSpec::default() };
        let request_id = Uuid::new_v4().to_string();
        Self { request: RunJobRequest { job: Some(job), request_id, ..Default::default() }, timeout: None }
    }

    /// Sets the longest wait. The job continues after it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
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

    /// Changes other fields of the job: caller, environment, labels, limits, retries.
    pub fn spec(mut self, change: impl FnOnce(&mut JobSpec)) -> Self {
        change(self.request.job.get_or_insert_default());
        self
    }
}

impl Client {
    /// Runs a script and waits for its end, over lost connections and restarts of the server. The job is created
    /// once. The returned job has ended, which does not mean that it has succeeded: see [`result`](super::result).
    ///
    /// Dropping the future ends the wait and not the job.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED with the reason WAIT_OVER if the timeout ends the wait; the metadata has the `job_id` if the
    /// job was created, and the job continues. Every error that a repeat does not cure.
    pub async fn run(&self, run: Run) -> Result<Job, ClientError> {
        let deadline = run.timeout.map(|timeout| Instant::now() + timeout);
        let (mut delays, mut request, mut made) = (Delays::default(), run.request, String::new());
        while let Some(poll) = next_poll(deadline) {
            request.max_wait = proto_of(poll);
            match self.calls().run_job(limited(request.clone(), poll, deadline)).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    let (outcome, job) = (answer.wait_outcome(), answer.job.unwrap_or_default());
                    return match outcome {
                        WaitOutcome::Done => Ok(job),
                        WaitOutcome::TimedOut | WaitOutcome::Unspecified => {
                            self.await_until(&job.job_id, deadline, &request.request_id).await
                        }
                    };
                }
                Err(status) => {
                    let error = ClientError::from(status);
                    if error.disposition() != Disposition::Retry {
                        return Err(error);
                    }
                    if let Some(id) = error.metadata.get("job_id") {
                        made.clone_from(id);
                    }
                    delays.wait(error.retry_after, deadline).await;
                }
            }
        }
        Err(over(&made, &request.request_id))
    }

    /// Waits for the end of any job, as [`Client::run`] does. Without a timeout the wait has no limit.
    ///
    /// # Errors
    /// Those of [`Client::run`]; NOT_FOUND for a job that does not exist.
    pub async fn await_job(&self, job_id: &str, timeout: Option<Duration>) -> Result<Job, ClientError> {
        self.await_until(job_id, timeout.map(|timeout| Instant::now() + timeout), "").await
    }

    async fn await_until(
        &self,
        job_id: &str,
        deadline: Option<Instant>,
        request_id: &str,
    ) -> Result<Job, ClientError> {
        let mut delays = Delays::default();
        while let Some(poll) = next_poll(deadline) {
            let request = AwaitJobRequest { job_id: job_id.to_owned(), max_wait: proto_of(poll) };
            let mut calls = self.calls();
            let awaited = calls.await_job(limited(request, poll, deadline));
            // Repeats within the call do not outlast the wait.
            let awaited = match deadline {
                Some(deadline) => timeout_at(deadline, awaited).await,
                None => Ok(awaited.await),
            };
            match awaited {
                Err(_elapsed) => break,
                Ok(Ok(answer)) => {
                    let answer = answer.into_inner();
                    if answer.wait_outcome() == WaitOutcome::Done {
                        return Ok(answer.job.unwrap_or_default());
                    }
                    delays.reset();
                }
                Ok(Err(status)) => {
                    let error = ClientError::from(status);
                    if error.disposition() != Disposition::Retry {
                        return Err(error);
                    }
                    delays.wait(error.retry_after, deadline).await;
                }
            }
        }
        Err(over(job_id, request_id))
    }
}

/// Returns the wait of the next call; None after the deadline.
fn next_poll(deadline: Option<Instant>) -> Option<Duration> {
    let Some(deadline) = deadline else { return Some(POLL) };
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left.min(POLL))
}

fn limited<T>(message: T, poll: Duration, deadline: Option<Instant>) -> Request<T> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()) + GRACE);
    let mut request = Request::new(message);
    request.set_timeout(left.map_or(poll + MARGIN, |left| left.min(poll + MARGIN)));
    request
}

fn proto_of(span: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(span).ok()
}

fn over(job_id: &str, request_id: &str) -> ClientError {
    let named = [("job_id", job_id), ("request_id", request_id)].into_iter();
    let metadata = named.filter(|(_, value)| !value.is_empty());
    let message = "the wait is over before the job; it goes on, await it by its id";
    ClientError {
        reason: "WAIT_OVER".to_owned(),
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..ClientError::new(Code::DeadlineExceeded, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeats within the read would take at least 1.4 s.
    #[tokio::test]
    async fn a_server_that_is_away_is_waited_for_until_the_time_is_over() {
        let client = Client::connect("unix:/nowhere/s").unwrap();
        let (wait, begun) = (Duration::from_millis(200), Instant::now());
        let run = client.run(Run::new(ScriptType::Osis, "1").timeout(wait)).await.unwrap_err();
        let awaited = client.await_job("j", Some(wait)).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_millis(1400), "{:?}", begun.elapsed());
        for over in [&run, &awaited] {
            assert_eq!((over.code, over.reason.as_str()), (Code::DeadlineExceeded, "WAIT_OVER"));
        }
        assert_eq!(awaited.metadata["job_id"], "j");
        assert!(!run.metadata["request_id"].is_empty() && !run.metadata.contains_key("job_id"));
    }

    /// The server accepts the connection and is silent.
    #[tokio::test]
    async fn a_frozen_server_is_given_up_soon_after_the_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _frozen = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let client = Client::connect(&format!("unix:{}", socket.display())).unwrap();
        let (wait, begun) = (Duration::from_millis(200), Instant::now());
        let over = client.run(Run::new(ScriptType::Osis, "1").timeout(wait)).await.unwrap_err();
        assert!(begun.elapsed() >= wait && begun.elapsed() < MARGIN / 2, "{:?}", begun.elapsed());
        assert_eq!((over.code, over.reason.as_str()), (Code::DeadlineExceeded, "WAIT_OVER"));
    }
}

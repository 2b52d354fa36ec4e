//! `job run` and `job await`: wait for the end of a job, over lost connections and restarts of the server.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;

use super::spec::SpecArgs;
use super::{Server, id, state_word};
use crate::cli::values::{span, to_proto, word};
use crate::cli::{Exit, Failure, Output, client};
use crate::client::{ClientError, Disposition};
use crate::proto::{
    AwaitJobRequest, AwaitJobResponse, CancelJobRequest, Job, JobError, RunJobRequest, RunJobResponse,
    SubmitJobRequest, WaitOutcome, job,
};

/// Length of the first wait, after which a notice says what is waited for.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Length of a later wait. The server allows ten minutes, proxies often less.
const LATER_WAIT: Duration = Duration::from_secs(60);
/// Delay between two attempts to reach a server.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Outage after which the command gives up; a restart of the server takes less.
const LONGEST_OUTAGE: Duration = Duration::from_secs(30);

/// A job to run, and its fate when the wait ends first.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    #[command(flatten)]
    spec: SpecArgs,
    /// Stop waiting after this time, with exit code 124; the job continues
    #[arg(long, value_name = "TIME", value_parser = span)]
    timeout: Option<Duration>,
    /// Cancel the job if --timeout or Ctrl-C ends the wait first
    #[arg(long)]
    cancel: bool,
    /// Show the output of the script while it runs
    #[arg(long)]
    pub(super) follow: bool,
}

/// The limit of the wait, and the fate of the job after it.
pub(super) struct Wait {
    deadline: Option<Instant>,
    cancel: bool,
}

impl RunArgs {
    pub(super) fn into_request(self) -> Result<(Wait, SubmitJobRequest), Failure> {
        let request = self.spec.into_request()?;
        Ok((Wait::new(self.timeout, self.cancel), request))
    }
}

impl Wait {
    pub(super) fn new(timeout: Option<Duration>, cancel: bool) -> Self {
        // A timeout that no clock can reach means no limit.
        Self { deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)), cancel }
    }

    /// Returns the length of the next wait, at most `longest`; zero after the limit.
    fn next(&self, longest: Duration) -> Duration {
        match self.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()).min(longest),
            None => longest,
        }
    }

    /// Limits some work to the rest of the wait; None if the limit is reached first.
    pub(super) async fn limit<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.deadline {
            Some(deadline) => timeout_at(deadline, work).await.ok(),
            None => Some(work.await),
        }
    }

    /// Returns true if the job is cancelled when the wait ends first.
    pub(super) fn cancels(&self) -> bool {
        self.cancel
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The end of a wait.
pub(super) enum Waited {
    Ended,
    TimedOut,
    Interrupted,
}

pub(super) async fn run(
    server: &mut Server,
    out: Output,
    request: SubmitJobRequest,
    wait: Wait,
) -> Result<Exit, Failure> {
    let mut answer = RunJobResponse::default();
    let mut job_id = request.job_id.clone();
    let waited = tokio::select! {
        waited = run_to_end(server, out, request, &wait, &mut answer, &mut job_id) => waited?,
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| Waited::Interrupted)?,
    };
    finish(server, out, &answer, &job_id, waited, wait.cancel).await
}

pub(super) async fn await_job(
    server: &mut Server,
    out: Output,
    job_id: String,
    timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    let wait = Wait::new(timeout, false);
    let tell = |job: &Job| out.notice(&waiting_for(&job_id, job));
    let mut answer = RunJobResponse::default();
    let waited = tokio::select! {
        waited = await_end(server, &job_id, &wait, &mut answer, tell) => waited?,
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| Waited::Interrupted)?,
    };
    if let (Waited::Interrupted, None) = (&waited, &answer.job) {
        return Ok(Exit::Interrupted);
    }
    let response = AwaitJobResponse { job: answer.job, wait_outcome: answer.wait_outcome };
    out.text_response(&response, id(&response.job), || result(&response.job))?;
    Ok(conclude(out, &response.job, waited, &job_id))
}

/// Calls RunJob with a short wait, then AwaitJob until the end.
async fn run_to_end(
    server: &mut Server,
    out: Output,
    request: SubmitJobRequest,
    wait: &Wait,
    answer: &mut RunJobResponse,
    job_id: &mut String,
) -> Result<Waited, Failure> {
    let first = wait.next(FIRST_WAIT);
    let request = RunJobRequest {
        job: request.job,
        job_id: request.job_id,
        request_id: request.request_id,
        max_wait: to_proto(first),
        on_wait_end: 0,
    };
    let mut reconnect = Reconnect::default();
    // A repeat after a lost response finds the same job by its request id.
    *answer = loop {
        match server.run_job(client::waiting_call(request.clone(), first)).await {
            Ok(answer) => break answer.into_inner(),
            Err(status) => reconnect.wait_or_fail(status, wait).await?,
        }
    };
    id(&answer.job).concat().clone_into(job_id);
    if answer.wait_outcome() == WaitOutcome::Done {
        return Ok(Waited::Ended);
    }
    if !wait.is_over()
        && let Some(job) = &answer.job
    {
        out.notice(&waiting_for(job_id, job));
    }
    await_end(server, job_id, wait, answer, |_job| {}).await
}

/// Says what a job is waited for.
fn waiting_for(job_id: &str, job: &Job) -> String {
    let why = job.wait.as_ref().map(|wait| format!(": {}", wait.message)).unwrap_or_default();
    format!("waiting for job {job_id}, which is {}{why}", state_word(job))
}

/// Calls AwaitJob until the job has ended or the limit is reached. The last response is left in `answer`; the one after the first
/// wait is told as well.
async fn await_end(
    server: &mut Server,
    job_id: &str,
    wait: &Wait,
    answer: &mut RunJobResponse,
    tell: impl Fn(&Job),
) -> Result<Waited, Failure> {
    let mut reconnect = Reconnect::default();
    let mut longest = FIRST_WAIT;
    loop {
        let next = wait.next(longest);
        let request = AwaitJobRequest { job_id: job_id.to_owned(), max_wait: to_proto(next) };
        match server.await_job(client::waiting_call(request, next)).await {
            Ok(awaited) => {
                let awaited = awaited.into_inner();
                let outcome = awaited.wait_outcome();
                answer.job = awaited.job;
                answer.wait_outcome = outcome.into();
                reconnect = Reconnect::default();
                match outcome {
                    WaitOutcome::Done => return Ok(Waited::Ended),
                    WaitOutcome::TimedOut | WaitOutcome::Unspecified if wait.is_over() => {
                        return Ok(Waited::TimedOut);
                    }
                    WaitOutcome::TimedOut | WaitOutcome::Unspecified => {}
                }
                if let (FIRST_WAIT, Some(job)) = (longest, &answer.job) {
                    tell(job);
                }
                longest = LATER_WAIT;
            }
            Err(status) => reconnect.wait_or_fail(status, wait).await?,
        }
    }
}

/// The repeats of a call while the server is away.
#[derive(Default)]
pub(super) struct Reconnect {
    since: Option<Instant>,
}

impl Reconnect {
    /// Waits for a moment if the call can be repeated.
    ///
    /// # Errors
    /// An error that a repeat does not cure, or that has lasted for too long.
    pub(super) async fn wait_or_fail(&mut self, status: Status, wait: &Wait) -> Result<(), Failure> {
        let since = *self.since.get_or_insert_with(Instant::now);
        // A job that may have been accepted is found again by its request id.
        let retry = ClientError::from(status.clone()).disposition() == Disposition::Retry;
        if !retry || since.elapsed() > LONGEST_OUTAGE || wait.is_over() {
            return Err(status.into());
        }
        sleep(RETRY_PAUSE).await;
        Ok(())
    }
}

/// Cancels a job for whose end nobody waits any more.
pub(super) async fn cancel_job(server: &mut Server, out: Output, job_id: &str) -> Result<(), Failure> {
    let reason = "its caller stopped waiting".to_owned();
    let request = CancelJobRequest { job_id: job_id.to_owned(), reason };
    server.cancel_job(client::call(request)).await?;
    out.notice(&format!("job {job_id} cancelled"));
    Ok(())
}

/// Prints the job and returns the exit code.
async fn finish(
    server: &mut Server,
    out: Output,
    answer: &RunJobResponse,
    job_id: &str,
    waited: Waited,
    cancel: bool,
) -> Result<Exit, Failure> {
    let early = !matches!(waited, Waited::Ended);
    if early && cancel && !job_id.is_empty() {
        cancel_job(server, out, job_id).await?;
    }
    if answer.job.is_some() {
        out.text_response(answer, id(&answer.job), || result(&answer.job))?;
    }
    if early && cancel {
        return Ok(match waited {
            Waited::Interrupted => Exit::Interrupted,
            Waited::TimedOut | Waited::Ended => Exit::TimedOut,
        });
    }
    Ok(conclude(out, &answer.job, waited, job_id))
}

/// Returns the exit code, and prints notices about a job without a result.
pub(super) fn conclude(out: Output, job: &Option<Job>, waited: Waited, job_id: &str) -> Exit {
    let goes_on = |out: Output| {
        out.notice(&format!(
            "job {job_id} continues; wait for its end with `hero-supervisor job await {job_id}`"
        ));
    };
    match (waited, job) {
        (Waited::TimedOut, _) => {
            goes_on(out);
            Exit::TimedOut
        }
        (Waited::Interrupted, _) => {
            goes_on(out);
            Exit::Interrupted
        }
        (Waited::Ended, None) => Exit::JobFailed,
        (Waited::Ended, Some(job)) => match job.state() {
            job::State::Succeeded => Exit::Ok,
            job::State::Cancelled => {
                out.notice(&format!("job {job_id} was cancelled: {}", job.cancel_reason));
                Exit::JobFailed
            }
            job::State::Failed
            | job::State::Unspecified
            | job::State::Scheduled
            | job::State::Blocked
            | job::State::Queued
            | job::State::Running
            | job::State::RetryWait => {
                let error = job.error.clone().unwrap_or_default();
                out.notice(&format!("job {job_id} failed: {}", describe(&error)));
                for line in &error.log_tail {
                    out.notice(&format!("  | {line}"));
                }
                Exit::JobFailed
            }
        },
    }
}

/// Returns the text of the result, unchanged.
fn result(job: &Option<Job>) -> String {
    job.as_ref().and_then(|job| job.result.clone()).unwrap_or_default()
}

/// Returns kind, message, position and exit of an error.
pub(super) fn describe(error: &JobError) -> String {
    let mut text = format!("{}: {}", word(error.kind().as_str_name(), "KIND_"), error.message);
    match (error.line, error.column) {
        (Some(line), Some(column)) => text.push_str(&format!(" (line {line}, column {column})")),
        (Some(line), None) => text.push_str(&format!(" (line {line})")),
        (None, _) => {}
    }
    if let Some(code) = error.exit_code {
        text.push_str(&format!(" (exit code {code})"));
    }
    if let Some(signal) = error.signal {
        text.push_str(&format!(" (signal {signal})"));
    }
    text
}

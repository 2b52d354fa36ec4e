//! `job run` and `job await`: wait for the end of a job, over lost connections and restarts of the server.

use std::time::Duration;

use super::spec::SpecArgs;
use super::wait::{Reconnect, Wait, noticed};
use super::{Server, id, state_word};
use crate::cli::values::{span, to_proto, word};
use crate::cli::{Exit, Failure, Output, client};
use crate::proto::{
    AwaitJobRequest, AwaitJobResponse, CancelJobRequest, Job, JobError, JobSpec, RunJobRequest,
    RunJobResponse, ScriptType, SubmitJobRequest, WaitOutcome, job, job_error,
};
use clap::Args;

/// Length of the first wait, after which a notice says what is waited for.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Length of a later wait. The server allows ten minutes, proxies often less.
const LATER_WAIT: Duration = Duration::from_secs(60);

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

impl RunArgs {
    pub(super) fn into_request(self) -> Result<(Wait, SubmitJobRequest), Failure> {
        let request = self.spec.into_request()?;
        Ok((Wait::new(self.timeout, self.cancel), request))
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
    // A job that was there before is not for this command to cancel.
    finish(server, out, &answer, &job_id, waited, wait.cancels() && !answer.existing).await
}

pub(super) async fn await_job(
    server: &mut Server,
    out: Output,
    job_id: String,
    timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    let wait = Wait::new(timeout, false);
    let mut answer = RunJobResponse::default();
    let waited = tokio::select! {
        waited = await_end(server, Waiting::new(out, &job_id), &wait, &mut answer) => waited?,
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
    let mut reconnect = Reconnect::of_submit(out, job_id);
    // A repeat after a lost response finds the same job by its request id.
    *answer = loop {
        let run = server.run_job(client::waiting_call(request.clone(), first));
        match noticed(out, first, run).await {
            Ok(answer) => break answer.into_inner(),
            Err(status) => reconnect.wait_or_fail(status, wait).await?,
        }
    };
    id(&answer.job).concat().clone_into(job_id);
    if answer.wait_outcome() == WaitOutcome::Done {
        return Ok(Waited::Ended);
    }
    let mut waiting = Waiting::new(out, job_id);
    if let Some(job) = answer.job.as_ref().filter(|_job| !wait.is_over()) {
        waiting.tell(job);
    }
    await_end(server, waiting, wait, answer).await
}

/// The notices of what a job is waited for.
pub(super) struct Waiting {
    out: Output,
    job_id: String,
    told: Option<(job::State, i32)>,
}

impl Waiting {
    pub(super) fn new(out: Output, job_id: &str) -> Self {
        Self { out, job_id: job_id.to_owned(), told: None }
    }

    /// Tells the state of the job and why it waits, unless that was told before.
    pub(super) fn tell(&mut self, job: &Job) {
        let now = (job.state(), job.wait.as_ref().map_or(0, |wait| wait.reason));
        if self.told.replace(now) == Some(now) {
            return;
        }
        let why = job.wait.as_ref().map(|wait| format!(": {}", wait.message)).unwrap_or_default();
        self.out.notice(&format!("waiting for job {}, which is {}{why}", self.job_id, state_word(job)));
    }
}

/// Calls AwaitJob until the job has ended or the limit is reached. The last response is left in `answer`.
async fn await_end(
    server: &mut Server,
    mut waiting: Waiting,
    wait: &Wait,
    answer: &mut RunJobResponse,
) -> Result<Waited, Failure> {
    let mut reconnect = Reconnect::new(waiting.out);
    let mut longest = FIRST_WAIT;
    loop {
        let next = wait.next(longest);
        let request = AwaitJobRequest { job_id: waiting.job_id.clone(), max_wait: to_proto(next) };
        let awaited = server.await_job(client::waiting_call(request, next));
        match noticed(waiting.out, next, awaited).await {
            Ok(awaited) => {
                let awaited = awaited.into_inner();
                let outcome = awaited.wait_outcome();
                answer.job = awaited.job;
                answer.wait_outcome = outcome.into();
                reconnect.reset();
                match outcome {
                    WaitOutcome::Done => return Ok(Waited::Ended),
                    WaitOutcome::TimedOut | WaitOutcome::Unspecified if wait.is_over() => {
                        return Ok(Waited::TimedOut);
                    }
                    WaitOutcome::TimedOut | WaitOutcome::Unspecified => {}
                }
                if let Some(job) = &answer.job {
                    waiting.tell(job);
                }
                longest = LATER_WAIT;
            }
            Err(status) => reconnect.wait_or_fail(status, wait).await?,
        }
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
                let script_type = job.spec.as_ref().map_or(ScriptType::Unspecified, JobSpec::script_type);
                if (error.kind(), script_type) == (job_error::Kind::ScriptInvalid, ScriptType::Osis) {
                    out.notice(
                        "  hint: osis scripts are Rhai or HeroScript; say --type for another language",
                    );
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

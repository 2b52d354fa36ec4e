//! The limit of a wait, and calls that are repeated while the server, or what it needs, is away.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;

use crate::cli::exit::no_server_for;
use crate::cli::{Failure, Output};
use crate::client::{ClientError, Disposition};

/// Time beyond its wait after which a call counts as not answered yet.
const SLOW: Duration = Duration::from_millis(500);
/// Outage after which a notice tells of it; a blip is not worth one.
pub(super) const TOLD_OUTAGE: Duration = Duration::from_secs(1);
/// Delay between two attempts to reach a server.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Outage after which the command gives up; a restart of the server takes less.
const LONGEST_OUTAGE: Duration = Duration::from_secs(30);

/// The limit of the wait, and the fate of the job after it.
pub(super) struct Wait {
    deadline: Option<Instant>,
    cancel: bool,
}

impl Wait {
    pub(super) fn new(timeout: Option<Duration>, cancel: bool) -> Self {
        // A timeout that no clock can reach means no limit.
        Self { deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)), cancel }
    }

    /// Returns the length of the next wait, at most `longest`; zero after the limit.
    pub(super) fn next(&self, longest: Duration) -> Duration {
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

    /// Returns true after the limit.
    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Waits for an answer, and tells that there is none yet when it takes longer than its wait.
pub(super) async fn noticed<T>(out: Output, wait: Duration, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    tokio::select! {
        answer = &mut call => return answer,
        () = sleep(wait + SLOW) => out.notice("the server has not answered yet"),
    }
    call.await
}

/// The repeats of a call while the server is away.
pub(super) struct Reconnect {
    out: Output,
    since: Option<Instant>,
    /// Last message about the outage.
    told: String,
    /// The job of which nothing is known before an answer; its id may be the server's to make.
    submits: Option<String>,
}

impl Reconnect {
    pub(super) fn new(out: Output) -> Self {
        Self { out, since: None, told: String::new(), submits: None }
    }

    /// The repeats of a call that submits a job.
    pub(super) fn of_submit(out: Output, job_id: &str) -> Self {
        Self { submits: Some(job_id.to_owned()), ..Self::new(out) }
    }

    /// Notes that the server has answered.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.out);
    }

    /// Waits for a moment if the call can be repeated, and tells why once it has lasted for a while.
    ///
    /// # Errors
    /// An error that a repeat does not cure, or that has lasted for too long.
    pub(super) async fn wait_or_fail(&mut self, status: Status, wait: &Wait) -> Result<(), Failure> {
        let since = *self.since.get_or_insert_with(Instant::now);
        // A job that may have been accepted is found again by its request id.
        let retry = ClientError::from(status.clone()).disposition() == Disposition::Retry;
        if !retry || since.elapsed() > LONGEST_OUTAGE || wait.is_over() {
            return Err(self.failure(status, since.elapsed()));
        }
        if since.elapsed() >= TOLD_OUTAGE {
            self.tell(&status);
        }
        sleep(RETRY_PAUSE).await;
        Ok(())
    }

    fn tell(&mut self, status: &Status) {
        let failure = Failure::from(status.clone());
        let why = failure.message.lines().next().unwrap_or_default();
        if self.told != why {
            self.out.notice(&format!("{why}; trying again, for up to {LONGEST_OUTAGE:?}"));
            why.clone_into(&mut self.told);
        }
    }

    /// Makes the failure of a call that is not repeated any more.
    fn failure(&self, status: Status, outage: Duration) -> Failure {
        match &self.submits {
            Some(job_id) if status.source().is_some() => {
                let job = if job_id.is_empty() { "the job".to_owned() } else { format!("job {job_id}") };
                no_server_for(&job, outage, &status)
            }
            Some(_) | None => status.into(),
        }
    }
}

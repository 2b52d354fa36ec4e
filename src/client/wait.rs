//! The wait of one caller, which outlives lost connections and restarts of the server, and what is known when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status};

use super::delays::Delays;
use super::{Client, ClientError, Disposition};

/// Reason of an error when no server has answered, so that nothing is known of a job.
const NO_SERVER: &str = "NO_SERVER";
/// Reason of an error when the time was over before the job; the job continues.
pub(super) const WAIT_OVER: &str = "WAIT_OVER";
/// Failures in a row after which a line is logged, and then one a [`LOG_INTERVAL`].
const LOGGED_FAILURES: u32 = 3;
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Time that the last call may take beyond the timeout of the caller, since its response names the job.
const GRACE: Duration = Duration::from_millis(500);
/// Time that a call may take beyond its wait before it counts as lost.
pub(super) const MARGIN: Duration = Duration::from_secs(10);

/// The server of a client, and what its caller wants while there is none.
#[derive(Debug)]
pub(super) struct Destination {
    /// The address, for messages.
    pub(super) address: String,
    /// True if waits fail at once when no server has answered.
    pub(super) fail_fast: bool,
}

/// The wait of one caller.
#[derive(Debug)]
pub(super) struct Wait {
    client: Client,
    began: Instant,
    timeout: Option<Duration>,
    /// The thing that is unknown without an answer: "a job", "job 17".
    subject: String,
    pub(super) job_id: String,
    pub(super) request_id: String,
    /// True if a server has confirmed that there is the job.
    pub(super) known: bool,
    /// True if a server has answered since the wait began.
    answered: bool,
    tried: bool,
    last: Option<ClientError>,
    failures: u32,
    delays: Delays,
    logged_at: Option<Instant>,
}

impl Wait {
    pub(super) fn new(client: &Client, subject: impl Into<String>, timeout: Option<Duration>) -> Self {
        Self {
            client: client.clone(),
            began: Instant::now(),
            timeout,
            subject: subject.into(),
            job_id: String::new(),
            request_id: String::new(),
            known: false,
            answered: false,
            tried: false,
            last: None,
            failures: 0,
            delays: Delays::default(),
            logged_at: None,
        }
    }

    /// A wait for a job whose id is given.
    pub(super) fn for_job(client: &Client, job_id: &str, timeout: Option<Duration>) -> Self {
        Self { job_id: job_id.to_owned(), ..Self::new(client, format!("job {job_id}"), timeout) }
    }

    /// The end of the wait; none if no clock reaches it.
    fn deadline(&self) -> Option<Instant> {
        self.began.checked_add(self.timeout?)
    }

    /// Returns the rest of the wait, at most `longest`; None after its end.
    pub(super) fn left(&self, longest: Duration) -> Option<Duration> {
        let Some(deadline) = self.deadline() else { return Some(longest) };
        let left = deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left.min(longest))
    }

    /// Returns true if the time of the wait has ended, after at least one call.
    pub(super) fn is_over(&self) -> bool {
        self.tried && self.left(MARGIN).is_none()
    }

    /// Makes the request of a call that takes `poll` to answer.
    pub(super) fn request<T>(&self, message: T, poll: Duration) -> Request<T> {
        let limit = poll.saturating_add(MARGIN);
        let left = self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()) + GRACE);
        let mut request = Request::new(message);
        request.set_timeout(left.map_or(limit, |left| left.min(limit)));
        request
    }

    /// Repeats a call that is harmless to repeat until it succeeds, fails in a way that a repeat does not cure, or the wait
    /// ends. Each call is told how long it may wait, at most `longest`.
    pub(super) async fn outlive<T, F>(
        &mut self,
        longest: Duration,
        mut call: impl FnMut(&Self, Duration) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        while let Some(poll) = self.left(longest) {
            self.tried = true;
            let called = call(self, poll);
            // The connection may take longer to notice.
            let answer = match self.deadline() {
                Some(deadline) => timeout_at(deadline + GRACE, called).await,
                None => Ok(called.await),
            };
            let status = match answer {
                Ok(Ok(answer)) => {
                    self.succeeded();
                    return Ok(answer.into_inner());
                }
                Ok(Err(status)) => status,
                Err(_elapsed) => break,
            };
            let error = ClientError::from(status);
            if error.disposition() != Disposition::Retry {
                return Err(error);
            }
            self.pause_after(error).await?;
        }
        Err(self.over())
    }

    /// Notes that the server has answered.
    pub(super) fn succeeded(&mut self) {
        self.answered = true;
        self.last = None;
        self.failures = 0;
        self.delays.reset();
    }

    /// Notes a failure and waits for a moment before the next call.
    ///
    /// # Errors
    /// NO_SERVER for a caller who does not wait for a server.
    pub(super) async fn pause_after(&mut self, error: ClientError) -> Result<(), ClientError> {
        let retry_after = error.retry_after;
        self.failed(error)?;
        self.pause(retry_after).await;
        Ok(())
    }

    /// Waits for a moment before the next call, for `retry_after` if that is longer.
    pub(super) async fn pause(&mut self, retry_after: Duration) {
        let deadline = self.deadline();
        self.delays.wait(retry_after, deadline).await;
    }

    fn failed(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.failures = self.failures.saturating_add(1);
        if !error.reason.is_empty() {
            self.answered = true;
            if let Some(id) = error.metadata.get("job_id") {
                self.job_id.clone_from(id);
                self.known = error.reason != "TIMED_OUT";
            }
        }
        // The end of a call's own time says less than the failure before.
        if self.last.is_none() || !error.is_own_end() {
            self.last = Some(error);
        }
        let address = &self.client.way.address;
        let why = self.last.as_ref().map(|last| last.message.as_str()).unwrap_or_default();
        if self.client.way.fail_fast && !self.answered {
            let message =
                format!("no server answers at {address}: {why}; nothing is known of {}", self.subject);
            return Err(self.ended(Code::Unavailable, NO_SERVER, message));
        }
        let is_due = self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
        if self.failures >= LOGGED_FAILURES && is_due {
            self.logged_at = Some(Instant::now());
            let failures = self.failures;
            tracing::warn!(%address, failures, error = %why, "supervisor client: no answer (the call is repeated)");
        }
        Ok(())
    }

    /// The error of a wait whose time is over.
    fn over(&self) -> ClientError {
        let (reason, message) = self.outcome();
        let mut over = self.ended(Code::DeadlineExceeded, &reason, message);
        if let Some(last) = self.last.as_ref().filter(|last| last.reason == over.reason) {
            over.retry_after = last.retry_after;
            over.metadata.extend(last.metadata.clone());
        }
        over
    }

    fn outcome(&self) -> (String, String) {
        let nothing = format!("nothing is known of {}", self.subject);
        let (address, within) = (&self.client.way.address, shown(self.timeout.unwrap_or_default()));
        let why = self.last.as_ref().filter(|last| !last.is_own_end()).map(|last| last.message.as_str());
        let because = |before: &str| why.map(|why| format!("{before}{why}")).unwrap_or_default();
        if self.known {
            let last = why.map(|why| format!(" (the last call failed: {why})")).unwrap_or_default();
            let message = format!("the wait is over before the job; it continues, await it by its id{last}");
            return (WAIT_OVER.to_owned(), message);
        }
        if !self.tried {
            return (WAIT_OVER.to_owned(), format!("the wait was over before a call was made; {nothing}"));
        }
        match self.last.as_ref().filter(|last| !last.reason.is_empty()) {
            Some(last) => {
                let because = because(": ");
                let message =
                    format!("the server at {address} could not help within {within}{because}; {nothing}");
                (last.reason.clone(), message)
            }
            None => {
                let because = because(": ");
                let message = format!("no server answered at {address} within {within}{because}; {nothing}");
                (NO_SERVER.to_owned(), message)
            }
        }
    }

    fn ended(&self, code: Code, reason: &str, message: String) -> ClientError {
        let named = [("job_id", &self.job_id), ("request_id", &self.request_id)].into_iter();
        let metadata: BTreeMap<String, String> = named
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        let cause = self.last.clone().map(Box::new);
        ClientError { reason: reason.to_owned(), metadata, cause, ..ClientError::new(code, message) }
    }
}

/// Shows the length of a wait, for people.
fn shown(wait: Duration) -> String {
    let coarse = if wait < Duration::from_secs(1) { wait.as_millis() } else { wait.as_millis() / 100 * 100 };
    format!("{:?}", Duration::from_millis(u64::try_from(coarse).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;

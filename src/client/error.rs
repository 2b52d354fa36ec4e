//! Errors for programs.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

use crate::proto::{Job, job, job_error};

/// The domain of every `google.rpc.ErrorInfo` of a supervisor.
const DOMAIN: &str = "supervisor.hero";

/// What a call failed with.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}{}: {message}", code_name(*code), if reason.is_empty() { String::new() } else { format!(" ({reason})") })]
pub struct ClientError {
    /// Code of gRPC; decide by it when you do not know the reason.
    pub code: Code,
    /// Name of an `ErrorReason` without its prefix, `JOB_NOT_FOUND` for instance. Empty if the error does not come from a
    /// supervisor.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The variable parts of the message.
    pub metadata: BTreeMap<String, String>,
    /// How long to wait before the call is repeated; zero if the server did not say.
    pub retry_after: Duration,
    /// Refused fields by path, with reason `INVALID_FIELD`.
    pub fields: BTreeMap<String, String>,
}

impl ClientError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: String::new(),
            message: message.into(),
            metadata: BTreeMap::new(),
            retry_after: Duration::ZERO,
            fields: BTreeMap::new(),
        }
    }

    /// True when the server or the way to it is away, so that a harmless call is repeated.
    pub fn is_lost(&self) -> bool {
        let nobody_said_so = self.reason.is_empty();
        match self.code {
            Code::Unavailable => true,
            // The server lost the answer of Redis: it may have been done, and to repeat it does no harm.
            Code::DeadlineExceeded => nobody_said_so || self.reason == "TIMED_OUT",
            Code::Cancelled | Code::Internal | Code::Unknown => nobody_said_so,
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => false,
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        let message = match status.source() {
            Some(cause) => format!("{}: {}", status.message(), deepest(cause)),
            None => status.message().to_owned(),
        };
        Self {
            code: code_of(&status),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            message,
            metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay).unwrap_or_default(),
            fields: violations
                .into_iter()
                .map(|violation| (violation.field, violation.description))
                .collect(),
        }
    }
}

/// The code of an answer. Without one, tonic makes up a code of its own: what is behind it is that the time is up, or that
/// the connection is gone.
pub(crate) fn code_of(status: &Status) -> Code {
    match (status.source(), status.code()) {
        (None, code) => code,
        (Some(_), Code::DeadlineExceeded) => Code::DeadlineExceeded,
        (Some(cause), _) if is_timeout(cause) => Code::DeadlineExceeded,
        (Some(_), _lost) => Code::Unavailable,
    }
}

/// Whether our own timer is among the causes.
pub(super) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    error.is::<TimeoutExpired>() || error.source().is_some_and(is_timeout)
}

/// The innermost cause, which is the one that says something.
pub(crate) fn deepest(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A code as gRPC spells it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

impl ClientError {
    /// The code as gRPC spells it, `NOT_FOUND` for instance.
    pub fn code_name(&self) -> &'static str {
        code_name(self.code)
    }
}

/// A job ended without a result.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", describe(job))]
pub struct JobFailed {
    /// The job, with what went wrong.
    pub job: Box<Job>,
}

impl JobFailed {
    /// The class of the failure; unspecified for a job that was cancelled.
    pub fn kind(&self) -> job_error::Kind {
        self.job.error.as_ref().map(|error| error.kind()).unwrap_or_default()
    }
}

fn describe(job: &Job) -> String {
    match &job.error {
        Some(error) => {
            format!("job {} failed ({}): {}", job.job_id, error.kind().as_str_name(), error.message)
        }
        None => format!("job {} was cancelled: {}", job.job_id, job.cancel_reason),
    }
}

/// The result of a job that has ended well.
///
/// # Errors
/// [`JobFailed`] for every other one.
pub fn result(job: &Job) -> Result<String, JobFailed> {
    match job.state() {
        job::State::Succeeded => Ok(job.result.clone().unwrap_or_default()),
        job::State::Unspecified
        | job::State::Scheduled
        | job::State::Blocked
        | job::State::Queued
        | job::State::Running
        | job::State::RetryWait
        | job::State::Failed
        | job::State::Cancelled => Err(JobFailed { job: Box::new(job.clone()) }),
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn an_error_is_read_from_its_details() {
        let metadata = BTreeMap::from([("job_id".to_owned(), "j".to_owned())]);
        let mut details = ErrorDetails::with_error_info(
            "JOB_NOT_FOUND",
            DOMAIN,
            metadata.clone().into_iter().collect::<std::collections::HashMap<_, _>>(),
        );
        details.set_retry_info(Some(Duration::from_secs(2)));
        details.add_bad_request_violation("job.script", "is empty");
        let error = ClientError::from(Status::with_error_details(Code::NotFound, "no such job", details));
        assert_eq!((error.code, error.reason.as_str()), (Code::NotFound, "JOB_NOT_FOUND"));
        assert_eq!((error.metadata.clone(), error.retry_after), (metadata, Duration::from_secs(2)));
        assert_eq!(error.fields["job.script"], "is empty");
        assert_eq!(error.to_string(), "NOT_FOUND (JOB_NOT_FOUND): no such job");
        assert!(!error.is_lost());
    }

    #[test]
    fn what_others_say_has_no_reason_of_ours() {
        let details =
            ErrorDetails::with_error_info("RATE_LIMITED", "proxy.example", std::collections::HashMap::new());
        let error = ClientError::from(Status::with_error_details(Code::Internal, "proxy", details));
        assert_eq!(error.reason, "");
        assert!(error.is_lost());
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_and_a_full_redis_is_not() {
        let of = |code, reason: &str| {
            let details = ErrorDetails::with_error_info(reason, DOMAIN, std::collections::HashMap::new());
            ClientError::from(Status::with_error_details(code, "", details)).is_lost()
        };
        assert!(of(Code::DeadlineExceeded, "TIMED_OUT"));
        assert!(of(Code::Unavailable, "REDIS_READ_ONLY"));
        assert!(!of(Code::ResourceExhausted, "REDIS_FULL"));
    }
}

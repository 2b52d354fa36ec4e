//! Errors of calls and of jobs, for programs.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

use crate::grpc_code;
use crate::proto::{Job, job, job_error};

/// The domain of every `google.rpc.ErrorInfo` of a supervisor.
const DOMAIN: &str = "supervisor.hero";

/// The error of a call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}{}: {message}", grpc_code::name(*code), if reason.is_empty() { String::new() } else { format!(" ({reason})") })]
pub struct ClientError {
    /// gRPC code. Decides where the reason is unknown; see [`ClientError::disposition`].
    pub code: Code,
    /// Name of an `ErrorReason` without its prefix, `JOB_NOT_FOUND` for instance; of a wait that has ended it can be `NO_SERVER`
    /// or `WAIT_OVER` as well. Empty if the error does not come from a supervisor.
    pub reason: String,
    /// Message for people.
    pub message: String,
    /// Variable parts of the message, by name.
    pub metadata: BTreeMap<String, String>,
    /// Time to wait before a repeat, as the server asks; zero if it asks for none.
    pub retry_after: Duration,
    /// Refused fields and their descriptions, by path; filled for the reason `INVALID_FIELD`.
    pub fields: BTreeMap<String, String>,
    /// The last failure before the end of a wait; also its [`source`](Error::source).
    #[source]
    pub cause: Option<Box<ClientError>>,
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
            cause: None,
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
            cause: None,
        }
    }
}

/// Returns the code of a status. A status with a source was made by tonic and not sent by a server: its code is replaced by
/// DEADLINE_EXCEEDED for a timeout and by UNAVAILABLE for a lost connection.
pub(crate) fn code_of(status: &Status) -> Code {
    match (status.source(), status.code()) {
        (None, code) => code,
        (Some(_), Code::DeadlineExceeded) => Code::DeadlineExceeded,
        (Some(cause), _) if is_timeout(cause) => Code::DeadlineExceeded,
        (Some(_), _lost) => Code::Unavailable,
    }
}

/// Returns true if a timeout is among the causes.
pub(super) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    error.is::<TimeoutExpired>() || error.source().is_some_and(is_timeout)
}

/// Returns the text of the innermost cause, which is the most specific one.
pub(crate) fn deepest(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

impl ClientError {
    /// Returns the name of the code, `NOT_FOUND` for instance.
    pub fn code_name(&self) -> &'static str {
        grpc_code::name(self.code)
    }

    /// Returns true if a call failed because its own time was over, which says nothing of the server.
    pub(super) fn is_own_end(&self) -> bool {
        self.reason.is_empty() && matches!(self.code, Code::DeadlineExceeded | Code::Cancelled)
    }

    /// Returns true if the server does not know who is calling: the token or the certificate is missing, unknown, expired or
    /// revoked. Such a call is never repeated, and a watch not resumed.
    pub fn is_unauthenticated(&self) -> bool {
        self.code == Code::Unauthenticated
    }

    /// Returns true if the caller may not do this. Such a call is never repeated, and a watch not resumed.
    pub fn is_permission_denied(&self) -> bool {
        self.code == Code::PermissionDenied
    }
}

/// The error of a job that ended without a result.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", describe(job))]
pub struct JobFailed {
    /// The job, with its error or its cancel reason.
    pub job: Box<Job>,
}

impl JobFailed {
    /// Returns the class of the failure; unspecified for a cancelled job.
    pub fn kind(&self) -> job_error::Kind {
        self.job.error.as_ref().map(|error| error.kind()).unwrap_or_default()
    }
}

fn describe(job: &Job) -> String {
    match &job.error {
        Some(error) => {
            let kind = error.kind().as_str_name();
            let kind = kind.strip_prefix("KIND_").unwrap_or(kind);
            let place = match (error.line, error.column) {
                (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
                (Some(line), None) => format!(" (line {line})"),
                (None, _) => String::new(),
            };
            format!("job {} failed ({kind}): {}{place}", job.job_id, error.message)
        }
        None => format!("job {} was cancelled: {}", job.job_id, job.cancel_reason),
    }
}

/// Returns the result of a job that has succeeded.
///
/// # Errors
/// [`JobFailed`] for a job in any other state.
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
    use crate::client::Disposition;
    use crate::proto::JobError;

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
        assert_eq!(error.disposition(), Disposition::Final);
    }

    #[test]
    fn a_failed_job_is_told_with_its_kind_and_the_place_in_its_script() {
        let text = |line, column| {
            let kind = job_error::Kind::ScriptError.into();
            let error = JobError { kind, message: "boom".to_owned(), line, column, ..JobError::default() };
            let job = Job { job_id: "j".to_owned(), error: Some(error), ..Job::default() };
            result(&job).unwrap_err().to_string()
        };
        assert_eq!(text(Some(2), Some(1)), "job j failed (SCRIPT_ERROR): boom (line 2, column 1)");
        assert_eq!(text(Some(2), None), "job j failed (SCRIPT_ERROR): boom (line 2)");
        assert_eq!(text(None, None), "job j failed (SCRIPT_ERROR): boom");
    }

    #[test]
    fn what_others_say_has_no_reason_of_ours() {
        let details =
            ErrorDetails::with_error_info("RATE_LIMITED", "proxy.example", std::collections::HashMap::new());
        let error = ClientError::from(Status::with_error_details(Code::Internal, "proxy", details));
        assert_eq!(error.reason, "");
        assert_eq!(error.disposition(), Disposition::Retry);
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_and_a_full_redis_is_not() {
        let of = |code, reason: &str| {
            let details = ErrorDetails::with_error_info(reason, DOMAIN, std::collections::HashMap::new());
            ClientError::from(Status::with_error_details(code, "", details)).disposition()
        };
        assert_eq!(of(Code::DeadlineExceeded, "TIMED_OUT"), Disposition::Retry);
        assert_eq!(of(Code::Unavailable, "REDIS_READ_ONLY"), Disposition::Retry);
        assert_eq!(of(Code::ResourceExhausted, "REDIS_FULL"), Disposition::Final);
    }
}

//! Exit codes, and the error text of a command that fails.

use std::error::Error;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::fields::{option_of, with_options};
use crate::client::{code_of, deepest};

/// Exit codes, stable for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success.
    Ok = 0,
    /// The job failed or was cancelled, or `doctor` found a fault.
    JobFailed = 1,
    /// The command line, the configuration or the request is invalid.
    Usage = 2,
    /// The actor or the job does not exist.
    NotFound = 3,
    /// The server does not answer, or is not ready.
    Unreachable = 4,
    /// The server refuses, for instance because it does not know who calls, or the caller may not do this.
    Refused = 5,
    /// The wait ended first; the work continues.
    TimedOut = 124,
    /// The shim could not start the program; the code that shells use for it.
    ShimFailed = 127,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// The failure of a command.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The error text; nothing is printed if it is empty.
    pub message: String,
}

impl Failure {
    /// Makes a failure.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Prints the error text on standard error and returns the exit code.
    pub fn report(self) -> Exit {
        if !self.message.is_empty() {
            super::output::print_notice(&format!("error: {}", self.message));
        }
        self.exit
    }

    /// Makes the failure of a wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl From<std::io::Error> for Failure {
    /// Converts a failed write of the output. A reader that has gone (`| head`) is not reported.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Ok, "");
        }
        Self::new(Exit::Refused, format!("cannot write the output: {error}"))
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let code = code_of(&status);
        let message = match (status.source(), code) {
            // The time that the server had was longer than any wait that was asked for.
            (Some(_), Code::DeadlineExceeded) => {
                let message =
                    "the server did not answer in time\n  hint: is this the address of a supervisor?";
                return Self::new(Exit::Unreachable, message);
            }
            (Some(cause), _) => {
                let cause = deepest(cause);
                format!("the connection to the server was lost: {cause}\n  hint: {}", connection_hint(&cause))
            }
            (None, _) => describe(&status),
        };
        Self::new(exit_of(code), message)
    }
}

/// Returns the exit code of a gRPC code.
fn exit_of(code: Code) -> Exit {
    match code {
        Code::Ok => Exit::Ok,
        Code::InvalidArgument => Exit::Usage,
        Code::NotFound => Exit::NotFound,
        Code::Unavailable => Exit::Unreachable,
        Code::DeadlineExceeded => Exit::TimedOut,
        Code::Cancelled => Exit::Interrupted,
        Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated
        | Code::Internal
        | Code::DataLoss
        | Code::Unknown => Exit::Refused,
    }
}

/// Returns message, reason, refused fields and advice, each on its line.
fn describe(status: &Status) -> String {
    let details = status.get_error_details();
    let mut text = with_options(&in_words_of_the_line(status.message()));
    if text.is_empty() {
        text = status.code().description().to_owned();
    }
    let reason = details.error_info().map(|info| info.reason.as_str()).unwrap_or_default();
    let mut line = |line: String| {
        let written = write!(text, "{line}");
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    };
    if !reason.is_empty() {
        line(format!(" [{reason}]"));
    }
    // A single one is in the message already.
    let violations = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    for violation in violations.filter(|violation| !status.message().contains(&violation.description)) {
        line(format!("\n  {}: {}", option_of(&violation.field), violation.description));
    }
    if let Some(hint) = hint(status, reason, &details) {
        line(format!("\n  hint: {hint}"));
    }
    text
}

/// Calls that messages of the server advise, and the commands that make them.
const CALLS: [(&str, &str); 9] = [
    ("ListActors", "`hero-supervisor actor ls`"),
    ("ListJobs", "`hero-supervisor job ls`"),
    ("GetJob", "`hero-supervisor job get`"),
    ("AwaitJob", "`hero-supervisor job await`"),
    ("ListScriptTypes", "`hero-supervisor script-type ls`"),
    ("GetActor", "`hero-supervisor actor get`"),
    ("GetServerInfo", "`hero-supervisor info`"),
    ("ListQueues", "`hero-supervisor queue ls --names`"),
    ("CreateQueue", "`hero-supervisor queue create`"),
];

/// Returns a message of the server with the commands in it that a person can type.
fn in_words_of_the_line(message: &str) -> String {
    let word = |word: &str| {
        let call = word.trim_end_matches([',', ';', ':']);
        let command = CALLS.iter().find(|(name, _)| *name == call).map(|(_, command)| command);
        let rest = word.strip_prefix(call).unwrap_or_default();
        command.map_or_else(|| word.to_owned(), |command| format!("{command}{rest}"))
    };
    message.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Returns advice that the message cannot give.
fn hint(status: &Status, reason: &str, details: &ErrorDetails) -> Option<String> {
    if let Some(link) = details.help().and_then(|help| help.links.first()) {
        return Some(link.description.clone());
    }
    let hint = match reason {
        "REDIS_UNAVAILABLE" | "ZINIT_UNAVAILABLE" | "REDIS_READ_ONLY" | "REDIS_NOT_DURABLE"
        | "REDIS_BUSY" => {
            "run `hero-supervisor doctor` on the server's machine to see why; the server recovers by itself"
        }
        "REDIS_FULL" | "REDIS_ACCESS_DENIED" => {
            "run `hero-supervisor doctor` on the server's machine to see what is to be done"
        }
        "TIMED_OUT" => {
            let job_id = details.error_info()?.metadata.get("job_id")?;
            return Some(format!("see whether it is there with `hero-supervisor job get {job_id}`"));
        }
        "SERVER_DRAINING" | "SERVER_STARTING" => "try again in a few seconds",
        "QUEUE_FULL" => "try again later, or add actors with `hero-supervisor actor scale`",
        "NO_ACTORS_FOR_SCRIPT_TYPE" => "make one with `hero-supervisor actor create`",
        "NOT_SUPPORTED" => "see `hero-supervisor info` for what this server can do",
        _other if status.code() == Code::Unauthenticated => {
            "say who you are with --token-file, or with --client-cert and --client-key"
        }
        _other if status.code() == Code::Unavailable && reason.is_empty() => {
            return Some(SERVER_HINT.to_owned());
        }
        _other => return None,
    };
    Some(hint.to_owned())
}

/// Makes the failure of a server that is not reached.
pub(super) fn no_server(address: &str, error: &dyn Error) -> Failure {
    let cause = deepest(error);
    let hint = connection_hint(&cause);
    Failure::new(Exit::Unreachable, format!("no server answers at {address}: {cause}\n  hint: {hint}"))
}

/// Makes the failure of a job whose submission no server has answered.
pub(super) fn no_server_for(job: &str, outage: Duration, status: &Status) -> Failure {
    let cause = deepest(status);
    let hint = connection_hint(&cause);
    let whole = Duration::from_secs(outage.as_secs());
    let within = if whole.is_zero() { String::new() } else { format!(" within {whole:?}") };
    let message =
        format!("no server answered{within}: {cause}; nothing is known of {job} [NO_SERVER]\n  hint: {hint}");
    Failure::new(Exit::Unreachable, message)
}

/// Advice for a server that does not answer.
const SERVER_HINT: &str =
    "start one with `hero-supervisor serve` or `hero-supervisor dev`, or name it with --server";
/// Parts of the causes of failed handshakes, and the advice for each.
const TLS_HINTS: [(&str, &str); 8] = [
    ("UnknownIssuer", "this machine does not trust the CA of the server: name the CA with --cacert"),
    ("not valid for name", "name the server with --server as its certificate does"),
    ("certificate expired", "renew the certificate of the server"),
    ("InvalidContentType", "this port speaks no TLS: use http:// with --server"),
    ("CertificateRequired", "this server wants a certificate: show one with --client-cert and --client-key"),
    (
        "UnknownCA",
        "this server does not trust the CA of --client-cert: ask for one of a CA in its tls.client_ca",
    ),
    ("this port speaks TLS", "use https:// with --server"),
    ("frame with invalid size", "this port speaks something else than gRPC: name another one with --server"),
];

/// Returns advice for a connection that was not made, or was lost.
fn connection_hint(cause: &str) -> &'static str {
    let known = TLS_HINTS.iter().find(|(part, _)| cause.contains(part));
    known.map_or(SERVER_HINT, |(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_message_reason_fields_and_hint() {
        let mut details = ErrorDetails::with_bad_request_violation("job.script", "is empty");
        details.set_error_info("INVALID_FIELD", "supervisor.hero", std::collections::HashMap::new());
        let failure =
            Failure::from(Status::with_error_details(Code::InvalidArgument, "invalid request", details));
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.message, "invalid request [INVALID_FIELD]\n  job.script: is empty");

        let told = ErrorDetails::with_bad_request_violation("job.script", "is empty");
        let status =
            Status::with_error_details(Code::InvalidArgument, "invalid request: job.script: is empty", told);
        assert_eq!(Failure::from(status).message, "invalid request: job.script: is empty", "once is enough");
        let unknown = Status::not_found("there is no actor a; ListActors has those that there are");
        let message = "there is no actor a; `hero-supervisor actor ls` has those that there are";
        assert_eq!(Failure::from(unknown).message, message);
        let accepted = in_words_of_the_line("wait for it with AwaitJob, or repeat the call");
        assert_eq!(accepted, "wait for it with `hero-supervisor job await`, or repeat the call");

        let info =
            ErrorDetails::with_error_info("QUEUE_FULL", "supervisor.hero", std::collections::HashMap::new());
        let failure = Failure::from(Status::with_error_details(Code::ResourceExhausted, "full", info));
        assert_eq!(failure.exit, Exit::Refused);
        assert!(
            failure.message.starts_with("full [QUEUE_FULL]\n  hint: try again later"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_reader_that_went_away_is_not_reported() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Ok, ""));
    }
}

//! Errors of calls: one table of code, reason and details.
//!
//! A message has the fault and the advice. All its variable parts are in the metadata, too, for programs.

mod denied;
mod queues;
mod size;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tonic::{Code, Status};
use uuid::Uuid;

use crate::domain::model::id::JobId;
use crate::domain::model::violation::Violations;
use crate::error::{SupervisorError, chain};
use crate::ports::store_fault::Refusal;
use crate::proto::ErrorReason as Reason;

/// `domain` of every `google.rpc.ErrorInfo`.
pub(crate) const DOMAIN: &str = "supervisor.hero";
/// Delay before a repeat while a dependency is unreachable or full.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Delay over which callers of a draining server are spread.
const DRAIN_SPREAD_MILLIS: u64 = 2000;

/// The error of a call, before it becomes a [`Status`] or the error of one item of many; `size` limits its length.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    reason: Reason,
    message: String,
    metadata: BTreeMap<&'static str, String>,
    retry_after: Option<Duration>,
    detail: Detail,
}

/// Details beside `ErrorInfo` and `RetryInfo`.
#[derive(Debug)]
enum Detail {
    None,
    /// `google.rpc.BadRequest`.
    Fields(Violations),
    /// `google.rpc.ResourceInfo`: kind and name.
    Resource(&'static str, String),
    /// `google.rpc.PreconditionFailure`: its subject.
    Precondition(String),
}

impl Failure {
    fn new(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        let (metadata, retry_after, detail) = (BTreeMap::new(), None, Detail::None);
        Self { code, reason, message: message.into(), metadata, retry_after, detail }
    }

    fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.metadata.insert(key, value.to_string());
        self
    }

    fn retry(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    fn resource(self, kind: &'static str, key: &'static str, name: &impl ToString) -> Self {
        self.with(key, name.to_string()).detail(Detail::Resource(kind, name.to_string()))
    }

    fn precondition(self, key: &'static str, subject: &impl ToString) -> Self {
        self.with(key, subject.to_string()).detail(Detail::Precondition(subject.to_string()))
    }

    /// The selector is empty.
    pub(crate) fn selector_required() -> Self {
        let message = "the selector is empty: name actors, script types or labels, or say all";
        Self::new(Code::InvalidArgument, Reason::SelectorRequired, message)
    }

    /// The page token is invalid.
    pub(crate) fn page_token(why: &str) -> Self {
        let message = format!("the page token cannot be used: {why}; start again without one");
        Self::new(Code::InvalidArgument, Reason::InvalidPageToken, message)
    }

    /// The request is too long.
    pub(crate) fn request_too_large(limit: usize) -> Self {
        let message = format!("the request has more than {limit} bytes: send less at once");
        Self::new(Code::ResourceExhausted, Reason::RequestTooLarge, message).with("limit", limit)
    }

    /// The request is no message of the call.
    pub(crate) fn malformed(why: &str) -> Self {
        let message =
            format!("the request cannot be read: {why}; send a message of the type that the call takes");
        Self::new(Code::InvalidArgument, Reason::RequestMalformed, message)
    }

    /// The call does not exist, or its encoding is not supported.
    pub(crate) fn no_such_call(why: &str) -> Self {
        let why = if why.is_empty() { "there is no such call" } else { why };
        let message = format!("{why}; GetServerInfo lists what there is");
        Self::new(Code::Unimplemented, Reason::NotSupported, message).with("capability", "call")
    }

    /// The script type is unknown.
    pub(crate) fn script_type_not_found(number: i32) -> Self {
        let message = format!("there is no script type {number}; ListScriptTypes has them all");
        let failure = Self::new(Code::NotFound, Reason::ScriptTypeNotFound, message);
        failure.resource("script_type", "script_type", &number)
    }

    /// Changes the error of a wait whose job was accepted: the job continues, and a repeat of the call could create
    /// another one.
    pub(crate) fn of_accepted(mut self, job_id: &JobId, repeatable: bool) -> Self {
        let again = match repeatable {
            true => ", or repeat the call with the same request_id",
            false => "; do not repeat the call, that makes another job",
        };
        if !repeatable {
            self.retry_after = None;
        }
        // The rest of the text is the advice of the error.
        let cause = self.message.split("; ").next().unwrap_or_default();
        self.message =
            format!("{cause}: job {job_id} was accepted and goes on; wait for it with AwaitJob{again}");
        self.with("job_id", job_id)
    }

    /// Returns the reason of `ErrorInfo`: the name of the enum value without its prefix.
    pub(crate) fn reason(&self) -> &'static str {
        let name = self.reason.as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name)
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        // The message is made from the violations.
        Self::new(Code::InvalidArgument, Reason::InvalidField, "").detail(Detail::Fields(violations))
    }
}

impl From<SupervisorError> for Failure {
    fn from(error: SupervisorError) -> Self {
        use SupervisorError as E;
        let text = error.to_string();
        match error {
            E::Invalid(violations) => violations.into(),
            E::ActorNotFound(id) => {
                let message = format!("{text}; ListActors has those that there are");
                Self::new(Code::NotFound, Reason::ActorNotFound, message).resource("actor", "actor_id", &id)
            }
            E::ActorExists { id, created_at } => {
                let message = format!("{text}; choose another id, or delete that one first");
                Self::new(Code::AlreadyExists, Reason::ActorExists, message)
                    .resource("actor", "actor_id", &id)
                    .with("create_time", timestamp(created_at))
            }
            E::ActorOnOtherNode { id, node } => Self::new(Code::FailedPrecondition, Reason::WrongNode, text)
                .precondition("actor_id", &id)
                .with("node", node),
            E::NodeUnavailable { node, reason: _, has_no_effect } => {
                let (outcome, advice) = match has_no_effect {
                    true => ("none", "nothing was done; see that the supervisor there runs, and try again"),
                    false => ("unknown", "look with GetActor what came of it before you repeat it"),
                };
                let failure =
                    Self::new(Code::Unavailable, Reason::NodeUnavailable, format!("{text}; {advice}"));
                let failure = failure.with("node", node).with("outcome", outcome);
                if has_no_effect { failure.retry(RETRY_AFTER) } else { failure }
            }
            E::BinaryInvalid { path, reason } => {
                Self::new(Code::FailedPrecondition, Reason::BinaryInvalid, text)
                    .precondition("path", &path.display())
                    .with("cause", reason)
            }
            E::DependencyUnmet { actor, dependency, reason } => {
                Self::new(Code::FailedPrecondition, Reason::DependencyUnmet, text)
                    .precondition("dependency", &dependency)
                    .with("actor_id", actor)
                    .with("cause", reason)
            }
            E::ActorStartFailed(actor, cause) => {
                Self::new(Code::FailedPrecondition, Reason::ActorStartFailed, text)
                    .precondition("actor_id", &actor)
                    .with("cause", cause)
            }
            E::ActorStopFailed(actor, cause) => Self::new(Code::Internal, Reason::ActorStopFailed, text)
                .with("actor_id", actor)
                .with("cause", cause),
            E::OperationInProgress { id, operation } => {
                let message = format!("{text}; wait for its end and call again");
                Self::new(Code::Aborted, Reason::OperationInProgress, message)
                    .with("actor_id", id)
                    .with("operation", operation)
                    .retry(RETRY_AFTER)
            }
            E::ActorConflict(id) => {
                let message = format!("{text}; read it again and repeat");
                Self::new(Code::Aborted, Reason::Conflict, message).with("actor_id", id)
            }
            E::ActorState { id, state, hint: _ } => {
                Self::new(Code::FailedPrecondition, Reason::InvalidState, text)
                    .precondition("actor_id", &id)
                    .with("state", state)
            }
            E::JobNotFound(id) => {
                let message = format!("{text}; ListJobs has those that there are");
                Self::new(Code::NotFound, Reason::JobNotFound, message).resource("job", "job_id", &id)
            }
            E::JobExpired(id) => {
                let message = format!(
                    "{text}: its result_ttl is over, newer ones took its place, or it was deleted; a request id \
                     that made it makes no other: take a fresh one to run it again"
                );
                Self::new(Code::NotFound, Reason::JobExpired, message).resource("job", "job_id", &id)
            }
            E::JobExists(id) => {
                let message = format!("{text}; choose another job_id, or leave it out");
                Self::new(Code::AlreadyExists, Reason::JobExists, message).resource("job", "job_id", &id)
            }
            E::UniqueKeyHeld { holder, state } => {
                let message =
                    format!("{text}; wait for its end, cancel it, or choose another unique.on_conflict");
                Self::new(Code::AlreadyExists, Reason::UniqueKeyHeld, message)
                    .resource("job", "job_id", &holder)
                    .with("state", state)
            }
            E::RequestIdReused { request_id, first_use } => {
                let message = format!("{text}; take a fresh id for each new request");
                Self::new(Code::InvalidArgument, Reason::RequestIdReused, message)
                    .with("request_id", request_id)
                    .with("first_use_time", timestamp(first_use))
            }
            E::JobState { id, state, hint: _ } => {
                Self::new(Code::FailedPrecondition, Reason::InvalidState, text)
                    .precondition("job_id", &id)
                    .with("state", state)
            }
            E::JobFailed { id, error: _ } => Self::new(Code::FailedPrecondition, Reason::InvalidState, text)
                .precondition("job_id", &id)
                .with("state", "failed"),
            E::JobCancelled { id, reason: _ } => {
                Self::new(Code::FailedPrecondition, Reason::InvalidState, text)
                    .precondition("job_id", &id)
                    .with("state", "cancelled")
            }
            E::Queue(refusal) => refusal.into(),
            E::QueueFull { queue, queued, limit } => {
                let message = format!("{text}; try again later, or start more actors");
                Self::new(Code::ResourceExhausted, Reason::QueueFull, message)
                    .with(queues::key_of(queue), queue)
                    .with("queued", queued)
                    .with("limit", limit)
                    .retry(RETRY_AFTER)
            }
            E::FlowKeyFull(full) => full.into(),
            E::QuotaReached(reached) => {
                let message = format!("{text}: wait until some have ended, and repeat");
                Self::new(Code::ResourceExhausted, Reason::QuotaExceeded, message)
                    .with("quota", reached.name())
                    .with("limit", reached.limit)
                    .with("used", reached.used)
                    .retry(RETRY_AFTER)
            }
            E::NoTemplate(queue) => Self::new(Code::FailedPrecondition, Reason::NoActorsForScriptType, text)
                .precondition(queues::key_of(queue), &queue),
            E::CursorExpired { oldest } => {
                let message = format!("{text}; begin again without resume_after, with a snapshot");
                Self::new(Code::OutOfRange, Reason::CursorExpired, message).with("oldest_cursor", oldest)
            }
            E::ConsumerTooSlow { last } => {
                let message =
                    format!("{text}; watch again with resume_after set to the last cursor that you have");
                Self::new(Code::Aborted, Reason::ConsumerTooSlow, message).with("last_cursor", last)
            }
            E::TooManyWatches { limit } | E::TooManyWatchedQueues { limit } => {
                let message = format!("{text}; end one that nobody needs, or ask another supervisor");
                Self::new(Code::ResourceExhausted, Reason::TooManyWatches, message)
                    .with("limit", limit)
                    .retry(RETRY_AFTER)
            }
            E::AutoscalingActive(queue) => {
                Self::new(Code::FailedPrecondition, Reason::AutoscalingActive, text)
                    .precondition(queues::key_of(queue), &queue)
            }
            E::PurgeRefused { queue, found, expected } => {
                Self::new(Code::FailedPrecondition, Reason::InvalidState, text)
                    .precondition(queues::key_of(queue), &queue)
                    .with("found", found)
                    .with("expected", expected)
            }
            E::SettingsConflict(queue) => {
                let message = format!("{text}; read them again and repeat");
                Self::new(Code::Aborted, Reason::Conflict, message).with(queues::key_of(queue), queue)
            }
            E::QueueUnavailable(ref cause) => {
                let message = format!("{text}: {}; try again", chain(cause.as_ref()));
                Self::new(Code::Unavailable, Reason::RedisUnavailable, message).retry(RETRY_AFTER)
            }
            E::QueueRefused { refusal, reason } => refused(refusal, &text, &reason),
            E::SubmitUncertain { id, reason } => {
                let message = format!(
                    "{text}; look with GetJob before you submit it again, or repeat it with the request_id that it had"
                );
                Self::new(Code::DeadlineExceeded, Reason::TimedOut, message)
                    .with("job_id", id)
                    .with("what", "Redis")
                    .with("cause", reason)
            }
            E::ProcessManagerUnavailable(ref cause) => {
                let message = format!("{text}: {}; try again", chain(cause.as_ref()));
                Self::new(Code::Unavailable, Reason::ZinitUnavailable, message).retry(RETRY_AFTER)
            }
            E::TimedOut { what, after } => {
                let message = format!("{text}; look whether it had its effect before you repeat it");
                Self::new(Code::DeadlineExceeded, Reason::TimedOut, message)
                    .with("what", what)
                    .with("after", format!("{after:?}"))
            }
            E::ShuttingDown => {
                let message = format!("{text}; nothing is lost, call again");
                Self::new(Code::Unavailable, Reason::ServerDraining, message)
                    .retry(Duration::from_millis(fastrand::u64(0..DRAIN_SPREAD_MILLIS)))
            }
            E::NotSupported(what) => {
                let message = format!("{text} by this server; GetServerInfo lists what is");
                Self::new(Code::Unimplemented, Reason::NotSupported, message).with("capability", what)
            }
            E::RecordDamaged { what, source } => {
                let why = chain(source.as_ref());
                let message = format!("{text}: {why}; mend or remove it in Redis, nothing else was touched");
                Self::new(Code::DataLoss, Reason::RecordDamaged, message)
                    .with("what", what)
                    .with("cause", why)
            }
            E::Internal { .. } => internal(&error),
        }
    }
}

/// Maps a refusal of Redis to its reason, its error text and advice.
fn refused(refusal: Refusal, text: &str, reason: &str) -> Failure {
    let (code, name, todo) = match refusal {
        Refusal::ReadOnly => {
            (Code::Unavailable, Reason::RedisReadOnly, "try again: the address is looked up anew")
        }
        Refusal::Full => (
            Code::ResourceExhausted,
            Reason::RedisFull,
            "let jobs end, delete or purge some, or raise maxmemory, and try again",
        ),
        Refusal::NotDurable => {
            (Code::Unavailable, Reason::RedisNotDurable, "look at its disk and its replicas, and try again")
        }
        Refusal::AccessDenied => (
            Code::Unavailable,
            Reason::RedisAccessDenied,
            "give the supervisor's user its rights (docs/operations.md), and try again",
        ),
        Refusal::Busy => (Code::Unavailable, Reason::RedisBusy, "try again"),
    };
    let word = reason.split_whitespace().next().unwrap_or_default();
    Failure::new(code, name, format!("{text}; {todo}")).with("error", word).retry(RETRY_AFTER)
}

/// Makes the error of an internal fault: the causes go to the log, an error id to the caller.
fn internal(error: &SupervisorError) -> Failure {
    let error_id = Uuid::new_v4().simple().to_string();
    tracing::error!(error.id = %error_id, "error {error_id}: call failed ({})", chain(error));
    let message = format!("internal error {error_id}; report it, the log of the server has the details");
    Failure::new(Code::Internal, Reason::Internal, message).with("error_id", error_id)
}

/// Formats a time as in RFC 3339.
fn timestamp(time: SystemTime) -> String {
    prost_types::Timestamp::from(time).to_string()
}

impl From<SupervisorError> for Status {
    fn from(error: SupervisorError) -> Self {
        Failure::from(error).into()
    }
}

impl From<Violations> for Status {
    fn from(violations: Violations) -> Self {
        Failure::from(violations).into()
    }
}

#[cfg(test)]
mod tests;

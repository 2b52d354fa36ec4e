use std::collections::BTreeSet;
use std::path::PathBuf;

use tonic_types::StatusExt;

use super::*;
use crate::domain::model::actor::ActorState;
use crate::domain::model::flow::FlowKeyFull;
use crate::domain::model::id::{ActorId, JobId, NodeName, RequestId};
use crate::domain::model::job::{JobError, JobErrorKind, JobState, QuotaReached};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::queue_refusal::QueueRefusal;
use crate::domain::model::script_type::ScriptType;
use crate::proto as pb;

/// Expected answer to a caller: code, reason, keys of the metadata, further details.
type Expected = (Code, &'static str, &'static [&'static str], &'static str);

const ACTOR: &[&str] = &["actor_id"];
const JOB: &[&str] = &["job_id"];
const JOB_STATE: &[&str] = &["job_id", "state"];
const STARTED: &[&str] = &["actor_id", "cause"];

/// The table. No `_`: a new variant has to be given its row.
fn expected(error: &SupervisorError) -> Expected {
    use SupervisorError as E;
    match error {
        E::Invalid(_) => (Code::InvalidArgument, "INVALID_FIELD", &[], "fields"),
        E::ActorNotFound(_) => (Code::NotFound, "ACTOR_NOT_FOUND", ACTOR, "resource"),
        E::ActorExists { .. } => {
            (Code::AlreadyExists, "ACTOR_EXISTS", &["actor_id", "create_time"], "resource")
        }
        E::ActorOnOtherNode { .. } => {
            (Code::FailedPrecondition, "WRONG_NODE", &["actor_id", "node"], "precondition")
        }
        E::NodeUnavailable { has_no_effect: true, .. } => {
            (Code::Unavailable, "NODE_UNAVAILABLE", &["node", "outcome"], "retry")
        }
        E::NodeUnavailable { .. } => (Code::Unavailable, "NODE_UNAVAILABLE", &["node", "outcome"], ""),
        E::BinaryInvalid { .. } => {
            (Code::FailedPrecondition, "BINARY_INVALID", &["cause", "path"], "precondition")
        }
        E::DependencyUnmet { .. } => {
            let keys = &["actor_id", "cause", "dependency"];
            (Code::FailedPrecondition, "DEPENDENCY_UNMET", keys, "precondition")
        }
        E::ActorStartFailed(..) => (Code::FailedPrecondition, "ACTOR_START_FAILED", STARTED, "precondition"),
        E::ActorStopFailed(..) => (Code::Internal, "ACTOR_STOP_FAILED", STARTED, ""),
        E::OperationInProgress { .. } => {
            (Code::Aborted, "OPERATION_IN_PROGRESS", &["actor_id", "operation"], "retry")
        }
        E::ActorConflict(_) => (Code::Aborted, "CONFLICT", ACTOR, ""),
        E::ActorState { .. } => {
            (Code::FailedPrecondition, "INVALID_STATE", &["actor_id", "state"], "precondition")
        }
        E::JobNotFound(_) => (Code::NotFound, "JOB_NOT_FOUND", JOB, "resource"),
        E::JobExpired(_) => (Code::NotFound, "JOB_EXPIRED", JOB, "resource"),
        E::JobExists(_) => (Code::AlreadyExists, "JOB_EXISTS", JOB, "resource"),
        E::UniqueKeyHeld { .. } => (Code::AlreadyExists, "UNIQUE_KEY_HELD", JOB_STATE, "resource"),
        E::RequestIdReused { .. } => {
            (Code::InvalidArgument, "REQUEST_ID_REUSED", &["first_use_time", "request_id"], "")
        }
        E::JobState { .. } | E::JobFailed { .. } | E::JobCancelled { .. } => {
            (Code::FailedPrecondition, "INVALID_STATE", JOB_STATE, "precondition")
        }
        E::Queue(QueueRefusal::NotFound(_)) => (Code::NotFound, "QUEUE_NOT_FOUND", &["queue"], "resource"),
        E::Queue(QueueRefusal::Exists { .. }) => {
            (Code::AlreadyExists, "QUEUE_EXISTS", &["queue", "script_type"], "resource")
        }
        E::Queue(QueueRefusal::InUse { .. }) => {
            (Code::FailedPrecondition, "QUEUE_IN_USE", &["actors", "jobs", "queue"], "precondition")
        }
        E::Queue(QueueRefusal::HasActors { .. }) => {
            let keys = &["actor_ids", "actors", "jobs", "queue"];
            (Code::FailedPrecondition, "QUEUE_IN_USE", keys, "precondition")
        }
        E::Queue(QueueRefusal::TooMany { .. }) => {
            (Code::ResourceExhausted, "TOO_MANY_QUEUES", &["limit", "queue"], "")
        }
        E::Queue(QueueRefusal::Default(_)) => (Code::InvalidArgument, "INVALID_FIELD", &[], "fields"),
        E::QueueFull { .. } => {
            (Code::ResourceExhausted, "QUEUE_FULL", &["limit", "queued", "script_type"], "retry")
        }
        E::FlowKeyFull(_) => {
            (Code::ResourceExhausted, "FLOW_KEY_FULL", &["flow_key", "limit", "queued"], "retry")
        }
        E::QuotaReached(_) => {
            (Code::ResourceExhausted, "QUOTA_EXCEEDED", &["limit", "quota", "used"], "retry")
        }
        E::NoTemplate(_) => {
            let keys = &["script_type"];
            (Code::FailedPrecondition, "NO_ACTORS_FOR_SCRIPT_TYPE", keys, "precondition")
        }
        E::CursorExpired { .. } => (Code::OutOfRange, "CURSOR_EXPIRED", &["oldest_cursor"], ""),
        E::ConsumerTooSlow { .. } => (Code::Aborted, "CONSUMER_TOO_SLOW", &["last_cursor"], ""),
        E::TooManyWatches { .. } | E::TooManyWatchedQueues { .. } => {
            (Code::ResourceExhausted, "TOO_MANY_WATCHES", &["limit"], "retry")
        }
        E::AutoscalingActive(_) => {
            (Code::FailedPrecondition, "AUTOSCALING_ACTIVE", &["script_type"], "precondition")
        }
        E::PurgeRefused { .. } => {
            let keys = &["expected", "found", "script_type"];
            (Code::FailedPrecondition, "INVALID_STATE", keys, "precondition")
        }
        E::SettingsConflict(_) => (Code::Aborted, "CONFLICT", &["script_type"], ""),
        E::QueueUnavailable(_) => (Code::Unavailable, "REDIS_UNAVAILABLE", &[], "retry"),
        E::QueueRefused { refusal: Refusal::Full, .. } => {
            (Code::ResourceExhausted, "REDIS_FULL", &["error"], "retry")
        }
        E::QueueRefused { refusal: Refusal::ReadOnly, .. } => {
            (Code::Unavailable, "REDIS_READ_ONLY", &["error"], "retry")
        }
        E::QueueRefused { refusal: Refusal::NotDurable, .. } => {
            (Code::Unavailable, "REDIS_NOT_DURABLE", &["error"], "retry")
        }
        E::QueueRefused { refusal: Refusal::AccessDenied, .. } => {
            (Code::Unavailable, "REDIS_ACCESS_DENIED", &["error"], "retry")
        }
        E::QueueRefused { refusal: Refusal::Busy, .. } => {
            (Code::Unavailable, "REDIS_BUSY", &["error"], "retry")
        }
        E::SubmitUncertain { .. } => (Code::DeadlineExceeded, "TIMED_OUT", &["cause", "job_id", "what"], ""),
        E::ProcessManagerUnavailable(_) => (Code::Unavailable, "ZINIT_UNAVAILABLE", &[], "retry"),
        E::TimedOut { .. } => (Code::DeadlineExceeded, "TIMED_OUT", &["after", "what"], ""),
        E::ShuttingDown => (Code::Unavailable, "SERVER_DRAINING", &[], "retry"),
        E::NotSupported(_) => (Code::Unimplemented, "NOT_SUPPORTED", &["capability"], ""),
        E::RecordDamaged { .. } => (Code::DataLoss, "RECORD_DAMAGED", &["cause", "what"], ""),
        E::Internal { .. } => (Code::Internal, "INTERNAL", &["error_id"], ""),
    }
}

/// One of each.
fn every_error() -> Vec<SupervisorError> {
    use SupervisorError as E;
    let actor = || ActorId::parse("osis_actor_0").unwrap();
    let job = || JobId::parse("job-1").unwrap();
    let there = || NodeName::parse("there").unwrap();
    let name = || "osis_actor_0".to_owned();
    let time = SystemTime::UNIX_EPOCH;
    let gpu = QueueName::parse("gpu").unwrap();
    vec![
        E::Invalid(Violations::one("job.script", "is empty")),
        E::AutoscalingActive(ScriptType::SAL.into()),
        E::PurgeRefused { queue: ScriptType::SAL.into(), found: 3, expected: 2 },
        E::SettingsConflict(ScriptType::SAL.into()),
        E::ActorNotFound(actor()),
        E::ActorExists { id: actor(), created_at: time },
        E::ActorOnOtherNode { id: actor(), node: there() },
        E::NodeUnavailable { node: there(), reason: "is away".to_owned(), has_no_effect: true },
        E::NodeUnavailable { node: there(), reason: "is gone".to_owned(), has_no_effect: false },
        E::BinaryInvalid { path: PathBuf::from("/x"), reason: "gone".to_owned() },
        E::DependencyUnmet { actor: name(), dependency: "db".to_owned(), reason: "unknown".to_owned() },
        E::ActorStartFailed(name(), "exit code 1".to_owned()),
        E::ActorStopFailed(name(), "still there".to_owned()),
        E::OperationInProgress { id: actor(), operation: "stop" },
        E::ActorConflict(actor()),
        E::ActorState { id: actor(), state: ActorState::Draining, hint: "wait" },
        E::JobNotFound(job()),
        E::JobExpired(job()),
        E::JobExists(job()),
        E::UniqueKeyHeld { holder: job(), state: JobState::Running },
        E::RequestIdReused { request_id: RequestId::parse("r").unwrap(), first_use: time },
        E::JobState { id: job(), state: JobState::Running, hint: "cancel it first" },
        E::JobFailed { id: job(), error: JobError::new(JobErrorKind::ScriptError, "boom") },
        E::JobCancelled { id: job(), reason: "no".to_owned() },
        E::Queue(QueueRefusal::NotFound(gpu)),
        E::Queue(QueueRefusal::Exists { name: gpu, serves: ScriptType::Python }),
        E::Queue(QueueRefusal::InUse { name: gpu, jobs: 2, actors: 1 }),
        E::Queue(QueueRefusal::HasActors { name: gpu, actors: 2, some: "a, b".to_owned() }),
        E::Queue(QueueRefusal::TooMany { name: gpu, limit: 10 }),
        E::Queue(QueueRefusal::Default(ScriptType::V.into())),
        E::QueueFull { queue: ScriptType::OSIS.into(), queued: 5, limit: 5 },
        E::FlowKeyFull(FlowKeyFull { key: "acme".to_owned(), queued: 5, limit: 5 }),
        E::QuotaReached(QuotaReached { is_running: true, used: 5, limit: 5 }),
        E::NoTemplate(ScriptType::V.into()),
        E::CursorExpired { oldest: "1k1-0".to_owned() },
        E::ConsumerTooSlow { last: "1k1-0".to_owned() },
        E::TooManyWatches { limit: 10 },
        E::TooManyWatchedQueues { limit: 10 },
        E::QueueUnavailable("connection refused".into()),
        E::QueueRefused { refusal: Refusal::Full, reason: "OOM command not allowed".to_owned() },
        E::SubmitUncertain { id: job(), reason: "no answer within 2s".to_owned() },
        E::ProcessManagerUnavailable("no such socket".into()),
        E::TimedOut { what: "Redis", after: Duration::from_secs(2) },
        E::ShuttingDown,
        E::NotSupported("WatchJob"),
        E::RecordDamaged { what: "status of a job".to_owned(), source: "it is missing".into() },
        E::Internal { what: "read".to_owned(), source: "secret story".into() },
    ]
}

#[test]
fn every_error_has_its_code_reason_and_details() {
    for error in every_error() {
        let text = error.to_string();
        let (code, reason, keys, detail) = expected(&error);
        let status = Status::from(error);
        let details = status.get_error_details();
        assert_eq!(status.code(), code, "{text}");
        let info = details.error_info().expect("ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, DOMAIN), "{text}");
        let found: BTreeSet<&str> = info.metadata.keys().map(String::as_str).collect();
        assert_eq!(found, keys.iter().copied().collect(), "{text}");
        assert_eq!(details.retry_info().is_some(), detail == "retry", "{text}");
        assert_eq!(details.bad_request().is_some(), detail == "fields", "{text}");
        assert_eq!(details.resource_info().is_some(), detail == "resource", "{text}");
        assert_eq!(details.precondition_failure().is_some(), detail == "precondition", "{text}");
        assert!(Reason::from_str_name(&format!("ERROR_REASON_{reason}")).is_some(), "{reason}");
    }
}

#[test]
fn each_refusal_of_redis_is_told_in_its_words() {
    for refusal in Refusal::ALL {
        let error = SupervisorError::QueueRefused { refusal, reason: "WORD and more".to_owned() };
        let (code, reason, ..) = expected(&error);
        let status = Status::from(error);
        assert_eq!(status.code(), code, "{refusal:?}");
        let details = status.get_error_details();
        let info = details.error_info().expect("ErrorInfo");
        assert_eq!((info.reason.as_str(), info.metadata["error"].as_str()), (reason, "WORD"));
        assert!(status.message().contains("WORD and more"), "{}", status.message());
        assert!(Reason::from_str_name(&format!("ERROR_REASON_{reason}")).is_some(), "{reason}");
    }
}

/// The variant of an error, that of its refusal included.
fn variant_of(error: &SupervisorError) -> String {
    let outer = std::mem::discriminant(error);
    if let SupervisorError::Queue(refusal) = error {
        return format!("{outer:?} {:?}", std::mem::discriminant(refusal));
    }
    if let SupervisorError::NodeUnavailable { has_no_effect, .. } = error {
        return format!("{outer:?} {has_no_effect}");
    }
    format!("{outer:?}")
}

#[test]
fn the_list_of_errors_has_no_variant_twice() {
    let errors = every_error();
    let variants: BTreeSet<_> = errors.iter().map(variant_of).collect();
    assert_eq!(variants.len(), errors.len(), "none twice");
}

#[test]
fn an_internal_error_tells_its_id_and_keeps_its_story() {
    let status = Status::from(every_error().pop().unwrap());
    let id = status.get_error_details().error_info().unwrap().metadata["error_id"].clone();
    assert!(status.message().contains(&id), "{}", status.message());
    assert!(!status.message().contains("secret story"), "{}", status.message());
}

#[test]
fn an_outage_is_told_with_its_cause() {
    let status = Status::from(SupervisorError::QueueUnavailable("connection refused".into()));
    assert_eq!(status.message(), "Redis is unavailable: connection refused; try again");
}

#[test]
fn every_violation_is_told() {
    let mut violations = Violations::one("job.script", "is empty");
    violations.add("job_id", "is too long");
    let item = pb::ItemError::from(Failure::from(violations.clone()));
    let status = Status::from(violations);
    let details = status.get_error_details();
    let fields: Vec<_> =
        details.bad_request().unwrap().field_violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["job.script", "job_id"]);
    let fields: Vec<_> = item.field_violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["job.script", "job_id"]);
    assert_eq!((item.code, item.reason.as_str()), (3, "INVALID_FIELD"));
}

#[test]
fn what_only_a_request_can_do_wrong_has_its_own_reason() {
    let table = [
        (Failure::selector_required(), Code::InvalidArgument, "SELECTOR_REQUIRED"),
        (Failure::page_token("it is not ours"), Code::InvalidArgument, "INVALID_PAGE_TOKEN"),
        (Failure::script_type_not_found(9), Code::NotFound, "SCRIPT_TYPE_NOT_FOUND"),
        (Failure::request_too_large(9), Code::ResourceExhausted, "REQUEST_TOO_LARGE"),
        (Failure::malformed("it is cut off"), Code::InvalidArgument, "REQUEST_MALFORMED"),
        (Failure::no_such_call(""), Code::Unimplemented, "NOT_SUPPORTED"),
    ];
    for (failure, code, reason) in table {
        assert_eq!((failure.code, failure.reason()), (code, reason));
    }
}

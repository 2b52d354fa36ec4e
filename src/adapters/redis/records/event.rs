//! Records of events: JSON in the stream of events that are not about jobs, flat fields in those of the queues.

mod job;
mod kind;

use serde::{Deserialize, Serialize};

pub(in super::super) use self::job::decode_job_event;
use self::kind::{KindRecord, decode_kind, encode_kind};
use super::json::encode;
use super::words::{SeverityWord, SourceWord};
use super::{decode_error, millis, time_of};
use crate::domain::model::event::{Cause, Event};
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::store_fault::StoreFault;

#[derive(Serialize, Deserialize)]
struct EventRecord {
    at_ms: i64,
    severity: SeverityWord,
    message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    actor: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    job: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    caller: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    script_type: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    queue: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    node: String,
    source: SourceWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    what: KindRecord,
}

/// Encodes an event.
pub(in super::super) fn encode_event(event: &Event) -> Result<String, StoreFault> {
    let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
    let record = EventRecord {
        at_ms: millis(event.at),
        severity: event.severity.into(),
        message: event.message.clone(),
        actor: text(event.actor_id.as_ref().map(ActorId::as_str)),
        job: text(event.job_id.as_ref().map(JobId::as_str)),
        caller: event.caller_id.clone(),
        script_type: text(event.script_type.map(ScriptType::as_str)),
        queue: text(event.queue.as_ref().map(QueueName::as_str)),
        node: text(event.node.as_ref().map(NodeName::as_str)),
        source: event.cause.source.into(),
        request_id: event.cause.request_id.clone(),
        reason: event.cause.reason.clone(),
        identity: event.cause.identity.clone(),
        what: encode_kind(&event.kind),
    };
    encode("an event", &record)
}

/// Decodes an event; None for one of a later version, or none at all.
pub(in super::super) fn decode_event(json: &str) -> Option<Event> {
    let record: EventRecord = serde_json::from_str(json).ok()?;
    Some(Event {
        at: time_of(record.at_ms),
        severity: record.severity.into(),
        message: record.message,
        actor_id: ActorId::parse(&record.actor).ok(),
        job_id: JobId::parse(&record.job).ok(),
        caller_id: record.caller,
        script_type: ScriptType::parse(&record.script_type).ok(),
        queue: QueueName::parse(&record.queue).ok(),
        node: NodeName::parse(&record.node).ok(),
        cause: Cause {
            source: record.source.into(),
            request_id: record.request_id,
            reason: record.reason,
            identity: record.identity,
        },
        kind: decode_kind(record.what)?,
    })
}

/// Decodes an error and leaves out the lines that the script wrote.
fn error_of(json: &str) -> JobError {
    let error = decode_error(json).unwrap_or_else(|_unknown| JobError::new(JobErrorKind::Internal, json));
    JobError { log_tail: Vec::new(), ..error }
}

#[cfg(test)]
mod tests;

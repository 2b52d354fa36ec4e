//! How events stand in Redis: JSON in the stream of our own, flat fields in those of the queues.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{decode_error, encode_error, millis, time_of};
use crate::domain::model::actor::{ActorState, Desired, ExitStatus, LastExit};
use crate::domain::model::event::{Cause, Event, EventKind, Severity, Source};

use crate::domain::model::event::message;
use crate::domain::model::health::{Health, HealthAction};
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::domain::model::job::{JobError, JobErrorKind, JobState};
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;

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
    node: String,
    source: SourceWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    what: WhatRecord,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeverityWord {
    Debug,
    Info,
    Warning,
    Error,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceWord {
    Caller,
    Health,
    Scaler,
    ProcessManager,
    Queue,
    Supervisor,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HealthWord {
    Healthy,
    Degraded,
    Unhealthy,
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionWord {
    None,
    Pinged,
    Restarted,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WhatRecord {
    ActorCreated,
    ActorUpdated,
    ActorDeleted,
    ActorStateChanged {
        old: String,
        new: String,
        up: bool,
        pid: Option<u32>,
    },
    ActorExited {
        code: Option<i32>,
        signal: Option<i32>,
        at_ms: i64,
        pid: u32,
        requested: bool,
        log_tail: Vec<String>,
    },
    ActorRestarted,
    PingSent,
    PingOk {
        round_trip_us: u64,
    },
    PingFailed {
        timed_out: bool,
        reason: String,
    },
    HealthChanged {
        old: HealthWord,
        new: HealthWord,
        failures: u32,
        round_trip_us: Option<u64>,
        action: ActionWord,
        reason: String,
    },
    JobStateChanged {
        old: Option<String>,
        new: String,
        attempt: u32,
        error: Option<String>,
    },
    JobDeleted,
    ScalingDecided {
        at_ms: i64,
        current: u32,
        desired: u32,
        queued: u64,
        running: u64,
        oldest_age_ms: Option<u64>,
        reason: String,
        added: Vec<String>,
        removed: Vec<String>,
    },
    QueuePaused,
    QueueResumed,
    QueuePurged {
        count: u64,
    },
    DependencyDown {
        name: String,
        reason: String,
    },
    DependencyUp {
        name: String,
        who: String,
        latency_us: u64,
    },
    ServerStarted,
    ServerDraining,
}

/// An event as JSON.
pub(in super::super) fn encode_event(event: &Event) -> Result<String, QueueError> {
    let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
    let record = EventRecord {
        at_ms: millis(event.at),
        severity: match event.severity {
            Severity::Debug => SeverityWord::Debug,
            Severity::Info => SeverityWord::Info,
            Severity::Warning => SeverityWord::Warning,
            Severity::Error => SeverityWord::Error,
        },
        message: event.message.clone(),
        actor: text(event.actor_id.as_ref().map(ActorId::as_str)),
        job: text(event.job_id.as_ref().map(JobId::as_str)),
        caller: event.caller_id.clone(),
        script_type: text(event.script_type.map(ScriptType::as_str)),
        node: text(event.node.as_ref().map(NodeName::as_str)),
        source: match event.cause.source {
            Source::Caller => SourceWord::Caller,
            Source::Health => SourceWord::Health,
            Source::Scaler => SourceWord::Scaler,
            Source::ProcessManager => SourceWord::ProcessManager,
            Source::Queue => SourceWord::Queue,
            Source::Supervisor => SourceWord::Supervisor,
        },
        request_id: event.cause.request_id.clone(),
        reason: event.cause.reason.clone(),
        what: encode_what(&event.kind),
    };
    serde_json::to_string(&record)
        .map_err(|error| QueueError::Corrupt { what: "an event".to_owned(), source: error.into() })
}

fn encode_what(kind: &EventKind) -> WhatRecord {
    let ids = |ids: &[ActorId]| ids.iter().map(ActorId::to_string).collect();
    match kind {
        EventKind::ActorCreated => WhatRecord::ActorCreated,
        EventKind::ActorUpdated => WhatRecord::ActorUpdated,
        EventKind::ActorDeleted => WhatRecord::ActorDeleted,
        EventKind::ActorStateChanged { old, new, desired, pid } => WhatRecord::ActorStateChanged {
            old: old.as_str().to_owned(),
            new: new.as_str().to_owned(),
            up: *desired == Desired::Up,
            pid: *pid,
        },
        EventKind::ActorExited(exit) => WhatRecord::ActorExited {
            code: exit.status.code(),
            signal: exit.status.signal(),
            at_ms: millis(exit.at),
            pid: exit.pid,
            requested: exit.requested,
            log_tail: exit.log_tail.clone(),
        },
        EventKind::ActorRestarted => WhatRecord::ActorRestarted,
        EventKind::PingSent => WhatRecord::PingSent,
        EventKind::PingOk { round_trip } => WhatRecord::PingOk { round_trip_us: micros(*round_trip) },
        EventKind::PingFailed { timed_out, reason } => {
            WhatRecord::PingFailed { timed_out: *timed_out, reason: reason.clone() }
        }
        EventKind::HealthChanged { old, new, consecutive_failures, round_trip, action, reason } => {
            WhatRecord::HealthChanged {
                old: health_word(*old),
                new: health_word(*new),
                failures: *consecutive_failures,
                round_trip_us: round_trip.map(micros),
                action: match action {
                    HealthAction::None => ActionWord::None,
                    HealthAction::Pinged => ActionWord::Pinged,
                    HealthAction::Restarted => ActionWord::Restarted,
                },
                reason: reason.clone(),
            }
        }
        EventKind::JobStateChanged { old, new, attempt, error } => WhatRecord::JobStateChanged {
            old: old.map(|old| old.as_str().to_owned()),
            new: new.as_str().to_owned(),
            attempt: *attempt,
            error: error.as_ref().map(encode_error),
        },
        EventKind::JobDeleted => WhatRecord::JobDeleted,
        EventKind::ScalingDecided(decision) => WhatRecord::ScalingDecided {
            at_ms: millis(decision.at),
            current: decision.current,
            desired: decision.desired,
            queued: decision.queued,
            running: decision.running,
            oldest_age_ms: decision.oldest_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            reason: decision.reason.clone(),
            added: ids(&decision.added),
            removed: ids(&decision.removed),
        },
        EventKind::QueuePaused => WhatRecord::QueuePaused,
        EventKind::QueueResumed => WhatRecord::QueueResumed,
        EventKind::QueuePurged { count } => WhatRecord::QueuePurged { count: *count },
        EventKind::DependencyDown { name, reason } => {
            WhatRecord::DependencyDown { name: name.clone(), reason: reason.clone() }
        }
        EventKind::DependencyUp { name, who, latency } => {
            WhatRecord::DependencyUp { name: name.clone(), who: who.clone(), latency_us: micros(*latency) }
        }
        EventKind::ServerStarted => WhatRecord::ServerStarted,
        EventKind::ServerDraining => WhatRecord::ServerDraining,
    }
}

/// An event from its JSON; None if it is from a later version or none at all.
pub(in super::super) fn decode_event(json: &str) -> Option<Event> {
    let record: EventRecord = serde_json::from_str(json).ok()?;
    let source = match record.source {
        SourceWord::Caller => Source::Caller,
        SourceWord::Health => Source::Health,
        SourceWord::Scaler => Source::Scaler,
        SourceWord::ProcessManager => Source::ProcessManager,
        SourceWord::Queue => Source::Queue,
        SourceWord::Supervisor => Source::Supervisor,
    };
    Some(Event {
        at: time_of(record.at_ms),
        severity: match record.severity {
            SeverityWord::Debug => Severity::Debug,
            SeverityWord::Info => Severity::Info,
            SeverityWord::Warning => Severity::Warning,
            SeverityWord::Error => Severity::Error,
        },
        message: record.message,
        actor_id: ActorId::parse(&record.actor).ok(),
        job_id: JobId::parse(&record.job).ok(),
        caller_id: record.caller,
        script_type: ScriptType::parse(&record.script_type).ok(),
        node: NodeName::parse(&record.node).ok(),
        cause: Cause { source, request_id: record.request_id, reason: record.reason },
        kind: decode_what(record.what)?,
    })
}

fn decode_what(record: WhatRecord) -> Option<EventKind> {
    let ids = |ids: Vec<String>| ids.iter().filter_map(|id| ActorId::parse(id).ok()).collect();
    Some(match record {
        WhatRecord::ActorCreated => EventKind::ActorCreated,
        WhatRecord::ActorUpdated => EventKind::ActorUpdated,
        WhatRecord::ActorDeleted => EventKind::ActorDeleted,
        WhatRecord::ActorStateChanged { old, new, up, pid } => EventKind::ActorStateChanged {
            old: ActorState::parse(&old)?,
            new: ActorState::parse(&new)?,
            desired: if up { Desired::Up } else { Desired::Down },
            pid,
        },
        WhatRecord::ActorExited { code, signal, at_ms, pid, requested, log_tail } => {
            let status = match (code, signal) {
                (Some(code), _) => ExitStatus::Code(code),
                (None, Some(signal)) => ExitStatus::Signal(signal),
                (None, None) => ExitStatus::Unknown,
            };
            EventKind::ActorExited(LastExit { status, at: time_of(at_ms), pid, requested, log_tail })
        }
        WhatRecord::ActorRestarted => EventKind::ActorRestarted,
        WhatRecord::PingSent => EventKind::PingSent,
        WhatRecord::PingOk { round_trip_us } => {
            EventKind::PingOk { round_trip: Duration::from_micros(round_trip_us) }
        }
        WhatRecord::PingFailed { timed_out, reason } => EventKind::PingFailed { timed_out, reason },
        WhatRecord::HealthChanged { old, new, failures, round_trip_us, action, reason } => {
            EventKind::HealthChanged {
                old: health_of(&old),
                new: health_of(&new),
                consecutive_failures: failures,
                round_trip: round_trip_us.map(Duration::from_micros),
                action: match action {
                    ActionWord::None => HealthAction::None,
                    ActionWord::Pinged => HealthAction::Pinged,
                    ActionWord::Restarted => HealthAction::Restarted,
                },
                reason,
            }
        }
        WhatRecord::JobStateChanged { old, new, attempt, error } => EventKind::JobStateChanged {
            old: old.as_deref().and_then(JobState::parse),
            new: JobState::parse(&new)?,
            attempt,
            error: error.as_deref().map(error_of),
        },
        WhatRecord::JobDeleted => EventKind::JobDeleted,
        WhatRecord::ScalingDecided {
            at_ms,
            current,
            desired,
            queued,
            running,
            oldest_age_ms,
            reason,
            added,
            removed,
        } => EventKind::ScalingDecided(ScalingDecision {
            at: time_of(at_ms),
            current,
            desired,
            queued,
            running,
            oldest_age: oldest_age_ms.map(Duration::from_millis),
            reason,
            added: ids(added),
            removed: ids(removed),
        }),
        WhatRecord::QueuePaused => EventKind::QueuePaused,
        WhatRecord::QueueResumed => EventKind::QueueResumed,
        WhatRecord::QueuePurged { count } => EventKind::QueuePurged { count },
        WhatRecord::DependencyDown { name, reason } => EventKind::DependencyDown { name, reason },
        WhatRecord::DependencyUp { name, who, latency_us } => {
            EventKind::DependencyUp { name, who, latency: Duration::from_micros(latency_us) }
        }
        WhatRecord::ServerStarted => EventKind::ServerStarted,
        WhatRecord::ServerDraining => EventKind::ServerDraining,
    })
}

/// An event of a job from the fields that the queue functions write; see `add_event` in `functions/common.lua`.
pub(in super::super) fn decode_job_event<'a>(
    script_type: ScriptType,
    at: SystemTime,
    get: impl Fn(&str) -> Option<&'a str>,
) -> Option<Event> {
    let id = JobId::parse(get("id")?).ok()?;
    let actor_id = get("actor").and_then(|actor| ActorId::parse(actor).ok());
    let old = get("old").and_then(JobState::parse);
    let (what, source, reason, message) = match get("state")? {
        "deleted" => (EventKind::JobDeleted, Source::Caller, String::new(), message::of_deleted_job(&id)),
        state => {
            let new = JobState::parse(state)?;
            let attempt = get("attempt").and_then(|attempt| attempt.parse().ok()).unwrap_or(0);
            let error = get("error").map(error_of);
            let reason = get("reason").unwrap_or_default().to_owned();
            let why = error.as_ref().map_or(reason.as_str(), |error| error.message.as_str());
            let message = message::of_job(&id, old, new, attempt, actor_id.as_ref(), why);
            let by_caller = old.is_none() || new == JobState::Cancelled;
            let source = if by_caller { Source::Caller } else { Source::Queue };
            (EventKind::JobStateChanged { old, new, attempt, error }, source, reason, message)
        }
    };
    let cause = Cause { source, request_id: None, reason };
    let mut event = Event::new(at, cause, what, message).of_type(script_type);
    event.actor_id = actor_id;
    event.job_id = Some(id);
    event.caller_id = get("caller").unwrap_or_default().to_owned();
    Some(event)
}

/// An error as it stands in records, without the lines that the script wrote.
fn error_of(json: &str) -> JobError {
    let error = decode_error(json).unwrap_or_else(|_unknown| JobError::new(JobErrorKind::Internal, json));
    JobError { log_tail: Vec::new(), ..error }
}

fn health_word(health: Health) -> HealthWord {
    match health {
        Health::Healthy => HealthWord::Healthy,
        Health::Degraded => HealthWord::Degraded,
        Health::Unhealthy => HealthWord::Unhealthy,
        Health::Unknown => HealthWord::Unknown,
    }
}

fn health_of(word: &HealthWord) -> Health {
    match word {
        HealthWord::Healthy => Health::Healthy,
        HealthWord::Degraded => Health::Degraded,
        HealthWord::Unhealthy => Health::Unhealthy,
        HealthWord::Unknown => Health::Unknown,
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

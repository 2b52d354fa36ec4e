//! Records of the payloads of events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error_of;
use crate::adapters::redis::records::actor::exit_status;
use crate::adapters::redis::records::json::{span_micros, span_millis};
use crate::adapters::redis::records::shares::SharesRecord;
use crate::adapters::redis::records::words::{HealthActionWord, HealthWord};
use crate::adapters::redis::records::{encode_error, millis, time_of};
use crate::domain::model::actor::{ActorState, Desired, LastExit};
use crate::domain::model::event::EventKind;
use crate::domain::model::id::ActorId;
use crate::domain::model::job::{JobState, Priority};
use crate::domain::model::scaling::ScalingDecision;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum KindRecord {
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
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
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
        action: HealthActionWord,
        reason: String,
    },
    JobStateChanged {
        old: Option<String>,
        new: String,
        attempt: u32,
        error: Option<String>,
    },
    JobDeleted,
    JobUpdated {
        old: u8,
        new: u8,
    },
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
        #[serde(default, skip_serializing_if = "SharesRecord::is_empty")]
        shares: SharesRecord,
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
    ServerReloaded {
        subject: String,
    },
    ServerReloadFailed {
        subject: String,
        reason: String,
    },
}

/// The record of a kind of event.
pub(super) fn encode_kind(kind: &EventKind) -> KindRecord {
    let ids = |ids: &[ActorId]| ids.iter().map(ActorId::to_string).collect();
    match kind {
        EventKind::ActorCreated => KindRecord::ActorCreated,
        EventKind::ActorUpdated => KindRecord::ActorUpdated,
        EventKind::ActorDeleted => KindRecord::ActorDeleted,
        EventKind::ActorStateChanged { old, new, desired, pid } => KindRecord::ActorStateChanged {
            old: old.as_str().to_owned(),
            new: new.as_str().to_owned(),
            up: *desired == Desired::Up,
            pid: *pid,
        },
        EventKind::ActorExited(exit) => KindRecord::ActorExited {
            code: exit.status.code(),
            signal: exit.status.signal(),
            at_ms: millis(exit.at),
            pid: exit.pid,
            requested: exit.requested,
            reason: exit.reason.clone(),
            log_tail: exit.log_tail.clone(),
        },
        EventKind::ActorRestarted => KindRecord::ActorRestarted,
        EventKind::PingSent => KindRecord::PingSent,
        EventKind::PingOk { round_trip } => KindRecord::PingOk { round_trip_us: span_micros(*round_trip) },
        EventKind::PingFailed { timed_out, reason } => {
            KindRecord::PingFailed { timed_out: *timed_out, reason: reason.clone() }
        }
        EventKind::HealthChanged { old, new, consecutive_failures, round_trip, action, reason } => {
            KindRecord::HealthChanged {
                old: (*old).into(),
                new: (*new).into(),
                failures: *consecutive_failures,
                round_trip_us: round_trip.map(span_micros),
                action: (*action).into(),
                reason: reason.clone(),
            }
        }
        EventKind::JobStateChanged { old, new, attempt, error } => KindRecord::JobStateChanged {
            old: old.map(|old| old.as_str().to_owned()),
            new: new.as_str().to_owned(),
            attempt: *attempt,
            error: error.as_ref().map(encode_error),
        },
        EventKind::JobDeleted => KindRecord::JobDeleted,
        EventKind::JobUpdated { old, new } => KindRecord::JobUpdated { old: old.level(), new: new.level() },
        EventKind::ScalingDecided(decision) => KindRecord::ScalingDecided {
            at_ms: millis(decision.at),
            current: decision.current,
            desired: decision.desired,
            queued: decision.queued,
            running: decision.running,
            oldest_age_ms: decision.oldest_age.map(span_millis),
            reason: decision.reason.clone(),
            added: ids(&decision.added),
            removed: ids(&decision.removed),
            shares: (&decision.shares).into(),
        },
        EventKind::QueuePaused => KindRecord::QueuePaused,
        EventKind::QueueResumed => KindRecord::QueueResumed,
        EventKind::QueuePurged { count } => KindRecord::QueuePurged { count: *count },
        EventKind::DependencyDown { name, reason } => {
            KindRecord::DependencyDown { name: name.clone(), reason: reason.clone() }
        }
        EventKind::DependencyUp { name, who, latency } => KindRecord::DependencyUp {
            name: name.clone(),
            who: who.clone(),
            latency_us: span_micros(*latency),
        },
        EventKind::ServerStarted => KindRecord::ServerStarted,
        EventKind::ServerDraining => KindRecord::ServerDraining,
        EventKind::ServerReloaded { subject } => KindRecord::ServerReloaded { subject: subject.clone() },
        EventKind::ServerReloadFailed { subject, reason } => {
            KindRecord::ServerReloadFailed { subject: subject.clone(), reason: reason.clone() }
        }
    }
}

/// A kind of event from its record; None if it holds a word of a later version.
pub(super) fn decode_kind(record: KindRecord) -> Option<EventKind> {
    let ids = |ids: Vec<String>| ids.iter().filter_map(|id| ActorId::parse(id).ok()).collect();
    Some(match record {
        KindRecord::ActorCreated => EventKind::ActorCreated,
        KindRecord::ActorUpdated => EventKind::ActorUpdated,
        KindRecord::ActorDeleted => EventKind::ActorDeleted,
        KindRecord::ActorStateChanged { old, new, up, pid } => EventKind::ActorStateChanged {
            old: ActorState::parse(&old)?,
            new: ActorState::parse(&new)?,
            desired: if up { Desired::Up } else { Desired::Down },
            pid,
        },
        KindRecord::ActorExited { code, signal, at_ms, pid, requested, reason, log_tail } => {
            let (status, at) = (exit_status(code, signal), time_of(at_ms));
            EventKind::ActorExited(LastExit { status, at, pid, requested, reason, log_tail })
        }
        KindRecord::ActorRestarted => EventKind::ActorRestarted,
        KindRecord::PingSent => EventKind::PingSent,
        KindRecord::PingOk { round_trip_us } => {
            EventKind::PingOk { round_trip: Duration::from_micros(round_trip_us) }
        }
        KindRecord::PingFailed { timed_out, reason } => EventKind::PingFailed { timed_out, reason },
        KindRecord::HealthChanged { old, new, failures, round_trip_us, action, reason } => {
            EventKind::HealthChanged {
                old: old.into(),
                new: new.into(),
                consecutive_failures: failures,
                round_trip: round_trip_us.map(Duration::from_micros),
                action: action.into(),
                reason,
            }
        }
        KindRecord::JobStateChanged { old, new, attempt, error } => EventKind::JobStateChanged {
            old: old.as_deref().and_then(JobState::parse),
            new: JobState::parse(&new)?,
            attempt,
            error: error.as_deref().map(error_of),
        },
        KindRecord::JobDeleted => EventKind::JobDeleted,
        KindRecord::JobUpdated { old, new } => EventKind::JobUpdated {
            old: Priority::new(old.into()).ok()?,
            new: Priority::new(new.into()).ok()?,
        },
        KindRecord::ScalingDecided {
            at_ms,
            current,
            desired,
            queued,
            running,
            oldest_age_ms,
            reason,
            added,
            removed,
            shares,
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
            shares: shares.into(),
        }),
        KindRecord::QueuePaused => EventKind::QueuePaused,
        KindRecord::QueueResumed => EventKind::QueueResumed,
        KindRecord::QueuePurged { count } => EventKind::QueuePurged { count },
        KindRecord::DependencyDown { name, reason } => EventKind::DependencyDown { name, reason },
        KindRecord::DependencyUp { name, who, latency_us } => {
            EventKind::DependencyUp { name, who, latency: Duration::from_micros(latency_us) }
        }
        KindRecord::ServerStarted => EventKind::ServerStarted,
        KindRecord::ServerDraining => EventKind::ServerDraining,
        KindRecord::ServerReloaded { subject } => EventKind::ServerReloaded { subject },
        KindRecord::ServerReloadFailed { subject, reason } => {
            EventKind::ServerReloadFailed { subject, reason }
        }
    })
}

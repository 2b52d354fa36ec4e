//! The metrics that are counted from events: pings, their round trip, restarts for them, and events that are lost.

use metrics::{counter, histogram};

use crate::adapters::redis::begin_to_count;
use crate::domain::model::event::{Event, EventKind};
use crate::domain::model::script_type::ScriptType;
use crate::ports::authenticator::Rejection;
use crate::ports::event_meter::EventMeter;
use crate::telemetry::metrics::{AUTH_FAILURES, EVENTS_LOST, HEALTH_RESTARTS, PING_DURATION, PINGS, seconds};

/// Writes events to the recorder of metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventMetrics;

impl EventMetrics {
    /// Makes the series, which are there at 0 before anything happens: a rate needs a first value.
    pub(super) fn begin() {
        for script_type in ScriptType::ALL.map(ScriptType::as_str) {
            for outcome in ["ok", "timed_out", "failed"] {
                counter!(PINGS, "script_type" => script_type, "outcome" => outcome).increment(0);
            }
            counter!(HEALTH_RESTARTS, "script_type" => script_type).increment(0);
        }
        counter!(EVENTS_LOST).increment(0);
        for reason in Rejection::ALL {
            counter!(AUTH_FAILURES, "reason" => reason.as_str()).increment(0);
        }
        begin_to_count();
    }
}

impl EventMeter for EventMetrics {
    fn emitted(&self, event: &Event) {
        let script_type = event.script_type.map_or("", ScriptType::as_str);
        let pinged =
            |outcome| counter!(PINGS, "script_type" => script_type, "outcome" => outcome).increment(1);
        if let EventKind::PingOk { round_trip } = &event.kind {
            pinged("ok");
            histogram!(PING_DURATION, "script_type" => script_type).record(seconds(*round_trip));
        }
        if matches!(event.kind, EventKind::ActorRestarted) {
            counter!(HEALTH_RESTARTS, "script_type" => script_type).increment(1);
        }
        if let EventKind::PingFailed { timed_out, .. } = &event.kind {
            pinged(if *timed_out { "timed_out" } else { "failed" });
        }
    }

    fn lost(&self, events: usize) {
        counter!(EVENTS_LOST).increment(u64::try_from(events).unwrap_or(u64::MAX));
    }
}

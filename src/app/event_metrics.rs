//! The metrics that are counted from events: pings, their round trip, and events that are lost.

use metrics::{counter, histogram};

use crate::domain::model::event::{Event, EventKind};
use crate::domain::model::script_type::ScriptType;
use crate::ports::event_meter::EventMeter;
use crate::telemetry::metrics::{EVENTS_LOST, PING_DURATION, PINGS, seconds};

/// Writes events to the recorder of metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventMetrics;

impl EventMeter for EventMetrics {
    fn emitted(&self, event: &Event) {
        let script_type = event.script_type.map_or("", ScriptType::as_str);
        let pinged =
            |outcome| counter!(PINGS, "script_type" => script_type, "outcome" => outcome).increment(1);
        if let EventKind::PingOk { round_trip } = &event.kind {
            pinged("ok");
            histogram!(PING_DURATION, "script_type" => script_type).record(seconds(*round_trip));
        }
        if let EventKind::PingFailed { timed_out, .. } = &event.kind {
            pinged(if *timed_out { "timed_out" } else { "failed" });
        }
    }

    fn lost(&self, events: usize) {
        counter!(EVENTS_LOST).increment(u64::try_from(events).unwrap_or(u64::MAX));
    }
}

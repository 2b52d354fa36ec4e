//! The event pipeline of the supervisor: emit, write to the log, list, watch.
//!
//! Whoever makes something happen [emits](Events::emit) its event and goes on; nobody waits for the log, and nothing
//! fails because an event could not be written.

pub mod list;
pub mod watch;
pub mod writer;

use metrics::{counter, histogram};
use tokio::sync::mpsc;

use crate::domain::model::event::{Event, EventKind};
use crate::domain::model::script_type::ScriptType;
use crate::telemetry::metrics::{EVENTS_LOST, PING_DURATION, PINGS, seconds};

/// Events on their way to the log; more than this, made faster than they are written, are dropped and counted.
pub const WAITING_EVENTS: usize = 10_000;

/// The way to the event log. A cheap clone; emitting never waits.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<Event>,
}

impl Events {
    /// The way, and its end: what comes out there is to be written to the log by one task.
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
        (Self { sender }, receiver)
    }

    /// For users that keep no log.
    pub fn discard() -> Self {
        Self { sender: mpsc::channel(1).0 }
    }

    /// Hands an event over. With nobody at the other end it is gone; with too many waiting it is dropped, and said so.
    pub fn emit(&self, event: Event) {
        count(&event);
        match self.sender.try_send(event) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(event)) => {
                counter!(EVENTS_LOST).increment(1);
                tracing::warn!(message = event.message, "an event is lost: the log cannot keep up");
            }
        }
    }
}

/// Counts what is counted of events; where it happened, so that several readers of the log do not count it again.
fn count(event: &Event) {
    let script_type = event.script_type.map_or("", ScriptType::as_str);
    let pinged = |outcome| counter!(PINGS, "script_type" => script_type, "outcome" => outcome).increment(1);
    if let EventKind::PingOk { round_trip } = &event.kind {
        pinged("ok");
        histogram!(PING_DURATION, "script_type" => script_type).record(seconds(*round_trip));
    }
    if let EventKind::PingFailed { timed_out, .. } = &event.kind {
        pinged(if *timed_out { "timed_out" } else { "failed" });
    }
}

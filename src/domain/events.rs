//! The event pipeline of the supervisor: emit, write to the log, list, watch.
//!
//! Whoever makes something happen [emits](Events::emit) its event and goes on; nobody waits for the log, and nothing
//! fails because an event could not be written.

pub mod list;
pub mod watch;
pub mod writer;

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::model::event::Event;
use crate::ports::event_meter::{EventMeter, NoMeter};

/// Events on their way to the log; more than this, made faster than they are written, are dropped and counted.
pub const WAITING_EVENTS: usize = 10_000;

/// The sender of events. A cheap clone; emitting never waits.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<Event>,
    meter: Arc<dyn EventMeter>,
}

impl Events {
    /// Returns a sender, and the receiver from which one task writes events to the log.
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
        (Self { sender, meter: Arc::new(NoMeter) }, receiver)
    }

    /// Returns a sender for users that keep no log.
    pub fn discard() -> Self {
        Self { sender: mpsc::channel(1).0, meter: Arc::new(NoMeter) }
    }

    /// Counts events from now on.
    #[must_use]
    pub fn with_meter(self, meter: Arc<dyn EventMeter>) -> Self {
        Self { meter, ..self }
    }

    /// Hands an event over. Without a receiver the event is gone; with too many that wait it is dropped and logged.
    pub fn emit(&self, event: Event) {
        self.meter.emitted(&event);
        match self.sender.try_send(event) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(event)) => {
                self.meter.lost(1);
                tracing::warn!(message = event.message, "event log: an event is lost (too many wait)");
            }
        }
    }
}

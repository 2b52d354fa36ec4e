//! Counts events where they are made, so that several readers of one log do not count them again.

use crate::domain::model::event::Event;

/// Counts emitted and lost events.
pub trait EventMeter: std::fmt::Debug + Send + Sync {
    /// Counts an event that was emitted here.
    fn emitted(&self, event: &Event);

    /// Counts events that never reach the log.
    fn lost(&self, events: usize);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl EventMeter for NoMeter {
    fn emitted(&self, _event: &Event) {}

    fn lost(&self, _events: usize) {}
}

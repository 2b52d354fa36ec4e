//! A run: the next events behind one cursor, shared by every watcher that stands there and wants all of them.

use std::sync::{Arc, OnceLock};

use crate::domain::model::event::cursor::Cursor;
use crate::ports::event_log::Logged;

/// Events in a run, at the most.
pub(super) const LONGEST: usize = 128;

/// The next events behind a cursor.
#[derive(Debug)]
pub struct EventRun {
    /// Cursor behind which the events come.
    pub(super) from: Cursor,
    /// The events in the order in which they were read; at least one.
    events: Vec<Arc<Logged>>,
    /// Cursor with the last of them.
    pub(super) to: Cursor,
    encoded: OnceLock<Arc<[u8]>>,
}

impl EventRun {
    pub(super) fn new(from: Cursor, events: Vec<Arc<Logged>>) -> Self {
        let mut to = from.clone();
        for logged in &events {
            to.set(logged.stream, logged.position);
        }
        Self { from, events, to, encoded: OnceLock::new() }
    }

    /// Each event, with the cursor that stands right behind it.
    pub fn events(&self) -> impl Iterator<Item = (Cursor, &Logged)> {
        self.events.iter().scan(self.from.clone(), |cursor, logged| {
            cursor.set(logged.stream, logged.position);
            Some((cursor.clone(), logged.as_ref()))
        })
    }

    /// The encoded form of the run. Who asks first makes it, for all; so `encode` gives everybody the same.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Vec<u8>) -> Arc<[u8]> {
        Arc::clone(self.encoded.get_or_init(|| encode(self).into()))
    }
}

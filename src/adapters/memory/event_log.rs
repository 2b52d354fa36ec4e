//! The event log, in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::adapters::memory::broker::MemoryBroker;
use crate::domain::model::event::Event;
use crate::domain::model::event::cursor::{Cursor, EventStream};
use crate::ports::event_log::{Earlier, EventLog, Extent, Follow, LogError, Read};

/// Longest wait of a read for a new event.
const WAIT: Duration = Duration::from_secs(2);

/// A view of a [`MemoryBroker`].
#[derive(Debug, Clone)]
pub struct MemoryEventLog {
    broker: MemoryBroker,
}

impl MemoryBroker {
    /// The event log.
    pub fn event_log(&self) -> MemoryEventLog {
        MemoryEventLog { broker: self.clone() }
    }
}

impl MemoryEventLog {
    /// Removes all but the last `kept` events of each stream, as time would.
    ///
    /// # Errors
    /// `Unavailable` when the broker was set to be so.
    pub fn trim(&self, kept: usize) -> Result<(), LogError> {
        self.broker.with(|state| state.trim_events(kept))
    }
}

#[async_trait]
impl EventLog for MemoryEventLog {
    async fn append(&self, events: &[Event]) -> Result<(), LogError> {
        self.broker.with(|state| state.append_events(events))
    }

    async fn extent(&self, streams: &BTreeSet<EventStream>) -> Result<Extent, LogError> {
        self.broker.without_waking(|state| state.extent_of_events(streams))
    }

    async fn after(&self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        self.broker.without_waking(|state| state.events_after(cursor, limit))
    }

    async fn before(&self, cursor: &Cursor, limit: usize) -> Result<Earlier, LogError> {
        self.broker.without_waking(|state| state.events_before(cursor, limit))
    }

    async fn follow(&self) -> Result<Box<dyn Follow>, LogError> {
        let follower = Follower { changes: self.broker.changes(), broker: self.broker.clone() };
        // An unavailable broker is unavailable to followers, too.
        self.broker.without_waking(|_state| Box::new(follower) as Box<dyn Follow>)
    }
}

struct Follower {
    broker: MemoryBroker,
    changes: watch::Receiver<u64>,
}

#[async_trait]
impl Follow for Follower {
    async fn next(&mut self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        let deadline = Instant::now() + WAIT;
        loop {
            self.changes.borrow_and_update();
            let read =
                self.broker.without_waking::<_, LogError>(|state| state.events_after(cursor, limit))?;
            let nothing = matches!(&read, Read::Entries { entries, .. } if entries.is_empty());
            if !nothing || !matches!(timeout_at(deadline, self.changes.changed()).await, Ok(Ok(()))) {
                return Ok(read);
            }
        }
    }
}

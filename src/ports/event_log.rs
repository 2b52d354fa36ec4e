//! The event log: events, kept for a while in several streams, and read again by watchers.
//!
//! Events about jobs are appended by the queue itself, in the same step as the change. All others come
//! in through [`EventLog::append`].

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::domain::model::event::Event;
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::ports::store_fault::store_error;

store_error! {
    /// Error of a call to the event log.
    LogError, "the event log"
}

/// An event with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Stream of the event.
    pub stream: EventStream,
    /// Position in the stream.
    pub position: Position,
    /// The event.
    pub event: Event,
}

impl Logged {
    /// The name of the event: the same for every reader, and no other event's.
    pub fn id(&self) -> String {
        self.stream.word(self.position)
    }
}

/// Result of a read behind a cursor.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// Events after the cursor; none when there is none yet.
    Entries {
        /// Events, in the order of each stream.
        entries: Vec<Logged>,
        /// Cursor of the next read. It lies behind entries that nobody can read, too.
        upto: Cursor,
    },
    /// Events right after the cursor are no longer kept.
    Expired {
        /// Oldest cursor after which events are kept.
        oldest: Cursor,
    },
}

/// Result of a read before a cursor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Earlier {
    /// Readable events, the newest of each stream first.
    pub entries: Vec<Logged>,
    /// Place up to which the streams that may have more were read. It lies before entries that nobody can read, too.
    pub more: Cursor,
}

/// Extent of the kept events of some streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Cursor after which everything is kept.
    pub oldest: Cursor,
    /// Nothing comes after it yet.
    pub newest: Cursor,
}

/// Keeps events.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Adds events in this order to the stream of all that is not about jobs. What the log was told already (by another
    /// supervisor of the node, or by the one before) is left out: that an actor is in the state that it was last said
    /// to be in, and the end of a process whose end was told.
    async fn append(&self, events: &[Event]) -> Result<(), LogError>;

    /// The ends of these streams.
    async fn extent(&self, streams: &BTreeSet<EventStream>) -> Result<Extent, LogError>;

    /// Up to `limit` entries of each stream of the cursor that came after it.
    async fn after(&self, cursor: &Cursor, limit: usize) -> Result<Read, LogError>;

    /// Up to `limit` entries of each stream that came before the cursor.
    async fn before(&self, cursor: &Cursor, limit: usize) -> Result<Earlier, LogError>;

    /// A reader that waits for what comes.
    async fn follow(&self) -> Result<Box<dyn Follow>, LogError>;
}

/// One reader that waits. One whose `next` was dropped half-way is not to be used again.
#[async_trait]
pub trait Follow: Send {
    /// Reads as [`EventLog::after`] does, but waits a few seconds for an event before it answers with none.
    async fn next(&mut self, cursor: &Cursor, limit: usize) -> Result<Read, LogError>;
}

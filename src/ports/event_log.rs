//! What happened, kept for a while in several streams, and read again by those who watch.
//!
//! Events about jobs are appended by the queue itself, in the same step as the change that they tell of. All others come
//! in through [`EventLog::append`].

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::domain::model::event::Event;
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::ports::store_fault::store_error;

store_error! {
    /// Why a call to the event log failed.
    LogError, "the event log"
}

/// An event with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Which stream.
    pub stream: EventStream,
    /// Where in it.
    pub position: Position,
    /// What happened.
    pub event: Event,
}

impl Logged {
    /// The name of the event: the same for every reader, and no other event's.
    pub fn id(&self) -> String {
        self.stream.word(self.position)
    }
}

/// What a read behind a cursor found.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// What came after it; nothing when there is nothing yet.
    Entries {
        /// In the order of each stream.
        entries: Vec<Logged>,
        /// Where the next read goes on. It lies behind entries that nobody can read, too.
        upto: Cursor,
    },
    /// What came right after it is no longer kept.
    Expired {
        /// What comes after this one is still kept.
        oldest: Cursor,
    },
}

/// What a read before a cursor found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Earlier {
    /// What can be read of it, the newest of each stream first.
    pub entries: Vec<Logged>,
    /// Where the streams that may have more were read to. It lies before entries that nobody can read, too.
    pub more: Cursor,
}

/// What is kept of some streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Everything after it is kept.
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
    /// As [`EventLog::after`], but waits a few seconds for something to come before it answers with nothing.
    async fn next(&mut self, cursor: &Cursor, limit: usize) -> Result<Read, LogError>;
}

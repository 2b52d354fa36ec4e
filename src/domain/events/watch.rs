//! Many watchers, one reader.
//!
//! While anybody watches, one task reads the streams that somebody wants and puts each event once into a `ring` that all
//! watchers share. For each stream the ring holds exactly the events of one interval without a gap, and a watcher is
//! either inside of the intervals of its streams, or it reads the log itself until it is. Nothing is kept for one watcher
//! alone: one that falls behind the ring goes back to the log, and one that took nothing for a while on top of that is
//! cut off.

mod reader;
mod ring;
mod run;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::ring::Ring;
use crate::domain::model::event::cursor::{Cursor, EventStream};
use crate::domain::model::event::filter::EventFilter;
use crate::error::SupervisorError;
use crate::lock::Lock;
use crate::ports::event_log::EventLog;

pub use self::run::EventRun;
pub use self::watcher::{EventWatch, NextEvents};

/// Events in the ring. More than one busy second of a watcher that is let wait by its network.
const RING: usize = 4096;
/// Entries of each stream in one read of the reader, and of a watcher that catches up.
const READ: usize = 500;
/// Watchers that read the log at a time.
const READS_AT_A_TIME: usize = 8;
/// A watcher that fell behind the ring and took nothing for this long is cut off.
pub const STALL_LIMIT: Duration = Duration::from_secs(5);
/// Watches at a time. Each holds a few kilobytes.
pub const MOST_WATCHES: usize = 10_000;
/// Named queues that are watched at a time. In a Cluster each takes a connection.
const MOST_QUEUES: usize = 200;

/// Hub that watchers join. A cheap clone; all clones are one.
#[derive(Clone)]
pub struct EventHub {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn EventLog>,
    /// Entries of each stream in one read.
    read: usize,
    turns: Semaphore,
    state: Lock<State>,
    /// Word for the reader that a stream is wanted that nobody wanted before.
    wanted: watch::Sender<u64>,
    /// Word for watchers that the ring has changed.
    changes: watch::Sender<u64>,
}

struct State {
    watches: usize,
    /// Number of watchers of each stream.
    interest: BTreeMap<EventStream, usize>,
    ring: Ring,
}

impl State {
    fn wanted(&self) -> BTreeSet<EventStream> {
        self.interest.keys().copied().collect()
    }
}

impl EventHub {
    /// A hub on a log. Nothing is read before somebody watches, and unless [`EventHub::run`] runs.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self::with_sizes(log, RING, READ)
    }

    fn with_sizes(log: Arc<dyn EventLog>, ring: usize, read: usize) -> Self {
        let state = State { watches: 0, interest: BTreeMap::new(), ring: Ring::new(ring) };
        let shared = Shared {
            log,
            read,
            turns: Semaphore::new(READS_AT_A_TIME),
            state: Lock::new(state),
            wanted: watch::Sender::new(0),
            changes: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.shared.log
    }

    /// Reads for all watchers until the end.
    pub async fn run(self, token: CancellationToken) {
        let _ended: Option<()> = token.run_until_cancelled(reader::read(&self.shared)).await;
    }

    /// Begins to watch: what passes the filter and came after `from`; from now on without one.
    ///
    /// # Errors
    /// `TooManyWatches`; `TooManyWatchedQueues`; `QueueUnavailable` when the log does not answer; `CursorExpired`.
    pub async fn watch(
        &self,
        filter: EventFilter,
        from: Option<Cursor>,
    ) -> Result<EventWatch, SupervisorError> {
        let interest = Interest::register(&self.shared, filter.streams())?;
        let own = match from {
            Some(cursor) => cursor,
            None => now(self.log().as_ref(), &filter).await?,
        };
        EventWatch::begin(interest, filter, own).await
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Keeps the reader at some streams as long as it lives.
struct Interest {
    shared: Arc<Shared>,
    streams: BTreeSet<EventStream>,
}

impl Interest {
    fn register(shared: &Arc<Shared>, streams: BTreeSet<EventStream>) -> Result<Self, SupervisorError> {
        let mut state = shared.lock();
        if state.watches >= MOST_WATCHES {
            return Err(SupervisorError::TooManyWatches { limit: MOST_WATCHES });
        }
        let is_named = |stream: &&EventStream| stream.is_of_named_queue();
        let fresh = |stream: &&EventStream| !state.interest.contains_key(stream);
        let more = streams.iter().filter(is_named).filter(fresh).count();
        if more > 0 && state.interest.keys().filter(is_named).count() + more > MOST_QUEUES {
            return Err(SupervisorError::TooManyWatchedQueues { limit: MOST_QUEUES });
        }
        state.watches += 1;
        let mut first_of_a_stream = false;
        for stream in &streams {
            let count = state.interest.entry(*stream).or_default();
            first_of_a_stream |= *count == 0;
            *count += 1;
        }
        drop(state);
        // Whatever the ring has of the stream: a reader that saw nobody who wants it does not read it, or is about to stop.
        if first_of_a_stream {
            shared.wanted.send_modify(|times| *times += 1);
        }
        Ok(Self { shared: Arc::clone(shared), streams })
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.watches = state.watches.saturating_sub(1);
        for stream in &self.streams {
            if let Some(count) = state.interest.get_mut(stream) {
                *count = count.saturating_sub(1);
            }
        }
        state.interest.retain(|_stream, count| *count > 0);
    }
}

/// The place after which a watch with this filter begins when it is to begin now.
///
/// # Errors
/// `QueueUnavailable`.
pub async fn now(log: &dyn EventLog, filter: &EventFilter) -> Result<Cursor, SupervisorError> {
    Ok(log.extent(&filter.streams()).await?.newest)
}

impl std::fmt::Debug for EventHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventHub").field("watches", &self.shared.lock().watches).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The shared connection to one server: open, or failed and not tried again before its time.

use redis::aio::MultiplexedConnection;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::RECONNECT;
use crate::lock::Lock;
use crate::ports::store_fault::StoreFault;

/// A server, and the connection to it if there is one.
pub(super) struct Link {
    slot: Lock<Slot>,
    /// Lets one attempt to connect be under way at a time; the others find its connection or its failure.
    pub(super) opening: Semaphore,
}

#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    /// Number of changes of the primary behind Sentinels that the connection knows of.
    moves: u64,
    /// Number of the connection, so that a late failure of an old one does not close a new one.
    generation: u64,
    failures: u32,
    blocked_until: Option<Instant>,
    last_failure: Option<StoreFault>,
}

impl Link {
    pub(super) fn new() -> Self {
        Self { slot: Lock::default(), opening: Semaphore::new(1) }
    }

    /// The open connection; the last failure while it is too early for another attempt.
    pub(super) fn open_connection(
        &self,
        moves: u64,
    ) -> Result<Option<(MultiplexedConnection, u64)>, StoreFault> {
        let mut slot = self.slot.lock();
        if slot.moves != moves {
            // It leads to a former primary, and so did the attempts that failed.
            *slot = Slot { moves, connection: None, blocked_until: None, ..std::mem::take(&mut *slot) };
        }
        match (&slot.connection, slot.blocked_until) {
            (Some(connection), _) => Ok(Some((connection.clone(), slot.generation))),
            (None, Some(until)) if Instant::now() < until => match &slot.last_failure {
                Some(failure) => Err(failure.echo()),
                None => Ok(None),
            },
            (None, _) => Ok(None),
        }
    }

    pub(super) fn keep(&self, connection: MultiplexedConnection, moves: u64, generation: u64) {
        *self.slot.lock() = Slot { connection: Some(connection), moves, generation, ..Slot::default() };
    }

    /// Notes that an attempt to connect has failed; returns the number of failures in a row.
    pub(super) fn note_failure(&self, error: &StoreFault) -> u32 {
        let mut slot = self.slot.lock();
        slot.failures = slot.failures.saturating_add(1);
        slot.blocked_until = Some(Instant::now() + RECONNECT.delay(slot.failures, fastrand::f64()));
        slot.last_failure = Some(error.echo());
        slot.failures
    }

    /// Drops the connection of this generation.
    pub(super) fn invalidate(&self, generation: u64) {
        let mut slot = self.slot.lock();
        if slot.generation == generation {
            slot.connection = None;
        }
    }

    /// Drops the connection.
    pub(super) fn close(&self) {
        self.slot.lock().connection = None;
    }

    /// The number of the connection; 0 before the first one.
    pub(super) fn generation(&self) -> u64 {
        self.slot.lock().generation
    }
}

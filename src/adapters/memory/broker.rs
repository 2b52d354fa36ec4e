//! A job queue in memory. Supervisors and actors of one broker see the same jobs, as those of one Redis do.

mod state;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::adapters::memory::clock::MemoryClock;
use crate::lock::Lock;
use crate::ports::store_fault::StoreFault;

pub(super) use self::state::{Holder, State};

/// Limits of a [`MemoryBroker`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// A lease without heartbeat ends after this long; 15 s by default.
    pub lease: Duration,
    /// Jobs that may wait in one queue; 1 000 000 by default.
    pub queue_limit: u64,
    /// Queues that may be created by name; 10 000 by default.
    pub named_queue_limit: u64,
    /// Ended jobs of one type that are kept; 100 000 by default.
    pub finished_limit: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            queue_limit: 1_000_000,
            named_queue_limit: 10_000,
            finished_limit: 100_000,
        }
    }
}

/// The queue. Clones are cheap and share it.
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Lock<State>,
    /// Grows with every change and wakes those who wait for work.
    version: watch::Sender<u64>,
    config: MemoryConfig,
    clock: MemoryClock,
}

impl MemoryBroker {
    /// An empty queue.
    pub fn new(config: MemoryConfig) -> Self {
        let clock = MemoryClock::new();
        let state = Lock::new(State::new(config, clock));
        let version = watch::Sender::new(0);
        Self { shared: Arc::new(Shared { state, version, config, clock }) }
    }

    /// The clock of all times in records.
    pub fn clock(&self) -> MemoryClock {
        self.shared.clock
    }

    /// Makes every call fail with `Unavailable`, or work again.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.shared.state.lock().unavailable = unavailable;
    }

    pub(super) fn config(&self) -> MemoryConfig {
        self.shared.config
    }

    /// Reads or changes the state, and wakes those who wait.
    pub(super) fn with<T, E: From<StoreFault>>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, E> {
        let answer = self.without_waking(change)?;
        self.shared.version.send_modify(|version| *version += 1);
        Ok(answer)
    }

    /// Reads or changes the state and wakes nobody. Two actors that only read would wake each other without end.
    pub(super) fn without_waking<T, E: From<StoreFault>>(
        &self,
        change: impl FnOnce(&mut State) -> T,
    ) -> Result<T, E> {
        let mut state = self.shared.state.lock();
        if state.unavailable {
            return Err(StoreFault::Unavailable("the memory was told to be away".into()).into());
        }
        Ok(change(&mut state))
    }

    /// Notifications of changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }
}

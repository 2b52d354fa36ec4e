//! A wall clock that follows tokio's time and is paused with it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::ports::clock::Clock;

/// A clock that counts from a fixed date.
#[derive(Debug, Clone, Copy)]
pub struct MemoryClock {
    begun: Instant,
}

/// The fixed date: 2026-01-01.
const BEGINNING: Duration = Duration::from_secs(1_767_225_600);

impl MemoryClock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Default for MemoryClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MemoryClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + BEGINNING + self.begun.elapsed()
    }
}

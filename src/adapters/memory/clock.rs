//! Wall time that goes with tokio's: paused when it is paused.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::ports::clock::Clock;

/// Counts from a fixed date.
#[derive(Debug, Clone, Copy)]
pub struct MemoryClock {
    begun: Instant,
}

/// 2026-01-01, so that dates in tests look like dates.
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

//! Wall time. Durations and timers use `tokio::time`, so that tests can pause them.

use std::time::SystemTime;

/// A clock, which gives the date.
pub trait Clock: Send + Sync {
    /// The wall time now.
    fn now(&self) -> SystemTime;
}

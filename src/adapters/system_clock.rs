//! The one place that asks the system for the date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ports::clock::Clock;

/// The system's clock, in whole milliseconds: so much is kept in records, and a time must read the same before it was
/// stored and after.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that the ban points to")]
    fn now(&self) -> SystemTime {
        let now = SystemTime::now();
        let beyond = now.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos() % 1_000_000;
        now - Duration::from_nanos(beyond.into())
    }
}

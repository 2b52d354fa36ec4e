//! The one place that asks the system for the date.

use std::time::SystemTime;

use crate::ports::clock::Clock;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that the ban points to")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

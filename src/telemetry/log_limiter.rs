//! Limits log lines about a repeated condition to one a minute.

use std::time::Duration;

use tokio::time::Instant;

use crate::lock::Lock;

/// Interval of the log lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// The limiter of one log line.
#[derive(Debug, Default)]
pub struct LogLimiter(Lock<Last>);

#[derive(Debug, Default)]
struct Last {
    logged_at: Option<Instant>,
    suppressed: u64,
}

impl LogLimiter {
    /// A limiter of a line that was never logged.
    pub const fn new() -> Self {
        Self(Lock::new(Last { logged_at: None, suppressed: 0 }))
    }

    /// Returns the number of suppressed lines if the line is due.
    pub fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        // A panic in another thread leaves usable numbers behind.
        let mut last = self.0.lock();
        if last.logged_at.is_some_and(|logged_at| now.saturating_duration_since(logged_at) < INTERVAL) {
            last.suppressed += 1;
            return None;
        }
        last.logged_at = Some(now);
        Some(std::mem::take(&mut last.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute_with_how_often_it_was_not() {
        let (log_limiter, begun) = (LogLimiter::default(), Instant::now());
        let logged_at: Vec<Option<u64>> =
            [0, 1, 59, 60, 61, 200].map(|s| log_limiter.due_at(begun + Duration::from_secs(s))).to_vec();
        assert_eq!(logged_at, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}

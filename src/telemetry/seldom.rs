//! Says again and again happening things once a minute.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Between two sayings.
const INTERVAL: Duration = Duration::from_secs(60);

/// The turn of something that may be said once a minute.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    said: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// Whether to say it now; if so, how often it was not said since the last time.
    pub fn turn(&self) -> Option<u64> {
        self.turn_at(Instant::now())
    }

    fn turn_at(&self, now: Instant) -> Option<u64> {
        // A thread that panicked in here left numbers behind that are as good as any.
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.said.is_some_and(|said| now.saturating_duration_since(said) < INTERVAL) {
            last.unsaid += 1;
            return None;
        }
        last.said = Some(now);
        Some(std::mem::take(&mut last.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute_with_how_often_it_was_not() {
        let (seldom, begun) = (Seldom::default(), Instant::now());
        let said: Vec<Option<u64>> =
            [0, 1, 59, 60, 61, 200].map(|s| seldom.turn_at(begun + Duration::from_secs(s))).to_vec();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}

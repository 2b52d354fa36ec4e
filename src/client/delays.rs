//! Delays between repeats, which grow with each failure in a row.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep_until};

/// Exponential backoff. Jitter adds up to the same delay again, so that clients do not repeat at the same moment: the
/// first delay is 50 to 100 ms, the longest five seconds.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_millis(2500))
    .without_max_times()
    .with_jitter();

/// Longest wait for a server that asks for more than a clock can represent.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug)]
pub(super) struct Delays(ExponentialBackoff);

impl Default for Delays {
    fn default() -> Self {
        Self(PAUSES.build())
    }
}

impl Delays {
    /// Waits for the longer of the next delay and the time that the server asks for, but not beyond `deadline`.
    pub(super) async fn wait(&mut self, asked: Duration, deadline: Option<Instant>) {
        let pause = self.0.next().unwrap_or_default().max(asked);
        // The server may ask for more than a clock can represent.
        let until = Instant::now().checked_add(pause).unwrap_or_else(|| Instant::now() + LONGEST);
        sleep_until(deadline.map_or(until, |deadline| until.min(deadline))).await;
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_all_clocks_ends_with_the_deadline() {
        let deadline = Instant::now() + Duration::from_secs(3);
        Delays::default().wait(Duration::MAX, Some(deadline)).await;
        assert_eq!(Instant::now(), deadline);
    }
}

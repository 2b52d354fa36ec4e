//! Pauses between repeats, longer with each failure in a row.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::domain::backoff::Backoff;

const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

#[derive(Debug, Default)]
pub(super) struct Delays {
    failures: u32,
}

impl Delays {
    /// Waits as the server has asked for, or a little longer than the last time, and not beyond `deadline`.
    pub(super) async fn wait(&mut self, asked: Duration, deadline: Option<Instant>) {
        self.failures = self.failures.saturating_add(1);
        let until = Instant::now() + BACKOFF.delay(self.failures, fastrand::f64()).max(asked);
        sleep_until(deadline.map_or(until, |deadline| until.min(deadline))).await;
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

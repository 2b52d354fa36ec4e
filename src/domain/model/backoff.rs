//! How long to wait before trying again: exponential growth with a cap and jitter.

use std::time::Duration;

/// Delays that grow from `initial` by doubling up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// Delay after the first failure.
    pub initial: Duration,
    /// No delay is longer.
    pub max: Duration,
}

impl Backoff {
    /// The delay after failure number `attempt` (1-based), spread by `jitter` in 0.0..1.0 over the upper half
    /// of the interval ("equal jitter"), so that many that failed together do not come back together.
    pub fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(32);
        let full = self.initial.saturating_mul(2u32.saturating_pow(doublings)).min(self.max);
        full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(60) };

    #[test]
    fn delays_double_up_to_the_cap() {
        let seconds: Vec<u64> = (1..9).map(|attempt| BACKOFF.delay(attempt, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    proptest::proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn a_delay_is_between_half_and_all_of_its_step(attempt in 0u32..u32::MAX, jitter in -1.0f64..2.0) {
            let delay = BACKOFF.delay(attempt, jitter);
            let full = BACKOFF.delay(attempt, 1.0);
            proptest::prop_assert!(delay >= full / 2 && delay <= full && full <= BACKOFF.max);
        }
    }
}

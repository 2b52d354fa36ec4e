//! Delays between tries: exponential growth with a cap and jitter.

use std::time::Duration;

/// Delays that grow from `initial` by doubling up to `max`. `initial` is never longer than `max`; zero means no delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
}

/// Two delays that make no [`Backoff`]; the text follows the name of the field of the first delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is {initial:?}, longer than max_backoff, which is {max:?}")]
pub struct InvalidBackoff {
    /// Delay after the first failure.
    pub initial: Duration,
    /// Longest delay.
    pub max: Duration,
}

impl Backoff {
    /// Makes a backoff of the delay after the first failure and the longest delay.
    ///
    /// # Errors
    /// [`InvalidBackoff`] if `initial` is longer than `max`.
    pub const fn new(initial: Duration, max: Duration) -> Result<Self, InvalidBackoff> {
        if initial.as_nanos() > max.as_nanos() {
            return Err(InvalidBackoff { initial, max });
        }
        Ok(Self { initial, max })
    }

    /// Makes a backoff in which no delay is longer than `max`, the first one included. For stored numbers, which nobody can
    /// be asked to correct.
    pub const fn capped(initial: Duration, max: Duration) -> Self {
        if initial.as_nanos() > max.as_nanos() { Self { initial: max, max } } else { Self { initial, max } }
    }

    /// Makes the backoff of a constant, in milliseconds: a wrong one does not compile.
    ///
    /// # Panics
    /// If `initial` is longer than `max`.
    pub(crate) const fn of_millis(initial: u64, max: u64) -> Self {
        assert!(initial <= max, "the first delay is longer than the longest one");
        Self { initial: Duration::from_millis(initial), max: Duration::from_millis(max) }
    }

    /// Returns this backoff with other delays. One that is not given makes room for the one that is.
    ///
    /// # Errors
    /// [`InvalidBackoff`] if both are given, and `initial` is longer than `max`.
    pub fn with(self, initial: Option<Duration>, max: Option<Duration>) -> Result<Self, InvalidBackoff> {
        match (initial, max) {
            (None, None) => Ok(self),
            (Some(initial), None) => Self::new(initial, self.max.max(initial)),
            (None, Some(max)) => Self::new(self.initial.min(max), max),
            (Some(initial), Some(max)) => Self::new(initial, max),
        }
    }

    /// Returns this backoff with no delay shorter than `least`.
    pub fn at_least(self, least: Duration) -> Self {
        Self { initial: self.initial.max(least), max: self.max.max(least) }
    }

    /// Returns the delay after the first failure.
    pub const fn initial(&self) -> Duration {
        self.initial
    }

    /// Returns the longest delay.
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// Returns the delay after failure number `attempt` (1-based), spread by `jitter` in 0.0..1.0 over the upper half
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

    const BACKOFF: Backoff = Backoff::of_millis(1_000, 60_000);

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let seconds: Vec<u64> = (1..9).map(|attempt| BACKOFF.delay(attempt, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_first_delay_beyond_the_longest_one_is_refused() {
        let refused = Backoff::new(s(2), s(1)).unwrap_err();
        assert_eq!(refused.to_string(), "is 2s, longer than max_backoff, which is 1s");
        assert_eq!(Backoff::capped(s(2), s(1)), Backoff::new(s(1), s(1)).unwrap());
        assert_eq!(Backoff::capped(s(1), s(2)), Backoff::new(s(1), s(2)).unwrap());
        assert_eq!(Backoff::new(s(0), s(0)).unwrap().delay(7, 1.0), s(0));
    }

    #[test]
    fn a_delay_that_is_not_given_makes_room_for_the_one_that_is() {
        let of = |initial: Option<u64>, max: Option<u64>| {
            BACKOFF.with(initial.map(s), max.map(s)).map(|of| (of.initial().as_secs(), of.max().as_secs()))
        };
        assert_eq!(of(None, None), Ok((1, 60)));
        assert_eq!(of(None, Some(0)), Ok((0, 0)));
        assert_eq!(of(Some(90), None), Ok((90, 90)));
        assert_eq!(of(Some(2), Some(3)), Ok((2, 3)));
        assert!(of(Some(2), Some(1)).is_err());
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

//! Difference between the clock of the store and that of this machine.
//!
//! Schedules, delays and times to live follow wall clocks, those of the store and of all machines.

use std::time::{Duration, SystemTime};

/// Offset from which clocks disagree, and below which they agree again. Between the two stands what was said last.
const DISAGREES: Duration = Duration::from_millis(1_000);
const AGREES: Duration = Duration::from_millis(800);

/// One comparison of the two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Milliseconds by which the store is ahead of this machine; negative if it is behind.
    pub millis: i64,
    /// Largest error of the comparison: half of the time that it took.
    pub error: Duration,
}

/// Relation of the clock of the store to that of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockRelation {
    /// The clocks agree, or are not known to differ.
    #[default]
    Agrees,
    /// The store is ahead by more than a second.
    Ahead,
    /// The store is behind by more than a second.
    Behind,
}

impl ClockOffset {
    /// Compares the time of the store, which was asked for at one time and had come at another, with that of this machine.
    pub fn between(asked: SystemTime, store: SystemTime, answered: SystemTime) -> Self {
        let error = answered.duration_since(asked).unwrap_or_default() / 2;
        let middle = asked + error;
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let millis = match store.duration_since(middle) {
            Ok(ahead) => millis(ahead),
            Err(behind) => -millis(behind.duration()),
        };
        Self { millis, error }
    }

    /// Returns the offset in seconds.
    #[expect(clippy::cast_precision_loss, reason = "clocks differ by less than 2^53 milliseconds")]
    pub fn seconds(self) -> f64 {
        self.millis as f64 / 1000.0
    }

    /// Returns the relation of the clocks, if it was `before` until now. The error of the comparison counts in favour of the clocks.
    pub fn relation(self, before: ClockRelation) -> ClockRelation {
        let surely = Duration::from_millis(self.millis.unsigned_abs()).saturating_sub(self.error);
        let now = if self.millis > 0 { ClockRelation::Ahead } else { ClockRelation::Behind };
        match surely {
            clear if clear > DISAGREES => now,
            unclear if unclear > AGREES && before == now => now,
            _within => ClockRelation::Agrees,
        }
    }
}

impl ClockRelation {
    /// Returns a clause about the store for people; None if there is nothing to say.
    pub fn clause(self) -> Option<&'static str> {
        match self {
            Self::Agrees => None,
            Self::Ahead => Some("its clock is more than a second ahead of this machine's"),
            Self::Behind => Some("its clock is more than a second behind this machine's"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn the_middle_of_the_call_is_compared() {
        let offset = ClockOffset::between(at(10_000), at(12_050), at(10_100));
        assert_eq!(offset, ClockOffset { millis: 2_000, error: Duration::from_millis(50) });
        assert_eq!(ClockOffset::between(at(10_000), at(7_000), at(10_000)).millis, -3_000);
    }

    #[test]
    fn a_relation_stands_until_the_clocks_clearly_agree() {
        use ClockRelation::{Agrees, Ahead, Behind};
        let relation = |millis, before| ClockOffset { millis, error: Duration::ZERO }.relation(before);
        assert_eq!(
            [900, 1_001, 900, 700].map(|millis| relation(millis, Agrees)),
            [Agrees, Ahead, Agrees, Agrees]
        );
        assert_eq!(
            [900, 700, -900, -1_001].map(|millis| relation(millis, Ahead)),
            [Ahead, Agrees, Agrees, Behind]
        );
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn no_slow_call_makes_clocks_that_agree_disagree(took in 0_u64..10_000, part in 0_u64..=100) {
            let store = at(50_000 + took * part / 100);
            let offset = ClockOffset::between(at(50_000), store, at(50_000 + took));
            prop_assert_eq!(offset.relation(ClockRelation::Agrees), ClockRelation::Agrees);
        }
    }
}

//! The order in which jobs of one queue are handed out.

use std::fmt;
use std::time::Duration;

/// Least time by which a waiting job gains a level; the longest one is [`super::MAX_SPAN`].
pub const MIN_AGEING: Duration = Duration::from_secs(1);
/// Time by which a waiting job gains a level, by default.
pub const DEFAULT_AGEING: Duration = Duration::from_secs(3600);
/// Time between two levels that stands for "never": no job waits for so long.
const NEVER: Duration = Duration::from_secs(3 * 366 * 24 * 3600);

/// Priority of a job: 1 is handed out first, 5 last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// The first one.
    pub const FIRST: Self = Self(1);
    /// The last one.
    pub const LAST: Self = Self(5);

    /// Checks a level.
    ///
    /// # Errors
    /// The violation.
    pub fn new(level: i64) -> Result<Self, String> {
        match u8::try_from(level).ok().map(Self) {
            Some(priority) if (Self::FIRST..=Self::LAST).contains(&priority) => Ok(priority),
            Some(_) | None => Err(format!("is {level}: use 1 (first) to 5 (last); 3 is the default")),
        }
    }

    /// Returns the level, 1 to 5.
    pub fn level(self) -> u8 {
        self.0
    }

    /// Returns the microseconds by which the rank of a job is moved, as against one of the default priority that is accepted at the
    /// same time. `ageing` is the time by which a waiting job gains a level; zero is never.
    pub fn shift(self, ageing: Duration) -> i64 {
        let level = if ageing.is_zero() { NEVER } else { ageing.min(NEVER) };
        let micros = i64::try_from(level.as_micros()).unwrap_or(i64::MAX / 8);
        (i64::from(self.0) - i64::from(Self::default().0)) * micros
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(3)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Checks the time by which a waiting job gains a level.
///
/// # Errors
/// The violation.
pub fn check_ageing(ageing: Duration) -> Result<Duration, String> {
    if ageing.is_zero() || (MIN_AGEING..=super::MAX_SPAN).contains(&ageing) {
        return Ok(ageing);
    }
    Err(format!("is {ageing:?}: use 1s to 30 days, or 0 for a strict order without ageing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_one_of_five_levels() {
        for level in 1..=5 {
            assert_eq!(Priority::new(level).map(|priority| i64::from(priority.level())), Ok(level));
        }
        for level in [0, 6, -1, i64::MIN, 257, 259] {
            let told = Priority::new(level).unwrap_err();
            assert!(told.contains(&level.to_string()) && told.contains("1 (first) to 5 (last)"), "{told}");
        }
        assert_eq!(Priority::default().to_string(), "3");
    }

    #[test]
    fn a_job_that_has_waited_for_the_ageing_stands_beside_a_new_one_of_the_level_before() {
        let hour = Duration::from_secs(3600);
        let level = |level| Priority::new(level).unwrap();
        assert_eq!(level(3).shift(hour), 0);
        assert_eq!(level(1).shift(hour), -2 * 3_600_000_000);
        for later in 2..=5 {
            assert_eq!(level(later).shift(hour) - level(later - 1).shift(hour), 3_600_000_000);
        }
    }

    #[test]
    fn without_ageing_a_level_is_worth_more_than_any_wait_and_ranks_stay_exact() {
        let year = i64::try_from(Duration::from_secs(365 * 24 * 3600).as_micros()).unwrap();
        assert!(Priority::LAST.shift(Duration::ZERO) > 2 * 3 * year);
        // A rank is stored as a floating-point number of 53 bits, and must not be negative.
        let now = 57 * year;
        assert!(now + Priority::LAST.shift(Duration::ZERO) < 1 << 53);
        assert!(now + Priority::FIRST.shift(Duration::ZERO) > 0);
        assert_eq!(Priority::LAST.shift(Duration::MAX), Priority::LAST.shift(Duration::ZERO));
    }

    #[test]
    fn an_ageing_is_zero_or_a_second_to_thirty_days() {
        for good in [Duration::ZERO, MIN_AGEING, DEFAULT_AGEING, super::super::MAX_SPAN] {
            assert_eq!(check_ageing(good), Ok(good));
        }
        for bad in [Duration::from_millis(999), super::super::MAX_SPAN + MIN_AGEING] {
            assert!(check_ageing(bad).unwrap_err().contains("or 0"), "{bad:?}");
        }
    }
}

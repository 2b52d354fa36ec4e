//! Rates: the jobs that came and ended in the last seconds.

/// Seconds over which a rate is taken.
const SPAN: usize = 10;

/// Counts of the last seconds, in a ring by the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rates {
    seconds: [Second; SPAN],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Second {
    at: i64,
    submitted: u32,
    finished: u32,
}

impl Rates {
    /// Counts a change of a job in a second since the epoch.
    pub(super) fn note(&mut self, at: i64, submitted: bool, finished: bool) {
        let place = usize::try_from(at.rem_euclid(SPAN as i64)).unwrap_or_default();
        let Some(second) = self.seconds.get_mut(place) else { return };
        if second.at < at {
            *second = Second { at, ..Second::default() };
        }
        if second.at == at {
            second.submitted += u32::from(submitted);
            second.finished += u32::from(finished);
        }
    }

    /// Returns submitted and finished jobs per second, over the seconds before this one that are over.
    pub(super) fn per_second(&self, now: i64) -> (f64, f64) {
        let past = self.seconds.iter().filter(|second| (1..SPAN as i64).contains(&(now - second.at)));
        let (submitted, finished) = past
            .fold((0, 0), |(submitted, finished), one| (submitted + one.submitted, finished + one.finished));
        let span = f64::from(u32::try_from(SPAN - 1).unwrap_or(1));
        (f64::from(submitted) / span, f64::from(finished) / span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_seconds_that_are_over_and_forgets() {
        let mut rates = Rates::default();
        for second in 100..109 {
            rates.note(second, true, second % 3 == 0);
            rates.note(second, true, false);
        }
        assert_eq!(rates.per_second(109), (2.0, 3.0 / 9.0));
        rates.note(109, true, true);
        assert_eq!(rates.per_second(109), (2.0, 3.0 / 9.0), "it is not over");
        rates.note(50, true, true);
        assert_eq!(rates.per_second(130), (0.0, 0.0));
    }
}

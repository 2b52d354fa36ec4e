//! Recent run times of scripts, and the number of jobs that is therefore taken together.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Time for which the jobs that are taken together run in one host: about the longest that one waits for the others.
const TOGETHER: Duration = Duration::from_millis(5);
/// Share of one more run in the mean.
const WEIGHT: f64 = 1.0 / 16.0;

/// The mean run time of the last jobs; older ones count less and less.
#[derive(Debug, Default)]
pub(super) struct RunTimes {
    /// In seconds; None before the first end.
    mean: Option<f64>,
}

impl RunTimes {
    /// Takes the run time of an ended job into account.
    pub(super) fn note(&mut self, wall: Duration) {
        let wall = wall.as_secs_f64();
        self.mean = Some(self.mean.map_or(wall, |mean| mean + (wall - mean) * WEIGHT));
    }

    /// Number of jobs that `hosts` hosts run together, within bounds; the least one before a job has ended.
    pub(super) fn together(&self, bounds: &RangeInclusive<usize>, hosts: usize) -> usize {
        let Some(mean) = self.mean else { return *bounds.start() };
        let fitting = hosts as f64 * TOGETHER.as_secs_f64() / mean;
        // A conversion to a whole number stops at its bounds, also for what has no end.
        (fitting as usize).clamp(*bounds.start(), *bounds.end())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: RangeInclusive<usize> = 16..=64;

    fn after(walls: &[Duration]) -> usize {
        let mut times = RunTimes::default();
        walls.iter().for_each(|wall| times.note(*wall));
        times.together(&BOUNDS, 1)
    }

    #[test]
    fn short_jobs_are_taken_by_the_dozen_and_long_ones_are_not() {
        assert_eq!(after(&[]), 16, "nothing is known yet");
        assert_eq!(after(&[Duration::ZERO]), 64);
        assert_eq!(after(&[Duration::from_micros(20); 10]), 64);
        assert_eq!(after(&[Duration::from_micros(125); 10]), 40);
        assert_eq!(after(&[Duration::from_millis(1); 10]), 16);
    }

    #[test]
    fn one_slow_job_is_enough_to_take_few_and_many_short_ones_make_up_for_it() {
        let mut walls = vec![Duration::from_micros(20); 100];
        walls.push(Duration::from_secs(1));
        assert_eq!(after(&walls), 16);
        walls.extend([Duration::from_micros(20); 200]);
        assert_eq!(after(&walls), 64);
    }

    proptest! {
        #[test]
        fn the_number_stays_within_its_bounds(walls in prop::collection::vec(any::<u64>(), 0..50), hosts in 1..64_usize) {
            let mut times = RunTimes::default();
            walls.into_iter().for_each(|wall| times.note(Duration::from_nanos(wall)));
            prop_assert!(BOUNDS.contains(&times.together(&BOUNDS, hosts)));
        }
    }
}

//! Estimate of the time at which a queued job starts, by the pace of its queue.
//!
//! A job starts when those ahead of it have started, and then one more has ended. So as many ends have to come as there are
//! jobs ahead, and one. The pace is the time between one end and the next; where actors had nothing to do in between, the run
//! time of the job that ended counts instead. Ends are taken for independent: the spread of their sum grows with the root of
//! their number, and the estimate is twice as wide on each side.

use std::time::{Duration, SystemTime};

use crate::ports::job_position::{JobPosition, RecentEnd};

/// Least number of ends that tell a pace.
const LEAST_ENDS: usize = 3;
/// Standard deviations on each side of the estimate: some 95 of 100 starts lie within.
const DEVIATIONS: f64 = 2.0;
/// Furthest estimate.
const FURTHEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Time span in which a job is likely to start, as long as nothing overtakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartEstimate {
    /// Begin of the span.
    pub earliest: SystemTime,
    /// End of the span; None where it is not known.
    pub latest: Option<SystemTime>,
    /// Number of ends that tell the pace.
    pub ends: u32,
}

/// Estimates when the job at this position starts; None with too few ends, and for more than a year.
pub(super) fn estimate_start(position: &JobPosition, now: SystemTime) -> Option<StartEstimate> {
    let paces = paces(&position.ends);
    if paces.len() < LEAST_ENDS {
        return None;
    }
    let count = paces.len() as f64;
    let mean = paces.iter().sum::<f64>() / count;
    let variance = paces.iter().map(|pace| (pace - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let ends = position.ahead as f64 + 1.0;
    let spread = DEVIATIONS * (variance * ends).sqrt();
    let after = |seconds: f64| {
        let span = Duration::try_from_secs_f64(seconds.max(0.0)).ok().filter(|span| *span <= FURTHEST)?;
        now.checked_add(span)
    };
    Some(StartEstimate {
        earliest: after(mean * ends - spread)?,
        latest: Some(after(mean * ends + spread)?),
        ends: u32::try_from(paces.len()).unwrap_or(u32::MAX),
    })
}

/// Returns the seconds that each end took after the one before it, idle time left out.
fn paces(ends: &[RecentEnd]) -> Vec<f64> {
    let mut ends = ends.to_vec();
    ends.sort_by_key(|end| end.ended);
    let since = |later: SystemTime, earlier: SystemTime| later.duration_since(earlier).unwrap_or_default();
    let pace = |pair: &[RecentEnd]| match pair {
        [before, end] => since(end.ended, before.ended).min(since(end.ended, end.started)).as_secs_f64(),
        _other => 0.0,
    };
    ends.windows(2).map(pace).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn position(ahead: u64, ends: &[(u64, u64)]) -> JobPosition {
        let ends = ends.iter().map(|&(started, ended)| RecentEnd { started: at(started), ended: at(ended) });
        JobPosition { ahead, is_exact: true, ends: ends.collect() }
    }

    /// Estimates in milliseconds from now.
    fn estimate(ahead: u64, ends: &[(u64, u64)]) -> Option<(u64, u64)> {
        let now = at(1_000_000);
        let estimate = estimate_start(&position(ahead, ends), now)?;
        let millis = |at: SystemTime| u64::try_from(at.duration_since(now).unwrap().as_millis()).unwrap();
        Some((millis(estimate.earliest), millis(estimate.latest.unwrap())))
    }

    #[test]
    fn a_steady_pace_has_no_spread() {
        let one_actor = [(0, 100), (100, 200), (200, 300), (300, 400)];
        assert_eq!(estimate(0, &one_actor), Some((100, 100)));
        assert_eq!(estimate(9, &one_actor), Some((1000, 1000)));
        let two_actors = [(0, 100), (50, 150), (100, 200), (150, 250)];
        assert_eq!(estimate(9, &two_actors), Some((500, 500)));
    }

    #[test]
    fn time_without_work_does_not_count() {
        let with_a_pause = [(0, 100), (100, 200), (90_000, 90_100), (90_100, 90_200)];
        assert_eq!(estimate(9, &with_a_pause), Some((1000, 1000)));
    }

    #[test]
    fn jobs_that_differ_widen_it_and_never_to_before_now() {
        let uneven = [(0, 10), (10, 20), (20, 520), (520, 530), (530, 1030)];
        let (earliest, latest) = estimate(0, &uneven).unwrap();
        assert_eq!(earliest, 0);
        assert!((800..900).contains(&latest), "{latest}");
    }

    #[test]
    fn too_few_ends_and_too_long_a_wait_tell_nothing() {
        assert_eq!(estimate(0, &[]), None);
        assert_eq!(estimate(0, &[(0, 100), (100, 200), (200, 300)]), None);
        let hours =
            [(0, 3_600_000), (3_600_000, 7_200_000), (7_200_000, 10_800_000), (10_800_000, 14_400_000)];
        assert_eq!(estimate(10_000, &hours), None);
    }

    proptest! {
        #[test]
        fn an_estimate_is_a_span_from_now_on_and_more_jobs_ahead_never_end_it_sooner(
            ends in prop::collection::vec((0_u64..100_000, 0_u64..100_000), 0..60),
            ahead in 0_u64..10_000,
        ) {
            let (sooner, later) = (estimate(ahead, &ends), estimate(ahead + 1, &ends));
            if let Some((earliest, latest)) = sooner {
                prop_assert!(earliest <= latest);
            }
            if let (Some((_, sooner)), Some((_, later))) = (sooner, later) {
                prop_assert!(sooner <= later);
            }
        }
    }
}

//! Rate of a key: how many of its jobs are handed out in a span of time.

use std::time::{Duration, SystemTime};

use super::MAX_FLOW_JOBS;
use crate::domain::model::violation::Violations;

/// Least and largest period of a rate.
const PERIODS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(24 * 3600)];
/// Least time between two jobs, on average.
const LEAST_INTERVAL: Duration = Duration::from_micros(100);

/// Rate of so many jobs in each period, by the generic cell rate algorithm.
///
/// The rule is that of ITU-T Recommendation I.371, Annex A, in its form of virtual scheduling: a job may be handed out at the time
/// `t` if `t >= TAT - (burst - 1) * period / jobs`, and then `TAT = max(t, TAT) + period / jobs`. So no span of time of the length
/// `s` sees more than `burst + s * jobs / period` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowRate {
    /// Jobs in a period.
    pub jobs: u32,
    /// The period.
    pub period: Duration,
    /// Jobs that may be handed out at once, after a time without any.
    pub burst: u32,
}

impl FlowRate {
    /// A rate, the burst of which is the jobs of a period if it is not given. The period is cut to whole milliseconds, as it is
    /// stored.
    pub fn new(jobs: u32, period: Duration, burst: Option<u32>) -> Self {
        let period = Duration::from_millis(u64::try_from(period.as_millis()).unwrap_or(u64::MAX));
        Self { jobs, period, burst: burst.unwrap_or(jobs.clamp(1, MAX_FLOW_JOBS)) }
    }

    /// Returns the time between two jobs, on average.
    pub fn interval(&self) -> Duration {
        self.period / self.jobs.max(1)
    }

    /// Notes what of the fields is not allowed.
    pub(super) fn check(&self, violations: &mut Violations) {
        let v = violations;
        let [least, most] = PERIODS;
        for (field, jobs) in [("jobs", self.jobs), ("burst", self.burst)] {
            if !(1..=MAX_FLOW_JOBS).contains(&jobs) {
                v.add(field, format!("is {jobs}: use 1 to {MAX_FLOW_JOBS}"));
            }
        }
        if !(least..=most).contains(&self.period) {
            v.add("period", format!("is {:?}: use 1 second to 24 hours", self.period));
        } else if self.jobs <= MAX_FLOW_JOBS && self.interval() < LEAST_INTERVAL {
            let at_most = self.period.as_micros() / LEAST_INTERVAL.as_micros();
            let told = format!("is {}, more than 10000 a second: use at most {at_most}", self.jobs);
            v.add("jobs", format!("{told}, or leave the rate out for any number"));
        }
    }
}

/// Use that a key has made of its rate: the theoretical time of its next job, TAT. A key without one has made none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowUse {
    next: SystemTime,
}

impl FlowUse {
    /// Returns what a hand-out at this time makes of an earlier use.
    pub fn after(earlier: Option<Self>, rate: &FlowRate, now: SystemTime) -> Self {
        Self { next: next_of(earlier, rate, now) + rate.interval() }
    }

    /// Returns what of it counts under another rate, from now on: no more than a burst.
    #[must_use]
    pub fn under(self, rate: &FlowRate, now: SystemTime) -> Self {
        Self { next: next_of(Some(self), rate, now) }
    }

    /// Returns what is left once a job has come back that was not run; None for no use.
    pub fn given_back(self, rate: &FlowRate) -> Option<Self> {
        self.next.checked_sub(rate.interval()).map(|next| Self { next })
    }

    /// Returns the time at which the next job may be handed out, if that is to come.
    pub fn opens(earlier: Option<Self>, rate: &FlowRate, now: SystemTime) -> Option<SystemTime> {
        let tolerance = rate.interval() * (rate.burst.max(1) - 1);
        // Without a date it lies so far back that the key is open.
        next_of(earlier, rate, now).checked_sub(tolerance).filter(|opens| *opens > now)
    }

    /// True while it makes a difference.
    pub fn counts_at(&self, now: SystemTime) -> bool {
        self.next > now
    }
}

/// The theoretical time of the next job. One that is further ahead than a whole burst is of a clock that has stepped back, or of
/// another rate.
fn next_of(earlier: Option<FlowUse>, rate: &FlowRate, now: SystemTime) -> SystemTime {
    let latest = now + rate.interval() * rate.burst.max(1);
    earlier.map_or(now, |earlier| earlier.next.clamp(now, latest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn rate(jobs: u32, seconds: u64, burst: u32) -> FlowRate {
        FlowRate { jobs, period: Duration::from_secs(seconds), burst }
    }

    fn at(millis: u64) -> SystemTime {
        START + Duration::from_secs(1_000_000_000) + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_handed_out_at_once_and_then_one_in_each_interval() {
        let rate = rate(10, 1, 3);
        let mut used = None;
        for _job in 0..3 {
            assert_eq!(FlowUse::opens(used, &rate, at(0)), None);
            used = Some(FlowUse::after(used, &rate, at(0)));
        }
        assert_eq!(FlowUse::opens(used, &rate, at(0)), Some(at(100)));
        assert_eq!(FlowUse::opens(used, &rate, at(99)), Some(at(100)));
        assert_eq!(FlowUse::opens(used, &rate, at(100)), None);
        // Time that passes is made up for by no more than a burst.
        assert!(used.unwrap().counts_at(at(299)) && !used.unwrap().counts_at(at(300)));
        assert_eq!(
            used.unwrap().given_back(&rate).and_then(|left| FlowUse::opens(Some(left), &rate, at(0))),
            None
        );
    }

    #[test]
    fn a_step_back_of_the_clock_and_a_faster_rate_cost_no_more_than_a_burst() {
        let rate = rate(1, 60, 1);
        let used = Some(FlowUse::after(None, &rate, at(10_000_000)));
        assert_eq!(FlowUse::opens(used, &rate, at(0)), Some(at(60_000)));
        let faster = FlowRate { period: Duration::from_secs(1), ..rate };
        let used = used.map(|used| used.under(&faster, at(10_000_000)));
        assert_eq!(FlowUse::opens(used, &faster, at(10_000_000)), Some(at(10_001_000)));
        assert_eq!(FlowUse::opens(used, &faster, at(10_001_000)), None);
    }

    proptest! {
        /// Whatever the demand, no span of time sees more than it may, and none that waits sees less.
        #[test]
        fn every_window_has_its_limit(
            (jobs, seconds, burst) in (1_u32..50, 1_u64..20, 1_u32..20),
            gaps in proptest::collection::vec(0_u64..700, 1..120),
        ) {
            let rate = rate(jobs, seconds, burst);
            let (mut used, mut now, mut given) = (None, 0, Vec::new());
            for gap in gaps {
                now += gap;
                match FlowUse::opens(used, &rate, at(now)) {
                    None => {
                        used = Some(FlowUse::after(used, &rate, at(now)));
                        given.push(now);
                    }
                    Some(opens) => {
                        prop_assert!(opens <= at(now) + rate.interval());
                        prop_assert_eq!(FlowUse::opens(used, &rate, opens), None);
                    }
                }
            }
            for (first, begin) in given.iter().enumerate() {
                for (last, end) in given.iter().enumerate().skip(first) {
                    let most = f64::from(burst) + (end - begin) as f64 / 1000.0 * f64::from(jobs) / seconds as f64;
                    prop_assert!((last - first + 1) as f64 <= most + 0.01, "{given:?}");
                }
            }
        }
    }
}

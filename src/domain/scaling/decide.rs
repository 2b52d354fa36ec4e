//! Decides on the number of actors, as a pure function of the policy, the load and its recent course.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::model::scaling::ScalingPolicy;

/// Waiting jobs and available actors of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Actors that are meant to run.
    pub current: u32,
    /// Actors of them that hold jobs.
    pub busy: u32,
    /// Actors of the type that run on other nodes.
    pub elsewhere: u32,
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that actors have.
    pub running: u64,
    /// Waiting time of the oldest job.
    pub oldest_age: Option<Duration>,
}

/// Recent course of the need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trend {
    /// Time for which more actors have been needed than there are; None when that is not so.
    pub above_for: Option<Duration>,
    /// The highest need within `scale_in_delay`.
    pub highest: u32,
    /// Time since the first observation.
    pub watched_for: Duration,
    /// Time since there was a job; None when there is one.
    pub empty_for: Option<Duration>,
}

/// The decision, and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Actors that there should be.
    pub desired: u32,
    /// One sentence.
    pub reason: String,
}

/// Actors that the load asks for, within the limits of the policy.
pub fn need(policy: &ScalingPolicy, load: &Load) -> u32 {
    let jobs = load.queued.saturating_add(load.running);
    let wanted = jobs.div_ceil(u64::from(policy.target_jobs_per_actor.max(1)));
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).saturating_sub(load.elsewhere);
    let late = policy.max_queue_age.is_some_and(|limit| load.oldest_age.is_some_and(|age| age > limit));
    let wanted = if late { wanted.max(load.current.saturating_add(1)) } else { wanted };
    wanted.clamp(policy.min_replicas, policy.max_replicas.max(policy.min_replicas))
}

/// Decides. Out: when the need has lasted; from zero and below the minimum at once. In: down to the highest need of the
/// window, never below the busy ones, and to zero only after a time without any job.
pub fn decide(policy: &ScalingPolicy, load: &Load, trend: &Trend) -> Verdict {
    let Load { current, queued, running, .. } = *load;
    let need = need(policy, load);
    let verdict = |desired, reason: String| Verdict { desired, reason };
    let jobs = format!("{queued} queued and {running} running jobs need {need} actors");
    if need > current {
        let most = match policy.max_step_out {
            0 => need,
            step => need.min(current.saturating_add(step)),
        };
        if current == 0 && queued > 0 {
            return verdict(most, format!("{jobs}, and there is none"));
        }
        if current < policy.min_replicas {
            return verdict(most, format!("there are to be at least {} actors", policy.min_replicas));
        }
        let lasted = trend.above_for.unwrap_or_default();
        if lasted >= policy.scale_out_delay {
            return verdict(most, format!("{jobs}, for {lasted:.0?} by now"));
        }
        return verdict(current, format!("{jobs}; that has to last {:?}", policy.scale_out_delay));
    }
    if need == current {
        return verdict(current, format!("{jobs}, and so many there are"));
    }
    let over = current > policy.max_replicas;
    let (floor, why) = if over {
        (policy.max_replicas, format!("there are to be at most {} actors", policy.max_replicas))
    } else if trend.watched_for < policy.scale_in_delay {
        return verdict(current, format!("{jobs}; that has to last {:?}", policy.scale_in_delay));
    } else {
        let highest = trend.highest.max(need);
        (highest, format!("never more than {highest} actors were needed for {:?}", policy.scale_in_delay))
    };
    let floor = floor.max(load.busy);
    let kept = trend.empty_for.is_none_or(|empty| empty < policy.scale_to_zero_delay);
    if floor == 0 && kept {
        let wait = policy.scale_to_zero_delay;
        return shrink(
            policy,
            current,
            1,
            format!("{why}; the last one stays until there was no job for {wait:?}"),
        );
    }
    shrink(policy, current, floor, why)
}

fn shrink(policy: &ScalingPolicy, current: u32, floor: u32, reason: String) -> Verdict {
    let step = if policy.max_step_in == 0 { current } else { policy.max_step_in };
    Verdict { desired: current.saturating_sub(step).max(floor).min(current), reason }
}

/// The recent course of the need. It keeps only what can still be the highest, so it stays small.
#[derive(Debug, Default)]
pub struct History {
    began: Option<Instant>,
    /// Falling needs with the time up to which each was seen.
    peaks: VecDeque<(Instant, u32)>,
    above_since: Option<Instant>,
    empty_since: Option<Instant>,
}

impl History {
    /// Notes a look, and says how it went up to now.
    pub fn note(&mut self, policy: &ScalingPolicy, load: &Load, now: Instant) -> Trend {
        let need = need(policy, load);
        let began = *self.began.get_or_insert(now);
        self.above_since = (need > load.current).then(|| self.above_since.unwrap_or(now));
        let empty = load.queued == 0 && load.running == 0;
        self.empty_since = empty.then(|| self.empty_since.unwrap_or(now));
        while self.peaks.back().is_some_and(|(_at, known)| *known <= need) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((now, need));
        while self.peaks.front().is_some_and(|(at, _need)| now - *at > policy.scale_in_delay) {
            self.peaks.pop_front();
        }
        Trend {
            above_for: self.above_since.map(|since| now - since),
            highest: self.peaks.front().map_or(need, |(_at, need)| *need),
            watched_for: now - began,
            empty_for: self.empty_since.map(|since| now - since),
        }
    }
}

#[cfg(test)]
mod tests;

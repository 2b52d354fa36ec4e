//! The rule book of automatic scaling.

use proptest::prelude::*;

use super::*;
use crate::domain::model::scaling::ScalingMode;

const MINUTE: Duration = Duration::from_secs(60);

fn policy() -> ScalingPolicy {
    ScalingPolicy { mode: ScalingMode::Auto, max_replicas: 10, ..ScalingPolicy::default() }
}

fn load(current: u32, busy: u32, queued: u64, running: u64) -> Load {
    Load { current, busy, queued, running, ..Load::default() }
}

/// Long watched, need lasting long, jobs all the time, and never more needed than now.
fn calm() -> Trend {
    Trend { above_for: Some(MINUTE), highest: 0, watched_for: 60 * MINUTE, empty_for: None }
}

#[track_caller]
fn assert_desired(policy: &ScalingPolicy, load: Load, trend: Trend, desired: u32) {
    let verdict = decide(policy, &load, &trend);
    assert_eq!(verdict.desired, desired, "{}", verdict.reason);
    assert!(!verdict.reason.is_empty());
}

#[test]
fn the_number_follows_queued_and_running_jobs_within_its_limits() {
    assert_desired(&policy(), load(1, 1, 3, 1), calm(), 4);
    let four = ScalingPolicy { target_jobs_per_actor: 4, ..policy() };
    assert_desired(&four, load(1, 1, 8, 1), calm(), 3);
    assert_desired(&policy(), load(1, 1, 1_000_000, 1), calm(), 10);
    let least = ScalingPolicy { min_replicas: 2, ..policy() };
    assert_desired(&least, load(5, 0, 0, 0), calm(), 2);
    assert_desired(&least, load(0, 0, 0, 0), Trend { above_for: None, ..calm() }, 2);
}

#[test]
fn a_need_has_to_last_before_actors_are_added() {
    let lasting = |seconds| Trend { above_for: Some(Duration::from_secs(seconds)), ..calm() };
    assert_desired(&policy(), load(1, 1, 5, 1), lasting(4), 1);
    assert_desired(&policy(), load(1, 1, 5, 1), lasting(5), 6);
}

#[test]
fn the_first_actor_is_there_at_once() {
    let sudden = Trend { above_for: Some(Duration::ZERO), watched_for: Duration::ZERO, ..calm() };
    assert_desired(&policy(), load(0, 0, 1, 0), sudden, 1);
    assert_desired(&ScalingPolicy { max_step_out: 2, ..policy() }, load(0, 0, 9, 0), sudden, 2);
}

#[test]
fn the_highest_need_of_the_window_counts_when_actors_go() {
    assert_desired(&policy(), load(5, 0, 0, 1), Trend { highest: 3, ..calm() }, 3);
    assert_desired(&policy(), load(5, 0, 0, 1), Trend { highest: 9, ..calm() }, 5);
    let fresh = Trend { watched_for: 4 * MINUTE, highest: 1, ..calm() };
    assert_desired(&policy(), load(5, 0, 0, 1), fresh, 5);
}

#[test]
fn busy_actors_are_never_too_many() {
    assert_desired(&policy(), load(5, 4, 0, 1), Trend { highest: 1, ..calm() }, 4);
    assert_desired(&policy(), load(20, 15, 0, 15), calm(), 15);
    assert_desired(&policy(), load(20, 0, 0, 15), calm(), 10);
}

#[test]
fn the_last_actor_stays_longer_than_the_others() {
    let empty = |minutes| Trend { highest: 0, empty_for: Some(MINUTE * minutes), ..calm() };
    assert_desired(&policy(), load(3, 0, 0, 0), empty(14), 1);
    assert_desired(&policy(), load(1, 0, 0, 0), empty(14), 1);
    assert_desired(&policy(), load(1, 0, 0, 0), empty(15), 0);
    assert_desired(&policy(), load(3, 0, 0, 0), empty(15), 0);
}

#[test]
fn steps_bound_each_change() {
    let steps = ScalingPolicy { max_step_out: 2, max_step_in: 1, ..policy() };
    assert_desired(&steps, load(1, 1, 8, 1), calm(), 3);
    assert_desired(&steps, load(5, 0, 0, 1), Trend { highest: 1, ..calm() }, 4);
}

#[test]
fn a_job_that_waited_too_long_asks_for_one_more() {
    let impatient = ScalingPolicy { max_queue_age: Some(MINUTE), target_jobs_per_actor: 100, ..policy() };
    let old = |age| Load { oldest_age: Some(age), ..load(2, 2, 1, 2) };
    assert_desired(&impatient, old(MINUTE * 2), calm(), 3);
    assert_desired(&impatient, old(MINUTE), Trend { highest: 2, ..calm() }, 2);
    assert_desired(&impatient, Load { current: 10, ..old(MINUTE * 2) }, calm(), 10);
}

#[test]
fn actors_of_other_nodes_do_their_share() {
    assert_desired(&policy(), Load { elsewhere: 3, ..load(1, 1, 4, 1) }, calm(), 2);
}

#[test]
fn the_course_is_measured_from_look_to_look() {
    let (mut history, start) = (History::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    let short = ScalingPolicy { scale_in_delay: Duration::from_secs(10), ..policy() };
    let first = history.note(&short, &load(2, 0, 5, 0), at(0));
    assert_eq!((first.above_for, first.highest, first.empty_for), (Some(Duration::ZERO), 5, None));
    let later = history.note(&short, &load(2, 0, 3, 0), at(4));
    assert_eq!((later.above_for, later.highest), (Some(Duration::from_secs(4)), 5));
    let none = history.note(&short, &load(2, 0, 0, 0), at(6));
    assert_eq!((none.above_for, none.highest, none.empty_for), (None, 5, Some(Duration::ZERO)));
    let past = history.note(&short, &load(2, 0, 0, 0), at(13));
    assert_eq!((past.highest, past.watched_for), (3, Duration::from_secs(13)));
    assert_eq!(history.note(&short, &load(2, 0, 0, 0), at(15)).highest, 0);
    assert_eq!(history.note(&short, &load(2, 0, 0, 0), at(16)).empty_for, Some(Duration::from_secs(10)));
}

fn policies() -> impl Strategy<Value = ScalingPolicy> {
    let limits = (0u32..20, 1u32..50, 1u32..10, 0u32..4, 0u32..4);
    (limits, 0u64..100, 0u64..100, 0u64..100, proptest::option::of(0u64..100)).prop_map(
        |((min, more, target, out, into), out_delay, in_delay, zero_delay, age)| ScalingPolicy {
            mode: ScalingMode::Auto,
            min_replicas: min,
            max_replicas: min + more,
            target_jobs_per_actor: target,
            max_queue_age: age.map(Duration::from_secs),
            scale_out_delay: Duration::from_secs(out_delay),
            scale_in_delay: Duration::from_secs(in_delay),
            scale_to_zero_delay: Duration::from_secs(zero_delay),
            max_step_out: out,
            max_step_in: into,
            ..ScalingPolicy::default()
        },
    )
}

fn loads() -> impl Strategy<Value = Load> {
    let age = proptest::option::of(0u64..1000);
    (0u32..80, 0u32..80, 0u32..10, 0u64..500, 0u64..500, age).prop_map(
        |(current, busy, elsewhere, queued, running, age)| Load {
            current,
            busy: busy.min(current),
            elsewhere,
            queued,
            running,
            oldest_age: age.map(Duration::from_secs),
        },
    )
}

fn trends() -> impl Strategy<Value = Trend> {
    let span = || proptest::option::of((0u64..200).prop_map(Duration::from_secs));
    (span(), 0u32..80, 0u64..200, span()).prop_map(|(above_for, highest, watched, empty_for)| Trend {
        above_for,
        highest,
        watched_for: Duration::from_secs(watched),
        empty_for,
    })
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn whatever_the_load_every_rule_holds(policy in policies(), load in loads(), trend in trends()) {
        let Verdict { desired, reason } = decide(&policy, &load, &trend);
        prop_assert!(!reason.is_empty());
        if desired > load.current {
            prop_assert!(desired <= policy.max_replicas);
            prop_assert!(policy.max_step_out == 0 || desired - load.current <= policy.max_step_out);
        }
        if desired < load.current {
            prop_assert!(desired >= load.busy, "busy actors stay");
            prop_assert!(desired >= policy.min_replicas);
            prop_assert!(policy.max_step_in == 0 || load.current - desired <= policy.max_step_in);
            prop_assert!(load.current > policy.max_replicas || desired >= trend.highest.min(load.current - 1));
        }
        if desired == 0 && load.current > 0 {
            prop_assert!(trend.empty_for.is_some_and(|empty| empty >= policy.scale_to_zero_delay));
        }
        if load.current == 0 && load.queued > 0 && load.elsewhere == 0 {
            prop_assert!(desired > 0, "what waits is woken for");
        }
    }
}

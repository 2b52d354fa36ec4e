//! The rule book of health.

use std::path::PathBuf;

use super::decide::{Next, PingInput, is_same_process, next, settled};
use std::time::{Duration, SystemTime};

use crate::domain::model::actor::{
    ActorConfig, ActorRecord, ActorState, ActorStatus, Desired, ManagedBy, Pid, Readiness,
};
use crate::domain::model::health::*;
use crate::domain::model::limits::MAX_TIMEOUT;

use crate::domain::model::id::NodeName;
use crate::domain::model::script_type::ScriptType;

const MINUTE: u64 = 60;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// An actor that runs since second 0 and has done nothing.
fn idle() -> ActorStatus {
    let name = "osis_actor_0".to_owned();
    let config = ActorConfig::new(name, PathBuf::from("/bin/osis_actor"), ScriptType::OSIS);
    ActorStatus {
        record: ActorRecord {
            id: config.id().unwrap(),
            node: NodeName::parse("here").unwrap(),
            config,
            desired: Desired::Up,
            managed_by: ManagedBy::User,
            created_at: at(0),
            generation: 1,
            restart_count: 0,
            last_pid: Some(7),
            last_exit: None,
            fault: None,
            outdated: false,
            started_by: None,
            requests_made: 0,
            operation: None,
        },
        state: ActorState::Running,
        pid: Pid(Some(7)),
        message: String::new(),
        state_since: Some(at(0)),
        started_at: Some(at(0)),
        in_flight: 0,
        last_job_at: None,
        health: ActorHealth::default(),
        usage: None,
    }
}

fn missed(misses: u32, sent: u64, outcome: PingOutcome) -> ActorStatus {
    let last_ping = Some(Ping { at: at(sent), outcome, round_trip: None, message: "silence".to_owned() });
    let health = ActorHealth {
        health: Health::Degraded,
        last_ping,
        consecutive_failures: misses,
        ..ActorHealth::default()
    };
    ActorStatus { health, ..idle() }
}

#[track_caller]
fn assert_next(actor: &ActorStatus, now: u64, expected: Next) {
    let seen = PingInput { actor, now: at(now), last_activity: None, paused: false };
    assert_eq!(next(&HealthPolicy::default(), &seen, Scope::Due), expected);
}

#[test]
fn an_actor_is_pinged_when_it_was_idle_for_ten_minutes_and_not_before() {
    assert_next(&idle(), 10 * MINUTE - 1, Next::Recent);
    assert_next(&idle(), 10 * MINUTE, Next::Ping);
    let worked = ActorStatus { last_job_at: Some(at(5 * MINUTE)), ..idle() };
    assert_next(&worked, 15 * MINUTE - 1, Next::Recent);
    assert_next(&worked, 15 * MINUTE, Next::Ping);
    let adopted = ActorStatus { started_at: None, ..idle() };
    assert_next(&adopted, 1, Next::Ping);
}

#[test]
fn an_answered_ping_counts_as_a_sign_of_life() {
    let mut actor = missed(0, 10 * MINUTE, PingOutcome::Ok);
    actor.health.health = Health::Healthy;
    assert_next(&actor, 20 * MINUTE - 1, Next::Recent);
    assert_next(&actor, 20 * MINUTE, Next::Ping);
}

#[test]
fn only_an_actor_that_runs_and_speaks_the_protocol_is_pinged() {
    for state in ActorState::ALL.into_iter().filter(|state| *state != ActorState::Running) {
        assert_next(&ActorStatus { state, ..idle() }, 99 * MINUTE, Next::NotRunning);
        assert_next(
            &ActorStatus { state, ..missed(9, 0, PingOutcome::TimedOut) },
            99 * MINUTE,
            Next::NotRunning,
        );
    }
    let mut mute = idle();
    mute.record.config.readiness = Readiness::Process;
    assert_next(&mute, 99 * MINUTE, Next::CannotBePinged);
}

#[test]
fn a_busy_actor_is_never_pinged_by_itself() {
    let busy = |actor| ActorStatus { in_flight: 1, ..actor };
    assert_next(&busy(idle()), 99 * MINUTE, Next::Busy);
    assert_next(&busy(missed(9, 0, PingOutcome::TimedOut)), 99 * MINUTE, Next::Busy);
    let busy = busy(idle());
    let seen = PingInput { actor: &busy, now: at(0), last_activity: None, paused: false };
    let asked = |scope| next(&HealthPolicy::default(), &seen, scope);
    assert_eq!(asked(Scope::Idle), Next::Busy);
    assert_eq!(asked(Scope::All), Next::Ping, "somebody asked for it");
    assert_eq!(asked(Scope::None), Next::NotRequested);
}

#[test]
fn nobody_is_pinged_through_a_paused_queue() {
    let actor = idle();
    let seen = PingInput { actor: &actor, now: at(99 * MINUTE), last_activity: None, paused: true };
    for scope in [Scope::Due, Scope::Idle, Scope::All] {
        assert_eq!(next(&HealthPolicy::default(), &seen, scope), Next::Paused);
    }
}

#[test]
fn after_a_miss_the_next_ping_follows_after_the_pause_however_short_the_idle_time() {
    // Sent at 100, given up at 130, again at 160.
    assert_next(&missed(1, 100, PingOutcome::TimedOut), 159, Next::Waiting);
    assert_next(&missed(1, 100, PingOutcome::TimedOut), 160, Next::Ping);
    // An error came at once.
    assert_next(&missed(1, 100, PingOutcome::Failed), 129, Next::Waiting);
    assert_next(&missed(1, 100, PingOutcome::Failed), 130, Next::Ping);
}

#[test]
fn a_job_after_a_miss_proves_that_it_works() {
    let worked = ActorStatus { last_job_at: Some(at(200)), ..missed(2, 100, PingOutcome::TimedOut) };
    assert_next(&worked, 300, Next::Recent);
    let now = settled(&worked);
    assert_eq!((now.health, now.consecutive_failures), (Health::Healthy, 0));
    let before = ActorStatus { last_job_at: Some(at(50)), ..missed(2, 100, PingOutcome::TimedOut) };
    assert_eq!(settled(&before), before.health);
}

#[test]
fn what_was_never_pinged_is_unknown_until_it_has_worked() {
    assert_eq!(settled(&idle()).health, Health::Unknown);
    let worked = ActorStatus { last_job_at: Some(at(3)), ..idle() };
    assert_eq!(settled(&worked).health, Health::Healthy);
    let long_ago = ActorStatus { started_at: Some(at(5)), ..worked.clone() };
    assert_eq!(settled(&long_ago).health, Health::Unknown, "that was the process before");
    let healthy = ActorHealth { health: Health::Healthy, ..ActorHealth::default() };
    let unseen = ActorStatus { state: ActorState::Unknown, health: healthy.clone(), ..worked.clone() };
    assert_eq!(settled(&unseen), healthy, "a supervisor that has just started says nothing new");
    let stopped = ActorStatus { state: ActorState::Stopped, health: healthy, ..worked };
    assert_eq!(settled(&stopped).health, Health::Unknown);
}

#[test]
fn somebody_elses_word_of_a_job_counts_as_one() {
    let actor = idle();
    let last_activity = |seconds| Some(Duration::from_secs(seconds));
    let seen =
        |last_activity| PingInput { actor: &actor, now: at(99 * MINUTE), last_activity, paused: false };
    assert_eq!(next(&HealthPolicy::default(), &seen(last_activity(599)), Scope::Due), Next::Recent);
    assert_eq!(next(&HealthPolicy::default(), &seen(last_activity(600)), Scope::Due), Next::Ping);
}

#[test]
fn what_an_actor_does_not_say_is_as_its_script_type_has_it() {
    let of_type = HealthPolicy { failure_threshold: 9, ..HealthPolicy::default() };
    assert_eq!(HealthSettings::default().over(of_type), of_type);
    let own = HealthSettings { idle_after: Some(Duration::from_secs(5)), ..HealthSettings::default() };
    assert_eq!(own.over(of_type), HealthPolicy { idle_after: Duration::from_secs(5), ..of_type });
}

#[test]
fn every_limit_of_a_policy_is_told_at_once() {
    let bad = HealthSettings {
        idle_after: Some(Duration::ZERO),
        ping_timeout: Some(MAX_TIMEOUT * 2),
        retry_after: Some(MAX_TIMEOUT * 2),
        failure_threshold: Some(0),
        action: None,
    };
    let violations = bad.validate().unwrap_err();
    let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["idle_after", "ping_timeout", "ping_interval_after_failure", "failure_threshold"]);
}

#[test]
fn an_actor_that_heeds_its_drain_is_the_same_process() {
    let pinged = idle();
    let with = |state, pid, desired| {
        let record = ActorRecord { desired, ..pinged.record.clone() };
        ActorStatus { state, pid: Pid(Some(pid)), record, ..pinged.clone() }
    };
    for (state, pid, desired, drained, same) in [
        (ActorState::Running, 7, Desired::Up, false, true),
        (ActorState::Running, 7, Desired::Up, true, true),
        (ActorState::Draining, 7, Desired::Up, true, true),
        // Nobody asked it to: it is somebody else's drain.
        (ActorState::Draining, 7, Desired::Up, false, false),
        (ActorState::Draining, 7, Desired::Down, true, false),
        (ActorState::Draining, 8, Desired::Up, true, false),
        (ActorState::Running, 8, Desired::Up, true, false),
        (ActorState::Backoff, 7, Desired::Up, true, false),
        (ActorState::CrashLoop, 7, Desired::Down, true, false),
    ] {
        let now = with(state, pid, desired);
        assert_eq!(is_same_process(&pinged, &now, drained), same, "{state} {pid} {desired:?} {drained}");
    }
}

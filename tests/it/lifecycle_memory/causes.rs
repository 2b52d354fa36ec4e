//! Who and why: what brings a change about is told with it.

use hero_supervisor::domain::model::event::{Cause, Event, EventKind, Source};
use hero_supervisor::domain::model::health::{HealthSettings, Scope};
use hero_supervisor::domain::model::scaling::{ScalingMode, ScalingPolicy};
use hero_supervisor::domain::model::settings::ScriptTypeSettings;
use tokio::sync::mpsc::Receiver;

use super::*;

/// A world, and what is told in it.
fn told_world() -> (LifecycleOnMemory, Receiver<Event>) {
    let (events, told) = Events::channel();
    let mut world = LifecycleOnMemory::new();
    world.manager = manager_with(&world.broker, &world.processes, events);
    (world, told)
}

/// Everything that was told of the states and ends of an actor since the last look: what, and its cause.
pub(super) fn of_actor(told: &mut Receiver<Event>, actor: &str) -> Vec<(String, Cause)> {
    let mut changes = Vec::new();
    while let Ok(event) = told.try_recv() {
        if event.actor_id.as_ref().is_none_or(|id| id.as_str() != actor) {
            continue;
        }
        if let EventKind::ActorStateChanged { new, .. } = &event.kind {
            changes.push((new.to_string(), event.cause));
        } else if let EventKind::ActorExited(_) = &event.kind {
            changes.push(("exit".to_owned(), event.cause));
        } else if event.kind == EventKind::ActorDeleted {
            changes.push(("deleted".to_owned(), event.cause));
        } else if event.kind == EventKind::ActorUpdated {
            changes.push(("updated".to_owned(), event.cause));
        }
    }
    changes
}

/// Sees that there is something, and that one and the same brought all of it about.
#[track_caller]
fn assert_all(changes: &[(String, Cause)], last: &str, source: Source, reason: &str) {
    assert_eq!(changes.last().map(|(what, _)| what.as_str()), Some(last), "{changes:?}");
    for (what, cause) in changes {
        assert_eq!((cause.source, cause.reason.as_str()), (source, reason), "{what}: {changes:?}");
    }
}

fn call(request_id: &str, reason: &str) -> Cause {
    let request_id = Some(request_id.to_owned());
    Cause { request_id, reason: reason.to_owned(), ..Cause::from(Source::Caller) }
}

#[tokio::test(start_paused = true)]
async fn what_a_call_brings_about_bears_its_id_and_its_reason_to_the_end() {
    let (world, mut told) = told_world();
    let a = world.start(config("a")).await.unwrap();
    assert_all(&of_actor(&mut told, "a"), "running", Source::Caller, "");

    let caller = world.manager.on_behalf_of(call("r-1", "new kernel"));
    caller.stop(&a, StopOptions::default(), WAIT).await.unwrap();
    let stopped = of_actor(&mut told, "a");
    assert_all(&stopped, "stopped", Source::Caller, "new kernel");
    assert!(stopped.iter().any(|(what, _)| what == "exit"), "{stopped:?}");
    assert!(stopped.iter().all(|(_, cause)| cause.request_id.as_deref() == Some("r-1")), "{stopped:?}");

    world.manager.on_behalf_of(call("r-2", "")).start(&a, WAIT).await.unwrap();
    let started = of_actor(&mut told, "a");
    assert_all(&started, "running", Source::Caller, "");
    assert!(started.iter().all(|(_, cause)| cause.request_id.as_deref() == Some("r-2")), "{started:?}");

    let changed = |old: &ActorConfig| Ok(old.clone().with_args(vec!["--new".to_owned()]));
    let caller = world.manager.on_behalf_of(call("r-3", "too slow"));
    caller.update(&a, Default::default(), changed, WAIT).await.unwrap();
    let updated = of_actor(&mut told, "a");
    assert_eq!(updated, [("updated".to_owned(), call("r-3", "too slow"))], "told once");

    caller.delete(&a, StopOptions::default(), false).await.unwrap();
    assert_all(&of_actor(&mut told, "a"), "deleted", Source::Caller, "too slow");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_asked_for_is_the_process_managers_and_what_follows_is_the_supervisors() {
    let (world, mut told) = told_world();
    let restart = RestartPolicy { mode: RestartMode::OnFailure, max_restarts: 1, ..RestartPolicy::default() };
    let a = world.start(config("a").with_restart(restart)).await.unwrap();
    of_actor(&mut told, "a");
    assert!(world.processes.exit("a", ExitStatus::Code(3)));
    world.until_state(&a, ActorState::Backoff).await;
    world.until_state(&a, ActorState::Running).await;
    let restarted = of_actor(&mut told, "a");
    assert!(restarted.iter().all(|(_, cause)| cause.source == Source::ProcessManager), "{restarted:?}");

    assert!(world.processes.exit("a", ExitStatus::Code(3)));
    world.until_state(&a, ActorState::CrashLoop).await;
    let given_up = of_actor(&mut told, "a");
    let (last, cause) = given_up.last().unwrap();
    assert_eq!((last.as_str(), cause.source), ("crash_loop", Source::Supervisor), "{given_up:?}");
    assert!(cause.reason.contains("ended more than once"), "{cause:?}");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_misses_its_pings_is_restarted_by_health() {
    let (world, mut told) = told_world();
    let config = config("a")
        .with_readiness(Readiness::Queue)
        .with_health(HealthSettings { failure_threshold: Some(1), ..HealthSettings::default() });
    let (actor, _deaf) = world.start_worker(config).await;
    let first = world.manager.actor(&actor).await.unwrap().pid.0;
    of_actor(&mut told, "a");
    let reborn = async {
        let pid = eventually("another pid", WAIT * 10, || async {
            world.manager.actor(&actor).await.unwrap().pid.0.filter(|pid| Some(*pid) != first)
        })
        .await;
        let worker = world.broker.work_queue(ScriptType::OSIS.into(), actor.clone(), pid);
        worker.announce(false).await.unwrap();
        worker
    };
    let selector = ActorSelector::default();
    let check = world.manager.check_health(&selector, Scope::All, WAIT * 10);
    let (reports, _worker) = tokio::join!(check, reborn);
    assert_eq!(reports.unwrap()[0].action, HealthAction::Restarted);
    assert_all(&of_actor(&mut told, "a"), "running", Source::Health, "it missed its pings, 1 in a row");
}

#[tokio::test(start_paused = true)]
async fn actors_that_scaling_lets_go_of_are_stopped_by_scaling() {
    let (world, mut told) = told_world();
    world.start(config("o_0")).await.unwrap();
    world.manager.scale(ScaleRequest::new(ScriptType::OSIS, 2), WAIT).await.unwrap();
    assert_all(&of_actor(&mut told, "o_1"), "running", Source::Scaler, "somebody asked for 2");

    // By hand: the call is known all the same.
    let caller = world.manager.on_behalf_of(call("r-9", "night"));
    caller.scale(ScaleRequest::new(ScriptType::OSIS, 1), WAIT).await.unwrap();
    let gone = of_actor(&mut told, "o_1");
    assert_all(&gone, "deleted", Source::Scaler, "somebody asked for 1: night");
    assert!(gone.iter().all(|(_, cause)| cause.request_id.as_deref() == Some("r-9")), "{gone:?}");

    // By the loop.
    let scaling = ScalingPolicy {
        mode: ScalingMode::Auto,
        max_replicas: 3,
        scale_to_zero_delay: Duration::from_secs(60),
        ..ScalingPolicy::default()
    };
    let rules = ScriptTypeSettings { scaling, ..ScriptTypeSettings::new(ScriptType::OSIS) };
    let (kept, _template) = world.manager.script_type_settings(ScriptType::OSIS).await.unwrap();
    let rules = ScriptTypeSettings { generation: kept.generation, ..rules };
    assert!(world.manager.set_script_type_settings(rules, None).await.unwrap());
    world.until_state(&id("o_0"), ActorState::Stopped).await;
    let asleep = of_actor(&mut told, "o_0");
    let (last, cause) = asleep.last().unwrap();
    assert_eq!((last.as_str(), cause.source), ("stopped", Source::Scaler), "{asleep:?}");
    assert!(!cause.reason.is_empty() && cause.request_id.is_none(), "{cause:?}");
}

#[tokio::test(start_paused = true)]
async fn what_another_one_depends_on_is_started_for_it() {
    let (world, mut told) = told_world();
    world.manager.create(config("base"), false, WAIT).await.unwrap();
    of_actor(&mut told, "base");
    world.start(config("top").with_dependencies(vec!["base".to_owned()])).await.unwrap();
    assert_all(&of_actor(&mut told, "base"), "running", Source::Caller, "actor top depends on it");
}

//! Changed definitions.

use hero_supervisor::domain::actors::{Apply, Update};
use hero_supervisor::domain::model::event::{Event, EventKind};
use hero_supervisor::domain::model::violation::Violations;

use super::*;

fn with_args(args: &'static [&'static str]) -> impl Fn(&ActorConfig) -> Result<ActorConfig, Violations> {
    move |old| Ok(old.clone().with_args(args.iter().map(|arg| (*arg).to_owned()).collect()))
}

fn restart() -> Update {
    Update { apply: Apply::Restart(StopOptions::default()), ..Update::default() }
}

fn args_in_force(world: &LifecycleOnMemory) -> Vec<String> {
    world.processes.spec("a").unwrap().args
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_waits_for_the_next_start_and_says_so() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let pid = world.manager.actor(&a).await.unwrap().pid;
    let updated = world.manager.update(&a, Update::default(), with_args(&["--new"]), WAIT).await.unwrap();
    assert!(updated.changed && !updated.restarted && updated.done);
    assert_eq!((updated.status.state, updated.status.pid), (ActorState::Running, pid));
    assert!(updated.status.message.contains("earlier definition"), "{}", updated.status.message);
    assert_eq!(args_in_force(&world), Vec::<String>::new());
    assert_eq!(updated.status.running_config(), Some(config("a")), "what runs is told");
    let again = world.manager.update(&a, Update::default(), with_args(&["--new"]), WAIT).await.unwrap();
    assert!(!again.changed, "the same definition again changes nothing");

    world.manager.restart(&a, StopOptions::default(), WAIT).await.unwrap();
    assert_eq!(args_in_force(&world), ["--new"]);
    let status = world.manager.actor(&a).await.unwrap();
    assert_eq!((status.state, status.message.as_str()), (ActorState::Running, ""));
    assert_eq!(status.running_config(), None);
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_what_was_started_however_often_the_definition_is_changed() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let change = async |change: fn(&mut ActorConfig)| {
        let change = move |old: &ActorConfig| {
            let mut new = old.clone();
            change(&mut new);
            Ok(new)
        };
        world.manager.update(&a, Update::default(), change, WAIT).await.unwrap().status
    };
    let labelled = change(|config| drop(config.labels.insert("team".to_owned(), "blue".to_owned()))).await;
    assert_eq!(labelled.running_config(), None, "a label needs no restart");
    change(|config| config.args = vec!["--two".to_owned()]).await;
    let changed = change(|config| {
        config.args = vec!["--three".to_owned()];
        config.labels.insert("team".to_owned(), "red".to_owned());
        config.secret_env.insert("PIN".to_owned());
    })
    .await;
    let running = changed.running_config().unwrap();
    assert_eq!((running.args.len(), running.labels["team"].as_str()), (0, "red"));
    assert!(running.secret_env.contains("PIN"), "what is secret now is secret in what runs");
    let back = change(|config| config.args = Vec::new()).await;
    assert_eq!((back.running_config(), back.message.as_str()), (None, ""), "it is as it was started");
    let again = change(|config| config.args = vec!["--four".to_owned()]).await;
    assert_eq!(again.running_config().unwrap().args, Vec::<String>::new());
    world.manager.stop(&a, StopOptions::default(), WAIT).await.unwrap();
    let down = change(|config| config.args = vec!["--five".to_owned()]).await;
    assert_eq!(down.running_config(), None, "nothing runs");
    let started = world.manager.start(&a, WAIT).await.unwrap().status;
    assert_eq!((started.running_config(), started.record.outdated), (None, false));
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_can_be_taken_at_once() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let updated = world.manager.update(&a, restart(), with_args(&["--new"]), WAIT).await.unwrap();
    assert!(updated.changed && updated.restarted && updated.done);
    assert_eq!((updated.status.state, updated.status.message.as_str()), (ActorState::Running, ""));
    assert_eq!(args_in_force(&world), ["--new"]);
    assert_eq!(
        updated.status.record.restart_count, 0,
        "a restart on request is none of those that are counted"
    );
    world.manager.stop(&a, StopOptions::default(), WAIT).await.unwrap();
    let down = world.manager.update(&a, restart(), with_args(&["--newer"]), WAIT).await.unwrap();
    assert!(down.changed && !down.restarted, "what is not meant to run is not started");
    assert_eq!(down.status.state, ActorState::Stopped);
    world.manager.start(&a, WAIT).await.unwrap();
    assert_eq!(args_in_force(&world), ["--newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_comes_back_by_the_changed_definition() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    world.manager.update(&a, Update::default(), with_args(&["--mended"]), WAIT).await.unwrap();
    world.processes.exit("a", ExitStatus::Code(1));
    eventually("it runs by the new definition", WAIT, || async {
        let status = world.manager.actor(&a).await.unwrap();
        (status.state == ActorState::Running && args_in_force(&world) == ["--mended"]).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_change_made_for_another_state_of_the_actor_is_a_conflict_and_its_history_is_none() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let etag = world.manager.actor(&a).await.unwrap().record.etag();
    world.processes.exit("a", ExitStatus::Code(1));
    world.until_state(&a, ActorState::Running).await;
    let guarded = Update { etag: Some(etag.clone()), ..Update::default() };
    world.manager.update(&a, guarded.clone(), with_args(&["--one"]), WAIT).await.unwrap();
    let late = world.manager.update(&a, guarded, with_args(&["--two"]), WAIT).await.unwrap_err();
    assert!(matches!(late, SupervisorError::ActorConflict(_)), "{late}");
    assert_eq!(world.manager.actor(&a).await.unwrap().record.config.args, ["--one"]);
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_at_once_are_all_made() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let add = |name: &'static str| {
        let change = move |old: &ActorConfig| {
            let mut new = old.clone();
            new.labels.insert(name.to_owned(), String::new());
            Ok(new)
        };
        world.manager.update(&a, Update::default(), change, WAIT)
    };
    let (one, two, three) = tokio::join!(add("one"), add("two"), add("three"));
    assert!(one.unwrap().changed && two.unwrap().changed && three.unwrap().changed);
    let labels = world.manager.actor(&a).await.unwrap().record.config.labels;
    assert_eq!(labels.keys().collect::<Vec<_>>(), ["one", "three", "two"]);
}

#[tokio::test(start_paused = true)]
async fn what_would_make_it_another_actor_or_one_that_cannot_run_is_refused() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let update = |change: fn(&mut ActorConfig)| {
        let change = move |old: &ActorConfig| {
            let mut new = old.clone();
            change(&mut new);
            Ok(new)
        };
        world.manager.update(&a, Update::default(), change, WAIT)
    };
    let typed = update(|config| config.script_type = ScriptType::SAL).await.unwrap_err();
    assert!(
        typed.to_string().contains("config.script_type: is sal, and the actor serves the osis queue"),
        "{typed}"
    );
    let missing = update(|config| config.binary = PathBuf::from("/missing")).await.unwrap_err();
    assert!(matches!(missing, SupervisorError::BinaryInvalid { .. }), "{missing}");
    let ghost = update(|config| config.dependencies = vec!["ghost".to_owned()]).await.unwrap_err();
    assert!(matches!(ghost, SupervisorError::DependencyUnmet { .. }), "{ghost}");
    let cycle = world.manager.create(config("b").with_dependencies(vec!["a".to_owned()]), false, WAIT).await;
    cycle.unwrap();
    let cycle = update(|config| config.dependencies = vec!["b".to_owned()]).await.unwrap_err();
    assert!(cycle.to_string().contains("wait for each other"), "{cycle}");
    let absent =
        world.manager.update(&id("ghost"), Update::default(), with_args(&[]), WAIT).await.unwrap_err();
    assert!(matches!(absent, SupervisorError::ActorNotFound(_)), "{absent}");
    assert_eq!(world.manager.actor(&a).await.unwrap().record.config, config("a"));
}

#[tokio::test(start_paused = true)]
async fn a_change_by_another_supervisor_of_the_node_is_seen_and_taken_at_the_next_start() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let other = manager(&world.broker, &world.processes, "here", Vec::new());
    eventually("the other one sees it", WAIT, || async {
        (other.actor(&a).await.unwrap().state == ActorState::Running).then_some(())
    })
    .await;
    other.update(&a, Update::default(), with_args(&["--new"]), WAIT).await.unwrap();
    let seen = eventually("the change is seen", WAIT, || async {
        let status = world.manager.actor(&a).await.unwrap();
        (!status.record.config.args.is_empty()).then_some(status)
    })
    .await;
    assert!(seen.message.contains("earlier definition"), "{}", seen.message);
    world.manager.restart(&a, StopOptions::default(), WAIT).await.unwrap();
    assert_eq!(args_in_force(&world), ["--new"]);
    let generation = || async { world.manager.actor(&a).await.unwrap().record.generation };
    tokio::time::sleep(Duration::from_secs(30)).await;
    let before = generation().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(generation().await, before, "two supervisors do not write for ever");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_an_event() {
    let (events, mut told) = Events::channel();
    let world = LifecycleOnMemory::with_events(events);
    let a = world.start(config("a")).await.unwrap();
    world.manager.update(&a, Update::default(), with_args(&["--new"]), WAIT).await.unwrap();
    let is_it = |event: &Event| event.kind == EventKind::ActorUpdated && event.actor_id.as_ref() == Some(&a);
    let event = std::iter::from_fn(|| told.try_recv().ok()).find(is_it).expect("an event");
    assert!(event.message.contains("at its next start"), "{}", event.message);
}

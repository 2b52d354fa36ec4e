//! What an actor waits for.

use hero_supervisor::domain::model::event::EventKind;
use hero_supervisor::ports::process_manager::{ProcessManager, ProcessSpec};

use super::*;

fn on(names: &[&str]) -> ActorConfig {
    config("top").with_dependencies(names.iter().map(|name| (*name).to_owned()).collect())
}

/// A service that somebody else runs.
async fn foreign(world: &LifecycleOnMemory, name: &str, behaviour: Behaviour) {
    world.processes.behave(name, behaviour);
    world.start(config("template")).await.unwrap();
    let restart = RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::default() };
    let spec = world.processes.spec("template").unwrap();
    world
        .processes
        .start(&ProcessSpec { name: name.to_owned(), env: [].into(), restart, ..spec })
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_runs_or_has_done_its_work_is_met() {
    for ends in [None, Some((Duration::from_millis(1), ExitStatus::Code(0)))] {
        let world = LifecycleOnMemory::new();
        foreign(&world, "redis", Behaviour { ends, ..Behaviour::default() }).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.start(on(&["redis"])).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_is_blocked_on_a_service_that_is_down_and_the_service_is_not_meddled_with() {
    let world = LifecycleOnMemory::new();
    let crash = Some((Duration::from_millis(1), ExitStatus::Code(1)));
    foreign(&world, "redis", Behaviour { ends: crash, ..Behaviour::default() }).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls = world.processes.calls().len();
    let waiting = world.manager.create(on(&["redis"]), true, Duration::from_secs(5)).await.unwrap();
    assert!(!waiting.done);
    assert_eq!(
        (waiting.status.state, waiting.status.message.as_str()),
        (ActorState::Blocked, "waits for redis")
    );
    world.until_state(&id("top"), ActorState::Failed).await;
    let failed = world.manager.actor(&id("top")).await.unwrap();
    assert!(failed.message.contains("dependency redis of actor top cannot be met"), "{}", failed.message);
    let touched: Vec<_> =
        world.processes.calls().split_off(calls).into_iter().map(|call| format!("{call:?}")).collect();
    assert!(!touched.iter().any(|call| call.contains("redis")), "{touched:?}");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_cannot_come_up_is_told_to_who_waits_for_it_at_once() {
    let world = LifecycleOnMemory::new();
    let crash = Some((Duration::from_millis(1), ExitStatus::Code(7)));
    world.processes.behave("base", Behaviour { ends: crash, ..Behaviour::default() });
    world.manager.create(config("base"), false, WAIT).await.unwrap();
    let begun = tokio::time::Instant::now();
    let refused = world.manager.create(on(&["base"]), true, WAIT).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told = refused.to_string();
    assert!(told.contains("dependency base of actor top") && told.contains("exit code 7"), "{told}");
    world.processes.behave("base", Behaviour::default());
    world.manager.start(&id("top"), WAIT).await.unwrap();
    assert_eq!(world.manager.actor(&id("base")).await.unwrap().state, ActorState::Running);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_another_is_no_crash() {
    let world = LifecycleOnMemory::new();
    world.start(config("base")).await.unwrap();
    let restart = RestartPolicy { max_restarts: 1, ..RestartPolicy::default() };
    let top = world.start(on(&["base"]).with_restart(restart)).await.unwrap();
    world.manager.close().await;
    // The machine was started anew: nothing runs, and what is depended on takes its time.
    world.processes.close().await;
    world.processes.behave("base", Behaviour { spawn_fails: true, ..Behaviour::default() });
    let (events, mut told) = Events::channel();
    let next = manager_with(&world.broker, &world.processes, events);
    next.open().await.unwrap();
    let blocked = async || {
        let waiting = next.actor(&top).await.unwrap();
        (waiting.state == ActorState::Blocked).then_some(waiting)
    };
    eventually("it is blocked", WAIT * 5, blocked).await;
    // Between two tries and during them: who looks sees what it waits for, and who watches hears it once.
    for _look in 0..600 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let waiting = next.actor(&top).await.unwrap();
        assert_eq!(
            (waiting.record.desired, waiting.record.fault),
            (Desired::Up, None),
            "{}",
            waiting.message
        );
        let shown = (waiting.state, waiting.message.as_str());
        assert_eq!(shown, (ActorState::Blocked, "waits for base"));
    }
    let mut changes = 0;
    while let Ok(event) = told.try_recv() {
        let of_top = event.actor_id.as_ref() == Some(&top);
        changes += usize::from(of_top && matches!(event.kind, EventKind::ActorStateChanged { .. }));
    }
    assert!(changes <= 3, "{changes} changes of state were told");
    world.processes.behave("base", Behaviour::default());
    next.start(&id("base"), WAIT).await.unwrap();
    eventually("it follows", WAIT * 5, || async {
        (next.actor(&top).await.unwrap().state == ActorState::Running).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dependencies_start_first_and_cycles_and_ghosts_are_refused_by_name() {
    let world = LifecycleOnMemory::new();
    world.manager.create(config("base"), false, WAIT).await.unwrap();
    let top = config("top").with_dependencies(vec!["base".to_owned()]);
    world.start(top).await.unwrap();
    let base = world.manager.actor(&id("base")).await.unwrap();
    assert_eq!(base.state, ActorState::Running);
    let ghost = config("x").with_dependencies(vec!["ghost".to_owned()]);
    let refused = world.manager.create(ghost, true, WAIT).await.unwrap_err();
    assert!(refused.to_string().contains("ghost"), "{refused}");
    // p needs q, which needs p: made in one go as initial actors, refused at the start.
    let initial = vec![
        config("p").with_dependencies(vec!["q".to_owned()]),
        config("q").with_dependencies(vec!["p".to_owned()]),
    ];
    let cyclic = manager(&world.broker, &world.processes, "there", initial);
    let refused = cyclic.start(&id("p"), WAIT).await.unwrap_err();
    assert!(refused.to_string().contains("wait for each other"), "{refused}");
}

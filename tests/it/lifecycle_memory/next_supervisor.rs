//! The next supervisor of a node, and one of another node.

use hero_supervisor::domain::actors::Update;
use hero_supervisor::domain::model::actor::{ActorRecord, Desired};
use hero_supervisor::ports::actor_store::{ActorStore, Stored};
use hero_supervisor::ports::process_manager::ProcessManager;

use super::causes::of_actor;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_new_supervisor_shows_the_same_view_and_touches_no_actor() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    world.processes.exit("a", ExitStatus::Code(1));
    world.until_state(&a, ActorState::Running).await;
    let before = eventually("the restart is noted", WAIT, || async {
        let status = world.manager.actor(&a).await.unwrap();
        (status.record.restart_count == 1 && status.pid.0.is_some()).then_some(status)
    })
    .await;
    world.manager.close().await;
    let calls = world.processes.calls().len();
    let next = manager(&world.broker, &world.processes, "here", Vec::new());
    next.open().await.unwrap();
    let after = eventually("the actor is seen", WAIT, || async {
        let status = next.actor(&a).await.unwrap();
        (status.state == ActorState::Running).then_some(status)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((after.pid, after.record.restart_count), (before.pid, 1));
    assert_eq!(after.record.config, before.record.config);
    assert_eq!(world.processes.calls().len(), calls, "{:?}", world.processes.calls());
}

#[tokio::test(start_paused = true)]
async fn a_new_supervisor_tells_what_runs_though_its_own_definition_is_another() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let changed = |args: &str| config("a").with_args(vec![args.to_owned()]);
    let change = |_: &ActorConfig| Ok(changed("--by-a-call"));
    world.manager.update(&a, Update::default(), change, WAIT).await.unwrap();
    world.manager.close().await;
    for initial in [Vec::new(), vec![changed("--by-a-file")], vec![config("a")]] {
        let defined = initial.first().cloned().unwrap_or_else(|| changed("--by-a-call"));
        let next = manager(&world.broker, &world.processes, "here", initial);
        next.open().await.unwrap();
        let status = eventually("the actor is seen", WAIT, || async {
            let status = next.actor(&a).await.unwrap();
            (status.state == ActorState::Running).then_some(status)
        })
        .await;
        let is_other = defined != config("a");
        assert_eq!(status.running_config(), is_other.then(|| config("a")));
        assert_eq!(status.record.config, defined);
        next.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_ended_while_no_supervisor_was_there_is_noticed_by_the_next() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let pid = world.manager.actor(&a).await.unwrap().pid.0.unwrap();
    let worker = world.broker.work_queue(ScriptType::OSIS.into(), a.clone(), pid);
    let job = world
        .manager
        .supervisor()
        .submit(JobRequest::new(JobSpec::new(ScriptType::OSIS, "1")))
        .await
        .unwrap()
        .job;
    worker.take(1, WAIT).await.unwrap();
    eventually("the pid is stored", WAIT, || async {
        let store = world.broker.actor_store();
        let records = ActorStore::load(&store).await.unwrap().records;
        (records[0].last_pid == Some(pid)).then_some(())
    })
    .await;
    world.manager.close().await;
    world.processes.exit("a", ExitStatus::Signal(11));
    let next = manager(&world.broker, &world.processes, "here", Vec::new());
    next.open().await.unwrap();
    let ended = next.supervisor().await_end(&job.id, Duration::from_secs(2)).await.unwrap();
    assert_eq!(ended.job.state, JobState::Failed);
    eventually("the restart is counted", WAIT, || async {
        (next.actor(&a).await.unwrap().record.restart_count == 1).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_whose_stop_was_not_told_to_its_end_is_told_as_stopped_by_the_next() {
    for is_settled in [false, true] {
        let world = LifecycleOnMemory::new();
        let a = world.start(config("a")).await.unwrap();
        let store = world.broker.actor_store();
        let stored = || async { ActorStore::get(&store, &a).await.unwrap().unwrap() };
        eventually("the pid is stored", WAIT, || async { stored().await.last_pid.map(drop) }).await;
        world.manager.close().await;
        // The earlier supervisor has noted the wish, and perhaps the end, and told nobody.
        let record = stored().await;
        let last_pid = record.last_pid.filter(|_pid| !is_settled);
        let record = ActorRecord { desired: Desired::Down, last_pid, ..record };
        assert!(matches!(ActorStore::update(&store, &record).await.unwrap(), Stored::Written(_)));
        ProcessManager::stop(world.processes.as_ref(), "a", WAIT).await.unwrap();

        let (events, mut told) = Events::channel();
        let next = manager_with(&world.broker, &world.processes, events);
        next.open().await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(next.actor(&a).await.unwrap().state, ActorState::Stopped);
        let told: Vec<_> = of_actor(&mut told, "a").into_iter().map(|(what, _cause)| what).collect();
        let wanted: &[&str] = if is_settled { &[] } else { &["exit", "stopped"] };
        assert_eq!(told, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn actors_of_another_node_are_shown_and_not_touched() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let other = manager(&world.broker, &Arc::new(MemoryProcessManager::new()), "there", Vec::new());
    assert_eq!(other.actor(&a).await.unwrap().record.node.as_str(), "here");
    assert_eq!(other.actors().await.unwrap().len(), 1);
    let refused = other.stop(&a, StopOptions::default(), WAIT).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::ActorOnOtherNode { .. }), "{refused}");
    let taken = other.create(config("a"), true, WAIT).await.unwrap_err();
    assert!(matches!(taken, SupervisorError::ActorOnOtherNode { .. }), "{taken}");
}

//! Two supervisors of one node, which know of each other by the records only.

use hero_supervisor::domain::actors::{Apply, Update};
use hero_supervisor::domain::model::event::{Event, EventKind};
use hero_supervisor::ports::actor_store::{ActorStore, Stored};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;

/// Both, what each tells, and one actor that both have seen running.
struct Two {
    world: LifecycleOnMemory,
    second: ActorLifecycleManager,
    actor: ActorId,
    told: [mpsc::Receiver<Event>; 2],
}

impl Two {
    async fn start(config: ActorConfig) -> Self {
        let ((events, told), (other_events, other_told)) = (Events::channel(), Events::channel());
        let world = LifecycleOnMemory::with_events(events);
        let second = manager_of(&world.broker, &world.processes, "here", Vec::new(), other_events);
        let actor = world.start(config).await.unwrap();
        second.open().await.unwrap();
        let two = Self { world, second, actor, told: [told, other_told] };
        two.both_see(ActorState::Running).await;
        two
    }

    fn managers(&self) -> [&ActorLifecycleManager; 2] {
        [&self.world.manager, &self.second]
    }

    /// Waits until both show it so, and the record says nothing of an operation.
    async fn both_see(&self, state: ActorState) {
        eventually(&format!("both see that it is {state}"), WAIT * 10, || async {
            for manager in self.managers() {
                if manager.actor(&self.actor).await.unwrap().state != state {
                    return None;
                }
            }
            let record = self.world.broker.actor_store().get(&self.actor).await.unwrap().unwrap();
            record.operation.is_none().then_some(())
        })
        .await;
    }

    /// Ends of the process that were told, and whether they had been asked for.
    fn ends(&mut self) -> Vec<bool> {
        let mut ends = Vec::new();
        for told in &mut self.told {
            while let Ok(event) = told.try_recv() {
                if let EventKind::ActorExited(exit) = event.kind {
                    ends.push(exit.requested);
                }
            }
        }
        ends
    }
}

fn pid_of(status: &hero_supervisor::domain::model::actor::ActorStatus) -> u32 {
    status.pid.0.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wish_is_decided_by_what_another_supervisor_has_just_done() {
    let two = Two::start(config("a")).await;
    for pause in [0, 1, 20, 150, 400] {
        for [first, other] in [[0, 1], [1, 0]] {
            let (first, other) = (two.managers()[first], two.managers()[other]);
            let before = pid_of(&first.actor(&two.actor).await.unwrap());
            assert!(first.stop(&two.actor, StopOptions::default(), WAIT).await.unwrap().changed);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let started = other.start(&two.actor, WAIT).await.unwrap();
            assert!(started.changed && started.done, "after {pause} ms: {started:?}");
            assert_eq!(started.status.state, ActorState::Running);
            assert_ne!(pid_of(&started.status), before, "the process of before is gone");
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let stopped = first.stop(&two.actor, StopOptions::default(), WAIT).await.unwrap();
            assert!(stopped.changed && stopped.done, "after {pause} ms: {stopped:?}");
            tokio::time::sleep(Duration::from_secs(3)).await;
            two.both_see(ActorState::Stopped).await;
            assert!(first.start(&two.actor, WAIT).await.unwrap().changed);
            two.both_see(ActorState::Running).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_one_is_no_crash_for_the_other() {
    let mut two = Two::start(config("a")).await;
    for turn in 0..16_u64 {
        let restarted = two.managers()[1].restart(&two.actor, StopOptions::default(), WAIT).await.unwrap();
        assert!(restarted.changed && restarted.done);
        // Between none and several looks of the other one.
        tokio::time::sleep(Duration::from_millis(turn * 67 % 1000)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    two.both_see(ActorState::Running).await;
    for manager in two.managers() {
        let status = manager.actor(&two.actor).await.unwrap();
        assert_eq!((status.record.restart_count, status.record.fault), (0, None));
    }
    assert_eq!(two.ends(), [true; 16], "each end is told once, and was asked for");
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_that_is_applied_by_one_is_no_crash_for_the_other() {
    let mut two = Two::start(config("a")).await;
    for turn in 0..16_u64 {
        let update = Update { apply: Apply::Restart(StopOptions::default()), ..Update::default() };
        let by = two.managers()[usize::from(turn % 2 == 1)];
        let change = |config: &ActorConfig| Ok(config.clone().with_args(vec![turn.to_string()]));
        let updated = by.update(&two.actor, update, change, WAIT).await.unwrap();
        assert!(updated.changed && updated.restarted && updated.done, "{updated:?}");
        assert_eq!(two.world.processes.spec("a").unwrap().args, [turn.to_string()]);
        assert!(!updated.status.record.outdated);
    }
    two.both_see(ActorState::Running).await;
    assert_eq!(two.managers()[0].actor(&two.actor).await.unwrap().record.restart_count, 0);
    assert_eq!(two.ends(), [true; 16]);
}

#[tokio::test(start_paused = true)]
async fn both_tell_what_runs_whoever_has_changed_the_definition() {
    let two = Two::start(config("a")).await;
    for turn in [0, 1] {
        let (by, other) = (two.managers()[turn], two.managers()[1 - turn]);
        let change = |old: &ActorConfig| Ok(old.clone().with_args(vec![format!("--{turn}")]));
        by.update(&two.actor, Update::default(), change, WAIT).await.unwrap();
        eventually("the other one tells it", WAIT, || async {
            let status = other.actor(&two.actor).await.unwrap();
            let is_new = status.record.config.args == [format!("--{turn}")];
            (is_new && status.running_config() == Some(config("a"))).then_some(())
        })
        .await;
    }
    two.managers()[1].restart(&two.actor, StopOptions::default(), WAIT).await.unwrap();
    two.both_see(ActorState::Running).await;
    for manager in two.managers() {
        eventually("what runs is the definition", WAIT, || async {
            let status = manager.actor(&two.actor).await.unwrap();
            (status.running_config().is_none() && status.message.is_empty()).then_some(())
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_noted_once_and_counts_for_both() {
    let restart = RestartPolicy { max_restarts: 3, ..RestartPolicy::default() };
    let mut two = Two::start(config("a").with_restart(restart)).await;
    for crash in 1..=4 {
        two.both_see(ActorState::Running).await;
        two.world.processes.exit("a", ExitStatus::Code(1));
        eventually("the end is noted", WAIT, || async {
            let record = two.world.broker.actor_store().get(&two.actor).await.unwrap().unwrap();
            (record.restart_count == crash).then_some(())
        })
        .await;
    }
    two.both_see(ActorState::CrashLoop).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    two.both_see(ActorState::CrashLoop).await;
    let crashes = two.ends().into_iter().filter(|requested| !requested).count();
    assert_eq!(crashes, 4, "neither too early nor too late, and each told once");
    // Whoever starts it forgives the ends before, for both.
    two.managers()[1].start(&two.actor, WAIT).await.unwrap();
    two.both_see(ActorState::Running).await;
    two.world.processes.exit("a", ExitStatus::Code(1));
    tokio::time::sleep(Duration::from_secs(30)).await;
    two.both_see(ActorState::Running).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_wish_to_both_is_carried_out_once_and_both_are_told() {
    let mut two = Two::start(config("a")).await;
    let [one, other] = two.managers();
    let restart = |manager: &ActorLifecycleManager| {
        let (manager, actor) = (manager.clone(), two.actor.clone());
        async move { manager.restart(&actor, StopOptions::default(), WAIT).await }
    };
    let (first, second) = tokio::join!(restart(one), restart(other));
    let pids = [pid_of(&first.unwrap().status), pid_of(&second.unwrap().status)];
    assert_eq!(pids[0], pids[1]);
    let stop = |manager: &ActorLifecycleManager| {
        let (manager, actor) = (manager.clone(), two.actor.clone());
        async move { manager.stop(&actor, StopOptions::default(), WAIT).await }
    };
    let (first, second) = tokio::join!(stop(one), stop(other));
    for stopped in [first.unwrap(), second.unwrap()] {
        assert!(stopped.done);
        assert_eq!(stopped.status.state, ActorState::Stopped);
    }
    let delete = |manager: &ActorLifecycleManager| {
        let (manager, actor) = (manager.clone(), two.actor.clone());
        async move { manager.delete(&actor, StopOptions::default(), true).await }
    };
    let (first, second) = tokio::join!(delete(one), delete(other));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(two.ends(), [true, true]);
    assert_eq!(two.world.processes.spec("a"), None);
}

#[tokio::test(start_paused = true)]
async fn what_one_is_at_is_not_contradicted_by_the_other_but_by_force() {
    let slow = Behaviour { term_after: None, ..Behaviour::default() };
    let world = LifecycleOnMemory::new();
    world.processes.behave("a", slow);
    let actor = world.start(config("a").with_drain_timeout(Duration::from_secs(3600))).await.unwrap();
    let second = manager(&world.broker, &world.processes, "here", Vec::new());
    second.open().await.unwrap();
    let mut stopping = JoinSet::new();
    stopping.spawn({
        let (manager, actor) = (world.manager.clone(), actor.clone());
        async move { manager.stop(&actor, StopOptions::default(), WAIT * 100).await }
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    let refused = second.start(&actor, WAIT).await.unwrap_err();
    let SupervisorError::OperationInProgress { operation, .. } = refused else { panic!("{refused}") };
    assert_eq!(operation, "a stop");
    let refused = second.restart(&actor, StopOptions::default(), WAIT).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::OperationInProgress { .. }), "{refused}");
    let force = StopOptions { force: true, ..StopOptions::default() };
    let forced = second.stop(&actor, force, WAIT).await.unwrap();
    assert_eq!((forced.done, forced.status.state), (true, ActorState::Stopped));
    let overtaken = stopping.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(matches!(overtaken, SupervisorError::OperationInProgress { .. }), "{overtaken}");
    assert!(second.start(&actor, WAIT).await.unwrap().changed);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_supervisor_was_at_is_given_up_and_the_actor_goes_on() {
    let two = Two::start(config("a")).await;
    // A supervisor that was killed in the middle of a restart, its process being gone: nothing but its lease is left.
    let store = two.world.broker.actor_store();
    let mut record = store.get(&two.actor).await.unwrap().unwrap();
    record.operation = Some(hero_supervisor::domain::model::actor::OperationLease {
        verb: hero_supervisor::domain::model::actor::Verb::Restart,
        id: "of the dead".to_owned(),
        heartbeat: 3,
    });
    assert!(matches!(store.update(&record).await.unwrap(), Stored::Written(_)));
    two.world.processes.exit("a", ExitStatus::Signal(15));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let record = store.get(&two.actor).await.unwrap().unwrap();
    assert!(record.operation.is_some(), "it may live");
    let record = eventually("the end is noted", WAIT, || async {
        let record = store.get(&two.actor).await.unwrap().unwrap();
        record.last_exit.is_some().then_some(record)
    })
    .await;
    assert_eq!((record.operation, record.restart_count), (None, 0), "its end was asked for");
    assert!(record.last_exit.unwrap().requested);
    two.both_see(ActorState::Running).await;
    let restarted = two.second.restart(&two.actor, StopOptions::default(), WAIT).await.unwrap();
    assert!(restarted.done);
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_waited_for_a_dead_supervisor_takes_what_that_had_ended_for_no_crash() {
    let mut two = Two::start(config("a")).await;
    let store = two.world.broker.actor_store();
    let mut record = store.get(&two.actor).await.unwrap().unwrap();
    record.operation = Some(hero_supervisor::domain::model::actor::OperationLease {
        verb: hero_supervisor::domain::model::actor::Verb::Restart,
        id: "of the dead".to_owned(),
        heartbeat: 3,
    });
    assert!(matches!(store.update(&record).await.unwrap(), Stored::Written(_)));
    two.world.processes.exit("a", ExitStatus::Signal(15));
    let restarts = two.managers().map(|manager| {
        let (manager, actor) = (manager.clone(), two.actor.clone());
        async move { manager.restart(&actor, StopOptions::default(), WAIT).await.unwrap() }
    });
    for restarted in futures::future::join_all(restarts).await {
        assert!(restarted.done && restarted.status.state == ActorState::Running, "{restarted:?}");
    }
    two.both_see(ActorState::Running).await;
    assert_eq!(store.get(&two.actor).await.unwrap().unwrap().restart_count, 0);
    let ends = two.ends();
    assert!(!ends.is_empty() && ends.iter().all(|requested| *requested), "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_leaves_in_the_middle_hands_over_at_once() {
    let slow = Behaviour { term_after: Some(Duration::from_secs(30)), ..Behaviour::default() };
    let world = LifecycleOnMemory::new();
    world.processes.behave("a", slow);
    let actor = world.start(config("a").with_drain_timeout(Duration::from_secs(100))).await.unwrap();
    let second = manager(&world.broker, &world.processes, "here", Vec::new());
    second.open().await.unwrap();
    let begun = world.manager.stop(&actor, StopOptions::default(), Duration::from_secs(5)).await.unwrap();
    assert!(!begun.done);
    world.manager.close().await;
    let record = world.broker.actor_store().get(&actor).await.unwrap().unwrap();
    assert_eq!((record.operation, record.desired), (None, Desired::Down));
    let stopped = second.stop(&actor, StopOptions::default(), WAIT).await.unwrap();
    assert_eq!((stopped.done, stopped.status.state), (true, ActorState::Stopped), "it is carried on with");
}

#[tokio::test(start_paused = true)]
async fn scaling_counts_what_the_other_one_has_just_scaled() {
    let two = Two::start(config("osis_actor_0")).await;
    let [one, other] = two.managers();
    for (manager, replicas) in [(one, 3), (other, 1), (one, 3), (other, 0), (one, 2), (other, 2)] {
        let request = ScaleRequest { take_over: true, ..ScaleRequest::new(ScriptType::OSIS, replicas) };
        let scaled = manager.scale(request, WAIT).await.unwrap();
        assert!(scaled.done);
        let up = scaled.actors.iter().filter(|actor| actor.record.desired == Desired::Up).count();
        assert_eq!(up, replicas as usize, "{scaled:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for manager in two.managers() {
        let actors = manager.actors().await.unwrap();
        let running = actors.iter().filter(|actor| actor.state == ActorState::Running).count();
        let crashed = actors.iter().filter(|actor| actor.record.restart_count > 0).count();
        assert_eq!((running, crashed), (2, 0), "{actors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn contradicting_wishes_to_both_converge_and_none_is_told_of_an_internal_error() {
    let mut rng = fastrand::Rng::with_seed(11);
    let two = Two::start(config("a")).await;
    let mut calls = tokio::task::JoinSet::new();
    for _call in 0..200 {
        let manager = two.managers()[rng.usize(..2)].clone();
        let (actor, what) = (two.actor.clone(), rng.u8(..6));
        calls.spawn(async move {
            let force = StopOptions { force: true, ..StopOptions::default() };
            match what {
                0 => manager.start(&actor, WAIT).await.map(drop),
                1 => manager.stop(&actor, StopOptions::default(), WAIT).await.map(drop),
                2 => manager.stop(&actor, force, WAIT).await.map(drop),
                3 => manager.restart(&actor, StopOptions::default(), WAIT).await.map(drop),
                4 => manager.delete(&actor, force, true).await.map(drop),
                _ => manager.create(config("a"), true, WAIT).await.map(drop),
            }
        });
        tokio::time::sleep(Duration::from_millis(rng.u64(..60))).await;
    }
    while let Some(ended) = calls.join_next().await {
        match ended.unwrap() {
            Ok(())
            | Err(
                SupervisorError::OperationInProgress { .. }
                | SupervisorError::ActorConflict(_)
                | SupervisorError::ActorNotFound(_),
            ) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    two.second.create(config("a"), true, WAIT).await.unwrap();
    two.both_see(ActorState::Running).await;
    let pids = two.managers().map(|manager| manager.actor(&two.actor));
    let pids = futures::future::join_all(pids).await.into_iter().map(|actor| pid_of(&actor.unwrap()));
    assert!(pids.collect::<std::collections::BTreeSet<_>>().len() == 1, "both see the same process");
    let cause = two.managers()[0].actor(&two.actor).await.unwrap().record;
    assert_eq!((cause.restart_count, cause.fault), (0, None));
}

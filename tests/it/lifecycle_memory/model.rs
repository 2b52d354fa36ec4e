//! Random lives: whatever is asked for and whatever happens, in the end the world is as it was wished, and nothing runs
//! that was not.
//!
//! The model is a table of wishes. After each sequence, once everything has come to rest, manager, process manager
//! and model have to agree; a manager in its place has to agree, too.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};

use hero_supervisor::domain::lifecycle::ScaleRequest;

use super::*;

const NAMES: [&str; 5] = ["m_0", "m_1", "m_2", "m_3", "m_4"];
/// Sequences, and steps of each at most.
const CASES: u32 = 150;
const STEPS: usize = 25;
/// All backoffs and drains of the model are over by then.
const REST: Duration = Duration::from_secs(120);

/// Something that somebody does, or that happens.
#[derive(Debug, Clone)]
enum Step {
    Create(usize, bool),
    Start(usize),
    Stop(usize, bool),
    Restart(usize),
    Delete(usize),
    Crash(usize, i32),
    Scale(u32),
    ManagerIsReplaced,
    ProcessManagerIsAway(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let one = 0..NAMES.len();
    prop_oneof![
        4 => (one.clone(), any::<bool>()).prop_map(|(actor, start)| Step::Create(actor, start)),
        3 => one.clone().prop_map(Step::Start),
        2 => (one.clone(), any::<bool>()).prop_map(|(actor, force)| Step::Stop(actor, force)),
        2 => one.clone().prop_map(Step::Restart),
        1 => one.clone().prop_map(Step::Delete),
        4 => (one, 0..3).prop_map(|(actor, code)| Step::Crash(actor, code)),
        1 => (0..4_u32).prop_map(Step::Scale),
        1 => Just(Step::ManagerIsReplaced),
        1 => (1..8_u64).prop_map(Step::ProcessManagerIsAway),
        2 => (1..5000_u64).prop_map(Step::Wait),
    ]
}

/// What is wished, by actor.
#[derive(Debug, Default)]
struct Model {
    wishes: BTreeMap<String, Desired>,
}

fn lively(name: &str) -> ActorConfig {
    let restart = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
    config(name).with_restart(restart)
}

async fn carry_out(world: &mut World, model: &mut Model, step: &Step) {
    let wish = |model: &mut Model, name: &str, desired| {
        if let Some(wish) = model.wishes.get_mut(name) {
            *wish = desired;
        }
    };
    match step {
        Step::Create(actor, start) => {
            let name = NAMES[*actor];
            let is_new = !model.wishes.contains_key(name);
            let created = world.manager.create(lively(name), *start, WAIT).await;
            assert!(created.is_ok(), "{step:?}: {created:?}");
            if is_new {
                model.wishes.insert(name.to_owned(), Desired::Down);
            }
            if *start {
                wish(model, name, Desired::Up);
            }
        }
        Step::Start(actor) => {
            let started = world.manager.start(&id(NAMES[*actor]), WAIT).await;
            if let Err(SupervisorError::OperationInProgress { .. }) = started {
                return;
            }
            assert_eq!(started.is_ok(), model.wishes.contains_key(NAMES[*actor]), "{step:?}: {started:?}");
            wish(model, NAMES[*actor], Desired::Up);
        }
        Step::Stop(actor, force) => {
            let options = StopOptions { force: *force, ..StopOptions::default() };
            let stopped = world.manager.stop(&id(NAMES[*actor]), options, WAIT).await;
            assert_eq!(stopped.is_ok(), model.wishes.contains_key(NAMES[*actor]), "{step:?}: {stopped:?}");
            wish(model, NAMES[*actor], Desired::Down);
        }
        Step::Restart(actor) => {
            let restarted = world.manager.restart(&id(NAMES[*actor]), StopOptions::default(), WAIT).await;
            // One that a reconcile is about to start refuses; whoever asks waits and asks again.
            if let Err(SupervisorError::OperationInProgress { .. }) = restarted {
                return;
            }
            assert_eq!(
                restarted.is_ok(),
                model.wishes.contains_key(NAMES[*actor]),
                "{step:?}: {restarted:?}"
            );
            wish(model, NAMES[*actor], Desired::Up);
        }
        Step::Delete(actor) => {
            let deleted = world.manager.delete(&id(NAMES[*actor]), StopOptions::default(), true).await;
            assert!(deleted.is_ok(), "{step:?}: {deleted:?}");
            model.wishes.remove(NAMES[*actor]);
        }
        Step::Crash(actor, code) => {
            world.processes.exit(NAMES[*actor], ExitStatus::Code(*code));
        }
        Step::Scale(replicas) => {
            match world.manager.scale(ScaleRequest::new(ScriptType::OSIS, *replicas), WAIT).await {
                Ok(_scaled) => {}
                Err(SupervisorError::NoTemplate(_)) => return,
                Err(error) => panic!("{step:?}: {error}"),
            }
            // Which ones is a decision with a table of its own; here it counts that the wishes are as many, and stay.
            let actors = world.manager.actors().await.unwrap();
            model.wishes =
                actors.iter().map(|actor| (actor.record.id.to_string(), actor.record.desired)).collect();
            let up = model.wishes.values().filter(|wish| **wish == Desired::Up).count();
            assert_eq!(up, *replicas as usize, "{step:?}: {:?}", model.wishes);
        }
        Step::ManagerIsReplaced => {
            world.manager.close().await;
            world.manager = manager(&world.broker, &world.processes, "here", Vec::new());
            world.manager.open().await.unwrap();
        }
        Step::ProcessManagerIsAway(seconds) => {
            world.processes.set_fault(ProcessFault::Unavailable);
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            world.processes.set_fault(ProcessFault::None);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(*millis)).await,
    }
}

/// The names of processes that run, by the process manager's own word.
async fn running(world: &World) -> Vec<String> {
    use hero_supervisor::ports::process_manager::{ProcessManager, ProcessState};
    let listed = world.processes.list().await.unwrap();
    let runs = |state| matches!(state, ProcessState::Running { .. });
    listed.into_iter().filter(|info| runs(info.state)).map(|info| info.name).collect()
}

async fn agree(world: &World, model: &Model) {
    let up: Vec<String> =
        model.wishes.iter().filter(|(_, wish)| **wish == Desired::Up).map(|(name, _)| name.clone()).collect();
    assert_eq!(running(world).await, up, "what runs is what is wished");
    let shown: BTreeMap<String, (Desired, ActorState)> = world
        .manager
        .actors()
        .await
        .unwrap()
        .into_iter()
        .map(|actor| (actor.record.id.to_string(), (actor.record.desired, actor.state)))
        .collect();
    let state = |wish| if wish == Desired::Up { ActorState::Running } else { ActorState::Stopped };
    let expected: BTreeMap<String, (Desired, ActorState)> =
        model.wishes.iter().map(|(name, wish)| (name.clone(), (*wish, state(*wish)))).collect();
    assert_eq!(shown, expected, "what is shown is what is wished");
}

async fn live(steps: &[Step]) {
    let mut world = World::new();
    let mut model = Model::default();
    for step in steps {
        carry_out(&mut world, &mut model, step).await;
    }
    tokio::time::sleep(REST).await;
    agree(&world, &model).await;
    let calls = world.processes.calls().len();
    carry_out(&mut world, &mut model, &Step::ManagerIsReplaced).await;
    tokio::time::sleep(REST).await;
    agree(&world, &model).await;
    assert_eq!(world.processes.calls().len(), calls, "a new manager has nothing to do");
    world.manager.close().await;
}

#[test]
fn after_any_sequence_the_world_is_as_it_was_wished() {
    let mut runner = TestRunner::new(Runs { cases: CASES, failure_persistence: None, ..Runs::default() });
    let sequences = prop::collection::vec(step(), 1..STEPS);
    let ran = runner.run(&sequences, |steps| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(live(&steps));
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

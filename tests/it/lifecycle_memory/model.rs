//! Random lives: whatever is asked for and whatever happens, in the end the world is as it was wished, and nothing runs
//! that was not.
//!
//! The model is a table of requests_made. After each sequence, once everything has come to rest, manager, process manager
//! and model have to agree; a manager in its place has to agree, too. The same sequences are lived on a real Zinit in
//! `lifecycle/random.rs`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};

use hero_supervisor::domain::actors::ScaleRequest;

use super::*;

pub(crate) const NAMES: [&str; 5] = ["m_0", "m_1", "m_2", "m_3", "m_4"];
/// Sequences, and steps of each at most.
const CASES: u32 = 150;
const STEPS: usize = 25;
/// All backoffs and drains of the model are over by then.
const REST: Duration = Duration::from_secs(120);

/// Something that somebody does, or that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
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

pub(crate) fn step() -> impl Strategy<Value = Step> {
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
pub(crate) struct Model {
    pub(crate) requests_made: BTreeMap<String, Desired>,
}

impl Model {
    /// Those that are meant to run.
    pub(crate) fn up(&self) -> Vec<String> {
        let up = self.requests_made.iter().filter(|(_, wish)| **wish == Desired::Up);
        up.map(|(name, _)| name.clone()).collect()
    }
}

/// Where a life takes place.
pub(crate) trait Stage {
    fn manager(&self) -> &ActorLifecycleManager;
    /// An actor that is restarted for ever.
    fn lively(&self, name: &str) -> ActorConfig;
    /// The process of an actor ends, if there is one.
    async fn crash(&mut self, name: &str, code: i32);
    /// Another manager in place of this one.
    async fn replace_manager(&mut self);
    /// The process manager goes, and comes back.
    async fn process_manager_is_away(&mut self, seconds: u64);
}

impl Stage for LifecycleOnMemory {
    fn manager(&self) -> &ActorLifecycleManager {
        &self.manager
    }

    fn lively(&self, name: &str) -> ActorConfig {
        let restart = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
        config(name).with_restart(restart)
    }

    async fn crash(&mut self, name: &str, code: i32) {
        self.processes.exit(name, ExitStatus::Code(code));
    }

    async fn replace_manager(&mut self) {
        self.manager.close().await;
        self.manager = manager(&self.broker, &self.processes, "here", Vec::new());
        self.manager.open().await.unwrap();
    }

    async fn process_manager_is_away(&mut self, seconds: u64) {
        self.processes.set_fault(ProcessFault::Unavailable);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.processes.set_fault(ProcessFault::None);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

pub(crate) async fn carry_out(world: &mut impl Stage, model: &mut Model, step: &Step) {
    let wish = |model: &mut Model, name: &str, desired| {
        if let Some(wish) = model.requests_made.get_mut(name) {
            *wish = desired;
        }
    };
    match step {
        Step::Create(actor, start) => {
            let name = NAMES[*actor];
            let is_new = !model.requests_made.contains_key(name);
            let created = world.manager().create(world.lively(name), *start, WAIT).await;
            assert!(created.is_ok(), "{step:?}: {created:?}");
            if is_new {
                model.requests_made.insert(name.to_owned(), Desired::Down);
            }
            if *start {
                wish(model, name, Desired::Up);
            }
        }
        Step::Start(actor) => {
            let started = world.manager().start(&id(NAMES[*actor]), WAIT).await;
            if let Err(SupervisorError::OperationInProgress { .. }) = started {
                return;
            }
            assert_eq!(
                started.is_ok(),
                model.requests_made.contains_key(NAMES[*actor]),
                "{step:?}: {started:?}"
            );
            wish(model, NAMES[*actor], Desired::Up);
        }
        Step::Stop(actor, force) => {
            let options = StopOptions { force: *force, ..StopOptions::default() };
            let stopped = world.manager().stop(&id(NAMES[*actor]), options, WAIT).await;
            assert_eq!(
                stopped.is_ok(),
                model.requests_made.contains_key(NAMES[*actor]),
                "{step:?}: {stopped:?}"
            );
            wish(model, NAMES[*actor], Desired::Down);
        }
        Step::Restart(actor) => {
            let restarted = world.manager().restart(&id(NAMES[*actor]), StopOptions::default(), WAIT).await;
            // One that a reconcile is about to start refuses; whoever asks waits and asks again.
            if let Err(SupervisorError::OperationInProgress { .. }) = restarted {
                return;
            }
            assert_eq!(
                restarted.is_ok(),
                model.requests_made.contains_key(NAMES[*actor]),
                "{step:?}: {restarted:?}"
            );
            wish(model, NAMES[*actor], Desired::Up);
        }
        Step::Delete(actor) => {
            let deleted = world.manager().delete(&id(NAMES[*actor]), StopOptions::default(), true).await;
            assert!(deleted.is_ok(), "{step:?}: {deleted:?}");
            model.requests_made.remove(NAMES[*actor]);
        }
        Step::Crash(actor, code) => {
            world.crash(NAMES[*actor], *code).await;
        }
        Step::Scale(replicas) => {
            match world.manager().scale(ScaleRequest::new(ScriptType::OSIS, *replicas), WAIT).await {
                Ok(_scaled) => {}
                Err(SupervisorError::NoTemplate(_)) => return,
                Err(error) => panic!("{step:?}: {error}"),
            }
            // Which ones is a decision with a table of its own; here it counts that the requests_made are as many, and stay.
            let actors = world.manager().actors().await.unwrap();
            model.requests_made =
                actors.iter().map(|actor| (actor.record.id.to_string(), actor.record.desired)).collect();
            let up = model.requests_made.values().filter(|wish| **wish == Desired::Up).count();
            assert_eq!(up, *replicas as usize, "{step:?}: {:?}", model.requests_made);
        }
        Step::ManagerIsReplaced => {
            world.replace_manager().await;
        }
        Step::ProcessManagerIsAway(seconds) => world.process_manager_is_away(*seconds).await,
        Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(*millis)).await,
    }
}

/// The names of processes that run, by the process manager's own word.
async fn running(world: &LifecycleOnMemory) -> Vec<String> {
    use hero_supervisor::ports::process_manager::{ProcessManager, ProcessState};
    let listed = world.processes.list().await.unwrap();
    let runs = |state| matches!(state, ProcessState::Running { .. });
    listed.into_iter().filter(|info| runs(info.state)).map(|info| info.name).collect()
}

async fn agree(world: &LifecycleOnMemory, model: &Model) {
    assert_eq!(running(world).await, model.up(), "what runs is what is wished");
    assert_eq!(shown(&world.manager).await, expected(model), "what is shown is what is wished");
}

type View = BTreeMap<String, (Desired, ActorState)>;

/// The actors as the manager shows them.
pub(crate) async fn shown(manager: &ActorLifecycleManager) -> View {
    let actors = manager.actors().await.unwrap().into_iter();
    actors.map(|actor| (actor.record.id.to_string(), (actor.record.desired, actor.state))).collect()
}

/// The actors as the model has them, at rest.
pub(crate) fn expected(model: &Model) -> View {
    let state = |wish| if wish == Desired::Up { ActorState::Running } else { ActorState::Stopped };
    model.requests_made.iter().map(|(name, wish)| (name.clone(), (*wish, state(*wish)))).collect()
}

async fn live(steps: &[Step]) {
    let mut world = LifecycleOnMemory::new();
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

//! The life of actors on in-memory adapters, with paused time: every timer can be waited out at once.

mod causes;
mod dependencies;
mod health;
pub(crate) mod model;
mod next_supervisor;
mod orphans;
mod scaling;
mod two_managers;
mod update;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hero_supervisor::adapters::memory::process_manager::{
    Behaviour, Fault as ProcessFault, MemoryProcessManager,
};
use hero_supervisor::adapters::memory::process_usage::MemoryProcessUsage;
use hero_supervisor::adapters::memory::work_queue::MemoryWorkQueue;
use hero_supervisor::adapters::memory::{MemoryBroker, MemoryConfig};
use hero_supervisor::domain::actors::{
    ActorLifecycleManager, ActorSelector, Deps, ScaleRequest, StopOptions,
};
use hero_supervisor::domain::events::Events;
use hero_supervisor::domain::jobs::{JobDefaults, JobRequest, Supervisor};
use hero_supervisor::domain::model::actor::{
    ActorConfig, ActorState, Desired, ExitStatus, Readiness, RestartMode, RestartPolicy,
};
use hero_supervisor::domain::model::health::HealthAction;
use hero_supervisor::domain::model::id::{ActorId, NodeName};
use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, JobState, JobView};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::error::SupervisorError;
use hero_supervisor::ports::programs::{ProgramFault, Programs};
use hero_supervisor::ports::work_queue::{Work, WorkQueue};

use crate::support::wait::eventually;

const WAIT: Duration = Duration::from_secs(60);

/// Programs of which some are missing.
struct SomePrograms {
    missing: Vec<PathBuf>,
}

#[async_trait]
impl Programs for SomePrograms {
    async fn inspect(&self, path: &Path, _sha256: Option<&str>) -> Result<(), ProgramFault> {
        if self.missing.iter().any(|missing| missing == path) { Err(ProgramFault::Missing) } else { Ok(()) }
    }

    async fn find(&self, script_type: ScriptType) -> Option<PathBuf> {
        Some(format!("/usr/bin/{script_type}_actor").into())
    }
}

/// One supervisor on memory.
struct LifecycleOnMemory {
    broker: MemoryBroker,
    processes: Arc<MemoryProcessManager>,
    usage: Arc<MemoryProcessUsage>,
    manager: ActorLifecycleManager,
}

impl LifecycleOnMemory {
    fn new() -> Self {
        Self::with_events(Events::discard())
    }

    fn with_events(events: Events) -> Self {
        // Nobody beats for the actors here, and no test is about leases.
        let lease = Duration::from_secs(24 * 3600);
        let broker = MemoryBroker::new(MemoryConfig { lease, ..MemoryConfig::default() });
        let processes = Arc::new(MemoryProcessManager::new());
        let usage = Arc::<MemoryProcessUsage>::default();
        let manager = manager_using(&broker, &processes, &usage, "here", Vec::new(), events);
        Self { broker, processes, usage, manager }
    }

    async fn start(&self, config: ActorConfig) -> Result<ActorId, SupervisorError> {
        let changed = self.manager.create(config, true, WAIT).await?;
        assert!(changed.done);
        assert_eq!(changed.status.state, ActorState::Running);
        Ok(changed.status.record.id)
    }

    /// Starts an actor that announces itself at its queue, as the answer does for it.
    async fn start_worker(&self, config: ActorConfig) -> (ActorId, MemoryWorkQueue) {
        let actor = id(&config.name);
        let announce = async {
            let pid = eventually("a pid", WAIT, || async {
                self.manager.actor(&actor).await.ok().and_then(|status| status.pid.0)
            })
            .await;
            let worker = self.broker.work_queue(config.script_type.into(), actor.clone(), pid);
            worker.announce(false).await.unwrap();
            worker
        };
        let (created, worker) = tokio::join!(self.manager.create(config.clone(), true, WAIT), announce);
        assert_eq!(created.unwrap().status.state, ActorState::Running);
        (actor, worker)
    }

    async fn until_state(&self, id: &ActorId, state: ActorState) {
        let what = format!("{id} is {state}");
        eventually(&what, WAIT * 10, || async {
            (self.manager.actor(id).await.unwrap().state == state).then_some(())
        })
        .await;
    }
}

fn manager(
    broker: &MemoryBroker,
    processes: &Arc<MemoryProcessManager>,
    node: &str,
    initial: Vec<ActorConfig>,
) -> ActorLifecycleManager {
    manager_of(broker, processes, node, initial, Events::discard())
}

fn manager_of(
    broker: &MemoryBroker,
    processes: &Arc<MemoryProcessManager>,
    node: &str,
    initial: Vec<ActorConfig>,
    events: Events,
) -> ActorLifecycleManager {
    manager_using(broker, processes, &Arc::default(), node, initial, events)
}

fn manager_using(
    broker: &MemoryBroker,
    processes: &Arc<MemoryProcessManager>,
    usage: &Arc<MemoryProcessUsage>,
    node: &str,
    initial: Vec<ActorConfig>,
    events: Events,
) -> ActorLifecycleManager {
    let (queue, store) = (Arc::new(broker.job_queue()), Arc::new(broker.actor_store()));
    let supervisor = Supervisor::new(queue, store, Arc::new(broker.clock()), JobDefaults::default());
    ActorLifecycleManager::new(Deps {
        actor_env: Default::default(),
        supervisor,
        processes: Arc::clone(processes) as Arc<_>,
        store: Arc::new(broker.actor_store()),
        programs: Arc::new(SomePrograms { missing: vec![PathBuf::from("/missing")] }),
        usage: Arc::clone(usage) as Arc<_>,
        node: NodeName::parse(node).unwrap(),
        initial,
        events,
    })
}

/// Makes a manager of this node that emits its events.
fn manager_with(
    broker: &MemoryBroker,
    processes: &Arc<MemoryProcessManager>,
    events: Events,
) -> ActorLifecycleManager {
    manager_of(broker, processes, "here", Vec::new(), events)
}

fn config(name: &str) -> ActorConfig {
    ActorConfig::new(name.to_owned(), PathBuf::from("/bin/actor"), ScriptType::OSIS)
        .with_readiness(Readiness::Process)
}

fn id(name: &str) -> ActorId {
    ActorId::parse(name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_actor_is_made_started_stopped_and_deleted_and_every_repeat_is_harmless() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let again = world.manager.create(config("a"), true, WAIT).await.unwrap();
    assert!(!again.changed);
    assert!(!world.manager.start(&a, WAIT).await.unwrap().changed);
    assert!(world.manager.stop(&a, StopOptions::default(), WAIT).await.unwrap().changed);
    let stopped = world.manager.stop(&a, StopOptions::default(), WAIT).await.unwrap();
    assert!(!stopped.changed);
    assert_eq!(stopped.status.state, ActorState::Stopped);
    assert_eq!(stopped.status.record.desired, Desired::Down);
    assert_eq!(stopped.status.record.restart_count, 0, "an end on request is no restart");
    assert!(stopped.status.record.last_exit.is_some_and(|exit| exit.requested));
    world.manager.delete(&a, StopOptions::default(), false).await.unwrap();
    assert!(matches!(world.manager.actor(&a).await, Err(SupervisorError::ActorNotFound(_))));
    assert!(world.manager.delete(&a, StopOptions::default(), true).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_same_name_with_another_definition_is_refused() {
    let world = LifecycleOnMemory::new();
    world.start(config("a")).await.unwrap();
    let other = config("a").with_args(vec!["--other".to_owned()]);
    let refused = world.manager.create(other, true, WAIT).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::ActorExists { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_program_and_every_bad_field_are_told_before_anything_is_made() {
    let world = LifecycleOnMemory::new();
    let missing = ActorConfig { binary: PathBuf::from("/missing"), ..config("a") };
    let refused = world.manager.create(missing, true, WAIT).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::BinaryInvalid { .. }), "{refused}");
    let bad = ActorConfig { binary: PathBuf::from("relative"), ..config("Bad Name") };
    let SupervisorError::Invalid(violations) = world.manager.create(bad, true, WAIT).await.unwrap_err()
    else {
        panic!("the request is invalid");
    };
    let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["actor_id", "binary_path"]);
    assert!(world.manager.actors().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_at_once_is_a_failed_start_with_the_reason() {
    let world = LifecycleOnMemory::new();
    let crash = Some((Duration::from_millis(1), ExitStatus::Code(7)));
    world.processes.behave("a", Behaviour { ends: crash, ..Behaviour::default() });
    let failed = world.manager.create(config("a"), true, WAIT).await.unwrap_err();
    let SupervisorError::ActorStartFailed(actor, reason) = failed else { panic!("{failed}") };
    assert_eq!(actor, "a");
    assert!(reason.contains("exit code 7"), "{reason}");
    world.processes.behave("a", Behaviour::default());
    let status = world.manager.actor(&id("a")).await.unwrap();
    assert_eq!((status.state, status.record.desired), (ActorState::Failed, Desired::Down));
    assert!(world.manager.start(&id("a"), WAIT).await.unwrap().changed, "a start by hand tries again");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_never_announces_itself_does_not_count_as_started() {
    let world = LifecycleOnMemory::new();
    let mute = config("a").with_readiness(Readiness::Queue).with_start_timeout(Duration::from_secs(7));
    let failed = world.manager.create(mute, true, WAIT).await.unwrap_err();
    assert!(failed.to_string().contains("has not announced itself at the osis queue"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_asked_for_is_counted_and_its_jobs_come_back_at_once() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    let pid = world.manager.actor(&a).await.unwrap().pid.0.unwrap();
    let worker = world.broker.work_queue(ScriptType::OSIS.into(), a.clone(), pid);
    let supervisor = world.manager.supervisor();
    let job = supervisor.submit(JobRequest::new(JobSpec::new(ScriptType::OSIS, "1"))).await.unwrap().job;
    assert!(matches!(worker.take(1, WAIT).await.unwrap()[..], [Work::Job(_)]));
    world.processes.exit("a", ExitStatus::Signal(9));
    let ended = supervisor.await_end(&job.id, Duration::from_secs(2)).await.unwrap();
    assert!(ended.done, "within two seconds");
    let error = ended.job.error.unwrap();
    assert_eq!((error.kind, error.signal), (JobErrorKind::ActorLost, Some(9)));
    world.until_state(&a, ActorState::Running).await;
    let status = world.manager.actor(&a).await.unwrap();
    assert_eq!(status.record.restart_count, 1);
    let exit = status.record.last_exit.unwrap();
    assert_eq!((exit.status, exit.pid, exit.requested), (ExitStatus::Signal(9), pid, false));
    assert_ne!(status.pid.0, Some(pid));
}

#[tokio::test(start_paused = true)]
async fn too_many_ends_are_a_crash_loop_until_somebody_starts_it_again() {
    let world = LifecycleOnMemory::new();
    let restart = RestartPolicy { max_restarts: 3, ..RestartPolicy::default() };
    let a = world.start(config("a").with_restart(restart)).await.unwrap();
    let b = world.start(config("b")).await.unwrap();
    for _ in 0..4 {
        world.until_state(&a, ActorState::Running).await;
        world.processes.exit("a", ExitStatus::Code(1));
        eventually("the end is seen", WAIT, || async {
            (world.manager.actor(&a).await.unwrap().state != ActorState::Running).then_some(())
        })
        .await;
    }
    world.until_state(&a, ActorState::CrashLoop).await;
    let status = world.manager.actor(&a).await.unwrap();
    assert!(status.message.contains("more than 3 times"), "{}", status.message);
    assert_eq!(world.manager.actor(&b).await.unwrap().state, ActorState::Running, "others are not disturbed");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.manager.actor(&a).await.unwrap().state, ActorState::CrashLoop);
    assert_eq!(world.manager.start(&a, WAIT).await.unwrap().status.state, ActorState::Running);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_not_to_be_restarted_stays_down() {
    let world = LifecycleOnMemory::new();
    let restart = RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::default() };
    let a = world.start(config("a").with_restart(restart)).await.unwrap();
    world.processes.exit("a", ExitStatus::Code(3));
    world.until_state(&a, ActorState::Failed).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.manager.actor(&a).await.unwrap().state, ActorState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_what_is_in_backoff_or_blocked_answers_with_what_it_is_then() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    world.processes.exit("a", ExitStatus::Code(3));
    world.until_state(&a, ActorState::Backoff).await;
    let stopped = world.manager.stop(&a, StopOptions::default(), WAIT).await.unwrap();
    assert_eq!(
        (stopped.done, stopped.status.state),
        (true, ActorState::Stopped),
        "{}",
        stopped.status.message
    );

    world.manager.create(config("base"), false, WAIT).await.unwrap();
    world.processes.behave("base", Behaviour { spawn_fails: true, ..Behaviour::default() });
    let top = config("top").with_dependencies(vec!["base".to_owned()]);
    world.manager.create(top, true, Duration::ZERO).await.unwrap();
    world.until_state(&id("top"), ActorState::Blocked).await;
    let stopped = world.manager.stop(&id("top"), StopOptions::default(), WAIT).await.unwrap();
    assert_eq!(
        (stopped.done, stopped.status.state),
        (true, ActorState::Stopped),
        "{}",
        stopped.status.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_running_job_and_no_longer_than_its_time() {
    let world = LifecycleOnMemory::new();
    let queued = config("a").with_readiness(Readiness::Queue).with_drain_timeout(Duration::from_secs(20));
    let (a, started) = world.start_worker(queued).await;
    let supervisor = world.manager.supervisor();
    let job = supervisor.submit(JobRequest::new(JobSpec::new(ScriptType::OSIS, "1"))).await.unwrap().job;
    started.take(1, WAIT).await.unwrap();
    let begun = tokio::time::Instant::now();
    let (stopped, ()) = tokio::join!(world.manager.stop(&a, StopOptions::default(), WAIT), async {
        let told = started.take(0, WAIT).await.unwrap();
        assert!(matches!(told[..], [Work::Drain { .. }]), "{told:?}");
        started.announce(true).await.unwrap();
        assert_eq!(world.manager.actor(&a).await.unwrap().state, ActorState::Draining);
    });
    assert!(stopped.unwrap().done);
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(20) && took < Duration::from_secs(25), "{took:?}");
    let job = supervisor.job(&job.id, JobView::Basic).await.unwrap();
    assert_eq!(job.state, JobState::Failed, "what was not done in time is not left hanging");
    assert_eq!(job.error.unwrap().kind, JobErrorKind::ActorLost);
}

#[tokio::test(start_paused = true)]
async fn force_overtakes_a_drain() {
    let world = LifecycleOnMemory::new();
    world.processes.behave("a", Behaviour { term_after: None, ..Behaviour::default() });
    let a = world.start(config("a")).await.unwrap();
    let slow = StopOptions { drain_timeout: Some(Duration::from_secs(3600)), force: false };
    let gentle = world.manager.stop(&a, slow, Duration::from_secs(1)).await.unwrap();
    assert!(!gentle.done);
    let force = StopOptions { drain_timeout: None, force: true };
    let stopped = world.manager.stop(&a, force, WAIT).await.unwrap();
    assert!(stopped.done);
    assert_eq!(stopped.status.state, ActorState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn while_the_process_manager_is_away_states_are_unknown_and_come_back_by_themselves() {
    let world = LifecycleOnMemory::new();
    let a = world.start(config("a")).await.unwrap();
    world.processes.set_fault(ProcessFault::Unavailable);
    world.until_state(&a, ActorState::Unknown).await;
    let refused = world.manager.stop(&a, StopOptions::default(), WAIT).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::ProcessManagerUnavailable(_)), "{refused}");
    world.processes.set_fault(ProcessFault::None);
    world.until_state(&a, ActorState::Stopped).await;
}

#[tokio::test(start_paused = true)]
async fn many_are_started_and_stopped_and_each_has_its_own_answer() {
    let world = LifecycleOnMemory::new();
    for name in ["a", "b", "c"] {
        world.manager.create(config(name), false, WAIT).await.unwrap();
    }
    world.processes.behave("b", Behaviour { spawn_fails: true, ..Behaviour::default() });
    let some = ActorSelector { ids: vec![id("a"), id("b"), id("ghost")], ..ActorSelector::default() };
    let answers = world.manager.start_many(&some, WAIT).await.unwrap();
    let ok: Vec<(String, bool)> =
        answers.iter().map(|answer| (answer.id.to_string(), answer.result.is_ok())).collect();
    assert_eq!(ok, [("a".to_owned(), true), ("b".to_owned(), false), ("ghost".to_owned(), false)]);
    world.processes.behave("b", Behaviour::default());
    world.manager.start_all_actors().await.unwrap();
    assert_eq!(world.manager.get_running_actor_count(&ScriptType::OSIS).await, 3);
    let everyone = ActorSelector::default();
    let restarted = world.manager.restart_many(&everyone, &StopOptions::default(), 1, WAIT).await.unwrap();
    assert!(restarted.iter().all(|answer| answer.result.is_ok()));
    world.manager.stop_all_actors().await.unwrap();
    assert_eq!(world.manager.get_running_actor_count(&ScriptType::OSIS).await, 0);
}

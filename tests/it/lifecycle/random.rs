//! Random lives on a real Redis and a real Zinit, which is killed and started again in the middle of them.
//!
//! The sequences and the model are those of `lifecycle_memory/model.rs`, where thousands of steps are lived in paused time;
//! here a few are lived for real.

use std::time::Duration;

use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::domain::actors::ActorLifecycleManager;
use hero_supervisor::domain::model::actor::{ActorConfig, Readiness, RestartPolicy};
use hero_supervisor::domain::model::backoff::Backoff;
use hero_supervisor::{ActorLifecycleManagerBuilder, ScriptType, SupervisorBuilder};
use nix::sys::signal::Signal;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::lifecycle_memory::model::{Model, Stage, Step, carry_out, expected, shown, step};
use crate::support::full_service::signal;
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// No further life is begun after this time.
const BEGIN_WITHIN: Duration = Duration::from_secs(15);
/// Lives side by side; each is mostly waiting.
const AT_ONCE: usize = 4;
/// Steps of each.
const STEPS: usize = 10;

struct Real {
    manager: ActorLifecycleManager,
    zinit: PrivateZinit,
    redis: PrivateRedis,
}

impl Real {
    async fn start() -> Self {
        let (redis, zinit) = (PrivateRedis::start().await, PrivateZinit::start().await);
        let manager = manager(&redis, &zinit);
        Self { manager, zinit, redis }
    }

    /// Processes that Zinit shows running, by name.
    async fn running(&self) -> Vec<String> {
        let listed = self.zinit.call("service.list_full", json!({})).await;
        let services = listed.as_array().unwrap().iter();
        let running = services.filter(|service| service["state"]["state"] == "running");
        let mut names: Vec<String> =
            running.map(|service| service["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Waits until everything is as the model has it, processes counted.
    async fn agrees(&self, model: &Model, steps: &[Step]) {
        let what = format!("{:?} after {steps:?}", expected(model));
        eventually(&what, LIMIT, || async {
            let processes = self.zinit.living_actors();
            let names: Vec<String> = processes.keys().cloned().collect();
            let once = processes.values().all(|pids| pids.len() == 1);
            let so = once
                && names == model.up()
                && self.running().await == model.up()
                && shown(&self.manager).await == expected(model);
            so.then_some(())
        })
        .await;
    }
}

fn manager(redis: &PrivateRedis, zinit: &PrivateZinit) -> ActorLifecycleManager {
    let supervisor = SupervisorBuilder::new().redis_url(redis.url()).build().unwrap();
    let processes = ZinitProcessManager::new(zinit.socket());
    ActorLifecycleManagerBuilder::with_process_manager(std::sync::Arc::new(processes))
        .with_supervisor(supervisor)
        .build()
}

impl Stage for Real {
    fn manager(&self) -> &ActorLifecycleManager {
        &self.manager
    }

    fn lively(&self, name: &str) -> ActorConfig {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500)).unwrap();
        let restart = RestartPolicy { max_restarts: 0, backoff, ..RestartPolicy::default() };
        ActorConfig::new(name.to_owned(), "/bin/sleep".into(), ScriptType::OSIS)
            .with_args(vec!["100000".to_owned()])
            .with_readiness(Readiness::Process)
            .with_restart(restart)
    }

    async fn crash(&mut self, name: &str, _code: i32) {
        let killed = self.zinit.living_actors().remove(name).unwrap_or_default();
        for pid in &killed {
            signal(*pid, Signal::SIGKILL);
        }
        // A busy machine lets a killed process be seen for a while.
        eventually("the killed process is gone", LIMIT, || async {
            let left = self.zinit.living_actors().remove(name).unwrap_or_default();
            left.is_disjoint(&killed).then_some(())
        })
        .await;
    }

    async fn replace_manager(&mut self) {
        self.manager.close().await;
        self.manager = manager(&self.redis, &self.zinit);
        self.manager.open().await.unwrap();
    }

    async fn process_manager_is_away(&mut self, _seconds: u64) {
        // Its services live on, and the next one starts them once more.
        self.zinit.kill_server();
        sleep(Duration::from_millis(300)).await;
        self.zinit.launch().await;
        eventually("Zinit answers the manager", LIMIT, || async { self.manager.probe().await.ok() }).await;
    }
}

/// The same step in real time.
fn for_real(step: Step) -> Step {
    if let Step::Wait(millis) = step { Step::Wait(millis % 1000) } else { step }
}

async fn live(steps: Vec<Step>) {
    let mut world = Real::start().await;
    let mut model = Model::default();
    for step in &steps {
        carry_out(&mut world, &mut model, step).await;
    }
    world.agrees(&model, &steps).await;
    let before = world.zinit.living_actors();
    world.replace_manager().await;
    world.agrees(&model, &steps).await;
    assert_eq!(world.zinit.living_actors(), before, "a new manager has nothing to do after {steps:?}");
    world.manager.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_sequence_a_real_zinit_is_as_it_was_wished_also_when_it_was_killed_itself() {
    let mut runner = TestRunner::default();
    let sequences = prop::collection::vec(step(), STEPS / 2..STEPS);
    // Beside the deaths that are drawn. After two in a row nobody may have seen what the Zinit between them started.
    let zinit_dies = |steps: &mut Vec<Step>, times: usize| {
        let middle = steps.len() / 2;
        steps.splice(middle..middle, std::iter::repeat_n(Step::ProcessManagerIsAway(1), times));
    };
    let begun = Instant::now();
    let mut lives = 0;
    while begun.elapsed() < BEGIN_WITHIN {
        let mut group = Vec::with_capacity(AT_ONCE);
        for number in 0..AT_ONCE {
            let drawn: Vec<Step> = sequences.new_tree(&mut runner).unwrap().current();
            let mut steps: Vec<Step> = drawn.into_iter().map(for_real).collect();
            zinit_dies(&mut steps, number % 3);
            group.push(live(steps));
        }
        futures::future::join_all(group).await;
        lives += AT_ONCE;
    }
    assert!(lives >= AT_ONCE);
}

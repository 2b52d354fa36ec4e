//! The demo actors.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::adapters::program_files::{find, program_name};
use crate::cli::ActorCounts;
use crate::domain::actors::{ActorLifecycleManager, ActorSelector, StopOptions};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::id::ActorId;
use crate::domain::model::script_type::ScriptType;
use crate::error::chain;
use crate::ports::actor_store::ActorStore;

/// Limit of the wait for the start, which takes well under a second. The banner shows later actors as they are.
const START_WAIT: Duration = Duration::from_secs(20);
/// Delay between two attempts to reach a Redis given by `--redis-url`; the private one answers already.
const OPEN_RETRY: Duration = Duration::from_millis(200);

/// Environment variables that are passed on to the demo actors.
const OPTIONS: [&str; 9] = [
    "HERO_ISOLATION",
    "HERO_PYTHON_BIN",
    "HERO_RECYCLE_JOBS",
    "HERO_RECYCLE_MEMORY",
    "HERO_V_CACHE_DIR",
    "HERO_WORK_DIR",
    "V_BIN",
    "RUST_LOG",
    "TMPDIR",
];

/// An actor and its start.
#[derive(Debug)]
pub(super) struct ActorLine {
    pub(super) name: String,
    /// State of the actor, or the error of its start.
    pub(super) state: String,
}

impl ActorLine {
    /// Details of the state.
    pub(super) fn add(&mut self, more: &str) {
        self.state.push_str(", but ");
        self.state.push_str(more);
    }
}

/// Returns the actors that are started unless others were asked for, and whether those for V are left out.
pub(super) fn usual(has_v: bool) -> (ActorCounts, bool) {
    let mut counts = vec![(ScriptType::OSIS, 2), (ScriptType::SAL, 1), (ScriptType::Python, 1)];
    if has_v {
        counts.push((ScriptType::V, 1));
    }
    (ActorCounts(counts), !has_v)
}

/// Returns the definitions of the requested actors, and the programs that are not installed.
pub(super) fn demo(counts: &ActorCounts) -> (Vec<ActorConfig>, Vec<String>) {
    let (mut configs, mut missing) = (Vec::new(), Vec::new());
    for &(script_type, count) in &counts.0 {
        let program = program_name(script_type);
        match find(script_type) {
            Some(path) => {
                configs.extend((0..count).map(|index| config(&program, index, path.clone(), script_type)));
            }
            None if count > 0 => missing.push(program),
            None => {}
        }
    }
    (configs, missing)
}

/// Creates and changes the actors as requested, and waits until they run.
pub(super) async fn start(
    lifecycle: &ActorLifecycleManager,
    store: &dyn ActorStore,
    counts: &ActorCounts,
    demo: &[ActorConfig],
) -> Vec<ActorLine> {
    while let Err(error) = lifecycle.open().await {
        tracing::warn!(error = %chain(&error), "demo actors: waiting for Redis");
        sleep(OPEN_RETRY).await;
    }
    for config in demo {
        // Scaling uses the present program, not that of an earlier trial.
        if let Err(error) = store.set_template(config, true).await {
            tracing::warn!(error = %chain(&error), "demo actors: template of {} not stored", config.script_type);
        }
    }
    remove_surplus(lifecycle, counts).await;
    let started = match lifecycle.start_many(&ActorSelector::default(), START_WAIT).await {
        Ok(answers) => answers,
        Err(error) => return vec![ActorLine { name: "-".to_owned(), state: chain(&error) }],
    };
    let line = |answer: crate::domain::actors::ActorAnswer| ActorLine {
        name: answer.id.to_string(),
        state: answer.result.map_or_else(|error| chain(&error), |changed| changed.status.state.to_string()),
    };
    started.into_iter().map(line).collect()
}

/// Removes actors of an earlier, larger trial.
async fn remove_surplus(lifecycle: &ActorLifecycleManager, counts: &ActorCounts) {
    let actors = lifecycle.actors().await.unwrap_or_default();
    let surplus = |id: &ActorId| {
        counts.0.iter().any(|(script_type, count)| {
            let index = id.as_str().strip_prefix(&format!("{}_", program_name(*script_type)));
            index.and_then(|index| index.parse::<u32>().ok()).is_some_and(|index| index >= *count)
        })
    };
    for actor in
        actors.iter().filter(|actor| surplus(&actor.record.id) && lifecycle.node() == &actor.record.node)
    {
        if let Err(error) = lifecycle.delete(&actor.record.id, StopOptions::default(), true).await {
            tracing::warn!(error = %chain(&error), "demo actors: {} of an earlier trial not removed", actor.record.id);
        }
    }
}

fn config(program: &str, index: u32, path: PathBuf, script_type: ScriptType) -> ActorConfig {
    let name = format!("{program}_{index}");
    // Actors inherit nothing of the environment of the supervisor.
    let env =
        OPTIONS.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    ActorConfig::new(name.clone(), path, script_type)
        .with_args(vec!["--actor-id".to_owned(), name])
        .with_env(env)
}

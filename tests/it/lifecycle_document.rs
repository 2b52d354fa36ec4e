//! Every Rust snippet of docs/LIFECYCLE.md, word for word, compiled against the crate. Around each stands only what the
//! document presumes: imports, the bindings that it names, and an async function to hold `.await` and `?`.
#![expect(
    unused_imports,
    unused_mut,
    unused_variables,
    dead_code,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::str_to_string,
    clippy::redundant_clone,
    clippy::unused_async,
    reason = "the snippets stand as the document has them"
)]

use std::path::PathBuf;

use hero_supervisor::{
    ActorConfig, ActorLifecycleManager, ActorLifecycleManagerBuilder, ScriptType, Supervisor,
    SupervisorBuilder, SupervisorError,
};

#[rustfmt::skip]
async fn snippet_0() -> Result<(), SupervisorError> {
// <snippet 0>
use hero_supervisor::{ActorConfig, ScriptType};
use std::path::PathBuf;
use std::collections::HashMap;
let config = ActorConfig::new(
"osis_actor_0".to_string(),
PathBuf::from("/usr/local/bin/osis_actor"),
ScriptType::OSIS,
)
.with_args(vec![
"--redis-url".to_string(),
"redis://localhost:6379".to_string(),
"--actor-id".to_string(),
"osis_actor_0".to_string(),
])
.with_env({
let mut env = HashMap::new();
env.insert("RUST_LOG".to_string(), "info".to_string());
env.insert("ACTOR_TYPE".to_string(), "osis".to_string());
env
})
.with_health_check("/usr/local/bin/osis_actor --health-check".to_string())
.with_dependencies(vec!["redis".to_string()]);
// </snippet 0>
Ok(())
}

#[rustfmt::skip]
async fn snippet_1(osis_actor_config: ActorConfig, sal_actor_config: ActorConfig, v_actor_config: ActorConfig) -> Result<(), SupervisorError> {
// <snippet 1>
use hero_supervisor::{ActorLifecycleManagerBuilder, Supervisor};
let supervisor = SupervisorBuilder::new()
.redis_url("redis://localhost:6379")
.caller_id("my_supervisor")
.context_id("production")
.build()?;
let mut lifecycle_manager = ActorLifecycleManagerBuilder::new("/var/run/zinit.sock".to_string())
.with_supervisor(supervisor.clone())
.add_actor(osis_actor_config)
.add_actor(sal_actor_config)
.add_actor(v_actor_config)
.build();
// </snippet 1>
Ok(())
}

#[rustfmt::skip]
async fn snippet_2(lifecycle_manager: ActorLifecycleManager) -> Result<(), SupervisorError> {
// <snippet 2>
// Start all configured actors
lifecycle_manager.start_all_actors().await?;
// Stop all actors
lifecycle_manager.stop_all_actors().await?;
// Restart specific actor
lifecycle_manager.restart_actor("osis_actor_0").await?;
// Get actor status
let status = lifecycle_manager.get_actor_status("osis_actor_0").await?;
println!("Actor state: {:?}, PID: {}", status.state, status.pid);
// </snippet 2>
Ok(())
}

#[rustfmt::skip]
async fn snippet_3(lifecycle_manager: ActorLifecycleManager) -> Result<(), SupervisorError> {
// <snippet 3>
// Manual health check
lifecycle_manager.monitor_actor_health().await?;
// Update job time (called automatically by supervisor)
lifecycle_manager.update_actor_job_time("osis_actor_0");
// Start continuous health monitoring
lifecycle_manager.start_health_monitoring().await; // Runs forever
// </snippet 3>
Ok(())
}

#[rustfmt::skip]
async fn snippet_4(lifecycle_manager: ActorLifecycleManager) -> Result<(), SupervisorError> {
// <snippet 4>
// Scale OSIS actors to 5 instances
lifecycle_manager.scale_actors(&ScriptType::OSIS, 5).await?;
// Scale down SAL actors to 1 instance
lifecycle_manager.scale_actors(&ScriptType::SAL, 1).await?;
// Check current running count
let count = lifecycle_manager.get_running_actor_count(&ScriptType::V).await;
println!("Running V actors: {}", count);
// </snippet 4>
Ok(())
}

#[rustfmt::skip]
async fn snippet_5(name: String, binary: PathBuf, script_type: ScriptType) -> Result<(), SupervisorError> {
// <snippet 5>
let config = ActorConfig::new(name, binary, script_type)
.with_dependencies(vec![
"redis".to_string(),
"database".to_string(),
"auth_service".to_string(),
]);
// </snippet 5>
Ok(())
}

#[rustfmt::skip]
async fn snippet_6(zinit_socket: String) -> Result<(), SupervisorError> {
// <snippet 6>
use hero_supervisor::{Supervisor, ActorLifecycleManager};
// Create supervisor and lifecycle manager
let supervisor = SupervisorBuilder::new().build()?;
let mut lifecycle_manager = ActorLifecycleManagerBuilder::new(zinit_socket)
.with_supervisor(supervisor.clone())
.build();
// Start actors
lifecycle_manager.start_all_actors().await?;
// Create and execute jobs (supervisor automatically routes to actors)
let job = supervisor
.new_job()
.script_type(ScriptType::OSIS)
.script_content("println!(\"Hello World!\");".to_string())
.build()?;
let result = supervisor.run_job_and_await_result(&job).await?;
println!("Job result: {}", result);
// </snippet 6>
Ok(())
}

#[rustfmt::skip]
async fn snippet_7(lifecycle_manager: ActorLifecycleManager, config: ActorConfig) -> Result<(), SupervisorError> {
// <snippet 7>
use hero_supervisor::SupervisorError;
match lifecycle_manager.start_actor(&config).await {
Ok(_) => println!("Actor started successfully"),
Err(SupervisorError::ActorStartFailed(actor, reason)) => {
eprintln!("Failed to start {}: {}", actor, reason);
}
Err(e) => eprintln!("Other error: {}", e),
}
// </snippet 7>
Ok(())
}

#[test]
fn the_snippets_above_are_those_of_the_document() {
    let document = include_str!("../../docs/LIFECYCLE.md");
    let here = include_str!("lifecycle_document.rs");
    let snippets: Vec<&str> =
        document.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(snippets.len(), 8);
    for (number, snippet) in snippets.iter().enumerate() {
        let open = format!("// <snippet {number}>\n");
        let close = format!("// </snippet {number}>\n");
        let compiled = here.split(&open).nth(1).and_then(|rest| rest.split(&close).next());
        assert_eq!(compiled, Some(*snippet), "snippet {number}");
    }
}

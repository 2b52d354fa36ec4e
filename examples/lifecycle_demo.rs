//! What docs/LIFECYCLE.md shows, for real: actors are started, shown, scaled, given a job, checked and stopped.
//!
//! ```bash
//! cargo run --example lifecycle_demo                                      # with a Redis of its own
//! REDIS_URL=redis://localhost:6379 cargo run --example lifecycle_demo     # with yours
//! ZINIT_SOCKET=/var/run/zinit.sock cargo run --example lifecycle_demo     # actors run by your Zinit
//! ```
//! Without ZINIT_SOCKET the actors are children of this process and end with it.
#![expect(clippy::print_stdout, reason = "a demonstration talks")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use hero_supervisor::adapters::local::{LocalOptions, LocalRunner};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::{
    ActorConfig, ActorLifecycleManager, ActorLifecycleManagerBuilder, ScriptType, SupervisorBuilder,
    SupervisorError,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let redis = Redis::from_env_or_private()?;
    let binary = osis_actor()?;

    let supervisor = SupervisorBuilder::new()
        .redis_url(&redis.url)
        .caller_id("lifecycle_demo")
        .context_id("demonstration")
        .build()?;
    let builder = match std::env::var("ZINIT_SOCKET") {
        Ok(socket) => ActorLifecycleManagerBuilder::new(socket),
        Err(_not_set) => ActorLifecycleManagerBuilder::with_process_manager(Arc::new(LocalRunner::new(
            LocalOptions::new(Arc::new(SystemClock)),
        ))),
    };
    let config = actor("demo_actor_0", &binary, &redis.url);
    let manager = builder.with_supervisor(supervisor.clone()).add_actor(config).build();

    println!("== start");
    manager.start_all_actors().await?;
    let status = manager.get_actor_status("demo_actor_0").await?;
    println!("Actor state: {:?}, PID: {}", status.state, status.pid);

    println!("== scale");
    manager.scale_actors(&ScriptType::OSIS, 3).await?;
    println!("Running OSIS actors: {}", manager.get_running_actor_count(&ScriptType::OSIS).await);
    manager.scale_actors(&ScriptType::OSIS, 1).await?;
    println!("Running OSIS actors: {}", manager.get_running_actor_count(&ScriptType::OSIS).await);

    println!("== run a job");
    let job = supervisor
        .new_job()
        .script_type(ScriptType::OSIS)
        .script_content("println!(\"Hello World!\");".to_owned())
        .build()?;
    let result = supervisor.run_job_and_await_result(&job).await?;
    println!("Job result: {result}");

    println!("== check health");
    for report in manager.monitor_actor_health().await? {
        println!("{}: {:?} ({})", report.actor_id, report.health, report.reason);
    }
    manager.update_actor_job_time("demo_actor_0");

    println!("== a start that fails");
    let broken = ActorConfig::new("demo_broken".to_owned(), PathBuf::from("/bin/false"), ScriptType::OSIS);
    match manager.start_actor(&broken).await {
        Err(SupervisorError::ActorStartFailed(actor, reason)) => {
            println!("Failed to start {actor}: {reason}")
        }
        other => println!("Unexpected: {other:?}"),
    }

    stop(&manager).await
}

/// Stops and deletes the actors.
async fn stop(manager: &ActorLifecycleManager) -> anyhow::Result<()> {
    println!("== stop");
    manager.stop_all_actors().await?;
    let status = manager.get_actor_status("demo_actor_0").await?;
    println!("Actor state: {:?}, PID: {}", status.state, status.pid);
    for name in ["demo_actor_0", "demo_broken"] {
        let id = hero_supervisor::domain::model::id::ActorId::parse(name).map_err(anyhow::Error::msg)?;
        manager.delete(&id, Default::default(), true).await?;
    }
    manager.close().await;
    Ok(())
}

fn actor(name: &str, binary: &Path, redis_url: &str) -> ActorConfig {
    let args = ["--redis-url", redis_url, "--actor-id", name].map(str::to_owned).to_vec();
    ActorConfig::new(name.to_owned(), binary.to_owned(), ScriptType::OSIS)
        .with_args(args)
        .with_env(HashMap::from([("RUST_LOG".to_owned(), "info".to_owned())]))
        .with_health_check(format!("{} --health-check", binary.display()))
}

/// The actor beside this example, built if it is not there yet.
fn osis_actor() -> anyhow::Result<PathBuf> {
    let example = std::env::current_exe().context("find this program")?;
    let folder = example.parent().and_then(Path::parent).context("find the build folder")?;
    let binary = folder.join("osis_actor");
    if binary.exists() {
        return Ok(binary);
    }
    let release = folder.file_name().is_some_and(|profile| profile == "release");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--bin", "osis_actor", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).args(release.then_some("--release"));
    ensure!(cargo.status().context("run cargo")?.success(), "osis_actor could not be built");
    Ok(binary)
}

/// The Redis of REDIS_URL, or one of our own that ends with us.
struct Redis {
    url: String,
    own: Option<(Child, tempfile::TempDir)>,
}

impl Redis {
    fn from_env_or_private() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var("REDIS_URL") {
            return Ok(Self { url, own: None });
        }
        let folder = tempfile::Builder::new().prefix("hero-demo").tempdir()?;
        let socket = folder.path().join("redis.sock");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket);
        let child = command
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .context("start redis-server: install it, or set REDIS_URL")?;
        let redis = Self { url: format!("unix://{}", socket.display()), own: Some((child, folder)) };
        for _look in 0..500 {
            if socket.exists() {
                return Ok(redis);
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        anyhow::bail!("redis-server did not start within 5 s")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some((child, _folder)) = &mut self.own {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

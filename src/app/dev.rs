//! `dev`: a trial setup in one command. It starts what is missing and ends everything that it has started.

mod actors;
mod banner;
mod engines;
mod folders;
mod private_redis;

use std::path::PathBuf;

use figment::value::Value;

use super::serve::{no_runtime, run_with_signals};
use super::{App, AppError, Ended, Setup, runtime};
use crate::cli::{DevArgs, Exit, Failure};
use crate::config::{Config, DEFAULT_DASHBOARD, Env, Flags, Layers, host_name};
use crate::domain::model::actor::ActorConfig;
use crate::error::chain;
use crate::shutdown::{Shutdown, Signals};
use crate::telemetry;

pub(super) use folders::Folders;
pub(super) use private_redis::PrivateRedis;

/// The default log filter. The banner covers normal operation; only warnings and the shutdown are logged.
const DEFAULT_LOG_FILTER: &str = "warn,hero_supervisor::shutdown=info";

/// The error of a `dev` that cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevError {
    /// A folder cannot be used.
    #[error("cannot use the folder {}: {what}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        what: String,
    },
    /// There is no Redis program on this machine.
    #[error(
        "redis-server is not installed: install it (apt install redis-server, brew install redis), or name a Redis \
         with --redis-url"
    )]
    NoRedis,
    /// Redis does not start.
    #[error("redis-server did not start: {0}")]
    RedisFailed(String),
    /// The service does not start.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<DevError> for Failure {
    fn from(error: DevError) -> Self {
        match error {
            DevError::App(error) => error.into(),
            DevError::Folder { .. } | DevError::NoRedis | DevError::RedisFailed(_) => {
                Self::new(Exit::Refused, chain(&error))
            }
        }
    }
}

/// Runs the service and its dependencies until a signal ends it.
///
/// # Errors
/// Invalid flags, or a part that cannot start.
pub fn dev(args: DevArgs) -> Result<Exit, Failure> {
    let folders = Folders::of(args.data_dir.as_deref());
    let redis_url = args.redis_url.clone().unwrap_or_else(|| folders.redis_url());
    let config = Config::load(layers(&args, &folders, redis_url))?.config;
    telemetry::init(&config.log_filter, telemetry::LogFormat::Text);
    let runtime = runtime::build(None).map_err(|error| no_runtime(&error))?;
    // Runs on this thread and not in a task: children with a parent-death signal die with the thread that spawned
    // them.
    runtime.block_on(run(args, folders, config)).map(Exit::from)
}

async fn run(args: DevArgs, folders: Folders, config: Config) -> Result<Ended, Failure> {
    let signals = Signals::catch().map_err(|error| no_runtime(&error))?;
    let shutdown = Shutdown::new();
    let run = Box::pin(run_all(args, folders, config, shutdown.clone()));
    run_with_signals(run, signals, &shutdown).await
}

/// Starts from the bottom up and ends from the top down, so that Redis outlives everything that needs it.
async fn run_all(
    args: DevArgs,
    folders: Folders,
    config: Config,
    shutdown: Shutdown,
) -> Result<Ended, DevError> {
    let held = folders.make()?;
    let redis = match &args.redis_url {
        Some(_given) => None,
        None => tokio::select! {
            started = PrivateRedis::start(&folders) => Some(started?),
            () = shutdown.soft().cancelled() => return Ok(Ended::Softly),
        },
    };
    let ended = run_service(&args, &folders, config, &shutdown).await;
    if let Some(redis) = redis {
        redis.stop(shutdown.hard()).await;
    }
    drop(held);
    ended
}

async fn run_service(
    args: &DevArgs,
    folders: &Folders,
    config: Config,
    shutdown: &Shutdown,
) -> Result<Ended, DevError> {
    let (counts, without_v) = match &args.actors {
        Some(counts) => (counts.clone(), false),
        None => actors::usual(engines::may_have_v()),
    };
    let (demo, missing) = actors::demo(&counts);
    let facts = banner::Facts {
        redis: config.redis_url.to_string(),
        own_redis: args.redis_url.is_none(),
        zinit: args.zinit.clone(),
        data_dir: folders.data.clone(),
        missing,
        without_v,
    };
    let app = App::bind(config, setup(args, demo.clone())).await?;
    let (lifecycle, store) = (app.lifecycle().clone(), app.store().clone());
    let (addresses, dashboard) = (app.addresses().to_vec(), app.dashboard_url().map(str::to_owned));
    let show = async {
        let (mut states, lame) = tokio::join!(
            actors::start(&lifecycle, store.as_ref(), &counts, &demo),
            engines::unavailable(&demo)
        );
        for (name, reason) in lame {
            states.iter_mut().filter(|line| line.name == name).for_each(|line| line.add(&reason));
        }
        banner::print(&facts, &addresses, dashboard.as_deref(), &states);
        std::future::pending().await
    };
    tokio::select! {
        ended = Box::pin(app.run(shutdown.clone())) => Ok(ended?),
        // A signal during the start of the actors ends the start.
        ended = show => ended,
    }
}

fn setup(args: &DevArgs, actors: Vec<ActorConfig>) -> Setup {
    let dashboard_anywhere = args.dashboard_listen.is_none();
    Setup { dev: true, actors, dashboard_anywhere, stop_actors: true, ..Setup::default() }
}

/// Returns the layers of `dev`: the flags over defaults of their own, without file and environment.
fn layers(args: &DevArgs, folders: &Folders, redis_url: String) -> Layers {
    let flags = Flags {
        listen: args.listen.clone(),
        grpc_web_origins: args.grpc_web_origins.clone(),
        dashboard_listen: args.dashboard_listen.clone(),
        redis_url: Some(redis_url),
        metrics_listen: args.metrics_listen.clone(),
        ready_file: args.ready_file.clone(),
        log_filter: args.log_filter.clone(),
        ..Flags::default()
    };
    let text = |path: &std::path::Path| Value::from(path.to_string_lossy().into_owned());
    // A node name of its own, so that on a shared Redis the actors of the real service are not touched.
    let node: String = format!("dev-{}", host_name()).chars().take(63).collect();
    let mut layers = Config::layers(None, Env::default(), flags);
    let mut replace = |key, value| {
        layers.defaults.retain(|(existing, _)| *existing != key);
        layers.defaults.push((key, value));
    };
    replace("data_dir", text(&folders.data));
    replace("node", node.into());
    replace("dashboard_listen", DEFAULT_DASHBOARD.into());
    replace("drain_delay", "0s".into());
    replace("log_filter", DEFAULT_LOG_FILTER.into());
    match &args.zinit {
        Some(socket) => replace("zinit_socket", text(socket)),
        None => replace("process_manager", "local".into()),
    }
    layers
}

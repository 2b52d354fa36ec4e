//! The composition root: the only place that joins adapters to the domain, and the domain to gRPC.
//!
//! [`App::bind`] takes the doors and puts the parts together; [`App::run`] lets callers in until it is told to end. What
//! a command of the binary does that is more than talking to a server stands beside it: [`serve`], [`dev`],
//! [`doctor`] and [`exec_shim`], and what the first process of a container has to do ([`init`]).

pub mod actor;
mod adapters;
pub mod builder;
pub mod conformance;
mod connections;
mod declared_actors;
mod declared_script_types;
pub mod dev;
pub mod doctor;
mod event_metrics;
mod failure;
pub mod init;
mod listener;
mod metrics;
mod ready_file;
mod runtime;
mod serve;
mod unconfigured;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapters::program_files::ProgramFiles;
use crate::adapters::system_clock::SystemClock;
use crate::config::{Config, ListenAddr};
use crate::domain::events::writer::write_events;
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::event::{Cause, Event, EventKind, Source};

use crate::domain::actors::{ActorLifecycleManager, ActorSelector, Deps, StopOptions};
use crate::domain::events::Events;
use crate::domain::jobs::{JobDefaults, Supervisor};
use crate::domain::model::id::NodeName;
use crate::error::SupervisorError;
use crate::grpc::{GrpcServer, ServerInfo};
use crate::ports::actor_store::ActorStore;
use crate::ports::clock::Clock;
use crate::ports::event_log::EventLog;
use crate::ports::process_manager::ProcessManager;
use crate::shutdown::Shutdown;
use crate::telemetry;

pub use declared_actors::DeclaredActors;
pub use listener::BindError;
pub use serve::{exec_shim, serve};

use event_metrics::EventMetrics;
use listener::Listener;
use metrics::Readings;
use ready_file::ReadyFile;

/// Between two tries to read the actors while Redis is away; it is a second's work to come back.
const OPEN_RETRY: Duration = Duration::from_secs(1);
/// The limit of the whole shutdown ends a wait for actors.
const NO_LIMIT_OF_ITS_OWN: Duration = Duration::from_secs(24 * 3600);
/// After the hard end, for processes that are ours to be killed; nothing else is waited for then.
const LAST_STOPS: Duration = Duration::from_secs(5);

/// Why the service cannot be started, or broke.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address cannot be taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The settings of Redis cannot be used.
    #[error("redis_url cannot be used")]
    Redis(#[source] SupervisorError),
    /// The ready file cannot be written.
    #[error("cannot write the ready file {}", path.display())]
    ReadyFile {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another recorder of metrics was installed in this process.
    #[error("cannot count what is to be shown as metrics")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    /// The address of the collector cannot be used.
    #[error("otlp_endpoint cannot be used")]
    Traces(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The server broke.
    #[error("cannot serve gRPC")]
    Serve(#[source] std::io::Error),
}

/// What a caller of [`App::bind`] may want beyond the configuration.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Says in GetServerInfo that it has started by itself what it needs.
    pub dev: bool,
    /// Actors to make at the start, unless they are there already.
    pub actors: Vec<ActorConfig>,
    /// Actors of the configuration file.
    pub file: DeclaredActors,
    /// Stops the actors of this node at the end. Otherwise those under Zinit go on.
    pub stop_actors: bool,
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All that was under way was finished.
    Softly,
    /// It took longer than `shutdown_timeout`, and the rest was dropped.
    OutOfTime,
    /// Somebody asked a second time, and the rest was dropped.
    Forced,
}

/// A service with its doors taken, not yet open.
pub struct App {
    config: Config,
    setup: Setup,
    listeners: Vec<Listener>,
    metrics: Option<(Listener, &'static PrometheusHandle)>,
    addresses: Vec<ListenAddr>,
    supervisor: Supervisor,
    log: Arc<dyn EventLog>,
    processes: Arc<dyn ProcessManager>,
    lifecycle: ActorLifecycleManager,
    server: GrpcServer,
    events: Events,
    to_write: mpsc::Receiver<Event>,
}

impl App {
    /// Takes the addresses and puts the parts together. Neither Redis nor Zinit has to be there.
    ///
    /// # Errors
    /// When an address cannot be taken or the URL of Redis cannot be used.
    pub async fn bind(config: Config, setup: Setup) -> Result<Self, AppError> {
        let mut listeners = Vec::with_capacity(config.listen.len());
        for addr in &config.listen {
            listeners.push(Listener::bind(addr).await?);
        }
        if let Some(endpoint) = &config.otlp_endpoint {
            telemetry::traces::start(endpoint, "hero-supervisor", config.node.as_str())
                .map_err(AppError::Traces)?;
        }
        let metrics = match &config.metrics_listen {
            Some(addr) => {
                // Before the first call, so that every one of them is counted.
                let handle = telemetry::metrics::install().map_err(AppError::Metrics)?;
                Some((Listener::bind(addr).await?, handle))
            }
            None => None,
        };
        let addresses = listeners.iter().map(Listener::address).collect();

        let redis = adapters::redis_config(&config.redis_url, config.lease, config.queue_limit);
        let (supervisor, log) =
            adapters::supervisor(redis, JobDefaults::default()).map_err(AppError::Redis)?;
        let processes = adapters::process_manager(&config);
        let (events, to_write) = Events::channel();
        let events = events.with_meter(Arc::new(EventMetrics));
        let lifecycle = ActorLifecycleManager::new(Deps {
            supervisor: supervisor.clone(),
            processes: Arc::clone(&processes),
            store: Arc::clone(supervisor.store()),
            programs: Arc::new(ProgramFiles),
            node: config.node.clone(),
            initial: setup.actors.clone(),
            events: events.clone(),
        });
        let info = ServerInfo { dev: setup.dev, ..ServerInfo::new(config.node.clone(), SystemClock.now()) };
        let server = GrpcServer::new(
            supervisor.clone(),
            lifecycle.clone(),
            Arc::clone(&log),
            info,
            config.drain_delay,
        )
        .for_browsers(config.grpc_web_origins.clone());
        Ok(Self {
            config,
            setup,
            listeners,
            metrics,
            addresses,
            supervisor,
            log,
            processes,
            lifecycle,
            server,
            events,
            to_write,
        })
    }

    /// Where callers find it, with real ports.
    pub fn addresses(&self) -> &[ListenAddr] {
        &self.addresses
    }

    /// Its actors.
    pub fn lifecycle(&self) -> &ActorLifecycleManager {
        &self.lifecycle
    }

    /// Where its actors are kept.
    pub(crate) fn store(&self) -> &Arc<dyn ActorStore> {
        self.supervisor.store()
    }

    /// Lets callers in until `shutdown`, and ends in order: callers first, then the watch over actors, Redis last.
    ///
    /// # Errors
    /// When the ready file cannot be written or the server breaks.
    pub async fn run(self, shutdown: Shutdown) -> Result<Ended, AppError> {
        let timed_out = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(limit(shutdown.clone(), self.config.shutdown_timeout, timed_out.clone()));
        tasks.spawn(watch_over_actors(self.lifecycle.clone()));
        if let Some((listener, handle)) = self.metrics {
            let readings =
                Readings { supervisor: self.supervisor.clone(), lifecycle: self.lifecycle.clone() };
            tracing::info!(address = %listener.address(), "serving metrics on {}", listener.address());
            tasks.spawn(metrics::serve(listener, handle, readings, self.config.metrics_hosts.clone()));
        }
        tasks.spawn(declared_actors::apply(self.lifecycle.clone(), self.setup.file.clone()));
        let node = self.config.node.clone();
        tasks.spawn(tell_of_server(self.events.clone(), node, shutdown.soft().clone()));
        // Its own token, because the last of what there is to tell comes from the end of all others.
        let (written, mut writer) = (CancellationToken::new(), JoinSet::new());
        writer.spawn(write_events(self.log, self.to_write, Arc::new(EventMetrics), written.clone()));

        let ready_file = self.config.ready_file.as_deref();
        let ready =
            ready_file.map(|path| ReadyFile::write(path, &self.addresses).map_err(|source| (path, source)));
        let ready = ready
            .transpose()
            .map_err(|(path, source)| AppError::ReadyFile { path: path.to_owned(), source })?;
        let served = self.server.serve(listener::incoming(self.listeners), &shutdown).await;
        drop(ready);

        let closing = async {
            if self.setup.stop_actors {
                stop_actors(&self.lifecycle, &shutdown).await;
            }
            self.lifecycle.close().await;
            written.cancel();
            while writer.join_next().await.is_some() {}
            self.processes.close().await;
            self.supervisor.queue().close().await;
        };
        let give_up = async {
            shutdown.hard().cancelled().await;
            tokio::time::sleep(LAST_STOPS).await;
        };
        tokio::select! {
            () = closing => {}
            () = give_up => tracing::warn!("what is left is dropped"),
        }
        tasks.shutdown().await;
        telemetry::traces::end().await;
        served.map_err(AppError::Serve)?;
        Ok(match (timed_out.is_cancelled(), shutdown.hard().is_cancelled()) {
            (true, _) => Ended::OutOfTime,
            (false, true) => Ended::Forced,
            (false, false) => Ended::Softly,
        })
    }
}

/// Makes the end a hard one when it takes too long.
async fn limit(shutdown: Shutdown, limit: Duration, timed_out: CancellationToken) {
    shutdown.soft().cancelled().await;
    tokio::time::sleep(limit).await;
    tracing::warn!(?limit, "the shutdown takes longer than {limit:?}: ending at once");
    timed_out.cancel();
    shutdown.force();
}

/// Tells those who watch that the supervisor is there, and that it goes.
async fn tell_of_server(events: Events, node: NodeName, soft: CancellationToken) {
    let tell = |kind: EventKind, how: &str| {
        let message = format!("the supervisor on {node} {how}");
        events.emit(Event::new(SystemClock.now(), Source::Supervisor, kind, message).on_node(&node));
    };
    tell(EventKind::ServerStarted, "has started");
    soft.cancelled().await;
    tell(EventKind::ServerDraining, "is on its way down");
}

/// Takes up the actors as soon as Redis answers, and looks after their health from then on.
async fn watch_over_actors(lifecycle: ActorLifecycleManager) {
    while let Err(error) = lifecycle.open().await {
        tracing::debug!(%error, "the actors cannot be read yet");
        tokio::time::sleep(OPEN_RETRY).await;
    }
    lifecycle.start_health_monitoring().await;
}

/// Stops every actor of this node: after its jobs, or at once when the end is a hard one.
async fn stop_actors(lifecycle: &ActorLifecycleManager, shutdown: &Shutdown) {
    let reason = "the supervisor ends, and its actors with it".to_owned();
    let lifecycle = &lifecycle.on_behalf_of(Cause { reason, ..Cause::from(Source::Supervisor) });
    let all = ActorSelector::default();
    let softly = StopOptions::default();
    tokio::select! {
        stopped = lifecycle.stop_many(&all, &softly, NO_LIMIT_OF_ITS_OWN) => {
            if let Err(error) = stopped {
                tracing::warn!(%error, "the actors could not be stopped");
            }
        }
        () = shutdown.hard().cancelled() => {
            let options = StopOptions { force: true, ..StopOptions::default() };
            if let Err(error) = lifecycle.stop_many(&all, &options, LAST_STOPS).await {
                tracing::warn!(%error, "the actors could not be killed");
            }
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

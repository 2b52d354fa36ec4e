//! The composition root: the only place that joins adapters to the domain, and the domain to gRPC.
//!
//! [`App::bind`] binds the addresses and joins the parts; [`App::run`] serves until the shutdown. The commands that do more
//! than call a server stand beside it: [`serve`], [`dev`], [`doctor`], [`conformance`] and [`exec_shim`], and the first process
//! of a container ([`init`]).

pub mod actor;
mod actor_env;
mod adapters;
mod app_error;
mod audit;
pub mod builder;
pub mod conformance;
mod connections;
mod declared_actors;
mod declared_script_types;
pub mod dev;
pub mod doctor;
mod event_metrics;
mod failure;
pub mod identities;
mod identity_files;
pub mod init;
mod insecure;
mod job_ends;
mod listener;
mod metrics;
mod ready_file;
mod reload;
mod runtime;
mod serve;
mod service_manager;
mod tls_files;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapters::audit::AuditWriter;
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
use crate::error::chain;
use crate::grpc::{GrpcServer, ScrapeAccess, ServerInfo, TlsInfo};
use crate::ports::actor_store::ActorStore;
use crate::ports::clock::Clock;
use crate::ports::event_log::EventLog;
use crate::ports::process_manager::ProcessManager;
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::tls::{Protocols, ServerTls};

pub use app_error::AppError;
pub use declared_actors::DeclaredActors;
pub use listener::BindError;
pub use serve::{exec_shim, serve};

use event_metrics::EventMetrics;
use listener::{Listener, TlsOptions};
use metrics::Readings;
use ready_file::ReadyFile;
use reload::Reloadable;
use service_manager::State;

/// Delay between attempts to load the actors while Redis is unreachable.
const OPEN_RETRY: Duration = Duration::from_secs(1);
/// Limit of the stop of the actors: none of its own, because the limit of the shutdown applies.
const STOP_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Time after the hard end for processes of the local runner to be killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Options of [`App::bind`] beyond the configuration.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Answers GetServerInfo with MODE_DEV.
    pub dev: bool,
    /// Actors that are created at the start unless they exist.
    pub actors: Vec<ActorConfig>,
    /// Actors of the configuration file.
    pub file: DeclaredActors,
    /// Stops the actors of this node at the end. Otherwise actors of Zinit keep running.
    pub stop_actors: bool,
}

/// The end of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Ended after all work under way.
    Softly,
    /// The shutdown took longer than `shutdown_timeout`; unfinished work was dropped.
    OutOfTime,
    /// A second signal came; unfinished work was dropped.
    Forced,
}

/// A service with bound addresses that does not serve yet.
pub struct App {
    config: Config,
    setup: Setup,
    listeners: Vec<Listener>,
    metrics: Option<(Listener, &'static PrometheusHandle)>,
    addresses: Vec<ListenAddr>,
    reloadables: Vec<Arc<dyn Reloadable>>,
    tls: Option<Arc<ServerTls>>,
    supervisor: Supervisor,
    log: Arc<dyn EventLog>,
    processes: Arc<dyn ProcessManager>,
    lifecycle: ActorLifecycleManager,
    server: GrpcServer,
    /// Access to the metrics; None if everybody may read them.
    scrape_access: Option<ScrapeAccess>,
    audit: Option<AuditWriter>,
    events: Events,
    to_write: mpsc::Receiver<Event>,
}

impl App {
    /// Binds the addresses and joins the parts. Neither Redis nor Zinit is contacted.
    ///
    /// # Errors
    /// An address that cannot be bound, or an invalid URL.
    pub async fn bind(config: Config, setup: Setup) -> Result<Self, AppError> {
        // Before an address is bound, so that nobody is told that a service comes which does not.
        let tls = config.tls.files().map(ServerTls::load).transpose()?.map(Arc::new);
        let (events, to_write) = Events::channel();
        let events = events.with_meter(Arc::new(EventMetrics));
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
                // Installed before the first call, so that every call is counted.
                let handle = telemetry::metrics::install().map_err(AppError::Metrics)?;
                EventMetrics::begin();
                Some((Listener::bind(addr).await?, handle))
            }
            None => None,
        };
        // After the recorder of metrics, which is to see its state.
        let (audit, writer) = audit::open(&config, &events)?;
        let addresses = listeners.iter().map(Listener::address).collect();

        let redis = adapters::redis_config(&config);
        let (supervisor, log) =
            adapters::supervisor(redis, JobDefaults::default()).map_err(AppError::Redis)?;
        let processes = adapters::process_manager(&config);
        let lifecycle = ActorLifecycleManager::new(Deps {
            supervisor: supervisor.clone(),
            processes: Arc::clone(&processes),
            store: Arc::clone(supervisor.store()),
            programs: Arc::new(ProgramFiles),
            node: config.node.clone(),
            actor_env: actor_env::actor_env(&config),
            initial: setup.actors.clone(),
            events: events.clone(),
        });
        let (authenticator, identities) = identities::authenticator(&config, Arc::new(SystemClock));
        let mut reloadables = identity_files::identity_files(&config, identities)?;
        reloadables.extend(tls.iter().map(|tls| Arc::clone(tls) as Arc<dyn Reloadable>));
        let scrape_access = config.metrics_need_auth().then(|| ScrapeAccess::new(Arc::clone(&authenticator)));
        let info = ServerInfo {
            dev: setup.dev,
            tls: tls.clone().map(|tls| tls as Arc<dyn TlsInfo>),
            insecure: insecure::warn(&config),
            ..ServerInfo::new(config.node.clone(), SystemClock.now())
        };
        let server = GrpcServer::new(
            supervisor.clone(),
            lifecycle.clone(),
            Arc::clone(&log),
            info,
            config.drain_delay,
        )
        .for_browsers(config.grpc_web_origins.clone())
        .with_authenticator(authenticator)
        .with_audit(audit);
        Ok(Self {
            config,
            setup,
            listeners,
            metrics,
            addresses,
            reloadables,
            tls,
            supervisor,
            log,
            processes,
            lifecycle,
            server,
            scrape_access,
            audit: writer,
            events,
            to_write,
        })
    }

    /// Returns the addresses for callers, with real ports.
    pub fn addresses(&self) -> &[ListenAddr] {
        &self.addresses
    }

    /// Returns the manager of the actors.
    pub fn lifecycle(&self) -> &ActorLifecycleManager {
        &self.lifecycle
    }

    /// Returns the store of the actors.
    pub(crate) fn store(&self) -> &Arc<dyn ActorStore> {
        self.supervisor.store()
    }

    /// Serves until `shutdown`, and ends in order: calls first, then the tasks of the actors, Redis last.
    ///
    /// # Errors
    /// A ready file that cannot be written, or a failed server.
    pub async fn run(self, shutdown: Shutdown) -> Result<Ended, AppError> {
        let timed_out = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(limit(shutdown.clone(), self.config.shutdown_timeout, timed_out.clone()));
        tasks.spawn(open_actors(self.lifecycle.clone()));
        if let Some(tls) = &self.tls {
            tasks.spawn(tls_files::warn_of_expiry(Arc::clone(tls)));
        }
        let tls_for = |protocols| self.tls.clone().map(|tls| TlsOptions { tls, protocols });
        if let Some((listener, handle)) = self.metrics {
            let readings =
                Readings { supervisor: self.supervisor.clone(), lifecycle: self.lifecycle.clone() };
            tracing::info!(address = %listener.address(), "serving metrics on {}", listener.address());
            let hosts = self.config.metrics_hosts.clone();
            let tls = tls_for(Protocols::Http1).filter(|_| self.config.tls.metrics);
            tasks.spawn(metrics::serve(listener, tls, self.scrape_access, handle, readings, hosts));
        }
        tasks.spawn(declared_actors::apply(self.lifecycle.clone(), self.setup.file.clone()));
        // A closed terminal ends `dev`.
        if self.reloadables.is_empty() && !self.setup.dev {
            tasks.spawn(reload::nothing_to_load().map_err(AppError::Hangup)?);
        }
        for what in self.reloadables {
            let (events, node) = (self.events.clone(), self.config.node.clone());
            tasks.spawn(reload::Watch::begin(what, events, node).map_err(AppError::Hangup)?.run());
        }
        let node = self.config.node.clone();
        tasks.spawn(emit_server_events(self.events.clone(), node, shutdown.soft().clone()));
        // The writer has a token of its own, because the end of the other tasks emits the last events.
        let (written, mut writer) = (CancellationToken::new(), JoinSet::new());
        writer.spawn(write_events(self.log, self.to_write, Arc::new(EventMetrics), written.clone()));

        let web = !self.config.grpc_web_origins.is_empty();
        let tls = tls_for(if web { Protocols::Both } else { Protocols::Http2 });
        let incoming = listener::incoming(self.listeners, tls.as_ref());

        let ready_file = self.config.ready_file.as_deref();
        let ready =
            ready_file.map(|path| ReadyFile::write(path, &self.addresses).map_err(|source| (path, source)));
        let ready = ready
            .transpose()
            .map_err(|(path, source)| AppError::ReadyFile { path: path.to_owned(), source })?;
        // The addresses are bound, so callers can connect from now on.
        service_manager::tell(State::Ready);
        let auditing = audit::Writing::begin(self.audit);
        let served = self.server.serve(incoming, &shutdown).await;
        service_manager::tell(State::Stopping);
        drop(ready);
        auditing.close().await;

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
            tokio::time::sleep(KILL_LIMIT).await;
        };
        tokio::select! {
            () = closing => {}
            () = give_up => tracing::warn!("shutdown: unfinished work dropped"),
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

/// Forces the shutdown after its limit.
async fn limit(shutdown: Shutdown, limit: Duration, timed_out: CancellationToken) {
    shutdown.soft().cancelled().await;
    tokio::time::sleep(limit).await;
    tracing::warn!(?limit, "shutdown: forced (it took longer than {limit:?})");
    timed_out.cancel();
    shutdown.force();
}

/// Emits the events of the start and of the shutdown.
async fn emit_server_events(events: Events, node: NodeName, soft: CancellationToken) {
    let emit = |kind: EventKind, how: &str| {
        let message = format!("the supervisor on {node} {how}");
        events.emit(Event::new(SystemClock.now(), Source::Supervisor, kind, message).on_node(&node));
    };
    emit(EventKind::ServerStarted, "has started");
    soft.cancelled().await;
    emit(EventKind::ServerDraining, "shuts down");
}

/// Loads the actors once Redis answers, and starts the health monitor.
async fn open_actors(lifecycle: ActorLifecycleManager) {
    while let Err(error) = lifecycle.open().await {
        tracing::debug!(error = %chain(&error), "actors: not loaded yet ({})", chain(&error));
        tokio::time::sleep(OPEN_RETRY).await;
    }
    lifecycle.start_health_monitoring().await;
}

/// Stops every actor of this node: with a drain, or by force in a hard end.
async fn stop_actors(lifecycle: &ActorLifecycleManager, shutdown: &Shutdown) {
    let reason = "the supervisor ends, and its actors with it".to_owned();
    let lifecycle = &lifecycle.on_behalf_of(Cause { reason, ..Cause::from(Source::Supervisor) });
    let all = ActorSelector::default();
    let softly = StopOptions::default();
    tokio::select! {
        stopped = lifecycle.stop_many(&all, &softly, STOP_LIMIT) => {
            if let Err(error) = stopped {
                tracing::warn!(error = %chain(&error), "actors: not stopped ({})", chain(&error));
            }
        }
        () = shutdown.hard().cancelled() => {
            let options = StopOptions { force: true, ..StopOptions::default() };
            if let Err(error) = lifecycle.stop_many(&all, &options, KILL_LIMIT).await {
                tracing::warn!(error = %chain(&error), "actors: not killed ({})", chain(&error));
            }
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

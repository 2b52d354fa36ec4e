//! The composition root: the only place that joins adapters to the domain, and the domain to gRPC.
//!
//! [`App::bind`] binds the addresses and joins the parts; [`App::run`] serves until the shutdown (`app/run.rs`). The
//! commands that do more than call a server stand beside it: [`serve`], [`dev`], [`doctor`], [`mod@backup`], [`conformance`]
//! and [`exec_shim`], and the first process of a container ([`init`]).

pub mod actor;
mod actor_env;
mod adapters;
mod app_error;
mod audit;
pub mod backup;
pub mod builder;
pub mod conformance;
mod connections;
mod declared_actors;
mod declared_queues;
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
mod run;
mod runtime;
mod serve;
mod service_manager;
mod tls_files;

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::mpsc;

use crate::adapters::audit::AuditWriter;
use crate::adapters::process_usage::ProcUsage;
use crate::adapters::program_files::ProgramFiles;
use crate::adapters::system_clock::SystemClock;
use crate::config::{Config, ListenAddr, host_name};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::event::Event;

use crate::domain::actors::{ActorLifecycleManager, Deps};
use crate::domain::events::Events;
use crate::domain::jobs::{JobDefaults, Supervisor};
use crate::grpc::{GrpcServer, Hosts, ScrapeAccess, ServerInfo, TlsInfo};
use crate::ports::actor_store::ActorStore;
use crate::ports::clock::Clock;
use crate::ports::event_log::EventLog;
use crate::ports::process_manager::ProcessManager;
use crate::telemetry;
use crate::tls::ServerTls;

pub use app_error::AppError;
pub use declared_actors::DeclaredActors;
pub use listener::BindError;
pub use serve::{exec_shim, serve};

use event_metrics::EventMetrics;
use listener::Listener;
use reload::Reloadable;

/// Options of [`App::bind`] beyond the configuration.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Answers GetServerInfo with MODE_DEV.
    pub dev: bool,
    /// Actors that are created at the start unless they exist.
    pub actors: Vec<ActorConfig>,
    /// Actors of the configuration file.
    pub file: DeclaredActors,
    /// Serves the dashboard on any free port if another process has its address.
    pub dashboard_anywhere: bool,
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
    dashboard: Option<Listener>,
    dashboard_url: Option<String>,
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
        let (listeners, dashboard) = bind_addresses(&config, setup.dashboard_anywhere).await?;
        let metrics = start_telemetry(&config).await?;
        // After the recorder of metrics, which is to see its state.
        let (audit, writer) = audit::open(&config, &events)?;
        let addresses = listeners.iter().map(Listener::address).collect();

        let adapters::OnRedis { supervisor, log, node_calls } =
            adapters::supervisor(adapters::redis_config(&config), JobDefaults::default())
                .map_err(AppError::Redis)?;
        let processes = adapters::process_manager(&config);
        let lifecycle = manager(&config, &setup, &supervisor, &processes, &events);
        let (authenticator, identities) = identities::authenticator(&config, Arc::new(SystemClock));
        let mut reloadables = identity_files::identity_files(&config, identities.clone())?;
        reloadables.extend(tls.iter().map(|tls| Arc::clone(tls) as Arc<dyn Reloadable>));
        let scrape_access = config.metrics_need_auth().then(|| ScrapeAccess::new(Arc::clone(&authenticator)));
        let dashboard_url = dashboard.as_ref().and_then(|listener| dashboard_url(listener, tls.is_some()));
        let info = ServerInfo {
            dev: setup.dev,
            dashboard_url: dashboard_url.clone(),
            tls: tls.clone().map(|tls| tls as Arc<dyn TlsInfo>),
            insecure: insecure::warn(&config),
            ..ServerInfo::new(config.node.clone(), SystemClock.now())
        };
        let (on_log, delay) = (Arc::clone(&log), config.drain_delay);
        let server = GrpcServer::new(supervisor.clone(), lifecycle.clone(), on_log, info, delay)
            .for_browsers(config.grpc_web_origins.clone())
            .with_dashboard(dashboard.is_some().then(|| Hosts(named_hosts(&config, &config.dashboard_hosts))))
            .with_authenticator(authenticator)
            .with_audit(audit)
            .with_node_calls(node_calls)
            .with_access_lists(identities.map(|known| known as _), audit::reader(&config));
        Ok(Self {
            config,
            setup,
            listeners,
            metrics,
            dashboard,
            dashboard_url,
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

    /// Returns the URL of the dashboard, if it is served on a port.
    pub fn dashboard_url(&self) -> Option<&str> {
        self.dashboard_url.as_deref()
    }

    /// Returns the manager of the actors.
    pub fn lifecycle(&self) -> &ActorLifecycleManager {
        &self.lifecycle
    }

    /// Returns the store of the actors.
    pub(crate) fn store(&self) -> &Arc<dyn ActorStore> {
        self.supervisor.store()
    }
}

/// Binds the addresses of gRPC and of the dashboard.
async fn bind_addresses(
    config: &Config,
    dashboard_anywhere: bool,
) -> Result<(Vec<Listener>, Option<Listener>), BindError> {
    let mut listeners = Vec::with_capacity(config.listen.len());
    for addr in &config.listen {
        listeners.push(Listener::bind(addr).await?);
    }
    let Some(addr) = &config.dashboard_listen else { return Ok((listeners, None)) };
    Ok((listeners, Some(Listener::bind_or_other(addr, dashboard_anywhere).await?)))
}

/// Starts traces and metrics, as far as they are configured. Returns the listener of the metrics and their handle.
async fn start_telemetry(config: &Config) -> Result<Option<(Listener, &'static PrometheusHandle)>, AppError> {
    if let Some(endpoint) = &config.otlp_endpoint {
        telemetry::traces::start(endpoint, "hero-supervisor", config.node.as_str())
            .map_err(AppError::Traces)?;
    }
    let Some(addr) = &config.metrics_listen else { return Ok(None) };
    // Installed before the first call, so that every call is counted.
    let handle = telemetry::metrics::install().map_err(AppError::Metrics)?;
    EventMetrics::begin();
    Ok(Some((Listener::bind(addr).await?, handle)))
}

/// Returns the URL of the dashboard; None on a unix socket.
fn dashboard_url(listener: &Listener, tls: bool) -> Option<String> {
    let scheme = if tls { "https" } else { "http" };
    match listener.address() {
        // Whoever listens on every address is reached by name.
        ListenAddr::Tcp(addr) if addr.ip().is_unspecified() => {
            Some(format!("{scheme}://{}:{}/", host_name(), addr.port()))
        }
        ListenAddr::Tcp(addr) => Some(format!("{scheme}://{addr}/")),
        ListenAddr::Unix(_) => None,
    }
}

/// Returns the names that are given, and those of this machine.
fn named_hosts(config: &Config, given: &[String]) -> Vec<String> {
    given.iter().cloned().chain([config.node.to_string(), host_name().to_string()]).collect()
}

fn manager(
    config: &Config,
    setup: &Setup,
    supervisor: &Supervisor,
    processes: &Arc<dyn ProcessManager>,
    events: &Events,
) -> ActorLifecycleManager {
    ActorLifecycleManager::new(Deps {
        supervisor: supervisor.clone(),
        processes: Arc::clone(processes),
        store: Arc::clone(supervisor.store()),
        programs: Arc::new(ProgramFiles),
        usage: Arc::new(ProcUsage::default()),
        node: config.node.clone(),
        actor_env: actor_env::actor_env(config),
        initial: setup.actors.clone(),
        events: events.clone(),
    })
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

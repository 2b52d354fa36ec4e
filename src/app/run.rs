//! The run of a service: its tasks, the calls that it serves, and the end in order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::event_metrics::EventMetrics;
use super::listener::{self, Connection, TlsOptions};
use super::metrics::{self, Readings};
use super::ready_file::ReadyFile;
use super::service_manager::{self, State};
use super::{App, AppError, Ended, audit, declared_actors, reload, tls_files};
use crate::adapters::system_clock::SystemClock;
use crate::domain::actors::{ActorLifecycleManager, ActorSelector, StopOptions};
use crate::domain::events::Events;
use crate::domain::events::writer::write_events;
use crate::domain::model::event::{Cause, Event, EventKind, Source};
use crate::domain::model::id::NodeName;
use crate::error::chain;
use crate::ports::clock::Clock;
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::tls::Protocols;

/// Delay between attempts to load the actors while Redis is unreachable.
const OPEN_RETRY: Duration = Duration::from_secs(1);
/// Limit of the stop of the actors: none of its own, because the limit of the shutdown applies.
const STOP_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Time after the hard end for processes of the local runner to be killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

impl App {
    /// Serves until `shutdown`, and ends in order: calls first, then the tasks of the actors, Redis last.
    ///
    /// # Errors
    /// A ready file that cannot be written, or a failed server.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<Ended, AppError> {
        let timed_out = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(limit(shutdown.clone(), self.config.shutdown_timeout, timed_out.clone()));
        self.spawn_tasks(&mut tasks, &shutdown)?;

        let web = !self.config.grpc_web_origins.is_empty();
        let tls = self.tls_options(if web { Protocols::Both } else { Protocols::Http2 });
        let calls = listener::incoming(std::mem::take(&mut self.listeners), tls.as_ref());
        let ready = self.write_ready_file()?;
        let incoming = stream::select(calls, self.browsers());
        // The writer has a token of its own, because the end of the other tasks emits the last events.
        let (written, mut writer) = (CancellationToken::new(), JoinSet::new());
        writer.spawn(write_events(self.log, self.to_write, Arc::new(EventMetrics), written.clone()));
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

    /// Spawns the tasks that run beside the calls.
    fn spawn_tasks(&mut self, tasks: &mut JoinSet<()>, shutdown: &Shutdown) -> Result<(), AppError> {
        tasks.spawn(open_actors(self.lifecycle.clone()));
        if let Some(tls) = &self.tls {
            tasks.spawn(tls_files::warn_of_expiry(Arc::clone(tls)));
        }
        if let Some((listener, handle)) = self.metrics.take() {
            let readings =
                Readings { supervisor: self.supervisor.clone(), lifecycle: self.lifecycle.clone() };
            tracing::info!(address = %listener.address(), "metrics: served on {}", listener.address());
            let hosts = self.config.metrics_hosts.clone();
            let tls = self.tls_options(Protocols::Http1).filter(|_| self.config.tls.metrics);
            tasks.spawn(metrics::serve(listener, tls, self.scrape_access.take(), handle, readings, hosts));
        }
        tasks.spawn(declared_actors::apply(self.lifecycle.clone(), self.setup.file.clone()));
        // A closed terminal ends `dev`.
        if self.reloadables.is_empty() && !self.setup.dev {
            tasks.spawn(reload::nothing_to_load().map_err(AppError::Hangup)?);
        }
        for what in std::mem::take(&mut self.reloadables) {
            let (events, node) = (self.events.clone(), self.config.node.clone());
            tasks.spawn(reload::Watch::begin(what, events, node).map_err(AppError::Hangup)?.run());
        }
        let node = self.config.node.clone();
        tasks.spawn(emit_server_events(self.events.clone(), node, shutdown.soft().clone()));
        Ok(())
    }

    /// Streams the connections of the dashboard; none without one.
    fn browsers(&mut self) -> BoxStream<'static, io::Result<Connection>> {
        let Some(listener) = self.dashboard.take() else { return stream::empty().boxed() };
        let address = self.dashboard_url.clone().unwrap_or_else(|| listener.address().to_string());
        tracing::info!(%address, "dashboard: served on {address}");
        listener::of_dashboard(listener, self.tls_options(Protocols::Both).as_ref())
    }

    fn tls_options(&self, protocols: Protocols) -> Option<TlsOptions> {
        self.tls.clone().map(|tls| TlsOptions { tls, protocols })
    }

    /// Writes the ready file, if one is configured.
    fn write_ready_file(&self) -> Result<Option<ReadyFile>, AppError> {
        let Some(path) = &self.config.ready_file else { return Ok(None) };
        let written = ReadyFile::write(path, &self.addresses, self.dashboard_url());
        written.map(Some).map_err(|source| AppError::ReadyFile { path: path.clone(), source })
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

//! The gRPC server: its layers and services, and its end, which has a limit at each stage.
//!
//! ```text
//!  soft ─► NOT_SERVING, new work refused ─ drain_delay ─► waits and watches end, GOAWAY ─ RESPONSE_GRACE ─► abort
//!  hard ─► waits and watches end, GOAWAY ─ HARD_RESPONSE_GRACE ───────────────────────────────────────────► abort
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder as Reflection;
use tower::util::option_layer;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::events::watch::EventHub;
use crate::domain::jobs::Supervisor;
use crate::grpc::abortable_connection::AbortableConnection;
use crate::grpc::access::AccessLayer;
use crate::grpc::audit::{AuditBegins, AuditEnds};
use crate::grpc::dashboard::{DashboardLayer, Sessions};
use crate::grpc::deadline::DeadlineLayer;
use crate::grpc::dependencies::{Dependencies, DependencyMonitor};
use crate::grpc::error_reason_layer::ErrorReasonLayer;
use crate::grpc::framed_stream::FramedLayer;
use crate::grpc::hosts::Hosts;
use crate::grpc::limits::MAX_MESSAGE_BYTES;
use crate::grpc::metrics_layer::MetricsLayer;
use crate::grpc::peer::Peer;
use crate::grpc::server_info::ServerInfo;
use crate::grpc::service::{NodeCaller, SupervisorService, answer_node_calls};
use crate::grpc::serving_status::ServingStatus;
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::web;
use crate::lock::Lock;
use crate::ports::audit::AuditLog;
use crate::ports::audit_reader::AuditReader;
use crate::ports::authenticator::{Authenticator, Everybody};
use crate::ports::event_log::EventLog;
use crate::ports::identity_directory::IdentityDirectory;
use crate::ports::node_calls::NodeCalls;
use crate::proto;
use crate::proto::supervisor_server::SupervisorServer;
use crate::shutdown::Shutdown;

/// Interval of HTTP/2 pings, which detect peers that vanished.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// Time within which a peer must answer a ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for responses under way after GOAWAY. Connections are aborted after it.
const RESPONSE_GRACE: Duration = Duration::from_secs(2);
/// The same time for a hard end.
const HARD_RESPONSE_GRACE: Duration = Duration::from_millis(100);
/// Time for the tasks of aborted connections to end.
const ABORT_LIMIT: Duration = Duration::from_millis(500);

/// The gRPC server.
pub struct GrpcServer {
    supervisor: Supervisor,
    lifecycle: ActorLifecycleManager,
    hub: EventHub,
    info: ServerInfo,
    drain_delay: Duration,
    web_origins: Vec<String>,
    dashboard: Option<Hosts>,
    authenticator: Arc<dyn Authenticator>,
    audit: Option<Arc<dyn AuditLog>>,
    identities: Option<Arc<dyn IdentityDirectory>>,
    audit_reader: Option<Arc<dyn AuditReader>>,
    node_calls: Option<Arc<dyn NodeCalls>>,
}

impl GrpcServer {
    /// Makes a server; `log` is what watches read. `drain_delay` is the time between NOT_SERVING and the end of connections.
    pub fn new(
        supervisor: Supervisor,
        lifecycle: ActorLifecycleManager,
        log: Arc<dyn EventLog>,
        info: ServerInfo,
        drain_delay: Duration,
    ) -> Self {
        let (hub, web_origins) = (EventHub::new(log), Vec::new());
        let authenticator = Arc::new(Everybody::default());
        Self {
            supervisor,
            lifecycle,
            hub,
            info,
            drain_delay,
            web_origins,
            dashboard: None,
            authenticator,
            audit: None,
            identities: None,
            audit_reader: None,
            node_calls: None,
        }
    }

    /// Also serves gRPC-Web to pages of these origins; `*` means any origin.
    pub fn for_browsers(self, web_origins: Vec<String>) -> Self {
        Self { web_origins, ..self }
    }

    /// Also serves the dashboard, on the connections that are for it and under these names.
    #[must_use]
    pub fn with_dashboard(self, dashboard: Option<Hosts>) -> Self {
        Self { dashboard, ..self }
    }

    /// Asks `authenticator` who calls. Without one everybody may do everything.
    #[must_use]
    pub fn with_authenticator(self, authenticator: Arc<dyn Authenticator>) -> Self {
        Self { authenticator, ..self }
    }

    /// Notes calls in `audit`.
    #[must_use]
    pub fn with_audit(self, audit: Option<Arc<dyn AuditLog>>) -> Self {
        Self { audit, ..self }
    }

    /// Tells admins who may call and who has called; without them, that everybody may, and that no log is kept.
    #[must_use]
    pub fn with_access_lists(
        self,
        identities: Option<Arc<dyn IdentityDirectory>>,
        audit_reader: Option<Arc<dyn AuditReader>>,
    ) -> Self {
        Self { identities, audit_reader, ..self }
    }

    /// Passes calls about actors of other machines on to the supervisors there, and answers theirs. Without it such calls end in
    /// WRONG_NODE.
    #[must_use]
    pub fn with_node_calls(self, node_calls: Arc<dyn NodeCalls>) -> Self {
        Self { node_calls: Some(node_calls), ..self }
    }

    /// Serves connections until `shutdown`; see the module for the stages of the end.
    ///
    /// # Errors
    /// A failure of the transport, or a descriptor set that reflection refuses, which a test would have found.
    pub async fn serve<I, IO>(self, incoming: I, shutdown: &Shutdown) -> io::Result<()>
    where
        I: Stream<Item = io::Result<IO>>,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        Peer: From<IO::ConnectInfo>,
    {
        let gate = ShutdownGate { soft: shutdown.soft().clone(), ending: CancellationToken::new() };
        let abort = CancellationToken::new();
        let serving = ServingStatus::new(gate.ending.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(run_shutdown(gate.clone(), shutdown.hard().clone(), abort.clone(), self.drain_delay));

        let token = abort.clone();
        let incoming = incoming.map(move |io| io.map(|io| AbortableConnection::new(io, &token)));
        let ending = gate.ending.clone().cancelled_owned();
        let web = web::layer(&self.web_origins, self.dashboard.is_some());
        let sessions = Sessions::new();
        let dashboard = self.dashboard.clone().map(|hosts| DashboardLayer::new(hosts, sessions.clone()));
        let access = AccessLayer::new(Arc::clone(&self.authenticator));
        let audit = self.audit.clone();
        let service = self.service(gate, sessions, &serving, &abort, &mut tasks);
        let served = Server::builder()
            .accept_http1(web.is_some())
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .layer(option_layer(dashboard))
            .layer(option_layer(web))
            .layer(MetricsLayer::default())
            .layer(option_layer(audit.clone().map(AuditEnds)))
            .layer(access)
            .layer(DeadlineLayer)
            .layer(option_layer(audit.map(AuditBegins)))
            .layer(ErrorReasonLayer)
            .layer(FramedLayer)
            .add_service(
                SupervisorServer::from_arc(service)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .max_encoding_message_size(MAX_MESSAGE_BYTES),
            )
            .add_service(HealthServer::new(serving))
            .add_service(reflection().build_v1().map_err(io::Error::other)?)
            .add_service(reflection().build_v1alpha().map_err(io::Error::other)?)
            .serve_with_incoming_shutdown(incoming, ending);
        let abort_limit = async {
            abort.cancelled().await;
            tokio::time::sleep(ABORT_LIMIT).await;
        };
        let result = tokio::select! {
            result = served => result.map_err(io::Error::other),
            () = abort_limit => {
                tracing::warn!("grpc: connections left open (they did not end within {ABORT_LIMIT:?})");
                Ok(())
            }
            panic = first_panic(&mut tasks) => Err(io::Error::other(panic)),
        };
        tasks.shutdown().await;
        result
    }

    /// Makes the service and spawns the tasks behind it.
    fn service(
        self,
        gate: ShutdownGate,
        sessions: Sessions,
        serving: &ServingStatus,
        abort: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Arc<SupervisorService> {
        let dependencies = Dependencies::unknown();
        let monitor = DependencyMonitor {
            supervisor: self.supervisor.clone(),
            lifecycle: self.lifecycle.clone(),
            serving: serving.clone(),
            dependencies: dependencies.clone(),
            gate: gate.clone(),
            clocks: Lock::default(),
        };
        tasks.spawn(monitor.run());
        tasks.spawn(self.hub.clone().run(abort.clone()));
        let nodes = self.node_calls.clone().map(|calls| NodeCaller::new(calls, gate.clone()));
        if let Some(nodes) = &nodes {
            self.lifecycle.scale_others_by(Arc::new(nodes.clone()));
        }
        let inbox = self.node_calls.map(|calls| calls.inbox(self.lifecycle.node()));
        let service = Arc::new(SupervisorService {
            supervisor: self.supervisor,
            lifecycle: self.lifecycle,
            info: self.info,
            dependencies,
            gate,
            hub: Some(self.hub),
            sessions,
            identities: self.identities,
            audit_reader: self.audit_reader,
            nodes,
        });
        if let Some(inbox) = inbox {
            tasks.spawn(answer_node_calls(Arc::clone(&service), inbox));
        }
        service
    }
}

impl std::fmt::Debug for GrpcServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrpcServer").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Waits for a task that panics. The server ends with it, because its health is no longer watched.
async fn first_panic(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) if error.is_panic() => return error,
            Some(Ok(()) | Err(_)) => {}
            None => std::future::pending().await,
        }
    }
}

/// Runs the stages of the end, from the first signal to the abort of connections.
async fn run_shutdown(
    gate: ShutdownGate,
    hard: CancellationToken,
    abort: CancellationToken,
    drain_delay: Duration,
) {
    let orderly = async {
        gate.soft.cancelled().await;
        tokio::time::sleep(drain_delay).await;
        gate.ending.cancel();
        tokio::time::sleep(RESPONSE_GRACE).await;
    };
    tokio::select! {
        () = orderly => {}
        () = hard.cancelled() => {
            gate.ending.cancel();
            tokio::time::sleep(HARD_RESPONSE_GRACE).await;
        }
    }
    abort.cancel();
}

/// Describes the contract, the health service and the error details to tools such as grpcurl.
fn reflection() -> Reflection<'static> {
    Reflection::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

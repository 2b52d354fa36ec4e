//! The server: health, reflection, limits, and an end that comes for certain.
//!
//! ```text
//!  soft ─► NOT_SERVING, new work refused ─ drain_delay ─► waits and watches end, GOAWAY ─ LAST_WORDS ─► cut
//!  hard ─────────────────────────────────────────────────────────────────────────────────────────────► cut
//! ```

use std::io;
use std::time::{Duration, SystemTime};

use futures::stream::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder as Reflection;
use tower::util::option_layer;
use uuid::Uuid;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::events::watch::EventHub;
use crate::domain::jobs::Supervisor;
use crate::domain::model::id::NodeName;
use crate::grpc::abortable_connection::AbortableConnection;
use crate::grpc::deadline::DeadlineLayer;
use crate::grpc::dependencies::{Dependencies, DependencyMonitor};
use crate::grpc::error_reason_layer::ErrorReasonLayer;
use crate::grpc::metrics_layer::MetricsLayer;
use crate::grpc::service::SupervisorService;
use crate::grpc::serving_status::ServingStatus;
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::web;
use crate::proto;
use crate::proto::supervisor_server::SupervisorServer;
use crate::shutdown::Shutdown;

/// Largest message in either direction: gRPC's own default, so that no client has to be told.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// A peer that is gone without a word is noticed by pings this far apart …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// … that it does not answer for this long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for answers that are on their way when connections end; then they are cut.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The same when it is to end at once: what is answered within this time is, the rest is not.
const HARD_WORDS: Duration = Duration::from_millis(100);
/// A cut connection is gone as soon as its task runs once more.
const CUT_LIMIT: Duration = Duration::from_millis(500);

/// Who this server says it is.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Name of the machine among the supervisors on one Redis.
    pub node: NodeName,
    /// Name of this run of the program.
    pub instance_id: String,
    /// When the program was started.
    pub started_at: SystemTime,
    /// True when it has started by itself what it needs.
    pub dev: bool,
}

impl ServerInfo {
    /// A fresh run on this machine.
    pub fn new(node: NodeName, started_at: SystemTime) -> Self {
        Self { node, instance_id: Uuid::new_v4().to_string(), started_at, dev: false }
    }
}

/// Serves the contract.
#[derive(Debug)]
pub struct GrpcServer {
    supervisor: Supervisor,
    lifecycle: ActorLifecycleManager,
    info: ServerInfo,
    drain_delay: Duration,
    web_origins: Vec<String>,
}

impl GrpcServer {
    /// A server of these two. `drain_delay` is the time between NOT_SERVING and the end of connections.
    pub fn new(
        supervisor: Supervisor,
        lifecycle: ActorLifecycleManager,
        info: ServerInfo,
        drain_delay: Duration,
    ) -> Self {
        Self { supervisor, lifecycle, info, drain_delay, web_origins: Vec::new() }
    }

    /// Speaks gRPC-Web, too, with pages from these origins; `*` stands for any.
    pub fn for_browsers(self, web_origins: Vec<String>) -> Self {
        Self { web_origins, ..self }
    }

    /// Serves whoever comes in until `shutdown`: softly as the module says, and at once when it is hard.
    ///
    /// # Errors
    /// When the contract cannot be described, which a test would have found, or the transport fails.
    pub async fn serve<I, IO>(self, incoming: I, shutdown: &Shutdown) -> io::Result<()>
    where
        I: Stream<Item = io::Result<IO>>,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let gate = ShutdownGate { soft: shutdown.soft().clone(), ending: CancellationToken::new() };
        let cut = CancellationToken::new();
        let dependencies = Dependencies::unknown();
        let serving = ServingStatus::new(gate.ending.clone());
        let health = HealthServer::new(serving.clone());

        let mut tasks = JoinSet::new();
        tasks.spawn(end_in_order(gate.clone(), shutdown.hard().clone(), cut.clone(), self.drain_delay));
        let monitor = DependencyMonitor {
            supervisor: self.supervisor.clone(),
            lifecycle: self.lifecycle.clone(),
            serving,
            dependencies: dependencies.clone(),
            gate: gate.clone(),
        };
        tasks.spawn(monitor.run());
        let hub = self.supervisor.event_log().cloned().map(EventHub::new);
        if let Some(hub) = hub.clone() {
            tasks.spawn(hub.run(cut.clone()));
        }

        let cut_off = cut.clone();
        let incoming = incoming.map(move |io| io.map(|io| AbortableConnection::new(io, &cut_off)));
        let ending = gate.ending.clone().cancelled_owned();
        let service = SupervisorService {
            supervisor: self.supervisor,
            lifecycle: self.lifecycle,
            info: self.info,
            dependencies,
            gate,
            hub,
        };
        let web = web::layer(&self.web_origins);
        let served = Server::builder()
            .accept_http1(web.is_some())
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .layer(option_layer(web))
            .layer(MetricsLayer)
            .layer(DeadlineLayer)
            .layer(ErrorReasonLayer)
            .add_service(
                SupervisorServer::new(service)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .max_encoding_message_size(MAX_MESSAGE_BYTES),
            )
            .add_service(health)
            .add_service(reflection().build_v1().map_err(io::Error::other)?)
            .add_service(reflection().build_v1alpha().map_err(io::Error::other)?)
            .serve_with_incoming_shutdown(incoming, ending);
        let cut_for_good = async {
            cut.cancelled().await;
            tokio::time::sleep(CUT_LIMIT).await;
        };
        let result = tokio::select! {
            result = served => result.map_err(io::Error::other),
            () = cut_for_good => {
                tracing::warn!("connections did not end in time and were left behind");
                Ok(())
            }
            panic = first_panic(&mut tasks) => Err(io::Error::other(panic)),
        };
        tasks.shutdown().await;
        result
    }
}

/// Waits for a task that panics: a server whose health nobody keeps must not go on as if all were well.
async fn first_panic(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) if error.is_panic() => return error,
            Some(Ok(()) | Err(_)) => {}
            None => std::future::pending().await,
        }
    }
}

/// The steps from the first signal to the cut.
async fn end_in_order(
    gate: ShutdownGate,
    hard: CancellationToken,
    cut: CancellationToken,
    drain_delay: Duration,
) {
    let orderly = async {
        gate.soft.cancelled().await;
        tokio::time::sleep(drain_delay).await;
        gate.ending.cancel();
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = orderly => {}
        () = hard.cancelled() => {
            gate.ending.cancel();
            tokio::time::sleep(HARD_WORDS).await;
        }
    }
    cut.cancel();
}

/// The contract, health and error details, for tools that ask what there is or show what went wrong.
fn reflection() -> Reflection<'static> {
    Reflection::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

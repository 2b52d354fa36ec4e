//! `grpc.health.v1.Health` for the names of this server.
//!
//! A watch of an unknown name sends SERVICE_UNKNOWN and stays open, as the gRPC health checking protocol demands.

use futures::stream::{BoxStream, StreamExt, once, pending, unfold};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus as HealthStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::domain::model::text::quoted;

/// The process is up and does not drain.
pub(crate) const PROCESS: &str = "";
/// Redis and the process manager answer.
pub(crate) const READY: &str = "hero.supervisor.v1.Supervisor";
/// Redis answers and accepts jobs.
pub(crate) const JOBS: &str = "hero.supervisor.v1.jobs";
/// The process manager answers.
pub(crate) const ACTORS: &str = "hero.supervisor.v1.actors";
/// All names.
pub(crate) const NAMES: [&str; 4] = [PROCESS, READY, JOBS, ACTORS];

/// The serving status of each name. Clones are cheap and share the status.
#[derive(Debug, Clone)]
pub(crate) struct ServingStatus {
    serving: watch::Sender<[bool; NAMES.len()]>,
    ending: CancellationToken,
}

impl ServingStatus {
    /// Begins with every name NOT_SERVING. Watches end with `ending`.
    pub(crate) fn new(ending: CancellationToken) -> Self {
        Self { serving: watch::Sender::new([false; NAMES.len()]), ending }
    }

    /// Sets the status of a name; unknown names are ignored.
    pub(crate) fn set_serving(&self, name: &str, serving: bool) {
        if let Some(index) = index_of(name) {
            self.serving.send_if_modified(|all| std::mem::replace(&mut all[index], serving) != serving);
        }
    }
}

#[async_trait]
impl Health for ServingStatus {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = request.into_inner().service;
        let unknown =
            || Status::not_found(format!("there is no service {}; there are {NAMES:?}", quoted(&name)));
        let index = index_of(&name).ok_or_else(unknown)?;
        Ok(Response::new(answer(status(self.serving.borrow()[index]))))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let ending = self.ending.clone().cancelled_owned();
        let Some(index) = index_of(&request.into_inner().service) else {
            let unknown = once(async { Ok(answer(HealthStatus::ServiceUnknown)) });
            return Ok(Response::new(unknown.chain(pending()).take_until(ending).boxed()));
        };
        let state = (self.serving.subscribe(), None::<bool>);
        let changes = unfold(state, move |(mut all, told)| async move {
            loop {
                let now = all.borrow_and_update()[index];
                if told != Some(now) {
                    return Some((Ok(answer(status(now))), (all, Some(now))));
                }
                all.changed().await.ok()?;
            }
        });
        Ok(Response::new(changes.take_until(ending).boxed()))
    }
}

fn index_of(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

fn status(serving: bool) -> HealthStatus {
    if serving { HealthStatus::Serving } else { HealthStatus::NotServing }
}

fn answer(status: HealthStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

//! `grpc.health.v1.Health` over our own names. A watch of a name that is not ours says SERVICE_UNKNOWN and stays open,
//! as the protocol of health checks has it.

use futures::stream::{BoxStream, StreamExt, once, pending, unfold};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::NAMES;
use crate::domain::model::text::quoted;

/// What each name says. A cheap clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    serving: watch::Sender<[bool; NAMES.len()]>,
    ending: CancellationToken,
}

impl Names {
    /// All of them are NOT_SERVING. Watches end with `ending`.
    pub(crate) fn new(ending: CancellationToken) -> Self {
        Self { serving: watch::Sender::new([false; NAMES.len()]), ending }
    }

    /// From now on a name says this.
    pub(super) fn say(&self, name: &str, serving: bool) {
        if let Some(index) = index_of(name) {
            self.serving.send_if_modified(|all| std::mem::replace(&mut all[index], serving) != serving);
        }
    }
}

#[async_trait]
impl Health for Names {
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
            let unknown = once(async { Ok(answer(ServingStatus::ServiceUnknown)) });
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

fn status(serving: bool) -> ServingStatus {
    if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

//! WatchJob.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use tonic::{Status, async_trait};

use crate::domain::access::Permit;
use crate::domain::jobs::follow::{JobUpdate, JobWatch};
use crate::domain::model::job::JobView;
use crate::grpc::parse;
use crate::grpc::render;
use crate::grpc::service::SupervisorService;
use crate::grpc::service::own_jobs::own_job;
use crate::grpc::status::Failure;
use crate::grpc::watch::{self, Watched};
use crate::ports::clock::Clock;
use crate::proto as pb;
use crate::proto::bookmark::Kind;
use crate::proto::watch_job_response::Item;

impl SupervisorService {
    /// Opens a watch of a job.
    pub(super) async fn follow_job(
        &self,
        permit: Permit,
        request: pb::WatchJobRequest,
    ) -> Result<BoxStream<'static, Result<pb::WatchJobResponse, Status>>, Failure> {
        self.gate.enter()?;
        let asked = parse::watch_job(request)?;
        if !permit.is_unlimited() {
            let (_job, allowed) = self.own(&permit, &asked.job_id, JobView::Basic).await?;
            if asked.with_lines {
                allowed.payloads().map_err(|denied| Failure::denied(&permit, denied))?;
            }
        }
        let supervisor = self.supervisor.clone();
        let watch = JobWatch::begin(supervisor, &asked.job_id, asked.with_lines, asked.resume).await?;
        let followed = Followed { watch, permit, clock: self.supervisor.clock().clone() };
        Ok(watch::stream(followed, asked.heartbeat, self.gate.clone()))
    }
}

struct Followed {
    watch: JobWatch,
    permit: Permit,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Watched for Followed {
    type Message = pb::WatchJobResponse;

    async fn next(&mut self) -> Result<Option<pb::WatchJobResponse>, Failure> {
        let Some(updates) = self.watch.next().await? else { return Ok(None) };
        Ok(Some(self.message(item(&self.permit, updates))))
    }

    fn bookmark(&self, kind: Kind) -> pb::WatchJobResponse {
        self.message(Item::Bookmark(render::bookmark(kind, self.clock.now())))
    }

    /// Does nothing: nothing is buffered for the client, so it may pause.
    fn note_pause(&mut self, _paused: Duration) {}
}

impl Followed {
    fn message(&self, item: Item) -> pb::WatchJobResponse {
        pb::WatchJobResponse { cursor: self.watch.place().encode(), item: Some(item) }
    }
}

fn item(permit: &Permit, updates: JobUpdate) -> Item {
    match updates {
        JobUpdate::Job(job) => Item::Job(own_job(permit, *job)),
        JobUpdate::State(change) => Item::StateChange(render::job_state_change(change)),
        JobUpdate::Progress(progress) => Item::Progress(render::progress(progress)),
        JobUpdate::Lines { lines, dropped } => Item::LogEntries(render::lines(lines, dropped)),
    }
}

//! WatchJob: a job, followed to its end.
//!
//! The stream is pulled: while the client takes nothing, nothing is read or kept for it.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::domain::job::JobView;
use crate::domain::job_watch::{JobWatch, News};
use crate::error::SupervisorError;
use crate::grpc::gate::Gate;
use crate::grpc::parse;
use crate::grpc::proto as pb;
use crate::grpc::proto::bookmark::Kind;
use crate::grpc::proto::watch_job_response::Item;
use crate::grpc::render;
use crate::grpc::service::SupervisorService;
use crate::grpc::status::Failure;
use crate::ports::clock::Clock;

impl SupervisorService {
    /// Follows a job.
    pub(super) async fn follow_job(
        &self,
        request: pb::WatchJobRequest,
    ) -> Result<BoxStream<'static, Result<pb::WatchJobResponse, Status>>, Failure> {
        self.gate.enter()?;
        let asked = parse::watch_job(request)?;
        let supervisor = self.supervisor.clone();
        let watch = JobWatch::begin(supervisor, &asked.job_id, asked.with_lines, asked.resume).await?;
        let (clock, gate) = (self.supervisor.clock().clone(), self.gate.clone());
        let followed = Followed { watch, clock, gate, heartbeat: asked.heartbeat, last: None };
        Ok(unfold(Some(followed), step).boxed())
    }
}

struct Followed {
    watch: JobWatch,
    clock: Arc<dyn Clock>,
    gate: Gate,
    heartbeat: Duration,
    /// Comes after the last message.
    last: Option<Status>,
}

type Message = Result<pb::WatchJobResponse, Status>;

async fn step(followed: Option<Followed>) -> Option<(Message, Option<Followed>)> {
    let mut followed = followed?;
    if let Some(status) = followed.last.take() {
        return Some((Err(status), None));
    }
    let silent_until = Instant::now() + followed.heartbeat;
    let ending = followed.gate.ending.clone();
    let item = tokio::select! {
        biased;
        () = ending.cancelled() => {
            followed.last = Some(SupervisorError::ShuttingDown.into());
            followed.bookmark(Kind::Closing)
        }
        next = timeout_at(silent_until, followed.watch.next()) => match next {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(news))) => item(news),
            Ok(Err(error)) => return Some((Err(error.into()), None)),
            Err(_silence) => followed.bookmark(Kind::Heartbeat),
        },
    };
    let cursor = followed.watch.place().encode();
    Some((Ok(pb::WatchJobResponse { cursor, item: Some(item) }), Some(followed)))
}

impl Followed {
    fn bookmark(&self, kind: Kind) -> Item {
        let time = Some(render::timestamp(self.clock.now()));
        Item::Bookmark(pb::Bookmark { kind: kind.into(), time })
    }
}

fn item(news: News) -> Item {
    match news {
        News::Job(job) => Item::Job(render::job(*job, JobView::Basic)),
        News::Changed { old, new, attempt, error } => {
            Item::StateChange(render::job_state_change(old, new, attempt, error))
        }
        News::Progress(progress) => Item::Progress(render::progress(progress)),
        News::Lines { lines, dropped } => Item::LogEntries(render::lines(lines, dropped)),
    }
}

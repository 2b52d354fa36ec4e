//! WatchHealth.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use tonic::{Status, async_trait};

use crate::domain::actors::{ActorLifecycleManager, ActorSelector};
use crate::domain::events::watch::EventWatch;
use crate::grpc::parse;
use crate::grpc::render::{self, SNAPSHOT_MARK};
use crate::grpc::service::SupervisorService;
use crate::grpc::service::events::begin;
use crate::grpc::status::Failure;
use crate::grpc::watch::{self, Watched};
use crate::ports::clock::Clock;
use crate::ports::event_log::Logged;
use crate::proto as pb;
use crate::proto::bookmark::Kind;
use crate::proto::watch_health_response::Item;

impl SupervisorService {
    /// Opens a watch of the health of actors.
    pub(super) async fn follow_health(
        &self,
        request: pb::WatchHealthRequest,
    ) -> Result<BoxStream<'static, Result<pb::WatchHealthResponse, Status>>, Failure> {
        self.gate.enter()?;
        let asked = parse::watch_health(request)?;
        let hub = self.hub("WatchHealth")?;
        let (begin, snapshot) = begin(hub, &asked.filter, asked.begin).await?;
        let marked = snapshot || begin.is_none();
        let events = hub.watch(asked.filter, begin).await?;
        let reports =
            if snapshot { self.lifecycle.health_reports(&asked.selector).await? } else { Vec::new() };
        let reports = reports.into_iter().map(render::health_report).collect();
        let watched = FollowedHealth {
            events,
            reports,
            mark_due: marked,
            looked_at: None,
            selector: asked.selector,
            lifecycle: self.lifecycle.clone(),
            clock: self.supervisor.clock().clone(),
        };
        Ok(watch::stream(watched, asked.heartbeat, self.gate.clone()))
    }
}

struct FollowedHealth {
    events: EventWatch,
    reports: VecDeque<pb::HealthReport>,
    /// True until the bookmark at the end of the snapshot is sent.
    mark_due: bool,
    /// An event that was taken from the hub and not yet checked against the labels.
    looked_at: Option<Arc<Logged>>,
    selector: ActorSelector,
    lifecycle: ActorLifecycleManager,
    clock: Arc<dyn Clock>,
}

impl FollowedHealth {
    fn message(&self, item: Item) -> pb::WatchHealthResponse {
        let mark = if self.mark_due && !self.reports.is_empty() { SNAPSHOT_MARK } else { "" };
        let mut told = self.events.cursor().clone();
        if let Some(logged) = &self.looked_at {
            told.set(logged.stream, logged.position.before());
        }
        pb::WatchHealthResponse { cursor: format!("{mark}{}", told.encode()), item: Some(item) }
    }

    /// Returns true if the labels of the event's actor match. The filter has checked names and types already; labels
    /// are only in the definition.
    async fn has_the_labels(&self, logged: &Logged) -> bool {
        if self.selector.labels.is_empty() {
            return true;
        }
        let Some(id) = &logged.event.actor_id else { return false };
        // An actor that cannot be read now may match.
        self.lifecycle.actor(id).await.map_or(true, |actor| self.selector.matches(&actor))
    }
}

#[async_trait]
impl Watched for FollowedHealth {
    type Message = pb::WatchHealthResponse;

    async fn next(&mut self) -> Result<Option<Self::Message>, Failure> {
        if let Some(report) = self.reports.front().cloned() {
            let message = self.message(Item::Report(report));
            self.reports.pop_front();
            return Ok(Some(message));
        }
        if self.mark_due {
            self.mark_due = false;
            return Ok(Some(self.bookmark(Kind::SnapshotEnd)));
        }
        loop {
            let logged = match &self.looked_at {
                Some(logged) => Arc::clone(logged),
                None => self.events.next().await?,
            };
            let Some(event) = render::health_event(&logged.event) else { continue };
            // Kept in the watch, because this future may be dropped at the next await.
            self.looked_at = Some(Arc::clone(&logged));
            let wanted = self.has_the_labels(&logged).await;
            self.looked_at = None;
            if wanted {
                return Ok(Some(self.message(Item::Event(event))));
            }
        }
    }

    fn bookmark(&self, kind: Kind) -> Self::Message {
        self.message(Item::Bookmark(render::bookmark(kind, self.clock.now())))
    }

    fn note_pause(&mut self, paused: Duration) {
        self.events.note_pause(paused);
    }
}

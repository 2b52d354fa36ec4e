//! WatchEvents and ListEvents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::async_trait;

use crate::domain::access::{JobTarget, Permit, Role, Target};
use crate::domain::events::list::list;
use crate::domain::events::watch::{EventHub, EventRun, EventWatch, NextEvents, now};
use crate::domain::model::event::cursor::Cursor;
use crate::domain::model::event::filter::EventFilter;
use crate::domain::model::event::{Event, Topic};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::grpc::access::Sight;
use crate::grpc::framed_stream::{self, FrameStream, Frames};
use crate::grpc::page_token::PageToken;
use crate::grpc::parse::{self, Begin};
use crate::grpc::render::{self, SNAPSHOT_MARK};
use crate::grpc::response_size::FULL_BYTES;
use crate::grpc::service::SupervisorService;
use crate::grpc::service::snapshot::Snapshot;
use crate::grpc::service::usage::FollowedUsage;
use crate::grpc::status::Failure;
use crate::grpc::watch::{self, Watched};
use crate::ports::clock::Clock;
use crate::ports::event_log::Logged;
use crate::proto as pb;
use crate::proto::bookmark::Kind;
use crate::proto::watch_events_response::Item;

impl SupervisorService {
    /// Opens a watch of events.
    pub(super) async fn follow_events(
        &self,
        permit: Permit,
        request: pb::WatchEventsRequest,
    ) -> Result<FrameStream, Failure> {
        self.gate.enter()?;
        let asked = parse::watch_events(request)?;
        let hub = self.hub("WatchEvents")?;
        let view = self.event_view(permit, &asked.filter).await?;
        let permit = view.permit.clone();
        let (begin, snapshot) = begin(hub, &asked.filter, asked.begin).await?;
        let snapshot = snapshot.then(|| Snapshot::new(self, permit.clone(), asked.filter.clone()));
        let opening = match snapshot {
            Some(snapshot) => Opening::Snapshot(Box::new(snapshot)),
            None if begin.is_none() => Opening::Mark,
            None => Opening::Over,
        };
        let usage = FollowedUsage::new(asked.include_usage, self.lifecycle.usage(), &asked.filter, &permit);
        let events = hub.watch(asked.filter, begin).await?;
        let watched = FollowedEvents { events, usage, opening, view, clock: self.supervisor.clock().clone() };
        Ok(watch::stream(watched, asked.heartbeat, self.gate.clone()))
    }

    /// Reads a page of past events, the newest first.
    pub(super) async fn event_page(
        &self,
        permit: &Permit,
        request: pb::ListEventsRequest,
    ) -> Result<pb::ListEventsResponse, Failure> {
        let token = PageToken::of(&request);
        let asked = parse::list_events(request)?;
        let from = token.parse(|position| parse::event_page(position, &asked.filter))?;
        let mut events = Vec::new();
        let mut bytes = 0;
        let view = self.event_view(permit.clone(), &asked.filter).await?;
        let show = |logged: &Logged| {
            if !view.may_see(&logged.event) {
                return false;
            }
            let rendered = view.sight.event(render::event(logged));
            bytes += rendered.encoded_len();
            events.push(rendered);
            events.len() >= asked.limit || bytes >= FULL_BYTES
        };
        let next = list(self.hub("ListEvents")?.log().as_ref(), &asked.filter, from, show).await?;
        let next_page_token = next.map(|next| token.next(&next.encode())).unwrap_or_default();
        Ok(pb::ListEventsResponse { events, next_page_token })
    }

    /// Returns the view of a caller on the events of a filter.
    ///
    /// # Errors
    /// QUEUE_NOT_FOUND for a filter with a queue that does not exist; UNAVAILABLE.
    async fn event_view(&self, permit: Permit, filter: &EventFilter) -> Result<EventView, SupervisorError> {
        let named = filter.queues.iter().map(|queue| self.supervisor.typed_queue(*queue));
        let queues = futures::future::try_join_all(named).await?;
        let types = queues.into_iter().map(|queue| (queue.name, queue.script_type)).collect();
        Ok(EventView { sight: Sight::of(&permit), permit, types })
    }

    /// Returns the source of events.
    ///
    /// # Errors
    /// NOT_SUPPORTED on a server without an event log.
    pub(super) fn hub(&self, call: &'static str) -> Result<&EventHub, Failure> {
        self.hub.as_ref().ok_or_else(|| SupervisorError::NotSupported(call).into())
    }
}

/// Returns the cursor to begin after, and true if a snapshot comes first. The cursor is taken before the snapshot, so that no
/// event is lost in between.
pub(super) async fn begin(
    hub: &EventHub,
    filter: &EventFilter,
    begin: Begin,
) -> Result<(Option<Cursor>, bool), Failure> {
    match begin {
        Begin::Snapshot => Ok((Some(now(hub.log().as_ref(), filter).await?), true)),
        Begin::Now => Ok((None, false)),
        Begin::After(cursor) => Ok((Some(cursor), false)),
    }
}

/// The view of a caller on events.
struct EventView {
    permit: Permit,
    sight: Sight,
    /// The script types of the queues that the filter names: events of named queues do not tell them.
    types: BTreeMap<QueueName, ScriptType>,
}

impl EventView {
    /// Returns true if an event exists for the caller: one about a job that exists for it, and any other one for callers who see
    /// more than their own jobs. Whoever sees only those sees the queues of its script types, too.
    fn may_see(&self, event: &Event) -> bool {
        let permit = &self.permit;
        if permit.is_unlimited() {
            return true;
        }
        let script_type = event.script_type.or_else(|| self.types.get(&event.queue?).copied());
        let own_only = permit.decide(Target::Call).is_ok_and(|allowed| allowed.own_only);
        match event.kind.topic() {
            Topic::Job => script_type.is_some_and(|script_type| {
                // The event does not know the context of the job; that of nobody is open to all.
                let job = JobTarget { caller: &event.caller_id, context: "", script_type, actor: None };
                permit.decide(Target::Job(job)).is_ok()
            }),
            Topic::Queue if own_only => script_type.is_some_and(|script_type| {
                permit.identity().scopes.has_script_type(Role::Submitter, script_type)
            }),
            Topic::Actor | Topic::Health | Topic::Scaling | Topic::Queue | Topic::Server => !own_only,
        }
    }

    /// Returns true if the caller sees every event, and everything in it.
    fn sees_everything(&self) -> bool {
        self.permit.is_unlimited() && self.sight.sees_whole_events()
    }
}

/// The messages before the first event.
enum Opening {
    Snapshot(Box<Snapshot>),
    /// The bookmark SNAPSHOT_END.
    Mark,
    Over,
}

struct FollowedEvents {
    events: EventWatch,
    usage: FollowedUsage,
    opening: Opening,
    view: EventView,
    clock: Arc<dyn Clock>,
}

impl FollowedEvents {
    fn message(&self, item: Item) -> Frames {
        let mark = if matches!(self.opening, Opening::Snapshot(_)) { SNAPSHOT_MARK } else { "" };
        let cursor = format!("{mark}{}", self.events.cursor().encode());
        Frames::of(&pb::WatchEventsResponse { cursor, item: Some(item) })
    }
}

/// Waits for the next events; for many watches at once if they may see everything.
async fn next_events(events: &mut EventWatch, sees_everything: bool) -> Result<NextEvents, SupervisorError> {
    if sees_everything { events.next_events().await } else { events.next().await.map(NextEvents::One) }
}

/// Encodes a run for everybody who sees everything.
fn encode_run(run: &EventRun) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (cursor, logged) in run.events() {
        let item = Some(Item::Event(render::event(logged)));
        framed_stream::put(&pb::WatchEventsResponse { cursor: cursor.encode(), item }, &mut bytes);
    }
    bytes
}

#[async_trait]
impl Watched for FollowedEvents {
    type Message = Frames;

    async fn next(&mut self) -> Result<Option<Self::Message>, Failure> {
        if let Opening::Snapshot(snapshot) = &mut self.opening {
            if let Some(item) = snapshot.next().await? {
                let item = pb::SnapshotItem { item: Some(item) };
                return Ok(Some(self.message(Item::SnapshotItem(item))));
            }
            self.opening = Opening::Mark;
        }
        if matches!(self.opening, Opening::Mark) {
            self.opening = Opening::Over;
            return Ok(Some(self.bookmark(Kind::SnapshotEnd)));
        }
        loop {
            let sees_everything = self.view.sees_everything();
            let next = tokio::select! {
                usage = self.usage.next() => return Ok(Some(self.message(Item::Usage(usage)))),
                next = next_events(&mut self.events, sees_everything) => next?,
            };
            match next {
                NextEvents::Run(run) => return Ok(Some(Frames::of_encoded(run.encoded(encode_run)))),
                NextEvents::One(logged) if self.view.may_see(&logged.event) => {
                    return Ok(Some(
                        self.message(Item::Event(self.view.sight.event(render::event(&logged)))),
                    ));
                }
                NextEvents::One(_unseen) => {}
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

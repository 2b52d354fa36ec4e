//! `events --follow`: resumes after the last event when the connection or the server was lost.

use std::collections::BTreeSet;
use std::convert::Infallible;

use tonic::{Request, Streaming};

use super::{EventsArgs, SHOWN_FIRST, Server, past, print};
use crate::cli::values::to_proto;
use crate::cli::watch_loop::{self, End, HEARTBEAT, ResumableWatch};
use crate::cli::{ClientArgs, Exit, Failure};
use crate::proto::watch_events_response::Item;
use crate::proto::{WatchEventsRequest, WatchEventsResponse};

/// State between two connections.
struct Follower {
    client: ClientArgs,
    args: EventsArgs,
    cursor: String,
    /// Past events that were shown and may come again at the beginning of the watch.
    shown: BTreeSet<String>,
}

pub(super) async fn run(client: ClientArgs, args: EventsArgs) -> Result<Exit, Failure> {
    watch_loop::watch(Follower { client, args, cursor: String::new(), shown: BTreeSet::new() }).await
}

impl ResumableWatch for Follower {
    fn client(&self) -> &ClientArgs {
        &self.client
    }

    fn cursor(&mut self) -> &mut String {
        &mut self.cursor
    }

    async fn follow(&mut self, server: &mut Server) -> Result<Infallible, End> {
        let fresh = self.cursor.is_empty();
        let mut watch = server.watch_events(Request::new(self.request())).await?.into_inner();
        if fresh && self.shown.is_empty() {
            // The watch has begun, so no event is lost in between; one that comes twice is shown once.
            self.message(&mut watch).await?;
            let limit = self.args.limit.unwrap_or(SHOWN_FIRST);
            let past = past(server, &self.args, limit).await.map_err(End::Failed)?;
            for event in past.events.iter().rev() {
                print(self.client.printer(), event).map_err(End::Failed)?;
                self.shown.insert(event.event_id.clone());
            }
        }
        loop {
            self.message(&mut watch).await?;
        }
    }
}

impl Follower {
    async fn message(&mut self, watch: &mut Streaming<WatchEventsResponse>) -> Result<(), End> {
        let message = watch_loop::next(watch).await?;
        self.cursor = message.cursor;
        if let Some(Item::Event(event)) = message.item
            && !self.shown.remove(&event.event_id)
        {
            print(self.client.printer(), &event).map_err(End::Failed)?;
        }
        Ok(())
    }

    fn request(&self) -> WatchEventsRequest {
        let args = &self.args;
        WatchEventsRequest {
            topics: args.topics.iter().copied().map(i32::from).collect(),
            script_types: args.types.iter().copied().map(i32::from).collect(),
            queues: args.queues.iter().map(ToString::to_string).collect(),
            actor_ids: args.actors.clone(),
            job_ids: args.jobs.clone(),
            caller_id: args.caller.clone().unwrap_or_default(),
            min_severity: args.severity.map_or(0, i32::from),
            include_snapshot: Some(false),
            resume_after: self.cursor.clone(),
            heartbeat_interval: to_proto(HEARTBEAT),
            include_usage: false,
        }
    }
}

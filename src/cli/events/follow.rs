//! `events --follow`: goes on by itself behind the last event when the connection or the server was gone.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::{Code, Request, Status, Streaming};

use super::{EventsArgs, SHOWN_FIRST, Server, past, print};
use crate::cli::exit::code_of;
use crate::cli::output::say;
use crate::cli::values::to_proto;
use crate::cli::{Exit, Failure};
use crate::domain::backoff::Backoff;
use crate::grpc::proto::watch_events_response::Item;
use crate::grpc::proto::{WatchEventsRequest, WatchEventsResponse};

/// What is asked of the server; a longer silence means that it is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
const LONGEST_SILENCE: Duration = Duration::from_secs(45);
/// Between two tries to get to the server again.
const RETRY: Backoff = Backoff { initial: Duration::from_millis(250), max: Duration::from_secs(5) };

/// How a watch ended.
enum End {
    /// It can go on behind the last cursor.
    Lost(String),
    /// It cannot: what came behind the cursor is gone.
    Expired,
    Failed(Failure),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        match code_of(&status) {
            Code::OutOfRange => Self::Expired,
            Code::Unavailable | Code::Aborted | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded => {
                Self::Lost(status.message().to_owned())
            }
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => Self::Failed(status.into()),
        }
    }
}

/// What is known between two connections.
struct Follower {
    args: EventsArgs,
    cursor: String,
    /// Past events that were shown, which may come again at the beginning of the watch.
    shown: BTreeSet<String>,
}

pub(super) async fn run(args: EventsArgs) -> Result<Exit, Failure> {
    // The first connection has to work; later ones are waited for.
    let mut server = Some(args.client.connect().await?);
    let mut follower = Follower { args, cursor: String::new(), shown: BTreeSet::new() };
    let mut failures = 0_u32;
    loop {
        let (server, before) = match server.take() {
            Some(server) => (Ok(server), follower.cursor.clone()),
            None => (follower.args.client.connect().await, follower.cursor.clone()),
        };
        let end = match server {
            Ok(mut server) => match follower.follow(&mut server).await {
                Ok(never) => match never {},
                Err(end) => end,
            },
            Err(failure) => End::Lost(failure.message),
        };
        if follower.cursor != before {
            failures = 0;
        }
        match end {
            End::Failed(failure) => return Err(failure),
            End::Expired => {
                say("some events are no longer kept and were missed; going on with what is new");
                follower.cursor.clear();
            }
            End::Lost(why) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    say(&format!("the connection is lost and will be taken up again: {why}"));
                }
                sleep(RETRY.delay(failures, fastrand::f64())).await;
            }
        }
    }
}

impl Follower {
    async fn follow(&mut self, server: &mut Server) -> Result<std::convert::Infallible, End> {
        let fresh = self.cursor.is_empty();
        let mut watch = server.watch_events(Request::new(self.request())).await?.into_inner();
        if fresh && self.shown.is_empty() {
            // The watch has begun, so nothing can fall in between; what comes twice is shown once.
            self.message(&mut watch).await?;
            let limit = self.args.limit.unwrap_or(SHOWN_FIRST);
            let past = past(server, &self.args, limit).await.map_err(End::Failed)?;
            for event in past.events.iter().rev() {
                print(self.args.client.printer(), event).map_err(End::Failed)?;
                self.shown.insert(event.event_id.clone());
            }
        }
        loop {
            self.message(&mut watch).await?;
        }
    }

    async fn message(&mut self, watch: &mut Streaming<WatchEventsResponse>) -> Result<(), End> {
        let next = timeout(LONGEST_SILENCE, watch.message()).await;
        let message = match next {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => return Err(End::Lost("the server has ended the watch".to_owned())),
            Ok(Err(status)) => return Err(status.into()),
            Err(_silence) => return Err(End::Lost("the server says nothing any more".to_owned())),
        };
        self.cursor = message.cursor;
        if let Some(Item::Event(event)) = message.item
            && !self.shown.remove(&event.event_id)
        {
            print(self.args.client.printer(), &event).map_err(End::Failed)?;
        }
        Ok(())
    }

    fn request(&self) -> WatchEventsRequest {
        let args = &self.args;
        WatchEventsRequest {
            topics: args.topics.iter().copied().map(i32::from).collect(),
            script_types: args.types.iter().copied().map(i32::from).collect(),
            actor_ids: args.actors.clone(),
            job_ids: args.jobs.clone(),
            caller_id: args.caller.clone().unwrap_or_default(),
            min_severity: args.severity.map_or(0, i32::from),
            include_snapshot: Some(false),
            resume_after: self.cursor.clone(),
            heartbeat_interval: to_proto(HEARTBEAT),
        }
    }
}

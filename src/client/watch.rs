//! Watches that go on by themselves behind their last message.

use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::time::timeout;
use tonic::{Response, Status, Streaming};

use super::connection::Connection;
use super::delays::Delays;
use super::{Client, ClientError, Disposition};
use crate::proto::supervisor_client::SupervisorClient;
use crate::proto::{
    Bookmark, WatchEventsRequest, WatchEventsResponse, WatchHealthRequest, WatchHealthResponse, bookmark,
    watch_events_response, watch_health_response,
};

/// What the server keeps to if it is not asked for something else.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A watch that is silent for so many heartbeats has lost its server.
const SILENT_HEARTBEATS: u32 = 3;

impl Client {
    /// Follows what happens, until the stream is dropped. It goes on by itself behind the last message when the connection is
    /// lost, the server restarted, or this reader was too slow: nothing is left out, nothing comes twice.
    ///
    /// Only if the server no longer keeps what came after the last message, it begins anew with a snapshot, up to a bookmark
    /// SNAPSHOT_END; that is how to notice it. An error that a repeat does not cure is the last item.
    pub fn watch_events(
        &self,
        request: WatchEventsRequest,
    ) -> BoxStream<'static, Result<WatchEventsResponse, ClientError>> {
        follow(self, request)
    }

    /// Follows the health of actors as [`Client::watch_events`] follows events.
    pub fn watch_health(
        &self,
        request: WatchHealthRequest,
    ) -> BoxStream<'static, Result<WatchHealthResponse, ClientError>> {
        follow(self, request)
    }
}

/// What both watches have in common.
#[tonic::async_trait]
trait Watch: Clone + Send + Sync + 'static {
    type Message: Send + 'static;

    async fn open(
        self,
        calls: &mut SupervisorClient<Connection>,
    ) -> Result<Response<Streaming<Self::Message>>, Status>;
    fn cursor_of(message: &Self::Message) -> &str;
    fn bookmark_of(message: &Self::Message) -> Option<&Bookmark>;
    fn begins_with_snapshot(&self) -> bool;
    fn heartbeat(&self) -> Option<Duration>;
    fn behind(&mut self, cursor: &str);
    fn anew(&mut self);
}

macro_rules! watch {
    ($request:ty, $message:ty, $call:ident, $item:ident) => {
        #[tonic::async_trait]
        impl Watch for $request {
            type Message = $message;

            async fn open(
                self,
                calls: &mut SupervisorClient<Connection>,
            ) -> Result<Response<Streaming<$message>>, Status> {
                calls.$call(self).await
            }

            fn cursor_of(message: &$message) -> &str {
                &message.cursor
            }

            fn bookmark_of(message: &$message) -> Option<&Bookmark> {
                match &message.item {
                    Some($item::Item::Bookmark(mark)) => Some(mark),
                    Some(_) | None => None,
                }
            }

            fn begins_with_snapshot(&self) -> bool {
                self.resume_after.is_empty() && self.include_snapshot.unwrap_or(true)
            }

            fn heartbeat(&self) -> Option<Duration> {
                Duration::try_from(self.heartbeat_interval?).ok()
            }

            fn behind(&mut self, cursor: &str) {
                cursor.clone_into(&mut self.resume_after);
                self.include_snapshot = None;
            }

            fn anew(&mut self) {
                self.resume_after.clear();
                self.include_snapshot = Some(true);
            }
        }
    };
}

watch!(WatchEventsRequest, WatchEventsResponse, watch_events, watch_events_response);
watch!(WatchHealthRequest, WatchHealthResponse, watch_health, watch_health_response);

struct Following<W: Watch> {
    calls: SupervisorClient<Connection>,
    /// How to go on.
    request: W,
    /// A snapshot that breaks off is asked for again as a whole: its cursors do not say how far it came.
    in_snapshot: bool,
    silence: Duration,
    delays: Delays,
    stream: Option<Streaming<W::Message>>,
    over: bool,
}

fn follow<W: Watch>(client: &Client, request: W) -> BoxStream<'static, Result<W::Message, ClientError>> {
    let following = Following {
        calls: client.calls(),
        in_snapshot: request.begins_with_snapshot(),
        silence: request.heartbeat().unwrap_or(HEARTBEAT) * SILENT_HEARTBEATS,
        request,
        delays: Delays::default(),
        stream: None,
        over: false,
    };
    unfold(following, async |mut following| {
        let next = following.next().await?;
        following.over = next.is_err();
        Some((next, following))
    })
    .boxed()
}

impl<W: Watch> Following<W> {
    async fn next(&mut self) -> Option<Result<W::Message, ClientError>> {
        while !self.over {
            let error = match self.receive().await {
                Ok(Some(message)) => {
                    self.note(&message);
                    return Some(Ok(message));
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            self.stream = None;
            let retry_after = match error {
                None => Duration::ZERO,
                Some(error) => match error.disposition() {
                    Disposition::Retry | Disposition::Resume => error.retry_after,
                    Disposition::Restart => {
                        self.request.anew();
                        self.in_snapshot = true;
                        error.retry_after
                    }
                    Disposition::Final => return Some(Err(error)),
                },
            };
            self.delays.wait(retry_after, None).await;
        }
        None
    }

    /// The next message; None when the server has ended the call, or says nothing any more.
    async fn receive(&mut self) -> Result<Option<W::Message>, ClientError> {
        let silence = self.silence;
        let received = timeout(silence, async {
            let stream = match &mut self.stream {
                Some(open) => open,
                none => none.insert(self.request.clone().open(&mut self.calls).await?.into_inner()),
            };
            stream.message().await
        });
        match received.await {
            Ok(received) => Ok(received?),
            Err(_silence) => Ok(None),
        }
    }

    fn note(&mut self, message: &W::Message) {
        self.delays.reset();
        if W::bookmark_of(message).is_some_and(|mark| mark.kind() == bookmark::Kind::SnapshotEnd) {
            self.in_snapshot = false;
        }
        let cursor = W::cursor_of(message);
        if !self.in_snapshot && !cursor.is_empty() {
            self.request.behind(cursor);
        }
    }
}

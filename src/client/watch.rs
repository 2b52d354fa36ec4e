//! Watches that resume after their last message.

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

/// Default heartbeat interval of the server.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Number of silent heartbeats after which the server counts as lost.
const SILENT_HEARTBEATS: u32 = 3;

impl Client {
    /// Follows events until the stream is dropped. The watch resumes after the last message when the connection is
    /// lost, the server restarted, or the reader was too slow: no event is missing, and none comes twice.
    ///
    /// If the server no longer keeps the events after the last message, the watch begins again with a snapshot, up to
    /// a bookmark SNAPSHOT_END. An error that a repeat does not cure is the last item.
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

/// The common parts of both watches.
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
    /// The request of the next connection.
    request: W,
    /// True during a snapshot. An interrupted snapshot is requested again as a whole, because its cursors have no
    /// position in it.
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

    /// Waits for the next message; None when the server has ended the call or is silent.
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

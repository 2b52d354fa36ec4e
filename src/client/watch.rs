//! Streams that resume after their last message.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt, unfold};
use tokio::time::timeout;
use tonic::{Response, Status, Streaming};

use super::connection::Connection;
use super::wait::Wait;
use super::{Client, ClientError, Disposition};
use crate::proto::supervisor_client::SupervisorClient;
use crate::proto::{
    Bookmark, LogEntry, StreamActorLogsRequest, StreamActorLogsResponse, WatchEventsRequest,
    WatchEventsResponse, WatchHealthRequest, WatchHealthResponse, WatchJobRequest, WatchJobResponse,
    bookmark, job, watch_events_response, watch_health_response, watch_job_response,
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
        follow(self, "events", Snapshots::<WatchEventsRequest>::of(request))
    }

    /// Follows the health of actors as [`Client::watch_events`] follows events.
    pub fn watch_health(
        &self,
        request: WatchHealthRequest,
    ) -> BoxStream<'static, Result<WatchHealthResponse, ClientError>> {
        follow(self, "health", Snapshots::<WatchHealthRequest>::of(request))
    }

    /// Returns what an actor wrote, the oldest line first: the last 100 lines unless the request says otherwise. With `follow` it
    /// goes on with new lines until the stream is dropped, over lost connections and restarts of the server. Lines that a
    /// slow reader misses are left out; the call StreamActorLogs counts them.
    pub fn actor_logs(
        &self,
        request: StreamActorLogsRequest,
    ) -> BoxStream<'static, Result<LogEntry, ClientError>> {
        let subject = format!("actor {}", request.actor_id);
        lines(follow(self, subject, request), |message| message.entries)
    }

    /// Follows one job to its end.
    pub(super) fn watch_job(
        &self,
        request: WatchJobRequest,
    ) -> BoxStream<'static, Result<WatchJobResponse, ClientError>> {
        let subject = format!("job {}", request.job_id);
        follow(self, subject, JobWatch { request, ended: false })
    }
}

/// Returns the lines of messages that have some.
pub(super) fn lines<M: Send + 'static>(
    messages: BoxStream<'static, Result<M, ClientError>>,
    of: impl Fn(M) -> Vec<LogEntry> + Send + 'static,
) -> BoxStream<'static, Result<LogEntry, ClientError>> {
    messages
        .map_ok(move |message| stream::iter(of(message).into_iter().map(Ok::<_, ClientError>)))
        .try_flatten()
        .boxed()
}

/// One kind of stream, with the request of the next connection.
#[tonic::async_trait]
trait Watch: Send + Sync + 'static {
    type Message: Send + 'static;

    async fn open(
        &self,
        calls: &mut SupervisorClient<Connection>,
    ) -> Result<Response<Streaming<Self::Message>>, Status>;
    /// Notes a message before the reader gets it.
    fn note(&mut self, message: &Self::Message);
    /// Begins again when what follows the last message is no longer kept. False if that is an error.
    fn anew(&mut self) -> bool {
        false
    }
    /// Returns true if the end of a call is that of the stream.
    fn is_over(&self) -> bool {
        false
    }
    /// Silence after which the server counts as lost; None where there are no heartbeats.
    fn silence(&self) -> Option<Duration>;
}

fn silence_of(heartbeat: Option<prost_types::Duration>) -> Duration {
    let asked = heartbeat.and_then(|heartbeat| Duration::try_from(heartbeat).ok());
    asked.unwrap_or(HEARTBEAT) * SILENT_HEARTBEATS
}

/// A watch that begins with a snapshot.
struct Snapshots<R> {
    request: R,
    /// True during a snapshot. An interrupted snapshot is requested again as a whole, because its cursors have no
    /// position in it.
    in_snapshot: bool,
}

macro_rules! watch_with_snapshot {
    ($request:ty, $message:ty, $call:ident, $item:ident) => {
        impl Snapshots<$request> {
            fn of(request: $request) -> Self {
                let in_snapshot =
                    request.resume_after.is_empty() && request.include_snapshot.unwrap_or(true);
                Self { request, in_snapshot }
            }
        }

        #[tonic::async_trait]
        impl Watch for Snapshots<$request> {
            type Message = $message;

            async fn open(
                &self,
                calls: &mut SupervisorClient<Connection>,
            ) -> Result<Response<Streaming<$message>>, Status> {
                calls.$call(self.request.clone()).await
            }

            fn note(&mut self, message: &$message) {
                let ends = |mark: &Bookmark| mark.kind() == bookmark::Kind::SnapshotEnd;
                if matches!(&message.item, Some($item::Item::Bookmark(mark)) if ends(mark)) {
                    self.in_snapshot = false;
                }
                if !self.in_snapshot && !message.cursor.is_empty() {
                    self.request.resume_after.clone_from(&message.cursor);
                    self.request.include_snapshot = None;
                }
            }

            fn anew(&mut self) -> bool {
                self.request.resume_after.clear();
                self.request.include_snapshot = Some(true);
                self.in_snapshot = true;
                true
            }

            fn silence(&self) -> Option<Duration> {
                Some(silence_of(self.request.heartbeat_interval))
            }
        }
    };
}

watch_with_snapshot!(WatchEventsRequest, WatchEventsResponse, watch_events, watch_events_response);
watch_with_snapshot!(WatchHealthRequest, WatchHealthResponse, watch_health, watch_health_response);

/// A watch of one job, which is over with the job.
struct JobWatch {
    request: WatchJobRequest,
    ended: bool,
}

#[tonic::async_trait]
impl Watch for JobWatch {
    type Message = WatchJobResponse;

    async fn open(
        &self,
        calls: &mut SupervisorClient<Connection>,
    ) -> Result<Response<Streaming<WatchJobResponse>>, Status> {
        calls.watch_job(self.request.clone()).await
    }

    fn note(&mut self, message: &WatchJobResponse) {
        if !message.cursor.is_empty() {
            self.request.resume_after.clone_from(&message.cursor);
        }
        if let Some(watch_job_response::Item::Job(job)) = &message.item {
            self.ended = has_ended(job.state());
        }
    }

    fn is_over(&self) -> bool {
        self.ended
    }

    fn silence(&self) -> Option<Duration> {
        Some(silence_of(self.request.heartbeat_interval))
    }
}

fn has_ended(state: job::State) -> bool {
    match state {
        job::State::Succeeded | job::State::Failed | job::State::Cancelled => true,
        job::State::Unspecified
        | job::State::Scheduled
        | job::State::Blocked
        | job::State::Queued
        | job::State::Running
        | job::State::RetryWait => false,
    }
}

#[tonic::async_trait]
impl Watch for StreamActorLogsRequest {
    type Message = StreamActorLogsResponse;

    async fn open(
        &self,
        calls: &mut SupervisorClient<Connection>,
    ) -> Result<Response<Streaming<StreamActorLogsResponse>>, Status> {
        calls.stream_actor_logs(self.clone()).await
    }

    fn note(&mut self, message: &StreamActorLogsResponse) {
        if !message.cursor.is_empty() {
            self.resume_after.clone_from(&message.cursor);
        }
    }

    fn is_over(&self) -> bool {
        !self.follow
    }

    fn silence(&self) -> Option<Duration> {
        None
    }
}

struct Following<W: Watch> {
    calls: SupervisorClient<Connection>,
    watch: W,
    wait: Wait,
    stream: Option<Streaming<W::Message>>,
    over: bool,
}

fn follow<W: Watch>(
    client: &Client,
    subject: impl Into<String>,
    watch: W,
) -> BoxStream<'static, Result<W::Message, ClientError>> {
    let wait = Wait::new(client, subject, None);
    let following = Following { calls: client.calls(), watch, wait, stream: None, over: false };
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
                    self.wait.succeeded();
                    self.watch.note(&message);
                    return Some(Ok(message));
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            self.stream = None;
            let Some(error) = error else {
                if self.watch.is_over() {
                    return None;
                }
                self.wait.pause(Duration::ZERO).await;
                continue;
            };
            match error.disposition() {
                Disposition::Retry | Disposition::Resume => {
                    if let Err(failed_fast) = self.wait.pause_after(error).await {
                        return Some(Err(failed_fast));
                    }
                }
                Disposition::Restart if self.watch.anew() => self.wait.pause(error.retry_after).await,
                Disposition::Restart | Disposition::Final => return Some(Err(error)),
            }
        }
        None
    }

    /// Waits for the next message; None when the server has ended the call or is silent.
    async fn receive(&mut self) -> Result<Option<W::Message>, ClientError> {
        let silence = self.watch.silence();
        let received = async {
            let stream = match &mut self.stream {
                Some(open) => open,
                none => none.insert(self.watch.open(&mut self.calls).await?.into_inner()),
            };
            stream.message().await
        };
        let received = match silence {
            Some(silence) => timeout(silence, received).await,
            None => Ok(received.await),
        };
        match received {
            Ok(received) => Ok(received?),
            Err(_silence) => Ok(None),
        }
    }
}

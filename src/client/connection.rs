//! What calls go through on their way to the server: reads are repeated while it is away, and a deadline holds for all that a call
//! takes, up to the end of its answer.

use std::task::{Context, Poll};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures::TryStreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::try_unfold;
use http_body_util::{BodyExt, BodyStream, Full, Limited, StreamBody};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{Request, Response, StatusCode};
use tonic::codegen::{Bytes, StdError};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use super::error::is_timeout;
use crate::grpc_timeout;

/// Calls that may be repeated without harm; the clients of all languages repeat the same.
const READS: [&str; 9] = [
    "/hero.supervisor.v1.Supervisor/GetServerInfo",
    "/hero.supervisor.v1.Supervisor/GetActor",
    "/hero.supervisor.v1.Supervisor/ListActors",
    "/hero.supervisor.v1.Supervisor/GetScriptType",
    "/hero.supervisor.v1.Supervisor/ListScriptTypes",
    "/hero.supervisor.v1.Supervisor/AwaitJob",
    "/hero.supervisor.v1.Supervisor/GetJob",
    "/hero.supervisor.v1.Supervisor/ListJobs",
    "/hero.supervisor.v1.Supervisor/ListEvents",
];
/// Four tries in all.
const REPEATS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(2))
    .with_factor(2.0)
    .with_max_times(3)
    .with_jitter();
/// The server takes no longer message.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// The way to a server, for other services on it, too: `HealthClient::new(client.connection())`. A cheap clone; all
/// clones share one connection.
///
/// Calls of the supervisor that only read are repeated up to three times, after 0.2 s, 0.4 s and 0.8 s or up to twice as
/// much, while the server is away (UNAVAILABLE). A deadline of a call (`Request::set_timeout`) holds for all tries together
/// and for all of the answer: a stream ends with it, too.
#[derive(Debug, Clone)]
pub struct Connection<S = Channel> {
    server: S,
}

impl<S> Connection<S> {
    pub(super) fn new(server: S) -> Self {
        Self { server }
    }
}

impl<S> Service<Request<Body>> for Connection<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: Into<StdError>,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<'static, Answer>;

    /// Each try waits for the server by itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let timeout = grpc_timeout::of(request.headers());
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let server = self.server.clone();
        let answer = if READS.contains(&request.uri().path()) {
            repeated(server, request, deadline).boxed()
        } else {
            server.oneshot(request).map(|answer| answer.map_err(Into::into)).boxed()
        };
        match deadline {
            // Our timer and not that of the channel, which begins when the connection is there.
            Some(deadline) => within(deadline, answer).boxed(),
            None => answer,
        }
    }
}

type Answer = Result<Response<Body>, StdError>;

async fn within(deadline: Instant, answer: impl Future<Output = Answer>) -> Answer {
    match timeout_at(deadline, answer).await {
        Ok(answer) => answer.map(|answer| answer.map(|body| in_time(body, deadline))),
        Err(_elapsed) => Err(too_late().into()),
    }
}

/// The same body, which fails if it is not at its end in time.
fn in_time(body: Body, deadline: Instant) -> Body {
    let frames = try_unfold(BodyStream::new(body), move |mut frames| async move {
        let next = timeout_at(deadline, frames.try_next()).await;
        let next = next.map_err(|_elapsed| too_late())??;
        Ok::<_, Status>(next.map(|frame| (frame, frames)))
    });
    Body::new(StreamBody::new(frames))
}

fn too_late() -> Status {
    Status::deadline_exceeded("the server did not answer in time")
}

/// Asks until the server is there, or was away for the last time.
async fn repeated<S>(server: S, request: Request<Body>, deadline: Option<Instant>) -> Answer
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Error: Into<StdError>,
{
    let (head, body) = request.into_parts();
    let message = Limited::new(body, MAX_REQUEST_BYTES).collect().await;
    let message = message.map_err(|error| Status::resource_exhausted(error.to_string()))?.to_bytes();
    let ask = move || {
        let asked = server.clone().oneshot(again(&head, &message, deadline));
        async move {
            let answer = asked.await.map_err(Into::into);
            // Boxed, because an answer is large for an error.
            if is_away(&answer) { Err(Box::new(answer)) } else { Ok(answer) }
        }
    };
    ask.retry(REPEATS).await.unwrap_or_else(|away| *away)
}

/// The same request with what is left of its time.
fn again(head: &Parts, message: &Bytes, deadline: Option<Instant>) -> Request<Body> {
    let mut request = Request::from_parts(head.clone(), Body::new(Full::new(message.clone())));
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        request.headers_mut().extend(grpc_timeout::headers(left));
    }
    request
}

/// Whether an answer says UNAVAILABLE, or none came because the connection could not be made or was lost.
fn is_away(answer: &Answer) -> bool {
    match answer {
        Ok(response) => match response.headers().get("grpc-status") {
            Some(code) => Code::from_bytes(code.as_bytes()) == Code::Unavailable,
            // A proxy that has no server behind it, in the words of HTTP.
            None => matches!(
                response.status(),
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
        },
        Err(error) => !is_timeout(error.as_ref()),
    }
}

#[cfg(test)]
mod tests;

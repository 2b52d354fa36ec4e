//! The path of calls to the server: reads are repeated while the server or the way to it is away, and a deadline covers
//! the whole call, up to the end of the response.

use std::task::{Context, Poll};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures::TryStreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::try_unfold;
use http_body_util::{BodyExt, BodyStream, Full, LengthLimitError, Limited, StreamBody};
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{Request, Response, StatusCode};
use tonic::codegen::{Bytes, StdError};
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

use super::ClientError;
use super::authorized::{Authorized, Credentials};
use super::error::is_timeout;
use crate::grpc_timeout;

/// Calls that can be repeated without harm; the clients of all languages repeat the same ones.
const READS: [&str; 15] = [
    "/hero.supervisor.v1.Supervisor/GetServerInfo",
    "/hero.supervisor.v1.Supervisor/GetActor",
    "/hero.supervisor.v1.Supervisor/ListActors",
    "/hero.supervisor.v1.Supervisor/GetScriptType",
    "/hero.supervisor.v1.Supervisor/GetQueue",
    "/hero.supervisor.v1.Supervisor/ListQueues",
    "/hero.supervisor.v1.Supervisor/ListNodes",
    "/hero.supervisor.v1.Supervisor/ListScriptTypes",
    "/hero.supervisor.v1.Supervisor/AwaitJob",
    "/hero.supervisor.v1.Supervisor/GetJob",
    "/hero.supervisor.v1.Supervisor/ExplainJob",
    "/hero.supervisor.v1.Supervisor/ListJobs",
    "/hero.supervisor.v1.Supervisor/ListEvents",
    "/hero.supervisor.v1.Supervisor/ListIdentities",
    "/hero.supervisor.v1.Supervisor/ListAuditEntries",
];
/// Delays between four attempts.
const REPEATS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(2))
    .with_factor(2.0)
    .with_max_times(3)
    .with_jitter();
/// Largest request that the server accepts, in bytes.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Largest response in bytes: a page of jobs may carry results of 1 MiB each.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

/// The connection to a server, also for its other services: `HealthClient::new(client.connection())`. Clones are
/// cheap and share one connection.
///
/// Reading calls of the supervisor are repeated up to three times while the server or the way to it is away (UNAVAILABLE,
/// or CANCELLED, INTERNAL or UNKNOWN without a reason), wherever the call has broken off: after 0.2 s, 0.4 s and 0.8 s, or
/// up to twice as long. A deadline of a call (`Request::set_timeout`) covers all
/// attempts and the whole response, so a stream ends with it.
#[derive(Debug, Clone)]
pub struct Connection<S = Channel> {
    server: Authorized<S>,
    /// True if reads are repeated.
    repeats: bool,
}

impl<S> Connection<S> {
    pub(super) fn new(server: S, credentials: Credentials) -> Self {
        Self { server: Authorized::new(server, credentials), repeats: true }
    }

    /// The same for callers who repeat all their calls themselves.
    pub(super) fn without_repeats(self) -> Self {
        Self { repeats: false, ..self }
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

    /// Each attempt waits for readiness itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let timeout = grpc_timeout::of(request.headers());
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let server = self.server.clone();
        let answer = if self.repeats && READS.contains(&request.uri().path()) {
            repeated(server, request, deadline).boxed()
        } else {
            server.oneshot(request).map(|answer| answer.map_err(Into::into)).boxed()
        };
        match deadline {
            // Not the timer of the channel, which starts only once the connection is open.
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

/// A response body that fails at the deadline.
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

/// Repeats a request until the server answers or the attempts are used up.
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
            let asked: Answer = asked.await.map_err(Into::into);
            let (answer, away) = match asked {
                Ok(response) => whole(response).await,
                Err(error) => lost(error),
            };
            // Boxed, because a response is large for an error type.
            if away { Err(Box::new(answer)) } else { Ok(answer) }
        }
    };
    ask.retry(REPEATS).await.unwrap_or_else(|away| *away)
}

/// Returns a copy of the request with the rest of its time.
fn again(head: &Parts, message: &Bytes, deadline: Option<Instant>) -> Request<Body> {
    let mut request = Request::from_parts(head.clone(), Body::new(Full::new(message.clone())));
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        request.headers_mut().extend(grpc_timeout::headers(left));
    }
    request
}

/// Waits for the whole response, which can break off behind its head. Returns true with it if the server, or the way to it,
/// is away.
async fn whole(response: Response<Body>) -> (Answer, bool) {
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, MAX_MESSAGE_BYTES).collect().await {
        Ok(body) => body,
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the answer is larger than {MAX_MESSAGE_BYTES} bytes");
            return (Ok(Status::out_of_range(message).into_http()), false);
        }
        Err(error) => return lost(error),
    };
    let trailers = body.trailers().cloned();
    let told = Status::from_header_map(&head.headers)
        .or_else(|| trailers.as_ref().and_then(Status::from_header_map));
    let away = match told {
        Some(status) => ClientError::from(status).is_away(),
        // A proxy without a reachable server answers so in HTTP.
        None => matches!(
            head.status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
    };
    let body = Full::new(body.to_bytes()).with_trailers(async { trailers.map(Ok) });
    (Ok(Response::from_parts(head, Body::new(body))), away)
}

/// A connection that failed or was lost.
fn lost(error: StdError) -> (Answer, bool) {
    let away = !is_timeout(error.as_ref());
    (Err(error), away)
}

#[cfg(test)]
mod tests;

//! The longest wait of a call, and the response at its deadline.
//!
//! The end of a wait is no error, so the response must be sent before the deadline of the caller. tonic answers a
//! passed deadline with CANCELLED; [`DeadlineLayer`] is slightly earlier and answers with DEADLINE_EXCEEDED.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, Either, FutureExt};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::metadata::MetadataMap;
use tower::{Layer, Service};

use crate::error::SupervisorError;
use crate::grpc::status::Failure;
use crate::grpc_timeout;

/// Longest wait of one call, below the idle limits of proxies.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(600);
/// The wait of a call without max_wait and without a deadline.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// Lower bound of the time reserved for sending the response.
const LEAST_MARGIN: Duration = Duration::from_millis(50);
/// Upper bound of the time reserved for sending the response.
const LARGEST_MARGIN: Duration = Duration::from_secs(1);
/// Time by which DEADLINE_EXCEEDED precedes tonic's CANCELLED; a tenth of the deadline if that is less.
const HEAD_START: Duration = Duration::from_millis(5);

/// Returns the longest wait: the least of `max_wait`, the time left of the deadline less a margin, and ten minutes.
pub(crate) fn effective_wait(max_wait: Option<Duration>, time_left: Option<Duration>) -> Duration {
    let usable = time_left.map(|left| left.saturating_sub((left / 10).clamp(LEAST_MARGIN, LARGEST_MARGIN)));
    let wanted = match (max_wait, usable) {
        (Some(max_wait), Some(usable)) => max_wait.min(usable),
        (Some(max_wait), None) => max_wait,
        (None, Some(usable)) => usable,
        (None, None) => DEFAULT_WAIT,
    };
    wanted.min(MAX_WAIT)
}

/// Returns the time from the arrival of the call to its deadline; None without a deadline.
pub(crate) fn time_left(metadata: &MetadataMap) -> Option<Duration> {
    grpc_timeout::parse(metadata.get(grpc_timeout::HEADER)?.to_str().ok()?)
}

/// Answers a call with DEADLINE_EXCEEDED at its deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// The service of [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Deadline<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(timeout) = grpc_timeout::of(request.headers()) else {
            return Either::Left(self.inner.call(request));
        };
        let ours = timeout - HEAD_START.min(timeout / 10);
        let answer = tokio::time::timeout(ours, self.inner.call(request));
        Either::Right(
            async move {
                match answer.await {
                    Ok(answer) => answer,
                    Err(_elapsed) => {
                        let late = SupervisorError::TimedOut { what: "the call", after: timeout };
                        Ok(tonic::Status::from(Failure::from(late)).into_http())
                    }
                }
            }
            .boxed(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_wait_is_the_shortest_of_what_was_said_what_is_left_and_ten_minutes() {
        let table = [
            // max_wait, deadline, wait
            (None, None, ms(60_000)),
            (Some(ms(0)), None, ms(0)),
            (Some(ms(10_000)), None, ms(10_000)),
            (Some(ms(3_600_000)), None, ms(600_000)),
            (None, Some(ms(5_000)), ms(4_500)),
            (None, Some(ms(60_000)), ms(59_000)),
            (None, Some(ms(3_600_000)), ms(600_000)),
            (None, Some(ms(200)), ms(150)),
            (None, Some(ms(50)), ms(0)),
            (None, Some(ms(10)), ms(0)),
            (Some(ms(1_000)), Some(ms(5_000)), ms(1_000)),
            (Some(ms(10_000)), Some(ms(5_000)), ms(4_500)),
            (Some(ms(0)), Some(ms(5_000)), ms(0)),
        ];
        for (max_wait, deadline, wait) in table {
            assert_eq!(effective_wait(max_wait, deadline), wait, "{max_wait:?} {deadline:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_late_is_told_so_before_tonic_says_cancelled() {
        let never = tower::service_fn(|_: Request<Body>| std::future::pending());
        let mut service = DeadlineLayer.layer(never);
        let request = Request::builder().header("grpc-timeout", "1S").body(Body::empty()).unwrap();
        let begun = tokio::time::Instant::now();
        let answer = service.call(request).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "4");
        assert_eq!(begun.elapsed(), ms(995));
    }

    #[tokio::test]
    async fn a_call_in_time_or_without_a_deadline_is_left_alone() {
        let at_once = tower::service_fn(async |_: Request<Body>| Ok(Response::new(Body::empty())));
        let mut service = DeadlineLayer.layer(at_once);
        for timeout in ["1S", "nonsense"] {
            let request = Request::builder().header("grpc-timeout", timeout).body(Body::empty()).unwrap();
            assert!(service.call(request).await.unwrap().headers().get("grpc-status").is_none());
        }
    }
}

//! The end of an identity ends the answers that it was given: a watch, a wait, a long response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{HeaderMap, Response};

use crate::grpc::status::Failure;
use crate::ports::authenticator::{Authenticator, Verified};

/// Longest time between two looks at the wall clock, which may be stepped.
const LOOK: Duration = Duration::from_secs(2);

/// Resolves when the identity has ended or is no longer what it was.
pub(super) async fn ended(authenticator: Arc<dyn Authenticator>, verified: Verified) {
    let mut changes = authenticator.changes();
    loop {
        changes.borrow_and_update();
        let now = authenticator.now();
        if verified.identity.is_over(now) || !authenticator.still_holds(&verified) {
            return;
        }
        let left = verified.identity.not_after.map(|end| end.duration_since(now).unwrap_or_default());
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    // Nothing changes any more; what is left is the clock.
                    next_look(left).await;
                }
            }
            () = next_look(left) => {}
        }
    }
}

/// Waits until the wall clock is looked at again; for ever without an end to wait for.
async fn next_look(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left.min(LOOK)).await,
        None => std::future::pending().await,
    }
}

/// Answers as `inner` does, until the identity ends.
pub(super) async fn guarded(
    inner: impl Future<Output = Result<Response<Body>, Infallible>>,
    authenticator: Arc<dyn Authenticator>,
    verified: Verified,
) -> Result<Response<Body>, Infallible> {
    let mut end: BoxFuture<'static, ()> = Box::pin(ended(authenticator, verified));
    let response = tokio::select! {
        biased;
        response = inner => response?,
        () = &mut end => return Ok(over().into_http()),
    };
    Ok(response.map(|inner| Body::new(GuardedBody { inner, end: Some(end) })))
}

fn over() -> Status {
    Failure::token_invalid().into()
}

/// A response body that ends when the identity does.
struct GuardedBody {
    inner: Body,
    /// Waits for the end of the permit; None after it.
    end: Option<BoxFuture<'static, ()>>,
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        if end.as_mut().poll(context).is_ready() {
            self.end = None;
            self.inner = Body::empty();
            let mut trailers = HeaderMap::new();
            return match over().add_header(&mut trailers) {
                Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Err(status) => Poll::Ready(Some(Err(status))),
            };
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.inner.is_end_stream() { self.inner.size_hint() } else { SizeHint::default() }
    }
}

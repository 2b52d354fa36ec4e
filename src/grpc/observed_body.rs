//! A response body that shows the status of its call to an observer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::HeaderMap;

/// An observer of headers and trailers, one of which has the status of the call.
pub(crate) trait StatusObserver: Unpin {
    /// Reads the status, if it is among these.
    fn observe(&mut self, headers: &HeaderMap);
}

/// A response body whose trailers are observed. The observer is dropped with the body, also when the caller has left.
pub(crate) struct ObservedBody<O> {
    inner: Body,
    observer: O,
}

impl<O: StatusObserver> ObservedBody<O> {
    /// Makes the body.
    pub(crate) fn new(inner: Body, observer: O) -> Self {
        Self { inner, observer }
    }
}

impl<O: StatusObserver> http_body::Body for ObservedBody<O> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.observer.observe(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

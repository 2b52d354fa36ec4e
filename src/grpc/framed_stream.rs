//! Response streams whose messages are encoded already, so that many calls can share the bytes.
//!
//! tonic encodes each message of each stream by itself. A call that shares encoded messages with others returns
//! [`response`]: a stream without messages that carries [`Frames`] beside it. [`FramedLayer`] puts them into the body.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{MapOk, TryFutureExt};
use futures::stream::{BoxStream, StreamExt, empty};
use http_body::Frame;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{HeaderMap, Request, Response as HttpResponse};
use tower::{Layer, Service};

use crate::grpc::limits::MAX_MESSAGE_BYTES;
use crate::lock::Lock;

/// Bytes of the prefix of a message: whether it is compressed, and its length
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
const PREFIX: usize = 5;
/// Bytes after which frames are handed on, though more are ready.
const ENOUGH: usize = 32 * 1024;

/// Messages with their prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frames(Bytes);

impl Frames {
    /// Encodes one message.
    pub(crate) fn of(message: &impl Message) -> Self {
        let mut bytes = Vec::new();
        put(message, &mut bytes);
        Self(bytes.into())
    }

    /// Takes messages that [`put`] has encoded.
    pub(crate) fn of_encoded(bytes: Arc<[u8]>) -> Self {
        Self(Bytes::from_owner(bytes))
    }
}

/// Appends a message with its prefix. One that no client would take is left out: it would end the stream for good, since the
/// same message comes again after the cursor before it. All parts of our messages have bounds far below that.
pub(crate) fn put(message: &impl Message, into: &mut Vec<u8>) {
    let length = message.encoded_len();
    match u32::try_from(length) {
        Ok(prefix) if length <= MAX_MESSAGE_BYTES => {
            into.reserve(PREFIX + length);
            into.push(0);
            into.extend_from_slice(&prefix.to_be_bytes());
            message.encode_raw(into);
        }
        Ok(_) | Err(_) => tracing::error!("watch: message left out (it has {length} bytes)"),
    }
}

/// The frames of a call; an error ends it.
pub(crate) type FrameStream = BoxStream<'static, Result<Frames, Status>>;

/// The frames of a response, on their way to the layer. Taken once.
#[derive(Clone)]
struct Carried(Arc<Lock<Option<FrameStream>>>);

/// Returns the response of a call that sends these frames.
pub(crate) fn response<T: Send + 'static>(
    frames: FrameStream,
) -> tonic::Response<BoxStream<'static, Result<T, Status>>> {
    let mut response = tonic::Response::new(empty().boxed());
    response.extensions_mut().insert(Carried(Arc::new(Lock::new(Some(frames)))));
    response
}

/// Adds [`FramedService`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct FramedLayer;

impl<S> Layer<S> for FramedLayer {
    type Service = FramedService<S>;

    fn layer(&self, inner: S) -> FramedService<S> {
        FramedService { inner }
    }
}

/// Sends the frames that a response carries.
#[derive(Debug, Clone)]
pub(crate) struct FramedService<S> {
    inner: S,
}

type Unpack = fn(HttpResponse<Body>) -> HttpResponse<Body>;

impl<S> Service<Request<Body>> for FramedService<S>
where
    S: Service<Request<Body>, Response = HttpResponse<Body>, Error = Infallible>,
{
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = MapOk<S::Future, Unpack>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.inner.call(request).map_ok(unpack as Unpack)
    }
}

fn unpack(mut response: HttpResponse<Body>) -> HttpResponse<Body> {
    let carried = response.extensions_mut().remove::<Carried>();
    match carried.and_then(|carried| carried.0.lock().take()) {
        Some(frames) => response.map(|_without_messages| Body::new(FramedBody::new(frames))),
        None => response,
    }
}

/// A body of frames, with the status of the call as its trailers.
struct FramedBody {
    frames: FrameStream,
    /// Bytes that were ready, and are not handed on yet.
    ready: Vec<u8>,
    /// The source of the bytes behind `ready`.
    then: Then,
}

enum Then {
    Frames,
    /// Frames that are handed on as they are.
    Whole(Bytes),
    Trailers(HeaderMap),
    Nothing,
}

impl FramedBody {
    fn new(frames: FrameStream) -> Self {
        Self { frames, ready: Vec::new(), then: Then::Frames }
    }

    /// Gathers what is ready; Pending when nothing more is.
    fn poll_gather(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while matches!(self.then, Then::Frames) && self.ready.len() < ENOUGH {
            match self.frames.poll_next_unpin(context) {
                Poll::Pending => return Poll::Pending,
                // Bytes that many calls share are not copied for one of them.
                Poll::Ready(Some(Ok(Frames(bytes)))) if bytes.len() > ENOUGH / 8 => {
                    self.then = Then::Whole(bytes)
                }
                Poll::Ready(Some(Ok(Frames(bytes)))) => self.ready.extend_from_slice(&bytes),
                Poll::Ready(Some(Err(status))) => self.then = Then::Trailers(trailers(&status)),
                Poll::Ready(None) => self.then = Then::Trailers(trailers(&Status::ok(""))),
            }
        }
        Poll::Ready(())
    }
}

impl http_body::Body for FramedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let gathered = self.poll_gather(context);
        if !self.ready.is_empty() {
            let ready = std::mem::take(&mut self.ready);
            return Poll::Ready(Some(Ok(Frame::data(ready.into()))));
        }
        if gathered.is_pending() {
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.then, Then::Nothing) {
            Then::Whole(bytes) => {
                self.then = Then::Frames;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Then::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            // `Frames` has gathered something, or would be pending.
            Then::Frames | Then::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.then, Then::Nothing)
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if let Err(error) = status.add_header(&mut trailers) {
        tracing::debug!(%error, "grpc: status without text (its trailers could not be written)");
    }
    trailers
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use prost::bytes::Buf;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;
    use tonic::Code;

    use super::*;
    use crate::proto::Bookmark;
    use crate::proto::WatchEventsResponse;
    use crate::proto::watch_events_response::Item;

    fn message(cursor: &str) -> WatchEventsResponse {
        WatchEventsResponse { cursor: cursor.to_owned(), item: Some(Item::Bookmark(Bookmark::default())) }
    }

    /// Cuts a body into its messages.
    fn messages(mut bytes: Bytes) -> Vec<WatchEventsResponse> {
        let mut messages = Vec::new();
        while bytes.has_remaining() {
            assert_eq!(bytes.get_u8(), 0, "not compressed");
            let length = bytes.get_u32() as usize;
            messages.push(WatchEventsResponse::decode(bytes.split_to(length)).unwrap());
        }
        messages
    }

    fn body(frames: Vec<Result<Frames, Status>>) -> FramedBody {
        FramedBody::new(futures::stream::iter(frames).boxed())
    }

    #[tokio::test]
    async fn every_message_arrives_in_order_with_the_status_behind_it() {
        let long = "l".repeat(ENOUGH);
        let sent: Vec<WatchEventsResponse> = ["a", "b", &long, "c", &long, &long, ""].map(message).to_vec();
        for (status, expected) in [(None, Code::Ok), (Some(Status::aborted("too slow")), Code::Aborted)] {
            let frames = sent.iter().map(|message| Ok(Frames::of(message))).chain(status.map(Err)).collect();
            let collected = body(frames).collect().await.unwrap();
            let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
            assert_eq!(status.code(), expected);
            assert_eq!(messages(collected.to_bytes()), sent);
        }
    }

    #[tokio::test]
    async fn what_is_ready_goes_out_at_once_and_small_messages_together() {
        let (sender, receiver) = mpsc::channel(4);
        let mut body = FramedBody::new(ReceiverStream::new(receiver).boxed());
        for cursors in [vec!["a"], vec!["b", "c", "d"]] {
            for cursor in &cursors {
                sender.try_send(Ok(Frames::of(&message(cursor)))).unwrap();
            }
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(messages(data), cursors.into_iter().map(message).collect::<Vec<_>>());
        }
        let pending = futures::poll!(std::pin::pin!(body.frame()));
        assert!(pending.is_pending());
    }

    #[tokio::test]
    async fn bytes_that_calls_share_are_not_copied() {
        let mut bytes = Vec::new();
        for _message in 0..ENOUGH / 64 {
            put(&message(&"c".repeat(64)), &mut bytes);
        }
        let shared: Arc<[u8]> = bytes.into();
        let data = body(vec![Ok(Frames::of_encoded(Arc::clone(&shared)))]).frame().await;
        assert_eq!(data.unwrap().unwrap().into_data().unwrap().as_ptr(), shared.as_ptr());
    }

    #[test]
    fn a_message_that_no_client_takes_is_left_out() {
        let mut bytes = Vec::new();
        put(&message(&"c".repeat(MAX_MESSAGE_BYTES)), &mut bytes);
        assert!(bytes.is_empty());
        put(&message("next"), &mut bytes);
        assert_eq!(messages(bytes.into()), [message("next")]);
    }

    #[tokio::test]
    async fn only_a_response_that_carries_frames_gets_another_body() {
        let carrying = tower::service_fn(|request: Request<Body>| async move {
            let carried = Ok(Frames::of(&message("carried")));
            let stream = futures::stream::iter([carried]).boxed();
            let mut response = HttpResponse::new(Body::new("own".to_owned()));
            if request.uri().path() == "/carry" {
                *response.extensions_mut() = super::response::<()>(stream).extensions().clone();
            }
            Ok::<_, Infallible>(response)
        });
        let answer = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let response = FramedLayer.layer(carrying).call(request).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        assert_eq!(messages(answer("/carry").await), [message("carried")]);
        assert_eq!(answer("/other").await, "own");
    }
}

//! Parts that all watches share: bookmarks, the end at a shutdown, and the notice of clients that stop reading.
//!
//! A watch implements [`Watched`]. [`stream`] turns it into the response stream of a call:
//!
//! ```text
//!  let gate = self.gate.clone();
//!  let watched = MyWatch { events: hub.watch(filter, from).await?, … };
//!  Ok(Response::new(watch::stream(watched, heartbeat, gate)))
//! ```
//!
//! [`stream`] adds a HEARTBEAT bookmark after `heartbeat` of silence. When the server ends, it adds a CLOSING bookmark and
//! then UNAVAILABLE with the reason SERVER_DRAINING. The stream is pulled: while the client reads nothing, nothing is read
//! or buffered for it. The watch learns the length of each pause ([`Watched::note_pause`]), and
//! [`EventWatch`](crate::domain::events::watch::EventWatch) ends a client that fell behind by it. `parse::event::heartbeat` reads the
//! interval of a request, `parse::event::resume` its cursor; `render::bookmark` makes a bookmark.

mod stall;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout_at};
use tonic::{Status, async_trait};

use crate::error::SupervisorError;
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::status::Failure;
use crate::proto::bookmark::Kind;
use stall::{StallDetector, poll_or_stalled};

/// A source of messages for one watch.
#[async_trait]
pub(crate) trait Watched: Send + 'static {
    /// The response message of the call.
    type Message: Send + 'static;

    /// Waits for the next message; None ends the call with OK. Cancel-safe: dropped at any await and called again, it
    /// loses no message.
    async fn next(&mut self) -> Result<Option<Self::Message>, Failure>;

    /// Makes a bookmark with the present cursor of the watch.
    fn bookmark(&self, kind: Kind) -> Self::Message;

    /// Learns how long the client read nothing; called before the next call of `next`.
    fn note_pause(&mut self, paused: Duration);
}

struct Running<W> {
    watched: W,
    heartbeat: Duration,
    gate: ShutdownGate,
    /// Time at which the last message was handed to the transport.
    handed_at: Option<Instant>,
    detector: Arc<StallDetector>,
    next: Next,
}

enum Next {
    Message,
    /// The CLOSING bookmark was sent; the error follows.
    ShutdownError,
    Nothing,
}

/// The response stream of a watch.
pub(crate) fn stream<W: Watched>(
    watched: W,
    heartbeat: Duration,
    gate: ShutdownGate,
) -> BoxStream<'static, Result<W::Message, Status>> {
    let running =
        Running { watched, heartbeat, gate, handed_at: None, detector: Arc::default(), next: Next::Message };
    // Out of budget, `select!` returns pending without polling its branches, which the detector would take for a stall. Each
    // watch yields to other tasks by itself.
    unfold(running, |running| unconstrained(step(running))).boxed()
}

async fn step<W: Watched>(mut running: Running<W>) -> Option<(Result<W::Message, Status>, Running<W>)> {
    match running.next {
        Next::Message => {}
        Next::ShutdownError => {
            running.next = Next::Nothing;
            return Some((Err(SupervisorError::ShuttingDown.into()), running));
        }
        Next::Nothing => return None,
    }
    if let Some(handed_at) = running.handed_at {
        running.watched.note_pause(handed_at.elapsed());
    }
    let silent_until = Instant::now() + running.heartbeat;
    let ending = running.gate.ending.clone();
    let message = loop {
        tokio::select! {
            biased;
            () = ending.cancelled() => {
                running.next = Next::ShutdownError;
                break Ok(Some(running.watched.bookmark(Kind::Closing)));
            }
            next = timeout_at(silent_until, poll_or_stalled(running.watched.next(), &running.detector)) => match next {
                Ok(Ok(next)) => break next,
                Ok(Err(paused)) => running.watched.note_pause(paused),
                Err(_silence) => break Ok(Some(running.watched.bookmark(Kind::Heartbeat))),
            },
        }
    };
    running.handed_at = Some(Instant::now());
    match message {
        Ok(Some(message)) => Some((Ok(message), running)),
        Ok(None) => None,
        Err(failure) => {
            running.next = Next::Nothing;
            Some((Err(failure.into()), running))
        }
    }
}

#[cfg(test)]
mod tests;

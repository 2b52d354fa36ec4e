//! What every watch shares: bookmarks, the end of the server, and how long a client may take.
//!
//! A watch is something that has a next message; see [`Watched`]. [`stream`] makes of it the stream that a call answers
//! with:
//!
//! ```text
//!  let gate = self.gate.clone();
//!  let watched = MyWatch { events: hub.watch(filter, from).await?, … };
//!  Ok(Response::new(watch::stream(watched, heartbeat, gate)))
//! ```
//!
//! It adds a bookmark HEARTBEAT after `heartbeat` of silence, and CLOSING with UNAVAILABLE, reason SERVER_DRAINING,
//! behind it when the server ends. The stream is pulled: while the client takes nothing, nothing is read or kept for it. It
//! tells the watch afterwards for how long that was ([`Watched::note_pause`]); [`EventWatch`](crate::domain::events::watch::EventWatch)
//! cuts off one that fell behind by that. `parse::event::heartbeat` reads the interval of a request, `parse::event::resume` its cursor,
//! and `render::bookmark` makes a bookmark.

mod attention;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout_at};
use tonic::{Status, async_trait};

use crate::error::SupervisorError;
use crate::grpc::gate::Gate;
use crate::grpc::status::Failure;
use crate::proto::bookmark::Kind;
use attention::{Bell, attended};

/// Something that is watched.
#[async_trait]
pub(crate) trait Watched: Send + 'static {
    /// What the call answers with.
    type Message: Send + 'static;

    /// The next message; waits for it. None ends the call with OK. It may be dropped at any await and called again, and
    /// must not lose anything by it.
    async fn next(&mut self) -> Result<Option<Self::Message>, Failure>;

    /// A bookmark that stands where the watch stands.
    fn bookmark(&self, kind: Kind) -> Self::Message;

    /// Hears, before it is asked again, for how long the client took nothing.
    fn note_pause(&mut self, paused: Duration);
}

struct Running<W> {
    watched: W,
    heartbeat: Duration,
    gate: Gate,
    /// When the last message was handed over.
    given: Option<Instant>,
    bell: Arc<Bell>,
    next: Next,
}

enum Next {
    Message,
    /// The bookmark CLOSING was sent.
    LastWords,
    Nothing,
}

/// The answer of a call that watches.
pub(crate) fn stream<W: Watched>(
    watched: W,
    heartbeat: Duration,
    gate: Gate,
) -> BoxStream<'static, Result<W::Message, Status>> {
    let running =
        Running { watched, heartbeat, gate, given: None, bell: Arc::default(), next: Next::Message };
    // When its budget is used up, `select!` waits without asking its branches, so the bell would not notice that nobody asks.
    // Whatever is watched lets others have their turn itself.
    unfold(running, |running| unconstrained(step(running))).boxed()
}

async fn step<W: Watched>(mut running: Running<W>) -> Option<(Result<W::Message, Status>, Running<W>)> {
    match running.next {
        Next::Message => {}
        Next::LastWords => {
            running.next = Next::Nothing;
            return Some((Err(SupervisorError::ShuttingDown.into()), running));
        }
        Next::Nothing => return None,
    }
    if let Some(given) = running.given {
        running.watched.note_pause(given.elapsed());
    }
    let silent_until = Instant::now() + running.heartbeat;
    let ending = running.gate.ending.clone();
    let message = loop {
        tokio::select! {
            biased;
            () = ending.cancelled() => {
                running.next = Next::LastWords;
                break Ok(Some(running.watched.bookmark(Kind::Closing)));
            }
            next = timeout_at(silent_until, attended(running.watched.next(), &running.bell)) => match next {
                Ok(Ok(next)) => break next,
                Ok(Err(paused)) => running.watched.note_pause(paused),
                Err(_silence) => break Ok(Some(running.watched.bookmark(Kind::Heartbeat))),
            },
        }
    };
    running.given = Some(Instant::now());
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

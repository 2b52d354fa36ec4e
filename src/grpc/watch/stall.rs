//! Detects stalled clients: the stream was woken but not polled, which means that the client has stopped reading.
//!
//! The time between two messages is no sign of it: a client may stop reading while there is nothing to send.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::Lock;

/// Shortest time between wake-up and poll that counts as a stall; a busy machine explains shorter ones.
const STALL_THRESHOLD: Duration = Duration::from_secs(1);

/// The waker of a stream, which records when the stream was woken. A stream has one for its whole life.
#[derive(Default)]
pub(super) struct StallDetector(Lock<Wakeup>);

#[derive(Default)]
struct Wakeup {
    /// Time of the first wake-up since the last poll.
    woken_at: Option<Instant>,
    /// The task that polls the stream.
    task: Option<Waker>,
}

impl StallDetector {
    fn lock(&self) -> MutexGuard<'_, Wakeup> {
        // The value is consistent between any two statements.
        self.0.lock()
    }
}

impl Wake for StallDetector {
    fn wake(self: Arc<Self>) {
        let mut wakeup = self.lock();
        wakeup.woken_at.get_or_insert_with(Instant::now);
        let task = wakeup.task.take();
        drop(wakeup);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// Polls a future to its end.
///
/// # Errors
/// The length of the stall, if the future was woken and not polled for at least [`STALL_THRESHOLD`]. The future is not
/// polled in that case.
pub(super) async fn poll_or_stalled<T>(
    mut future: impl Future<Output = T> + Unpin,
    detector: &Arc<StallDetector>,
) -> Result<T, Duration> {
    detector.lock().woken_at = None;
    std::future::poll_fn(move |context: &mut Context<'_>| {
        let mut wakeup = detector.lock();
        let stalled = wakeup.woken_at.take().map(|woken_at| woken_at.elapsed());
        wakeup.task = Some(context.waker().clone());
        drop(wakeup);
        match stalled {
            Some(stalled) if stalled >= STALL_THRESHOLD => Poll::Ready(Err(stalled)),
            Some(_) | None => {
                let waker = Waker::from(Arc::clone(detector));
                Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).map(Ok)
            }
        }
    })
    .await
}

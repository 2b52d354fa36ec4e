//! Notices that something could go on and was not asked to: the stream it belongs to was not polled, because its client
//! takes nothing. The time between two messages does not show it when the client stopped while there was nothing to say.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// A shorter lack of attention is that of a busy machine.
const NOTICED: Duration = Duration::from_secs(1);

/// Rings for whoever polls, and remembers since when. One for the life of a stream.
#[derive(Default)]
pub(super) struct Bell(Mutex<Rung>);

#[derive(Default)]
struct Rung {
    since: Option<Instant>,
    whom: Option<Waker>,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Rung> {
        // It is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut rung = self.lock();
        rung.since.get_or_insert_with(Instant::now);
        let whom = rung.whom.take();
        drop(rung);
        if let Some(whom) = whom {
            whom.wake();
        }
    }
}

/// The future, or for how long it could have gone on before it was asked again; it is not asked then.
pub(super) async fn attended<T>(
    mut future: impl Future<Output = T> + Unpin,
    bell: &Arc<Bell>,
) -> Result<T, Duration> {
    bell.lock().since = None;
    std::future::poll_fn(move |context: &mut Context<'_>| {
        let mut rung = bell.lock();
        let paused = rung.since.take().map(|since| since.elapsed());
        rung.whom = Some(context.waker().clone());
        drop(rung);
        match paused {
            Some(paused) if paused >= NOTICED => Poll::Ready(Err(paused)),
            Some(_) | None => {
                let waker = Waker::from(Arc::clone(bell));
                Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).map(Ok)
            }
        }
    })
    .await
}

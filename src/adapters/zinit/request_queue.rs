//! A task that owns something, a connection or a list, and is asked by messages.
//!
//! The task is started by the first request and ends with [`RequestQueue::close`].

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::histogram;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::wire::{CallError, unavailable};
use crate::telemetry::metrics::{ZINIT_DURATION, seconds};

/// Requests that can wait.
const WAITING: usize = 64;

/// The way to the task.
pub(super) struct RequestQueue<R> {
    requests: OnceLock<mpsc::Sender<R>>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl<R> Default for RequestQueue<R> {
    fn default() -> Self {
        Self { requests: OnceLock::new(), tasks: TaskTracker::new(), closed: CancellationToken::new() }
    }
}

impl<R: Send + 'static> RequestQueue<R> {
    /// Sends a request that bears the place for its answer. `start` makes the task. None once the queue is closed.
    pub(super) async fn ask<A, F>(
        &self,
        start: impl FnOnce(mpsc::Receiver<R>) -> F,
        request: impl FnOnce(oneshot::Sender<A>) -> R,
    ) -> Option<A>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let requests = self.requests.get_or_init(|| {
            let (requests, inbox) = mpsc::channel(WAITING);
            let (task, closed) = (start(inbox), self.closed.clone());
            self.tasks.spawn(async move {
                // Cancelled in the middle of a request, whoever has asked gets no answer.
                closed.run_until_cancelled(task).await;
            });
            requests
        });
        let (reply, answer) = oneshot::channel();
        requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Ends the task.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A call's deadline, and the answer of whoever makes it.
#[derive(Debug)]
pub(super) struct Pending<T> {
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) reply: oneshot::Sender<Result<T, CallError>>,
}

impl<R: Send + 'static> RequestQueue<R> {
    /// Makes a call over the connection that the task owns, within `timeout`.
    pub(super) async fn call<T, F>(
        &self,
        socket: &Path,
        timeout: Duration,
        start: impl FnOnce(mpsc::Receiver<R>) -> F,
        request: impl FnOnce(Pending<T>) -> R,
    ) -> Result<T, CallError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let deadline = Instant::now() + timeout;
        let asked = self.ask(start, |reply| request(Pending { deadline, timeout, reply }));
        match timeout_at(deadline, asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(unavailable(socket, "the connection was closed by us")),
            Err(_elapsed) => Err(CallError::TimedOut { after: timeout }),
        }
    }
}

/// Waits for an answer and records how long it took.
pub(super) async fn measured<T>(
    method: &'static str,
    answer: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let begun = Instant::now();
    let answer = answer.await;
    let outcome = if answer.is_ok() { "ok" } else { "error" };
    histogram!(ZINIT_DURATION, "method" => method, "outcome" => outcome).record(seconds(begun.elapsed()));
    answer
}

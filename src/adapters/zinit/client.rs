//! Calls to Zinit one after the other, which is how GEN3 works as well.
//!
//! One task owns one connection. It connects when it has to, asks who is there on every new connection, and drops a
//! connection on which anything went wrong, so that an answer that comes too late is never taken for another one.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use metrics::histogram;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::detect::{Found, Generation};
pub(super) use super::wire::CallError;
use super::wire::{Wire, unavailable};
use crate::telemetry::metrics::{ZINIT_DURATION, seconds};

/// Whether a call may be made again when the connection breaks under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Yes,
    No,
}

struct Call {
    /// None only asks who is there.
    request: Option<(&'static str, Value)>,
    repeat: Repeat,
    timeout: Duration,
    deadline: Instant,
    reply: oneshot::Sender<Result<(Value, Found), CallError>>,
}

/// Calls over one connection. Nothing is contacted before the first call.
pub(super) struct Client {
    socket: PathBuf,
    calls: OnceLock<mpsc::Sender<Call>>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl Client {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            calls: OnceLock::new(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
        }
    }

    /// Asks who is there.
    pub(super) async fn who(&self, timeout: Duration) -> Result<Found, CallError> {
        Ok(self.ask(None, Repeat::Yes, timeout).await?.1)
    }

    /// A call that changes nothing.
    pub(super) async fn read(
        &self,
        method: &'static str,
        params: Value,
        timeout: Duration,
    ) -> Result<Value, CallError> {
        Ok(self.ask(Some((method, params)), Repeat::Yes, timeout).await?.0)
    }

    /// A call that changes something: never made twice.
    pub(super) async fn change(
        &self,
        method: &'static str,
        params: Value,
        timeout: Duration,
    ) -> Result<Value, CallError> {
        Ok(self.ask(Some((method, params)), Repeat::No, timeout).await?.0)
    }

    /// Lets go of the connection.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn ask(
        &self,
        request: Option<(&'static str, Value)>,
        repeat: Repeat,
        timeout: Duration,
    ) -> Result<(Value, Found), CallError> {
        let method = request.as_ref().map(|(method, _params)| *method);
        let begun = Instant::now();
        let answer = self.ask_in_time(request, repeat, timeout).await;
        // Who is there is asked before each call, and mostly known.
        if let Some(method) = method {
            let outcome = if answer.is_ok() { "ok" } else { "error" };
            histogram!(ZINIT_DURATION, "method" => method, "outcome" => outcome)
                .record(seconds(begun.elapsed()));
        }
        answer
    }

    async fn ask_in_time(
        &self,
        request: Option<(&'static str, Value)>,
        repeat: Repeat,
        timeout: Duration,
    ) -> Result<(Value, Found), CallError> {
        let deadline = Instant::now() + timeout;
        let (reply, answer) = oneshot::channel();
        let call = Call { request, repeat, timeout, deadline, reply };
        let calls = self.calls.get_or_init(|| {
            let (calls, inbox) = mpsc::channel(64);
            let link = Link { socket: self.socket.clone(), open: None };
            let closed = self.closed.clone();
            self.tasks.spawn(async move {
                // Cancelled in the middle of a call, its caller learns that we are closed.
                closed.run_until_cancelled(link.run(inbox)).await;
            });
            calls
        });
        let asked = async {
            calls.send(call).await.ok()?;
            answer.await.ok()
        };
        match timeout_at(deadline, asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(unavailable(&self.socket, "the connection was closed by us")),
            Err(_elapsed) => Err(CallError::TimedOut { after: timeout }),
        }
    }
}

/// The task's side.
struct Link {
    socket: PathBuf,
    open: Option<Wire>,
}

impl Link {
    async fn run(mut self, mut inbox: mpsc::Receiver<Call>) {
        while let Some(mut call) = inbox.recv().await {
            let request = call.request.take();
            let answer = tokio::select! {
                () = call.reply.closed() => None,
                answer = timeout_at(call.deadline, self.carry_out(request, call.repeat)) => Some(answer),
            };
            match answer {
                Some(Ok(answer)) => drop(call.reply.send(answer)),
                Some(Err(_elapsed)) => {
                    self.open = None;
                    drop(call.reply.send(Err(CallError::TimedOut { after: call.timeout })));
                }
                // Its answer is on its way and nobody waits for it.
                None => self.open = None,
            }
        }
    }

    async fn carry_out(
        &mut self,
        request: Option<(&'static str, Value)>,
        repeat: Repeat,
    ) -> Result<(Value, Found), CallError> {
        self.drop_if_stale();
        let was_open = self.open.is_some();
        match self.attempt(request.as_ref()).await {
            // The server may have been restarted since the last call.
            Err(CallError::Unavailable { .. }) if was_open && repeat == Repeat::Yes => {
                self.attempt(request.as_ref()).await
            }
            answer => answer,
        }
    }

    async fn attempt(
        &mut self,
        request: Option<&(&'static str, Value)>,
    ) -> Result<(Value, Found), CallError> {
        let mut wire = match self.open.take() {
            Some(wire) => wire,
            None => Wire::open(&self.socket).await?,
        };
        let value = match request {
            Some(_) if wire.found.generation != Generation::Gen3 => {
                Err(unavailable(&self.socket, "another zinit took its place: try again"))
            }
            Some((method, params)) => wire.exchange(method, params).await,
            None => Ok(Value::Null),
        };
        let found = wire.found.clone();
        // A refusal is a whole answer; after anything else the connection cannot be trusted.
        if matches!(value, Ok(_) | Err(CallError::Refused { .. })) {
            self.open = Some(wire);
        }
        Ok((value?, found))
    }

    /// A connection that the server closed, or on which it speaks unasked, is of no use.
    fn drop_if_stale(&mut self) {
        if self.open.as_ref().is_some_and(|wire| wire.reader.is_stale()) {
            self.open = None;
        }
    }
}

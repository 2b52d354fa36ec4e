//! Calls to GEN2, many at a time over one connection: its stops take a second each, and its answers come in whatever
//! order they are ready, so each finds its caller by its id. Logs are followed on connections of their own: an answer would
//! come behind all lines that were sent before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::histogram;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::detect::Generation;
use super::super::wire::{CallError, Wire, result_of, unavailable};
use crate::telemetry::metrics::{ZINIT_DURATION, seconds};

/// Calls without a caller that are kept in mind, in case that their answers come.
const FORGOTTEN: usize = 1024;

type Answer = Result<Value, CallError>;

struct Call {
    method: &'static str,
    params: Value,
    deadline: Instant,
    timeout: Duration,
    reply: oneshot::Sender<Answer>,
}

/// Calls over one connection. Nothing is contacted before the first call.
pub(super) struct Link {
    socket: PathBuf,
    calls: OnceLock<mpsc::Sender<Call>>,
    terse: Arc<AtomicBool>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl Link {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            calls: OnceLock::new(),
            terse: Arc::default(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
        }
    }

    /// A call. It is never made twice.
    pub(super) async fn call(&self, method: &'static str, params: Value, timeout: Duration) -> Answer {
        let begun = Instant::now();
        let answer = self.ask(method, params, timeout).await;
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        histogram!(ZINIT_DURATION, "method" => method, "outcome" => outcome).record(seconds(begun.elapsed()));
        answer
    }

    /// Whether the Zinit that was found last gives the same reason for nearly every refusal.
    pub(super) fn is_terse(&self) -> bool {
        self.terse.load(Ordering::Relaxed)
    }

    /// Lets go of the connection.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn ask(&self, method: &'static str, params: Value, timeout: Duration) -> Answer {
        let deadline = Instant::now() + timeout;
        let (reply, answer) = oneshot::channel();
        let call = Call { method, params, deadline, timeout, reply };
        let calls = self.calls.get_or_init(|| {
            let (calls, inbox) = mpsc::channel(64);
            let owner = Owner { socket: self.socket.clone(), terse: self.terse.clone(), open: None };
            let closed = self.closed.clone();
            self.tasks.spawn(async move {
                // Cancelled in the middle of calls, their callers learn that we are closed.
                closed.run_until_cancelled(owner.run(inbox)).await;
            });
            calls
        });
        let asked = async {
            calls.send(call).await.ok()?;
            answer.await.ok()
        };
        match timeout_at(deadline, asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(unavailable(&self.socket, "the connection was closed")),
            Err(_elapsed) => Err(CallError::TimedOut { after: timeout }),
        }
    }
}

/// The task's side.
struct Owner {
    socket: PathBuf,
    terse: Arc<AtomicBool>,
    open: Option<Open>,
}

struct Open {
    wire: Wire,
    pending: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Call>) {
        loop {
            let heard = match &mut self.open {
                None => None,
                Some(open) => tokio::select! {
                    call = inbox.recv() => match call {
                        Some(call) => Some(Err(call)),
                        None => return,
                    },
                    message = open.wire.reader.message() => Some(Ok(message)),
                },
            };
            match heard {
                None => match inbox.recv().await {
                    Some(call) => self.send(call).await,
                    None => return,
                },
                Some(Err(call)) => self.send(call).await,
                Some(Ok(Ok(message))) => self.deliver(message),
                Some(Ok(Err(error))) => self.hang_up(&error),
            }
        }
    }

    async fn send(&mut self, call: Call) {
        let Call { method, params, deadline, timeout, reply } = call;
        match timeout_at(deadline, self.write(method, &params)).await {
            Ok(Ok(id)) => {
                if let Some(open) = &mut self.open {
                    if open.pending.len() >= FORGOTTEN {
                        open.pending.retain(|_id, reply| !reply.is_closed());
                    }
                    open.pending.insert(id, reply);
                }
            }
            Ok(Err(error)) => {
                self.hang_up(&error);
                drop(reply.send(Err(error)));
            }
            Err(_elapsed) => {
                let error = CallError::TimedOut { after: timeout };
                // Half a message may have been sent.
                self.hang_up(&error);
                drop(reply.send(Err(error)));
            }
        }
    }

    async fn write(&mut self, method: &str, params: &Value) -> Result<u64, CallError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let wire = Wire::open(&self.socket).await?;
                if wire.found.generation != Generation::Gen2 {
                    return Err(unavailable(&self.socket, "another zinit took its place: try again"));
                }
                self.terse.store(wire.found.terse, Ordering::Relaxed);
                Open { wire, pending: HashMap::new() }
            }
        };
        let sent = open.wire.writer.send(method, params).await;
        // Also kept when it failed: those that wait on it have to be told.
        self.open = Some(open);
        sent
    }

    /// Gives an answer to its caller. What nobody waits for is dropped.
    fn deliver(&mut self, message: Value) {
        let Some(open) = &mut self.open else { return };
        if let Some(reply) = message["id"].as_u64().and_then(|id| open.pending.remove(&id)) {
            drop(reply.send(result_of(message)));
        }
    }

    /// The connection is of no use any more; all who wait on it are told.
    fn hang_up(&mut self, error: &CallError) {
        let Some(open) = self.open.take() else { return };
        for reply in open.pending.into_values() {
            let lost = unavailable(&self.socket, format!("the connection was lost under the call: {error}"));
            drop(reply.send(Err(lost)));
        }
    }
}

//! Calls to GEN2, many at a time over one connection: its stops take a second each, and its answers come in whatever
//! order they are ready, so each finds its caller by its id. Logs are followed on connections of their own: an answer would
//! come behind all lines that were sent before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

use super::super::detect::Generation;
use super::super::request_queue::{Pending, RequestQueue, measured};
use super::super::wire::{CallError, Wire, result_of, unavailable};

/// Calls without a caller that are kept in mind, in case that their answers come.
const FORGOTTEN: usize = 1024;

type Answer = Result<Value, CallError>;

struct Call {
    method: &'static str,
    params: Value,
    pending: Pending<Value>,
}

/// Calls over one connection. Nothing is contacted before the first call.
pub(super) struct Link {
    socket: PathBuf,
    calls: RequestQueue<Call>,
    terse: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), calls: RequestQueue::default(), terse: Arc::default() }
    }

    /// A call. It is never made twice.
    pub(super) async fn call(&self, method: &'static str, params: Value, timeout: Duration) -> Answer {
        let start =
            |inbox| Owner { socket: self.socket.clone(), terse: self.terse.clone(), open: None }.run(inbox);
        let call = |pending| Call { method, params, pending };
        measured(method, self.calls.call(&self.socket, timeout, start, call)).await
    }

    /// Returns true if the Zinit that was found last gives the same reason for nearly every refusal.
    pub(super) fn is_terse(&self) -> bool {
        self.terse.load(Ordering::Relaxed)
    }

    /// Lets go of the connection.
    pub(super) async fn close(&self) {
        self.calls.close().await;
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
        let Call { method, params, pending: Pending { deadline, timeout, reply } } = call;
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

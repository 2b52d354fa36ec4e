//! Calls to Zinit one after the other, which is how GEN3 works as well.
//!
//! One task owns one connection. It connects when it has to, asks who is there on every new connection, and drops a
//! connection on which anything went wrong, so that an answer that comes too late is never taken for another one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::detect::{Found, Generation};
use super::request_queue::{Pending, RequestQueue, measured};
pub(super) use super::wire::CallError;
use super::wire::{Wire, unavailable};

/// Rule for a call when the connection breaks under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Yes,
    No,
}

type Answer = (Value, Found);

struct Call {
    /// Call and parameters; None only asks who is there.
    request: Option<(&'static str, Value)>,
    repeat: Repeat,
    pending: Pending<Answer>,
}

/// Calls over one connection. Nothing is contacted before the first call.
pub(super) struct Client {
    socket: PathBuf,
    calls: RequestQueue<Call>,
}

impl Client {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), calls: RequestQueue::default() }
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
        self.calls.close().await;
    }

    async fn ask(
        &self,
        request: Option<(&'static str, Value)>,
        repeat: Repeat,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let method = request.as_ref().map(|(method, _params)| *method);
        let start = |inbox| Link { socket: self.socket.clone(), open: None }.run(inbox);
        let call = |pending| Call { request, repeat, pending };
        let answer = self.calls.call(&self.socket, timeout, start, call);
        match method {
            Some(method) => measured(method, answer).await,
            // Who is there is asked before each call, and mostly known.
            None => answer.await,
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
        while let Some(Call { request, repeat, mut pending }) = inbox.recv().await {
            let answer = tokio::select! {
                () = pending.reply.closed() => None,
                answer = timeout_at(pending.deadline, self.carry_out(request, repeat)) => Some(answer),
            };
            match answer {
                Some(Ok(answer)) => drop(pending.reply.send(answer)),
                Some(Err(_elapsed)) => {
                    self.open = None;
                    drop(pending.reply.send(Err(CallError::TimedOut { after: pending.timeout })));
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

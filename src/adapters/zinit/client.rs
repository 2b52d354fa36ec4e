//! JSON-RPC over Zinit's unix socket: one JSON object a line, in both directions.
//!
//! One task owns one connection and makes one call at a time on it, which is how the server works as well. It connects
//! when it has to, asks who is there on every new connection, and drops a connection on which anything
//! went wrong, so that an answer that comes too late is never taken for another one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use metrics::histogram;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::detect::{self, Found};
use crate::ports::Cause;
use crate::ports::process_manager::ProcessError;
use crate::telemetry::metrics::{ZINIT_DURATION, seconds};

/// No answer is longer; the list of 10 000 services takes 1 MB.
const MAX_REPLY_BYTES: u64 = 16 * 1024 * 1024;

/// Why a call brought no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nobody listens, or the connection broke.
    #[error("cannot talk to zinit at {}", socket.display())]
    Unavailable {
        socket: PathBuf,
        #[source]
        source: Cause,
    },
    /// No answer in time.
    #[error("zinit did not answer within {after:?}")]
    TimedOut { after: Duration },
    /// Zinit answered with an error.
    #[error("zinit refused: {message}")]
    Refused { code: i64, message: String },
    /// Something else answered, or a Zinit that we cannot work with.
    #[error("{reason}")]
    Unsupported { reason: String },
    /// The answer is not one.
    #[error("the answer of zinit cannot be read")]
    Corrupt(#[source] Cause),
}

impl From<CallError> for ProcessError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable { .. } => Self::Unavailable(error.into()),
            CallError::TimedOut { after } => Self::TimedOut { after },
            CallError::Refused { .. } => Self::Rejected { reason: error.to_string() },
            CallError::Unsupported { reason } => Self::Unsupported { reason },
            CallError::Corrupt(source) => Self::Corrupt(source),
        }
    }
}

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
        let method = request.as_ref().map_or("who", |(method, _params)| *method);
        let begun = Instant::now();
        let answer = self.ask_in_time(request, repeat, timeout).await;
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        histogram!(ZINIT_DURATION, "method" => method, "outcome" => outcome).record(seconds(begun.elapsed()));
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
            let link = Link { socket: self.socket.clone(), open: None, last_id: 0 };
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
            Ok(None) => Err(self.unavailable("the connection was closed by us")),
            Err(_elapsed) => Err(CallError::TimedOut { after: timeout }),
        }
    }

    fn unavailable(&self, source: impl Into<Cause>) -> CallError {
        CallError::Unavailable { socket: self.socket.clone(), source: source.into() }
    }
}

/// The task's side.
struct Link {
    socket: PathBuf,
    open: Option<Open>,
    last_id: u64,
}

struct Open {
    stream: BufStream<UnixStream>,
    found: Found,
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
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let value = match request {
            Some((method, params)) => self.exchange(&mut open.stream, method, params).await,
            None => Ok(Value::Null),
        };
        let found = open.found.clone();
        // A refusal is a whole answer; after anything else the connection cannot be trusted.
        if matches!(value, Ok(_) | Err(CallError::Refused { .. })) {
            self.open = Some(open);
        }
        Ok((value?, found))
    }

    /// A connection that the server closed, or on which it speaks unasked, is of no use.
    fn drop_if_stale(&mut self) {
        if let Some(open) = &self.open
            && !matches!(open.stream.get_ref().try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        {
            self.open = None;
        }
    }

    async fn connect(&mut self) -> Result<Open, CallError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unavailable(error))?;
        let mut stream = BufStream::new(stream);
        self.last_id += 1;
        let question = json!({"jsonrpc": "2.0", "id": self.last_id, "method": "rpc.discover", "params": {}});
        self.send(&mut stream, &question).await?;
        // Older ones answer without a newline and close.
        let answer = self.line(&mut stream).await?;
        detect::judge(&answer).map_err(|reason| CallError::Unsupported {
            reason: format!("{} is not a zinit that we can work with: {reason}", self.socket.display()),
        })?;
        let pong = self.exchange(&mut stream, "system.ping", &json!({})).await?;
        let version = pong["version"].as_str().unwrap_or("of unknown version").to_owned();
        let shares_pids = shares_pids(stream.get_ref());
        Ok(Open { stream, found: Found { version, shares_pids } })
    }

    async fn exchange(
        &mut self,
        stream: &mut BufStream<UnixStream>,
        method: &str,
        params: &Value,
    ) -> Result<Value, CallError> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(stream, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        let line = self.line(stream).await?;
        let mut answer: Value =
            serde_json::from_slice(&line).map_err(|error| CallError::Corrupt(error.into()))?;
        if answer["id"].as_u64() != Some(id) {
            let fault = format!("the answer to call {id} bears the id {}", answer["id"]);
            return Err(CallError::Corrupt(fault.into()));
        }
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let code = error["code"].as_i64().unwrap_or_default();
            return Err(CallError::Refused { code, message: refusal(error) });
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(CallError::Corrupt(format!("{method} was answered without a result").into())),
        }
    }

    async fn send(&self, stream: &mut BufStream<UnixStream>, message: &Value) -> Result<(), CallError> {
        let mut line = message.to_string();
        line.push('\n');
        let sent = async {
            stream.write_all(line.as_bytes()).await?;
            stream.flush().await
        };
        sent.await.map_err(|error| self.unavailable(error))
    }

    /// One line, or what came before the end of the connection.
    async fn line(&self, stream: &mut BufStream<UnixStream>) -> Result<Vec<u8>, CallError> {
        let mut line = Vec::new();
        let read = stream.take(MAX_REPLY_BYTES).read_until(b'\n', &mut line).await;
        read.map_err(|error| self.unavailable(error))?;
        if line.is_empty() {
            return Err(self.unavailable("it closed the connection without an answer"));
        }
        if line.len() as u64 == MAX_REPLY_BYTES {
            let fault = format!("the answer is longer than {MAX_REPLY_BYTES} bytes");
            return Err(CallError::Corrupt(fault.into()));
        }
        Ok(line)
    }

    fn unavailable(&self, source: impl Into<Cause>) -> CallError {
        CallError::Unavailable { socket: self.socket.clone(), source: source.into() }
    }
}

/// Whether the server lives in our pid namespace. In doubt it does not.
fn shares_pids(stream: &UnixStream) -> bool {
    let server = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let theirs = server.and_then(|pid| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok());
    theirs.is_some_and(|theirs| std::fs::read_link("/proc/self/ns/pid").is_ok_and(|ours| ours == theirs))
}

/// What an error object says, with all that a failed validation lists.
fn refusal(error: &Value) -> String {
    let message = error["message"].as_str().unwrap_or("it did not say why");
    let details = error["data"]["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let details: Vec<&str> = details.iter().filter_map(Value::as_str).collect();
    if details.is_empty() { message.to_owned() } else { format!("{message}: {}", details.join("; ")) }
}

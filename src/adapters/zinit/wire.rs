//! One connection to a Zinit: JSON objects, one a line, in both directions, and who answered when it was made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::detect::{self, Found, Generation};
use crate::ports::Cause;
use crate::ports::process_manager::ProcessError;

/// No answer is longer; the list of 10 000 services takes 1 MB.
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// A name that no service bears, since none has a slash.
const NO_SERVICE: &str = "hero-supervisor/none";
/// Code of GEN2 for every call that fails in it, before v0.2.28.
pub(super) const INTERNAL_ERROR: i64 = -32603;

/// Reason for which a call brought no result.
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

/// An open connection.
pub(super) struct Wire {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) found: Found,
}

/// The half that is read.
pub(super) struct Reader {
    socket: PathBuf,
    half: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

/// The half that is written.
pub(super) struct Writer {
    socket: PathBuf,
    half: OwnedWriteHalf,
    last_id: u64,
}

impl Wire {
    /// Connects and asks who is there.
    pub(super) async fn open(socket: &Path) -> Result<Self, CallError> {
        let stream = UnixStream::connect(socket).await.map_err(|error| unavailable(socket, error))?;
        let server = server(&stream);
        let open_files = server.and_then(open_files);
        let (read, write) = stream.into_split();
        let mut reader = Reader { socket: socket.to_owned(), half: BufReader::new(read), line: Vec::new() };
        let mut writer = Writer { socket: socket.to_owned(), half: write, last_id: 0 };
        writer.send("rpc.discover", &Value::Null).await?;
        // Older ones answer without a newline and close.
        let answer = reader.line().await?;
        let generation = detect::judge(&answer).map_err(|reason| CallError::Unsupported {
            reason: format!("{} is not a zinit that we can work with: {reason}", socket.display()),
        })?;
        let mut wire = Self {
            reader,
            writer,
            found: Found { generation, terse: false, version: None, server, open_files },
        };
        match generation {
            Generation::Gen3 => {
                let pong = wire.exchange("system.ping", &json!({})).await?;
                wire.found.version = pong["version"].as_str().map(str::to_owned);
            }
            // It has no call that tells its version, but refuses in another way since v0.2.28.
            Generation::Gen2 => match wire.exchange("service_status", &json!([NO_SERVICE])).await {
                Err(CallError::Refused { code, .. }) => wire.found.terse = code == INTERNAL_ERROR,
                Ok(_status) => {}
                Err(error) => return Err(error),
            },
        }
        Ok(wire)
    }

    /// One call, while nobody else uses the connection.
    pub(super) async fn exchange(&mut self, method: &str, params: &Value) -> Result<Value, CallError> {
        let id = self.writer.send(method, params).await?;
        let (answers, answer) = self.reader.answer().await?;
        if answers == Some(id) {
            return answer;
        }
        let answers = answers.map_or_else(|| "none".to_owned(), |id| id.to_string());
        Err(CallError::Corrupt(format!("the answer to call {id} bears the id {answers}").into()))
    }
}

impl Writer {
    /// Sends a call, without parameters if they are null; answers with its id.
    pub(super) async fn send(&mut self, method: &str, params: &Value) -> Result<u64, CallError> {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method});
        if !params.is_null() {
            message["params"] = params.clone();
        }
        let mut line = message.to_string();
        line.push('\n');
        self.half.write_all(line.as_bytes()).await.map_err(|error| unavailable(&self.socket, error))?;
        Ok(id)
    }
}

impl Reader {
    /// Returns true if the server closed the connection, or speaks unasked.
    pub(super) fn is_stale(&self) -> bool {
        let at_rest = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        !self.half.get_ref().try_read(&mut [0]).is_err_and(at_rest)
    }

    /// The next answer, with the id that it bears.
    async fn answer(&mut self) -> Result<(Option<u64>, Result<Value, CallError>), CallError> {
        let message = self.message().await?;
        Ok((message["id"].as_u64(), result_of(message)))
    }

    /// The next message. Can be dropped and called again: what was read of it is kept.
    pub(super) async fn message(&mut self) -> Result<Value, CallError> {
        let line = self.line().await?;
        serde_json::from_slice(&line).map_err(|error| CallError::Corrupt(error.into()))
    }

    /// One line, or what came before the end of the connection.
    async fn line(&mut self) -> Result<Vec<u8>, CallError> {
        let room = (MAX_REPLY_BYTES - self.line.len()) as u64;
        let read = (&mut self.half).take(room).read_until(b'\n', &mut self.line).await;
        read.map_err(|error| unavailable(&self.socket, error))?;
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Err(unavailable(&self.socket, "it closed the connection without an answer"));
        }
        if line.len() >= MAX_REPLY_BYTES {
            let fault = format!("the answer is longer than {MAX_REPLY_BYTES} bytes");
            return Err(CallError::Corrupt(fault.into()));
        }
        Ok(line)
    }
}

/// Takes the result out of an answer.
pub(super) fn result_of(mut answer: Value) -> Result<Value, CallError> {
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let code = error["code"].as_i64().unwrap_or_default();
        return Err(CallError::Refused { code, message: refusal(error) });
    }
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(CallError::Corrupt("an answer came without a result".into())),
    }
}

pub(super) fn unavailable(socket: &Path, source: impl Into<Cause>) -> CallError {
    CallError::Unavailable { socket: socket.to_owned(), source: source.into() }
}

/// The pid of the server, if it lives in our pid namespace. In doubt it does not.
fn server(stream: &UnixStream) -> Option<i32> {
    let server = stream.peer_cred().ok().and_then(|peer| peer.pid())?;
    let theirs = std::fs::read_link(format!("/proc/{server}/ns/pid")).ok()?;
    let ours = std::fs::read_link("/proc/self/ns/pid").ok()?;
    (ours == theirs).then_some(server)
}

/// Returns the number of files that a process may have open.
fn open_files(pid: i32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Renders an error object, with all that a failed validation lists.
fn refusal(error: &Value) -> String {
    let message = error["message"].as_str().unwrap_or("it did not say why");
    let details = error["data"]["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let details: Vec<&str> = details.iter().filter_map(Value::as_str).collect();
    if details.is_empty() { message.to_owned() } else { format!("{message}: {}", details.join("; ")) }
}

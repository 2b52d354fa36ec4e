//! The way to Redis: connected lazily, connected again with a backoff, every call within a deadline.

mod refusal;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::histogram;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, RedisError, Value};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::functions;
use super::keys;
use crate::domain::model::backoff::Backoff;
use crate::ports::job_queue::{QueueError, Refusal};
use crate::telemetry::metrics::{REDIS_DURATION, seconds};

/// A call that takes longer has failed; Redis answers in well under a millisecond.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Opening takes a few round trips; less than a call, so that a call can connect and still be in time.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// While Redis is away, calls fail at once in between attempts to connect.
pub(super) const RECONNECT: Backoff =
    Backoff { initial: Duration::from_millis(50), max: Duration::from_secs(1) };

/// One shared connection for all calls, and a source of own ones for reads that block.
pub(super) struct Connection {
    client: Client,
    slot: Mutex<Slot>,
    opening: Semaphore,
    losses: watch::Sender<u64>,
}

#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    /// Grows with every connection, so that a late failure of an old one does not close a new one.
    generation: u64,
    failures: u32,
    blocked_until: Option<Instant>,
    last_failure: Option<QueueError>,
    epoch: Option<String>,
}

impl Connection {
    /// Reads the URL; connects to nothing yet.
    pub(super) fn new(url: &str) -> Result<Self, QueueError> {
        let info = url.into_connection_info().map_err(|error| rejected(&error))?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(|error| rejected(&error))?;
        Ok(Self { client, slot: Mutex::default(), opening: Semaphore::new(1), losses: watch::Sender::new(0) })
    }

    /// Grows each time Redis is found to have lost its data.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Runs a command that may be repeated without harm: once more on a new connection if the old one broke.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, QueueError> {
        self.run(Request::One(command), true, &AtomicBool::default()).await
    }

    /// Runs a command once; when the connection breaks, nobody knows whether it had its effect.
    pub(super) async fn call_once(&self, command: &Cmd) -> Result<Value, Failed> {
        let sent = AtomicBool::new(false);
        let answer = self.run(Request::One(command), false, &sent).await;
        answer.map_err(|error| Failed { error, sent: sent.load(Ordering::Relaxed) })
    }

    /// Runs commands in one write, repeated as in [`Connection::call`]; the first error of any is the error of all.
    pub(super) async fn pipe(&self, pipeline: &Pipeline) -> Result<Vec<Value>, QueueError> {
        match self.run(Request::Many(pipeline), true, &AtomicBool::default()).await? {
            Value::Array(values) => Ok(values),
            other => Err(unexpected("the answer to a pipeline", &other)),
        }
    }

    /// Which connection is the shared one; grows when it is made anew. Redis may then be another one than before, so who
    /// has an own connection does well to open that anew, too.
    pub(super) fn generation(&self) -> u64 {
        self.with_slot(|slot| slot.generation)
    }

    /// A connection of its own for a read that blocks. Its caller sets a watchdog.
    pub(super) async fn blocking(&self) -> Result<MultiplexedConnection, QueueError> {
        // The shared connection is opened first: it knows about backoff, functions and lost data.
        self.shared().await?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let opened =
            timeout(CONNECT_TIMEOUT, self.client.get_multiplexed_async_connection_with_config(&config));
        match opened.await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(not_opened(&error)),
            Err(elapsed) => Err(QueueError::Unavailable(elapsed.into())),
        }
    }

    /// A connection of its own that hears what is published on these channels. Its caller sets a watchdog.
    pub(super) async fn subscription(&self, channels: &[String]) -> Result<PubSub, QueueError> {
        self.shared().await?;
        let subscribed = async {
            let mut connection = self.client.get_async_pubsub().await?;
            connection.subscribe(channels).await?;
            Ok::<_, RedisError>(connection)
        };
        match timeout(CONNECT_TIMEOUT, subscribed).await {
            Ok(subscribed) => subscribed.map_err(|error| queue_error(&error)),
            Err(elapsed) => Err(QueueError::Unavailable(elapsed.into())),
        }
    }

    /// Lets go of the connection.
    pub(super) fn close(&self) {
        self.with_slot(|slot| slot.connection = None);
    }

    async fn run(&self, request: Request<'_>, repeat: bool, sent: &AtomicBool) -> Result<Value, QueueError> {
        let begun = Instant::now();
        let answer = self.run_in_time(request, repeat, sent).await;
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        histogram!(REDIS_DURATION, "outcome" => outcome).record(seconds(begun.elapsed()));
        answer
    }

    async fn run_in_time(
        &self,
        request: Request<'_>,
        repeat: bool,
        sent: &AtomicBool,
    ) -> Result<Value, QueueError> {
        match timeout(CALL_TIMEOUT, self.attempt(request, repeat, sent)).await {
            Ok(answer) => answer,
            Err(_elapsed) => {
                // It may hang for ever (a peer that vanished): the next call gets a new connection.
                self.close();
                Err(QueueError::TimedOut { after: CALL_TIMEOUT })
            }
        }
    }

    /// `sent` is true from the moment on at which the request may have its effect, until it is certain that it had none.
    async fn attempt(
        &self,
        request: Request<'_>,
        repeat: bool,
        sent: &AtomicBool,
    ) -> Result<Value, QueueError> {
        let mut repeats_left = u32::from(repeat);
        let (mut loads_left, mut moves_left) = (1, 1);
        loop {
            let (mut connection, generation) = self.shared().await?;
            sent.store(true, Ordering::Relaxed);
            let error = match request.send(&mut connection).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let failure = queue_error(&error);
            if is_function_missing(&error) && loads_left > 0 {
                loads_left -= 1;
                sent.store(false, Ordering::Relaxed);
                load_library(&mut connection).await.map_err(|error| queue_error(&error))?;
            } else if is_broken(&error) {
                self.invalidate(generation);
                if repeats_left == 0 || error.is_timeout() {
                    return Err(failure);
                }
                repeats_left -= 1;
            } else if is_read_only(&failure) {
                // After a failover the address leads to another Redis, but an open connection does not.
                sent.store(false, Ordering::Relaxed);
                self.invalidate(generation);
                if moves_left == 0 {
                    return Err(failure);
                }
                moves_left -= 1;
            } else {
                sent.store(false, Ordering::Relaxed);
                return Err(failure);
            }
        }
    }

    async fn shared(&self) -> Result<(MultiplexedConnection, u64), QueueError> {
        if let Some(open) = self.open_connection()? {
            return Ok(open);
        }
        // One at a time; who waited finds the connection, or the failure, of who went first.
        let permit = self.opening.acquire().await.map_err(|error| QueueError::Unavailable(error.into()))?;
        if let Some(open) = self.open_connection()? {
            return Ok(open);
        }
        let opened = match timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(QueueError::Unavailable(elapsed.into())),
        };
        let answer = match opened {
            Ok((connection, epoch)) => Ok(self.keep(connection, epoch)),
            Err(error) => {
                self.note_failure(&error);
                Err(error)
            }
        };
        drop(permit);
        answer
    }

    /// The open connection; an error while it is too early to try again.
    fn open_connection(&self) -> Result<Option<(MultiplexedConnection, u64)>, QueueError> {
        self.with_slot(|slot| match (&slot.connection, slot.blocked_until) {
            (Some(connection), _) => Ok(Some((connection.clone(), slot.generation))),
            (None, Some(until)) if Instant::now() < until => match &slot.last_failure {
                Some(failure) => Err(failure.echo()),
                None => Ok(None),
            },
            (None, _) => Ok(None),
        })
    }

    async fn open(&self) -> Result<(MultiplexedConnection, String), QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(CALL_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(|error| not_opened(&error))?;
        let epoch = prepare(&mut connection).await.map_err(|error| queue_error(&error))?;
        Ok((connection, epoch))
    }

    fn keep(&self, connection: MultiplexedConnection, epoch: String) -> (MultiplexedConnection, u64) {
        let (lost, generation) = self.with_slot(|slot| {
            let lost = slot.epoch.as_ref().is_some_and(|known| *known != epoch);
            let generation = slot.generation + 1;
            *slot = Slot {
                connection: Some(connection.clone()),
                generation,
                epoch: Some(epoch),
                ..Slot::default()
            };
            (lost, generation)
        });
        if lost {
            tracing::warn!("Redis has lost its data: jobs that were queued or running are gone");
            self.losses.send_modify(|losses| *losses += 1);
        }
        (connection, generation)
    }

    fn note_failure(&self, error: &QueueError) {
        let text = match std::error::Error::source(error) {
            Some(cause) => cause.to_string(),
            None => error.to_string(),
        };
        let failures = self.with_slot(|slot| {
            slot.failures = slot.failures.saturating_add(1);
            slot.blocked_until = Some(Instant::now() + RECONNECT.delay(slot.failures, fastrand::f64()));
            slot.last_failure = Some(error.echo());
            slot.failures
        });
        if failures == 1 {
            tracing::warn!(error = text, "Redis cannot be used");
        }
    }

    fn invalidate(&self, generation: u64) {
        self.with_slot(|slot| {
            if slot.generation == generation {
                slot.connection = None;
            }
        });
    }

    fn with_slot<T>(&self, act: impl FnOnce(&mut Slot) -> T) -> T {
        act(&mut self.slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// What goes over the connection in one write.
#[derive(Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
}

impl Request<'_> {
    async fn send(self, connection: &mut MultiplexedConnection) -> Result<Value, RedisError> {
        match self {
            Self::One(command) => command.query_async(connection).await,
            Self::Many(pipeline) => pipeline.query_async(connection).await.map(Value::Array),
        }
    }
}

/// Makes sure that our functions are there, and reads the epoch.
async fn prepare(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    let mut revision = redis::cmd("FCALL");
    revision.arg(functions::REVISION_OF).arg(0);
    match revision.query_async::<i64>(connection).await {
        Ok(loaded) if loaded >= functions::revision() => {}
        Ok(_older) => load_library(connection).await?,
        Err(error) if is_function_missing(&error) => load_library(connection).await?,
        Err(error) => return Err(error),
    }
    // Other refusals are told call by call: what is allowed goes on.
    let mut probe = redis::cmd("FCALL");
    probe.arg(functions::PROBE).arg(1).arg(keys::PROBE);
    if let Err(error) = probe.query_async::<()>(connection).await
        && (is_broken(&error) || is_read_only(&queue_error(&error)))
    {
        return Err(error);
    }
    let mut get = redis::cmd("GET");
    get.arg(keys::EPOCH);
    if let Some(epoch) = get.query_async(connection).await? {
        return Ok(epoch);
    }
    let mut set = redis::cmd("FCALL");
    set.arg(functions::EPOCH).arg(1).arg(keys::EPOCH).arg(uuid::Uuid::new_v4().simple().to_string());
    set.query_async(connection).await
}

async fn load_library(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let mut load = redis::cmd("FUNCTION");
    load.arg("LOAD").arg("REPLACE").arg(functions::LIBRARY);
    load.query_async(connection).await
}

fn is_function_missing(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("Function not found"))
        || error.to_string().contains("Function not found")
}

/// True when the connection is of no more use.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.is_timeout()
}

/// A failed call and whether it may have had its effect.
pub(super) struct Failed {
    pub(super) error: QueueError,
    pub(super) sent: bool,
}

impl From<Failed> for QueueError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A Redis error in the words of the port.
pub(super) fn queue_error(error: &RedisError) -> QueueError {
    if error.is_timeout() {
        return QueueError::TimedOut { after: CALL_TIMEOUT };
    }
    if let Some(refusal) = refusal::of(error) {
        return QueueError::Refused { refusal, reason: refusal::words(error) };
    }
    if is_broken(error) {
        return QueueError::Unavailable(error.clone().into());
    }
    rejected(error)
}

/// Why there is no connection.
fn not_opened(error: &RedisError) -> QueueError {
    match queue_error(error) {
        QueueError::TimedOut { .. } => QueueError::Unavailable(error.clone().into()),
        other => other,
    }
}

fn is_read_only(error: &QueueError) -> bool {
    matches!(error, QueueError::Refused { refusal: Refusal::ReadOnly, .. })
}

fn rejected(error: &RedisError) -> QueueError {
    QueueError::Rejected { reason: error.to_string() }
}

/// An answer that is not of the shape that was agreed on.
pub(super) fn unexpected(what: &str, answer: &Value) -> QueueError {
    let mut shown = format!("{answer:?}");
    shown.truncate(shown.char_indices().nth(200).map_or(shown.len(), |(at, _)| at));
    QueueError::Corrupt { what: what.to_owned(), source: format!("unexpected answer {shown}").into() }
}

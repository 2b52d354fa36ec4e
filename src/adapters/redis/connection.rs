//! The connection to Redis: opened lazily, and again with a backoff. Opening loads the functions and finds lost data.

pub(super) mod library;
mod own;
pub(super) mod refusal;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::access::{AccessError, RedisAccess};
use super::functions::Function;
use super::keys;
use super::sentinel::PrimaryWatch;
use super::wrong_type;
use crate::domain::model::backoff::Backoff;
use crate::lock::Lock;
use crate::ports::store_fault::Refusal;
use crate::ports::store_fault::StoreFault;

pub(super) use own::{OwnConnection, ReadFailed};

/// Deadline of a call. Redis answers in well under a millisecond.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Deadline of opening a connection, which takes a few round trips. Shorter than that of a call, so that a call can connect and
/// still be in time.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Delay between attempts to connect; calls in between fail at once.
pub(super) const RECONNECT: Backoff = Backoff::of_millis(50, 1_000);

/// One connection that all calls share, and a source of own connections for reads that block.
pub(super) struct Connection {
    url: String,
    access: RedisAccess,
    /// The primary behind Sentinels; None for a URL of one server.
    primary: Option<Arc<PrimaryWatch>>,
    /// The task that notices another primary, from the first connection on.
    watching: OnceLock<JoinSet<()>>,
    slot: Lock<Slot>,
    opening: Semaphore,
    losses: watch::Sender<u64>,
}

#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    /// Number of changes of the primary that the connection knows of.
    moves: u64,
    /// Number of the connection, so that a late failure of an old one does not close a new one.
    generation: u64,
    failures: u32,
    blocked_until: Option<Instant>,
    last_failure: Option<StoreFault>,
    epoch: Option<String>,
}

impl Connection {
    /// Checks the URL and the files beside it. The first call connects.
    pub(super) fn new(url: &str, access: &RedisAccess) -> Result<Self, StoreFault> {
        let rejected = |error: AccessError| StoreFault::Rejected { reason: error.to_string() };
        access.check(url).map_err(rejected)?;
        let sentinels = access.sentinels(url).map_err(rejected)?;
        Ok(Self {
            url: url.to_owned(),
            access: access.clone(),
            primary: sentinels.map(|sentinels| Arc::new(PrimaryWatch::new(sentinels, access.clone()))),
            watching: OnceLock::new(),
            slot: Lock::default(),
            opening: Semaphore::new(1),
            losses: watch::Sender::new(0),
        })
    }

    /// Finds the server to use, and makes a client with the password and the certificates that the files have now. The second part
    /// is the number of changes of the primary so far.
    async fn find_server(&self) -> Result<(Client, u64), StoreFault> {
        let Some(primary) = &self.primary else { return Ok((self.server_in_use()?, 0)) };
        self.watching.get_or_init(|| {
            let (primary, mut tasks) = (Arc::clone(primary), JoinSet::new());
            tasks.spawn(async move { primary.run().await });
            tasks
        });
        let (_primary, moves) = primary.find().await?;
        Ok((self.server_in_use()?, moves))
    }

    /// A client of the server that was found last.
    fn server_in_use(&self) -> Result<Client, StoreFault> {
        let client = match &self.primary {
            None => self.access.client(&self.url),
            Some(watch) => {
                let primary =
                    watch.known().ok_or_else(|| StoreFault::Unavailable("no primary known".into()))?;
                let server = watch.url().server(&primary.host, primary.port);
                self.access.client_of(server.map_err(|error| rejected(&error))?)
            }
        };
        let client = client.map_err(|error| StoreFault::Unavailable(error.into()))?;
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = client.get_connection_info().clone().set_tcp_settings(tcp);
        Client::open(info).map_err(|error| rejected(&error))
    }

    /// Number of changes of the primary.
    pub(super) fn moves(&self) -> u64 {
        self.primary.as_ref().map_or(0, |primary| primary.moves())
    }

    /// Waits for an answer of a server, which breaks off as if the connection had when there is another primary.
    pub(super) async fn unless_moved<T>(
        &self,
        since: u64,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let Some(primary) = &self.primary else { return answer.await };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = primary.moved(since) => {
                let what = "another server is the primary now";
                Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, what).into())
            }
        }
    }

    /// The server in use, where it can be another one at any time.
    pub(super) fn primary(&self) -> Option<String> {
        Some(self.primary.as_ref()?.known()?.to_string())
    }

    /// The error of a connection that could not be opened.
    fn not_opened(&self, error: &RedisError) -> StoreFault {
        if let Some(told) = self.access.explain(&self.url, error) {
            return StoreFault::Unavailable(told.into());
        }
        match fault_of(error) {
            // Beside a login of its own for Sentinels, nobody would know which one is meant.
            StoreFault::Refused { refusal: refusal @ Refusal::AccessDenied, reason } => {
                let told = self.primary().map(|at| {
                    format!("redis_user, redis_password_file: the primary {at} does not let this user in: {reason}")
                });
                StoreFault::Refused { refusal, reason: told.unwrap_or(reason) }
            }
            StoreFault::TimedOut { .. } => StoreFault::Unavailable(error.clone().into()),
            other => other,
        }
    }

    /// A counter that grows each time Redis has lost its data.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// A number that grows with each new shared connection and each change of the primary. Then the address may lead to another Redis,
    /// so holders of own connections open those again, too.
    pub(super) fn generation(&self) -> u64 {
        self.with_slot(|slot| slot.generation) + self.moves()
    }

    /// Opens an own connection for a read that blocks. The caller limits the read.
    pub(super) async fn blocking(&self) -> Result<OwnConnection, StoreFault> {
        let moves = self.moves();
        // The shared connection comes first: opening it applies the backoff, loads the functions and finds lost data.
        self.shared().await?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let client = self.server_in_use()?;
        let opened = timeout(CONNECT_TIMEOUT, client.get_multiplexed_async_connection_with_config(&config));
        match opened.await {
            Ok(Ok(connection)) => Ok(OwnConnection::new(connection, self.primary.clone(), moves)),
            Ok(Err(error)) => Err(self.not_opened(&error)),
            Err(elapsed) => Err(StoreFault::Unavailable(elapsed.into())),
        }
    }

    /// Opens an own connection that receives what is published on these channels. The caller notices its silence.
    pub(super) async fn subscription(&self, channels: &[String]) -> Result<PubSub, StoreFault> {
        self.shared().await?;
        let client = self.server_in_use()?;
        let subscribed = async {
            let mut connection = client.get_async_pubsub().await?;
            connection.subscribe(channels).await?;
            Ok::<_, RedisError>(connection)
        };
        match timeout(CONNECT_TIMEOUT, subscribed).await {
            Ok(subscribed) => subscribed.map_err(|error| fault_of(&error)),
            Err(elapsed) => Err(StoreFault::Unavailable(elapsed.into())),
        }
    }

    /// Drops the shared connection.
    pub(super) fn close(&self) {
        self.with_slot(|slot| slot.connection = None);
    }

    /// The shared connection and its number; opened if there is none.
    pub(super) async fn shared(&self) -> Result<(MultiplexedConnection, u64), StoreFault> {
        if let Some(open) = self.open_connection()? {
            return Ok(open);
        }
        // One attempt at a time; the others find its connection or its failure.
        let permit = self.opening.acquire().await.map_err(|error| StoreFault::Unavailable(error.into()))?;
        if let Some(open) = self.open_connection()? {
            return Ok(open);
        }
        let opened = match timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(StoreFault::Unavailable(elapsed.into())),
        };
        let answer = match opened {
            Ok((connection, epoch, moves)) => Ok(self.keep(connection, epoch, moves)),
            Err(error) => {
                self.note_failure(&error);
                Err(error)
            }
        };
        drop(permit);
        answer
    }

    /// The open connection; the last failure while it is too early for another attempt.
    fn open_connection(&self) -> Result<Option<(MultiplexedConnection, u64)>, StoreFault> {
        let moves = self.moves();
        self.with_slot(|slot| {
            if slot.moves != moves {
                // It leads to a former primary, and so did the attempts that failed.
                *slot = Slot { moves, connection: None, blocked_until: None, ..std::mem::take(slot) };
            }
            match (&slot.connection, slot.blocked_until) {
                (Some(connection), _) => Ok(Some((connection.clone(), slot.generation))),
                (None, Some(until)) if Instant::now() < until => match &slot.last_failure {
                    Some(failure) => Err(failure.echo()),
                    None => Ok(None),
                },
                (None, _) => Ok(None),
            }
        })
    }

    async fn open(&self) -> Result<(MultiplexedConnection, String, u64), StoreFault> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(CALL_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let (client, moves) = self.find_server().await?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(|error| self.not_opened(&error))?;
        let epoch = prepare(&mut connection).await?;
        Ok((connection, epoch, moves))
    }

    fn keep(
        &self,
        connection: MultiplexedConnection,
        epoch: String,
        moves: u64,
    ) -> (MultiplexedConnection, u64) {
        let (lost, generation) = self.with_slot(|slot| {
            let lost = slot.epoch.as_ref().is_some_and(|known| *known != epoch);
            let generation = slot.generation + 1;
            *slot = Slot {
                connection: Some(connection.clone()),
                moves,
                generation,
                epoch: Some(epoch),
                ..Slot::default()
            };
            (lost, generation)
        });
        if lost {
            tracing::warn!("Redis: data lost (jobs that were queued or running are gone)");
            self.losses.send_modify(|losses| *losses += 1);
        }
        (connection, generation)
    }

    fn note_failure(&self, error: &StoreFault) {
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
            tracing::warn!(error = text, "Redis: connection failed");
        }
    }

    /// Drops the shared connection of this generation.
    pub(super) fn invalidate(&self, generation: u64) {
        self.with_slot(|slot| {
            if slot.generation == generation {
                slot.connection = None;
            }
        });
    }

    fn with_slot<T>(&self, act: impl FnOnce(&mut Slot) -> T) -> T {
        act(&mut self.slot.lock())
    }
}

/// Loads the functions where they are needed, and reads the epoch.
async fn prepare(connection: &mut MultiplexedConnection) -> Result<String, StoreFault> {
    library::ensure(connection).await?;
    find_epoch(connection).await.map_err(|error| fault_of(&error))
}

/// Tries a write, and reads the epoch.
async fn find_epoch(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    // Other refusals concern single calls; what is allowed goes on.
    if let Err(error) = Function::Probe.on(keys::PROBE).query_async::<()>(connection).await
        && (is_broken(&error) || is_read_only(&fault_of(&error)))
    {
        return Err(error);
    }
    let mut get = redis::cmd("GET");
    get.arg(keys::EPOCH);
    if let Some(epoch) = get.query_async(connection).await? {
        return Ok(epoch);
    }
    let mut set = Function::Epoch.on(keys::EPOCH);
    set.arg(uuid::Uuid::new_v4().simple().to_string());
    set.query_async(connection).await
}

/// True when the connection is of no more use.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.is_timeout()
}

/// Returns the fault that an error of Redis stands for.
pub(super) fn fault_of(error: &RedisError) -> StoreFault {
    if error.is_timeout() {
        return StoreFault::TimedOut { after: CALL_TIMEOUT };
    }
    if let Some(refusal) = refusal::refusal_of(error) {
        return StoreFault::Refused { refusal, reason: refusal::words(error) };
    }
    if is_broken(error) {
        return StoreFault::Unavailable(error.clone().into());
    }
    if wrong_type::is_it(error) {
        return StoreFault::Corrupt {
            what: "a key in Redis".to_owned(),
            source: refusal::words(error).into(),
        };
    }
    rejected(error)
}

pub(super) fn is_read_only(error: &StoreFault) -> bool {
    matches!(error, StoreFault::Refused { refusal: Refusal::ReadOnly, .. })
}

fn rejected(error: &RedisError) -> StoreFault {
    StoreFault::Rejected { reason: error.to_string() }
}

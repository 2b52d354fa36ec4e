//! The connection to Redis: opened lazily, and again with a backoff. Opening loads the functions and finds lost data.

pub(super) mod library;
pub(super) mod refusal;

use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::RedisAccess;
use super::functions::Function;
use super::keys;
use super::wrong_type;
use crate::domain::model::backoff::Backoff;
use crate::lock::Lock;
use crate::ports::store_fault::Refusal;
use crate::ports::store_fault::StoreFault;

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
    slot: Lock<Slot>,
    opening: Semaphore,
    losses: watch::Sender<u64>,
}

#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
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
        access.check(url).map_err(|error| StoreFault::Rejected { reason: error.to_string() })?;
        Ok(Self {
            url: url.to_owned(),
            access: access.clone(),
            slot: Lock::default(),
            opening: Semaphore::new(1),
            losses: watch::Sender::new(0),
        })
    }

    /// A client with the password and the certificates that the files have now.
    fn client(&self) -> Result<Client, StoreFault> {
        let client = self.access.client(&self.url).map_err(|error| StoreFault::Unavailable(error.into()))?;
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = client.get_connection_info().clone().set_tcp_settings(tcp);
        Client::open(info).map_err(|error| rejected(&error))
    }

    /// The error of a connection that could not be opened.
    fn not_opened(&self, error: &RedisError) -> StoreFault {
        if let Some(told) = self.access.explain(&self.url, error) {
            return StoreFault::Unavailable(told.into());
        }
        match fault_of(error) {
            StoreFault::TimedOut { .. } => StoreFault::Unavailable(error.clone().into()),
            other => other,
        }
    }

    /// A counter that grows each time Redis has lost its data.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Number of the shared connection; grows with each new one. A new one may lead to another Redis, so holders of own
    /// connections open those again, too.
    pub(super) fn generation(&self) -> u64 {
        self.with_slot(|slot| slot.generation)
    }

    /// Opens an own connection for a read that blocks. The caller limits the read.
    pub(super) async fn blocking(&self) -> Result<MultiplexedConnection, StoreFault> {
        // The shared connection comes first: opening it applies the backoff, loads the functions and finds lost data.
        self.shared().await?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let client = self.client()?;
        let opened = timeout(CONNECT_TIMEOUT, client.get_multiplexed_async_connection_with_config(&config));
        match opened.await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.not_opened(&error)),
            Err(elapsed) => Err(StoreFault::Unavailable(elapsed.into())),
        }
    }

    /// Opens an own connection that receives what is published on these channels. The caller notices its silence.
    pub(super) async fn subscription(&self, channels: &[String]) -> Result<PubSub, StoreFault> {
        self.shared().await?;
        let client = self.client()?;
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
            Ok((connection, epoch)) => Ok(self.keep(connection, epoch)),
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
        self.with_slot(|slot| match (&slot.connection, slot.blocked_until) {
            (Some(connection), _) => Ok(Some((connection.clone(), slot.generation))),
            (None, Some(until)) if Instant::now() < until => match &slot.last_failure {
                Some(failure) => Err(failure.echo()),
                None => Ok(None),
            },
            (None, _) => Ok(None),
        })
    }

    async fn open(&self) -> Result<(MultiplexedConnection, String), StoreFault> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(CALL_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let connection = self.client()?.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(|error| self.not_opened(&error))?;
        let epoch = prepare(&mut connection).await?;
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

//! The connection to Redis: opened lazily, and again with a backoff. Opening loads the functions and finds lost data.
//!
//! In a Cluster each primary has a connection of its own, and each command goes to the one that has its key.

pub(super) mod library;
mod link;
mod own;
pub(super) mod refusal;
mod servers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, RedisError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::link::Link;
use super::access::{AccessError, RedisAccess};
use super::cluster::Address;
use super::functions::Function;
use super::keys;
use super::wrong_type;
use crate::domain::model::backoff::Backoff;
use crate::lock::Lock;
use crate::ports::store_fault::Refusal;
use crate::ports::store_fault::StoreFault;

pub(super) use own::{OwnConnection, ReadFailed};
pub(super) use servers::{Route, Servers};

/// Deadline of a call. Redis answers in well under a millisecond.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Deadline of opening a connection, which takes a few round trips. Shorter than that of a call, so that a call can connect and
/// still be in time.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Delay between attempts to connect; calls in between fail at once.
pub(super) const RECONNECT: Backoff = Backoff::of_millis(50, 1_000);
/// Bits of a generation that count connections; those above count changes of the primary of a slot.
const CONNECTION_BITS: u32 = 32;

/// One connection that all calls to a server share, and a source of own connections for reads that block.
pub(super) struct Connection {
    url: String,
    access: RedisAccess,
    servers: Servers,
    /// The task that notices other primaries, from the first connection on.
    watching: OnceLock<Option<JoinSet<()>>>,
    /// The servers in use by their addresses, which only those of a Cluster have.
    links: Lock<BTreeMap<Option<Address>, Arc<Link>>>,
    /// Number of connections that were opened.
    opened: AtomicU64,
    epoch: Lock<Option<String>>,
    losses: watch::Sender<u64>,
}

impl Connection {
    /// Checks the URL and the files beside it. The first call connects.
    pub(super) fn new(url: &str, access: &RedisAccess) -> Result<Self, StoreFault> {
        let rejected = |error: AccessError| StoreFault::Rejected { reason: error.to_string() };
        access.check(url).map_err(rejected)?;
        Ok(Self {
            url: url.to_owned(),
            access: access.clone(),
            servers: Servers::new(url, access).map_err(rejected)?,
            watching: OnceLock::new(),
            links: Lock::default(),
            opened: AtomicU64::new(0),
            epoch: Lock::default(),
            losses: watch::Sender::new(0),
        })
    }

    pub(super) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Finds the server of a key, or any for a command without one.
    pub(super) async fn route(&self, key: Option<&[u8]>) -> Result<Route, StoreFault> {
        if self.servers.are_many() {
            self.watch();
        }
        self.servers.route(key).await
    }

    fn watch(&self) {
        self.watching.get_or_init(|| self.servers.watch());
    }

    /// The servers in use, where they can be other ones at any time.
    pub(super) fn primary(&self) -> Option<String> {
        self.servers.describe()
    }

    /// The error of a connection that could not be opened.
    fn not_opened(&self, route: &Route, error: &RedisError) -> StoreFault {
        if let Some(told) = self.access.explain(&self.url, error) {
            return StoreFault::Unavailable(told.into());
        }
        match fault_of(error) {
            // Beside a login of its own for Sentinels, nobody would know which one is meant.
            StoreFault::Refused { refusal: refusal @ Refusal::AccessDenied, reason } => {
                let at = route.at.as_ref().map(ToString::to_string).or_else(|| self.primary());
                let told = at.map(|at| {
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

    /// A number that is another one with each new shared connection to the server of this key, and with each change of the primary.
    /// Then the address may lead to another Redis, so holders of own connections open those again, too.
    pub(super) fn generation(&self, key: &str) -> u64 {
        let route = self.servers.route_now(Some(key.as_bytes()));
        let connection = self.links.lock().get(&route.at).map_or(0, |link| link.generation());
        (route.moves << CONNECTION_BITS) + connection
    }

    /// Opens an own connection to the server of this key, for a read that blocks. The caller limits the read.
    pub(super) async fn blocking(&self, key: &str) -> Result<OwnConnection, StoreFault> {
        let route = self.route(Some(key.as_bytes())).await?;
        // The shared connection comes first: opening it applies the backoff, loads the functions and finds lost data.
        self.shared(&route).await?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let client = self.servers.client(&self.url, &self.access, &route)?;
        let opened = timeout(CONNECT_TIMEOUT, client.get_multiplexed_async_connection_with_config(&config));
        match opened.await {
            Ok(Ok(connection)) => Ok(OwnConnection::new(connection, self.servers.clone(), route)),
            Ok(Err(error)) => Err(self.not_opened(&route, &error)),
            Err(elapsed) => Err(StoreFault::Unavailable(elapsed.into())),
        }
    }

    /// Opens an own connection that receives what is published on these channels. The caller notices its silence. In a Cluster all
    /// servers pass on what is published; the one that has the first channel, taken as a key, is asked.
    pub(super) async fn subscription(&self, channels: &[String]) -> Result<PubSub, StoreFault> {
        let route = self.route(channels.first().map(|channel| channel.as_bytes())).await?;
        self.shared(&route).await?;
        let client = self.servers.client(&self.url, &self.access, &route)?;
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

    /// Drops the shared connections.
    pub(super) fn close(&self) {
        for link in self.links.lock().values() {
            link.close();
        }
    }

    /// Drops the shared connection to the server of this key.
    pub(super) fn close_to(&self, key: Option<&[u8]>) {
        let route = self.servers.route_now(key);
        if let Some(link) = self.links.lock().get(&route.at) {
            link.close();
        }
        self.servers.hurry();
    }

    /// Drops the shared connection of this generation.
    pub(super) fn invalidate(&self, route: &Route, generation: u64) {
        self.link(route).invalidate(generation);
        self.servers.hurry();
    }

    fn link(&self, route: &Route) -> Arc<Link> {
        let mut links = self.links.lock();
        if let Some(link) = links.get(&route.at) {
            return Arc::clone(link);
        }
        // Servers that are no primaries any more are forgotten, with their connections.
        links.retain(|at, _link| at.as_ref().is_none_or(|at| self.servers.is_primary(at)));
        Arc::clone(links.entry(route.at.clone()).or_insert_with(|| Arc::new(Link::new())))
    }

    /// The shared connection to a server and its number; opened if there is none.
    pub(super) async fn shared(&self, route: &Route) -> Result<(MultiplexedConnection, u64), StoreFault> {
        let link = self.link(route);
        if let Some(open) = link.open_connection(self.moves(route))? {
            return Ok(open);
        }
        let permit = link.opening.acquire().await.map_err(|error| StoreFault::Unavailable(error.into()))?;
        if let Some(open) = link.open_connection(self.moves(route))? {
            return Ok(open);
        }
        let opened = match timeout(CONNECT_TIMEOUT, self.open(route)).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(StoreFault::Unavailable(elapsed.into())),
        };
        let answer = match opened {
            Ok((connection, epoch, moves)) => {
                let generation = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
                link.keep(connection.clone(), moves, generation);
                self.note_epoch(epoch);
                Ok((connection, generation))
            }
            Err(error) => {
                self.note_failure(&link, route, &error);
                Err(error)
            }
        };
        drop(permit);
        answer
    }

    /// Number of changes of the primary that a connection at the place of this route has to know of. In a Cluster another primary has
    /// another place.
    fn moves(&self, route: &Route) -> u64 {
        match &route.at {
            Some(_of_a_cluster) => 0,
            None => self.servers.route_now(None).moves,
        }
    }

    async fn open(&self, route: &Route) -> Result<(MultiplexedConnection, Option<String>, u64), StoreFault> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(CALL_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        self.watch();
        let moves = match &self.servers {
            Servers::One | Servers::Cluster(_) => 0,
            Servers::Sentinels(watch) => watch.find().await?.1,
        };
        let client = self.servers.client(&self.url, &self.access, route)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(|error| self.not_opened(route, &error))?;
        library::ensure(&mut connection).await?;
        let epoch = match self.servers.has(route, keys::EPOCH.as_bytes()) {
            true => Some(self.find_epoch(&mut connection).await.map_err(|error| fault_of(&error))?),
            false => None,
        };
        Ok((connection, epoch, moves))
    }

    /// Tries a write, and reads the epoch.
    async fn find_epoch(&self, connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
        // A server of a Cluster says by itself that it is no primary of a slot. Other refusals concern single calls; what is allowed
        // goes on.
        if !self.servers.are_many()
            && let Err(error) = Function::Probe.on(keys::PROBE).query_async::<()>(connection).await
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

    fn note_epoch(&self, epoch: Option<String>) {
        let Some(epoch) = epoch else { return };
        let known = self.epoch.lock().replace(epoch.clone());
        if known.is_some_and(|known| known != epoch) {
            tracing::warn!("Redis: data lost (jobs that were queued or running are gone)");
            self.losses.send_modify(|losses| *losses += 1);
        }
    }

    fn note_failure(&self, link: &Link, route: &Route, error: &StoreFault) {
        let text = match std::error::Error::source(error) {
            Some(cause) => cause.to_string(),
            None => error.to_string(),
        };
        if link.note_failure(error) == 1 {
            match &route.at {
                Some(at) => tracing::warn!(error = text, "Redis: connection to {at} failed"),
                None => tracing::warn!(error = text, "Redis: connection failed"),
            }
        }
        self.servers.hurry();
    }
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
    if let Some("MOVED" | "CROSSSLOT") = refusal::code(error).as_deref() {
        let reason = "redis_url names one server of a Cluster: use redis+cluster://HOST:PORT,HOST:PORT";
        return StoreFault::Rejected { reason: format!("{reason} ({})", refusal::words(error)) };
    }
    rejected(error)
}

pub(super) fn is_read_only(error: &StoreFault) -> bool {
    matches!(error, StoreFault::Refused { refusal: Refusal::ReadOnly, .. })
}

fn rejected(error: &RedisError) -> StoreFault {
    StoreFault::Rejected { reason: error.to_string() }
}

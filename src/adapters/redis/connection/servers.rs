//! The servers that a URL stands for, and which of them a command goes to.

use std::sync::Arc;

use redis::io::tcp::TcpSettings;
use redis::{Client, RedisError};
use tokio::task::JoinSet;

use super::rejected;
use crate::adapters::redis::access::{AccessError, RedisAccess};
use crate::adapters::redis::cluster::{Address, ClusterWatch, slot_of};
use crate::adapters::redis::sentinel::PrimaryWatch;
use crate::ports::store_fault::StoreFault;

/// The servers of a URL.
#[derive(Clone)]
pub(in super::super) enum Servers {
    /// One server, which never changes.
    One,
    /// The primary behind Sentinels.
    Sentinels(Arc<PrimaryWatch>),
    /// The primaries of a Cluster.
    Cluster(Arc<ClusterWatch>),
}

/// Way of a command to its server, as it was when that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Route {
    /// The server in a Cluster; None elsewhere.
    pub(in super::super) at: Option<Address>,
    /// The slot in a Cluster; None for a command that any server can answer.
    slot: Option<u16>,
    /// Number of changes of the primary, in a Cluster of that of the slot.
    pub(in super::super) moves: u64,
}

impl Servers {
    pub(super) fn new(url: &str, access: &RedisAccess) -> Result<Self, AccessError> {
        if let Some(url) = access.sentinels(url)? {
            return Ok(Self::Sentinels(Arc::new(PrimaryWatch::new(url, access.clone()))));
        }
        Ok(match access.cluster(url)? {
            Some(url) => Self::Cluster(Arc::new(ClusterWatch::new(url, access.clone()))),
            None => Self::One,
        })
    }

    /// The task that notices other primaries; None where there is nothing to notice.
    pub(super) fn watch(&self) -> Option<JoinSet<()>> {
        let mut tasks = JoinSet::new();
        match self {
            Self::One => return None,
            Self::Sentinels(watch) => {
                let watch = Arc::clone(watch);
                tasks.spawn(async move { watch.run().await });
            }
            Self::Cluster(watch) => {
                let watch = Arc::clone(watch);
                tasks.spawn(async move { watch.run().await });
            }
        }
        Some(tasks)
    }

    /// True if keys with different tags lie on different servers.
    pub(in super::super) fn are_many(&self) -> bool {
        match self {
            Self::One | Self::Sentinels(_) => false,
            Self::Cluster(_) => true,
        }
    }

    /// Finds the server of a key, or any for a command without one.
    pub(in super::super) async fn route(&self, key: Option<&[u8]>) -> Result<Route, StoreFault> {
        match self {
            Self::One | Self::Sentinels(_) => Ok(self.route_now(key)),
            Self::Cluster(watch) => {
                let slot = key.map(slot_of);
                let (at, moves) = watch.primary_of(slot).await?;
                Ok(Route { at: Some(at), slot, moves })
            }
        }
    }

    /// The same as far as it is known now.
    pub(super) fn route_now(&self, key: Option<&[u8]>) -> Route {
        match self {
            Self::One => Route::default(),
            Self::Sentinels(watch) => Route { at: None, slot: None, moves: watch.moves() },
            Self::Cluster(watch) => {
                let slot = key.map(slot_of);
                let known = watch.known_primary_of(slot);
                let moves = known.as_ref().map_or(0, |(_at, moves)| *moves);
                Route { at: known.map(|(at, _moves)| at), slot, moves }
            }
        }
    }

    /// One route to each primary.
    pub(in super::super) async fn all_routes(&self) -> Result<Vec<Route>, StoreFault> {
        match self {
            Self::One | Self::Sentinels(_) => Ok(vec![self.route_now(None)]),
            Self::Cluster(watch) => {
                watch.primary_of(None).await?;
                let to = |at| Route { at: Some(at), slot: None, moves: 0 };
                Ok(watch.primaries().into_iter().map(to).collect())
            }
        }
    }

    /// True if the route leads to the server that has the key.
    pub(super) fn has(&self, route: &Route, key: &[u8]) -> bool {
        match self {
            Self::One | Self::Sentinels(_) => true,
            Self::Cluster(_) => self.route_now(Some(key)).at == route.at,
        }
    }

    /// True for a primary that has slots of a Cluster.
    pub(super) fn is_primary(&self, at: &Address) -> bool {
        match self {
            Self::One | Self::Sentinels(_) => false,
            Self::Cluster(watch) => watch.primaries().contains(at),
        }
    }

    /// True if there is another primary by now.
    pub(super) fn has_moved(&self, route: &Route) -> bool {
        match (self, route.slot) {
            (Self::One, _) | (Self::Cluster(_), None) => false,
            (Self::Sentinels(watch), _) => watch.moves() != route.moves,
            (Self::Cluster(watch), Some(slot)) => watch.changes_of(slot) != route.moves,
        }
    }

    /// Waits until there is another primary.
    pub(super) async fn moved(&self, route: &Route) {
        match (self, route.slot) {
            (Self::One, _) | (Self::Cluster(_), None) => std::future::pending().await,
            (Self::Sentinels(watch), _) => watch.moved(route.moves).await,
            (Self::Cluster(watch), Some(slot)) => watch.moved(slot, route.moves).await,
        }
    }

    /// Waits for an answer of a server, which breaks off as if the connection had when there is another primary.
    pub(in super::super) async fn unless_moved<T>(
        &self,
        route: &Route,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        if matches!(self, Self::One) {
            return answer.await;
        }
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.moved(route) => {
                let what = "another server is the primary now";
                Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, what).into())
            }
        }
    }

    /// Asks the servers of a Cluster again which of them has what.
    pub(in super::super) async fn look_again(&self) -> Result<(), StoreFault> {
        match self {
            Self::One | Self::Sentinels(_) => Ok(()),
            Self::Cluster(watch) => watch.find().await,
        }
    }

    /// The same soon, for one that need not be there to see it.
    pub(in super::super) fn hurry(&self) {
        match self {
            Self::One | Self::Sentinels(_) => {}
            Self::Cluster(watch) => watch.hurry(),
        }
    }

    /// The servers in use, where they can be other ones at any time.
    pub(super) fn describe(&self) -> Option<String> {
        match self {
            Self::One => None,
            Self::Sentinels(watch) => Some(watch.known()?.to_string()),
            Self::Cluster(watch) => watch.describe(),
        }
    }

    /// Makes a client of the server that a route leads to, with the password and the certificates that the files have now.
    pub(super) fn client(
        &self,
        url: &str,
        access: &RedisAccess,
        route: &Route,
    ) -> Result<Client, StoreFault> {
        let client = match self {
            Self::One => access.client(url),
            Self::Sentinels(watch) => {
                let primary =
                    watch.known().ok_or_else(|| StoreFault::Unavailable("no primary known".into()))?;
                let server = watch.url().server(&primary.host, primary.port);
                access.client_of(server.map_err(|error| rejected(&error))?)
            }
            Self::Cluster(watch) => {
                let none = || StoreFault::Unavailable("no server of the Cluster known".into());
                let Address { host, port } = route.at.as_ref().ok_or_else(none)?;
                let server = watch.url().server(host, *port);
                access.client_of(server.map_err(|error| rejected(&error))?)
            }
        };
        let client = client.map_err(|error| StoreFault::Unavailable(error.into()))?;
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = client.get_connection_info().clone().set_tcp_settings(tcp);
        Client::open(info).map_err(|error| rejected(&error))
    }
}

//! Questions to servers of a Cluster about its slots.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value, from_redis_value};
use tokio::time::timeout;

use super::map::Told;
use super::{Address, ClusterUrl};
use crate::adapters::redis::RedisAccess;
use crate::adapters::redis::connection::refusal;
use crate::lock::Lock;
use crate::ports::store_fault::{Refusal, StoreFault};

/// Deadline of one server. Shorter than that of a connection to Redis, of which it is a part.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_millis(800);

/// A reason why a server says nothing about the Cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTold {
    #[error("redis_user, redis_password_file: the server {at} does not let this user in: {reason}")]
    Login { at: Address, reason: String },
    #[error(
        "redis_url: {at} is no server of a Cluster: use redis://{at}, or set `cluster-enabled yes` there"
    )]
    NoCluster { at: Address },
    #[error("{at}: {reason}")]
    Away { at: Address, reason: String },
    /// A file that the login or TLS needs.
    #[error("{0}")]
    Access(String),
}

impl From<NotTold> for StoreFault {
    fn from(error: NotTold) -> Self {
        match error {
            NotTold::Login { .. } => {
                Self::Refused { refusal: Refusal::AccessDenied, reason: error.to_string() }
            }
            NotTold::NoCluster { .. } => Self::Rejected { reason: error.to_string() },
            NotTold::Away { .. } | NotTold::Access(_) => Self::Unavailable(error.into()),
        }
    }
}

/// Servers of a Cluster, and connections to them that are kept for questions.
pub(super) struct Servers {
    pub(super) url: ClusterUrl,
    access: RedisAccess,
    kept: Lock<BTreeMap<Address, MultiplexedConnection>>,
}

impl Servers {
    pub(super) fn new(url: ClusterUrl, access: RedisAccess) -> Self {
        Self { url, access, kept: Lock::default() }
    }

    /// Asks one server which primary has which slots.
    pub(super) async fn ask(&self, at: &Address) -> Result<Told, NotTold> {
        let asked = timeout(ASK_TIMEOUT, self.ask_again(at)).await;
        asked.unwrap_or_else(|_elapsed| {
            self.kept.lock().remove(at);
            Err(NotTold::Away { at: at.clone(), reason: format!("no answer within {ASK_TIMEOUT:?}") })
        })
    }

    /// Asks on a new connection if the kept one broke.
    async fn ask_again(&self, at: &Address) -> Result<Told, NotTold> {
        let kept = self.kept.lock().get(at).cloned();
        if let Some(mut kept) = kept
            && let Ok(told) = ask_for(&mut kept, at).await
        {
            return Ok(told);
        }
        self.kept.lock().remove(at);
        let failed = |error: RedisError| self.failed(at, &error);
        let mut connection = self.connect(at).await?.map_err(failed)?;
        let told = ask_for(&mut connection, at).await.map_err(failed)?;
        self.kept.lock().insert(at.clone(), connection);
        Ok(told)
    }

    /// Forgets the connections to servers that are no longer among these.
    pub(super) fn keep_only(&self, servers: &[Address]) {
        self.kept.lock().retain(|at, _connection| servers.contains(at));
    }

    /// Opens a connection with the password and the certificates that the files have now.
    pub(super) async fn connect(
        &self,
        at: &Address,
    ) -> Result<Result<MultiplexedConnection, RedisError>, NotTold> {
        let info = self.url.server(&at.host, at.port).map_err(|error| NotTold::Access(error.to_string()))?;
        let client = self.access.client_of(info).map_err(|error| NotTold::Access(error.to_string()))?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(ASK_TIMEOUT))
            .set_connection_timeout(Some(ASK_TIMEOUT));
        Ok(client.get_multiplexed_async_connection_with_config(&config).await)
    }

    pub(super) fn failed(&self, at: &Address, error: &RedisError) -> NotTold {
        let (at, reason) = (at.clone(), refusal::words(error));
        if reason.contains("cluster support disabled") {
            return NotTold::NoCluster { at };
        }
        match refusal::refusal_of(error) {
            Some(Refusal::AccessDenied) => NotTold::Login { at, reason },
            Some(_) | None => {
                let explained = self.access.explain("rediss", error).filter(|_told| self.url.is_tls());
                NotTold::Away { at, reason: explained.unwrap_or(reason) }
            }
        }
    }
}

async fn ask_for(connection: &mut MultiplexedConnection, at: &Address) -> Result<Told, RedisError> {
    let mut ask = redis::pipe();
    ask.cmd("CLUSTER").arg("SLOTS").cmd("CLUSTER").arg("NODES");
    let answers: Vec<Value> = ask.query_async(connection).await?;
    let mut answers = answers.into_iter();
    let slots = answers.next().unwrap_or_default();
    // RESP3 has a type of its own for a text with its format.
    let nodes = match answers.next().unwrap_or_default() {
        Value::VerbatimString { text, .. } => text,
        other => from_redis_value(other)?,
    };
    Ok(Told::read(at, slots, &nodes)?)
}

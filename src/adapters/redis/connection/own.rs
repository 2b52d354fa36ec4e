//! A connection of one reader, for commands that block.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::time::timeout;

use super::servers::{Route, Servers};
use super::{fault_of, refusal};
use crate::ports::store_fault::StoreFault;

/// A connection to the server that was in use when it was opened.
#[derive(Clone)]
pub(in super::super) struct OwnConnection {
    connection: MultiplexedConnection,
    servers: Servers,
    route: Route,
}

/// A read without an answer. The connection is of no more use, unless Redis has answered with an error.
pub(in super::super) enum ReadFailed {
    /// The error of Redis, or of the connection.
    Redis(RedisError),
    /// There is another primary.
    Moved,
    /// No answer within this limit.
    TimedOut(Duration),
}

impl From<ReadFailed> for StoreFault {
    fn from(failed: ReadFailed) -> Self {
        match failed {
            ReadFailed::Redis(error) => fault_of(&error),
            ReadFailed::Moved => Self::Unavailable("another server is the primary now".into()),
            ReadFailed::TimedOut(after) => Self::TimedOut { after },
        }
    }
}

impl OwnConnection {
    pub(super) fn new(connection: MultiplexedConnection, servers: Servers, route: Route) -> Self {
        Self { connection, servers, route }
    }

    /// Runs a command that may block, and gives it up after `limit`, or when there is another primary: a former one may hang, and
    /// what it says no longer counts.
    pub(in super::super) async fn query(
        &mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<Value, ReadFailed> {
        let mut connection = self.connection.clone();
        self.limited(command.query_async(&mut connection), limit).await
    }

    /// Runs several commands in the same way.
    pub(in super::super) async fn query_all(
        &mut self,
        commands: &Pipeline,
        limit: Duration,
    ) -> Result<Vec<Value>, ReadFailed> {
        let mut connection = self.connection.clone();
        self.limited(commands.query_async(&mut connection), limit).await
    }

    /// Sees that the server is still the primary, and is not about to be replaced. In a Cluster the replica that is the primary next
    /// acknowledges nothing more to this one.
    pub(in super::super) async fn is_of_the_primary(&self) -> Result<(), StoreFault> {
        match &self.servers {
            Servers::Sentinels(primary) => {
                let (now, moves) = primary.confirm().await?;
                match now.is_being_replaced {
                    _ if moves != self.route.moves => Err(ReadFailed::Moved.into()),
                    true => Err(StoreFault::Unavailable("a failover is under way".into())),
                    false => Ok(()),
                }
            }
            Servers::One | Servers::Cluster(_) => match self.servers.has_moved(&self.route) {
                true => Err(ReadFailed::Moved.into()),
                false => Ok(()),
            },
        }
    }

    async fn limited<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
        limit: Duration,
    ) -> Result<T, ReadFailed> {
        let answered = tokio::select! {
            biased;
            () = self.servers.moved(&self.route) => return Err(ReadFailed::Moved),
            answered = timeout(limit, answer) => answered,
        };
        match answered {
            Ok(Err(error)) if self.servers.are_many() && is_of_another(&error) => {
                // Whoever asks again is led to the server that has the keys now.
                drop(self.servers.look_again().await);
                Err(ReadFailed::Moved)
            }
            Ok(answer) => answer.map_err(ReadFailed::Redis),
            Err(_elapsed) => Err(ReadFailed::TimedOut(limit)),
        }
    }
}

/// True if a server says that another one has the keys, or will have them.
fn is_of_another(error: &RedisError) -> bool {
    refusal::code(error).is_some_and(|code| ["MOVED", "ASK", "UNBLOCKED"].contains(&code.as_str()))
}

//! A connection of one reader, for commands that block.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::time::timeout;

use super::fault_of;
use crate::adapters::redis::sentinel::PrimaryWatch;
use crate::ports::store_fault::StoreFault;

/// A connection to the server that was in use when it was opened.
#[derive(Clone)]
pub(in super::super) struct OwnConnection {
    connection: MultiplexedConnection,
    primary: Option<Arc<PrimaryWatch>>,
    moves: u64,
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
    pub(super) fn new(
        connection: MultiplexedConnection,
        primary: Option<Arc<PrimaryWatch>>,
        moves: u64,
    ) -> Self {
        Self { connection, primary, moves }
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

    /// Sees that the server is still the primary, and is not about to be replaced.
    pub(in super::super) async fn is_of_the_primary(&self) -> Result<(), StoreFault> {
        let Some(primary) = &self.primary else { return Ok(()) };
        let (now, moves) = primary.confirm().await?;
        if moves != self.moves {
            return Err(ReadFailed::Moved.into());
        }
        match now.is_being_replaced {
            true => Err(StoreFault::Unavailable("a failover is under way".into())),
            false => Ok(()),
        }
    }

    async fn limited<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
        limit: Duration,
    ) -> Result<T, ReadFailed> {
        let (primary, moves) = (&self.primary, self.moves);
        let moved = async move {
            match primary {
                Some(primary) => primary.moved(moves).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = moved => Err(ReadFailed::Moved),
            answered = timeout(limit, answer) => match answered {
                Ok(answer) => answer.map_err(ReadFailed::Redis),
                Err(_elapsed) => Err(ReadFailed::TimedOut(limit)),
            },
        }
    }
}

//! The wait for replicas, which have to know of a change before it counts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connection::{Connection, OwnConnection, ReadFailed};
use crate::domain::model::durability::Durability;
use crate::lock::Lock;
use crate::ports::store_fault::{Refusal, StoreFault};

/// Time that a replica has to acknowledge. It normally takes one round trip.
const REPLICA_MILLIS: u64 = 1_000;
/// Time beyond it after which an answer is given up.
const GRACE: Duration = Duration::from_millis(500);

impl OwnConnection {
    /// Waits until a replica has all that the server had written when this was called.
    pub(super) async fn until_replicated(&mut self) -> Result<(), StoreFault> {
        // The PING makes the connection one that has seen all writes so far; WAIT is about those.
        let mut wait = redis::pipe();
        wait.cmd("PING").cmd("WAIT").arg(1).arg(REPLICA_MILLIS);
        let limit = Duration::from_millis(REPLICA_MILLIS) + GRACE;
        let answers = self.query_all(&wait, limit).await?;
        let replicas: i64 = answers.into_iter().next_back().map_or(Ok(0), |answer| {
            redis::from_redis_value(answer).map_err(|error| ReadFailed::Redis(error.into()))
        })?;
        if replicas > 0 {
            // A replica that becomes the primary acknowledges nothing more, but another one does that has not heard of it yet.
            return self.is_of_the_primary().await;
        }
        let reason = format!(
            "no replica has acknowledged within {REPLICA_MILLIS} ms, as durability = \"replicated\" asks"
        );
        Err(StoreFault::Refused { refusal: Refusal::NotDurable, reason })
    }
}

impl Connection {
    /// Returns the generation of the connection before a call on this key that replicas have to know of; None where they have not.
    pub(super) async fn before(&self, durability: Durability, key: &str) -> Result<Option<u64>, StoreFault> {
        match durability {
            Durability::Primary => Ok(None),
            Durability::Replicated => {
                self.shared(&self.route(Some(key.as_bytes())).await?).await?;
                Ok(Some(self.generation(key)))
            }
        }
    }
}

/// Waits for replicas, on connections of its own so that nobody else waits.
#[derive(Default)]
pub(super) struct Replicas {
    /// By the key whose server it leads to, which is that of a queue.
    kept: Lock<BTreeMap<String, (OwnConnection, u64)>>,
}

impl Replicas {
    /// Waits until a replica has all that was written before to the server of this key, which was done at this generation of the
    /// connection. After a change of the connection nobody can say whether the server that has written and the one that is asked
    /// are the same.
    pub(super) async fn acknowledge(
        &self,
        shared: &Connection,
        key: &str,
        generation: u64,
    ) -> Result<(), StoreFault> {
        let kept = self.kept.lock().get(key).cloned().filter(|(_connection, of)| *of == generation);
        let mut connection = match kept {
            Some((connection, _generation)) => connection,
            None => {
                let connection = shared.blocking(key).await?;
                self.kept.lock().insert(key.to_owned(), (connection.clone(), generation));
                connection
            }
        };
        let waited = connection.until_replicated().await;
        if waited.is_err() {
            self.kept.lock().remove(key);
        }
        waited?;
        if shared.generation(key) == generation {
            return Ok(());
        }
        Err(StoreFault::Unavailable("the connection has changed before a replica has acknowledged".into()))
    }
}

//! The function library in Redis: loaded where it is missing or older than ours.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

use super::fault_of;
use crate::adapters::redis::functions::{self, Function, OLDEST_USABLE};
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::Lossy;
use crate::domain::model::queue_name::QueueName;
use crate::ports::store_fault::{Refusal, StoreFault};
use crate::telemetry::log_limiter::LogLimiter;

/// Limits the lines about an older library that is still in use.
static OLDER: LogLimiter = LogLimiter::new();

/// Loads the functions unless this revision or a newer one is there. A Redis whose memory is full takes none: then those that are there
/// serve, if they are not too old.
pub(in crate::adapters::redis) async fn ensure(
    connection: &mut MultiplexedConnection,
) -> Result<(), StoreFault> {
    let loaded = match Function::Revision.without_key().query_async::<i64>(connection).await {
        Ok(loaded) => Some(loaded),
        Err(error) if is_missing(&error) => None,
        Err(error) => return Err(fault_of(&error)),
    };
    if loaded.is_some_and(|loaded| loaded >= functions::revision()) {
        return Ok(());
    }
    match (load(connection).await, loaded) {
        (Err(StoreFault::Refused { refusal: Refusal::Full, .. }), Some(older)) if older >= OLDEST_USABLE => {
            if OLDER.due().is_some() {
                tracing::warn!(
                    "Redis: older functions are used (revision {older}; its memory is too full to load ours)"
                );
            }
            Ok(())
        }
        (done, _) => done,
    }
}

/// Loads the functions.
///
/// An older library may have accepted jobs that are not in the index of unfinished ones, or in those of their marks. So these indexes
/// count as incomplete until a round of maintenance has looked through all jobs.
pub(in crate::adapters::redis) async fn load(
    connection: &mut MultiplexedConnection,
) -> Result<(), StoreFault> {
    let mut forget = redis::pipe();
    for queue in QueueName::DEFAULTS.into_iter().chain(named_queues(connection).await) {
        forget.cmd("HDEL").arg(keys::clock(queue)).arg(&["indexed", "marked"]);
        forget.cmd("HDEL").arg(keys::counts(queue)).arg("unmarked");
    }
    // A damaged key has no index, and who may not write there may not load either.
    forget.ignore_errors();
    forget.query_async::<Vec<Value>>(connection).await.map_err(|error| fault_of(&error))?;
    let mut load = redis::cmd("FUNCTION");
    load.arg("LOAD").arg("REPLACE").arg(functions::LIBRARY);
    load.query_async(connection).await.map_err(|error| not_loaded(&error))
}

/// The queues that were created by name, as far as this server knows them: another one of a Cluster may have their list.
async fn named_queues(connection: &mut MultiplexedConnection) -> Vec<QueueName> {
    let all = redis::cmd("HGETALL").arg(keys::QUEUES).query_async::<Vec<(Lossy, Lossy)>>(connection).await;
    all.unwrap_or_default().iter().filter_map(|(Lossy(name), _)| QueueName::parse(name).ok()).collect()
}

/// The error of functions that could not be loaded: users of actors may not, and a full Redis takes none.
fn not_loaded(error: &RedisError) -> StoreFault {
    let what = "its functions are missing or of an older version";
    match fault_of(error) {
        StoreFault::Refused { refusal: refusal @ Refusal::AccessDenied, reason } => {
            let reason = format!("{what}; a supervisor of this version loads them ({reason})");
            StoreFault::Refused { refusal, reason }
        }
        StoreFault::Refused { refusal: refusal @ Refusal::Full, reason } => {
            let reason = format!("{what}, and cannot be loaded until there is memory ({reason})");
            StoreFault::Refused { refusal, reason }
        }
        other => other,
    }
}

pub(in crate::adapters::redis) fn is_missing(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("Function not found"))
        || error.to_string().contains("Function not found")
}

//! The job queue and the actor store on Redis (7.0 or later).
//!
//! Each state change of a job is one call of a Redis Function (`lua/*.lua`): one atomic step that checks its fence, writes
//! record, index and event, and replies to those who wait.
//! `docs/actor-protocol.md` describes keys, entries and functions for actors in other languages.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "`redis::Value` is open and has a dozen shapes; each place names those that it understands"
)]

mod access;
mod acl;
mod actor_store;
mod backup;
mod call;
mod cluster;
mod connection;
mod damaged_records;
mod durability;
mod event_log;
mod functions;
mod host_list;
mod keys;
mod node_calls;
mod object_store;
mod queue;
mod queue_settings;
mod records;
mod reply;
mod script_redis;
mod sentinel;
mod shared_store;
mod work_queue;
mod wrong_type;

use std::fmt;
use std::time::Duration;

use crate::domain::model::durability::Durability;
use crate::ports::store_fault::StoreFault;

pub use access::{AccessError, RedisAccess, password_of};
pub use acl::AclUser;
pub use actor_store::RedisActorStore;
pub use backup::{
    BackupFault, Contents, HashName, Record, RedisBackup, SavedJob, SavedObject, SavedQueue, SavedRequest,
    Standing, Text, Written,
};
#[cfg(test)]
pub(crate) use cluster::Address;
pub(crate) use cluster::{ClusterSurvey, ServerFacts, SurveyedServer};
pub(crate) use connection::refusal::{refusal_of, words as error_words};
pub use damaged_records::begin_to_count;
pub use event_log::RedisEventLog;
pub use node_calls::RedisNodeCalls;
pub use object_store::RedisObjectStore;
pub use queue::RedisQueue;
pub use script_redis::RedisForScripts;
#[cfg(test)]
pub(crate) use sentinel::Primary;
pub(crate) use sentinel::{SentinelSurvey, SurveyedSentinel};
pub use work_queue::RedisWorkQueue;

/// Connection and limits of the queue.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://`, `rediss://` or `unix://` with a path, or `redis+sentinel://`, `rediss+sentinel://`, `redis+cluster://` and
    /// `rediss+cluster://`;
    /// `redis://127.0.0.1:6379` by default. May hold a password, which is never shown.
    pub url: String,
    /// User, password and certificates beside the URL; none by default.
    pub access: RedisAccess,
    /// Servers that know of a job before its submit is answered, and before a script is started; the primary by default.
    pub durability: Durability,
    /// Silence of an actor after which its jobs are reclaimed, at least 100 ms; 15 s by default. Supervisors and actors on one
    /// Redis must have the same lease.
    pub lease: Duration,
    /// Jobs of one script type that may wait; one million by default.
    pub queue_limit: u64,
    /// Queues that may be created by name; 10 000 by default.
    pub named_queue_limit: u64,
    /// Ended jobs of one script type whose records are kept, whatever their time to live; 100 000 by default.
    pub finished_limit: u64,
    /// Time for which supervisors of an older version are given to show themselves, which do not find output in the records of
    /// jobs; 30 s by default. Not used by actors.
    pub older_supervisors: Duration,
    /// Name of this supervisor among all on one Redis, 1 to 64 of `[A-Za-z0-9._-]`; random by default. Not used by actors.
    pub instance: String,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            access: RedisAccess::default(),
            durability: Durability::default(),
            lease: Duration::from_secs(15),
            queue_limit: 1_000_000,
            named_queue_limit: 10_000,
            finished_limit: 100_000,
            older_supervisors: Duration::from_secs(30),
            instance: uuid::Uuid::new_v4().simple().to_string(),
        }
    }
}

impl RedisConfig {
    fn check(&self) -> Result<(), StoreFault> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let instance = &self.instance;
        if instance.is_empty() || instance.len() > 64 || !instance.chars().all(allowed) {
            let reason =
                format!("instance {instance:?} is not a name: use 1 to 64 of A-Z, a-z, 0-9, ., _ and -");
            return Err(StoreFault::Rejected { reason });
        }
        if self.lease < MIN_LEASE {
            let reason = format!("a lease of {:?} is too short: use at least {MIN_LEASE:?}", self.lease);
            return Err(StoreFault::Rejected { reason });
        }
        Ok(())
    }
}

/// Shortest lease. A shorter one would expire between two heartbeats of a healthy actor.
const MIN_LEASE: Duration = Duration::from_millis(100);

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("lease", &self.lease)
            .field("queue_limit", &self.queue_limit)
            .field("named_queue_limit", &self.named_queue_limit)
            .field("finished_limit", &self.finished_limit)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

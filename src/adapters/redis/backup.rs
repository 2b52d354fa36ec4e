//! Contents of a backup, read from a Redis that is in use, and written into another one.
//!
//! | file | subject |
//! |---|---|
//! | `outage` | calls that wait for a Redis that is away for a moment |
//! | `record` | one record of a backup, and its form in JSON |
//! | `read` | the order of reading: hashes, queues, jobs by the index of their acceptance |
//! | `without_index` | requests and objects, which only a scan of all keys finds |
//! | `write` | records are written; what is there is left as it is |
//! | `progress` | what is there already, and how far a restore has come |

mod outage;
mod progress;
mod read;
mod record;
mod without_index;
mod write;

use tokio::sync::mpsc::Sender;

use super::RedisConfig;
use super::connection::Connection;
use crate::ports::store_fault::StoreFault;

pub use progress::{Contents, Standing};
pub use record::{HashName, Record, SavedJob, SavedObject, SavedQueue, SavedRequest, Text};
pub use write::Written;

/// Error of a backup or of a restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    /// Redis fails or refuses.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Keys have moved between servers, again and again, while all of them were looked through.
    #[error(
        "servers of Redis have changed while all keys were looked through: try again when none of them moves"
    )]
    Unsteady,
    /// The taker of the records takes no more of them.
    #[error("the records are not taken any more")]
    Stopped,
    /// A record cannot be restored.
    #[error("{what}: {why}")]
    Unfit {
        /// The record.
        what: String,
        /// The reason.
        why: String,
    },
}

/// One Redis, of which a backup is made or into which one is restored.
pub struct RedisBackup {
    connection: Connection,
}

impl RedisBackup {
    /// Reads the URL. The first call connects.
    ///
    /// # Errors
    /// `Rejected` for a URL that cannot be used.
    pub fn new(config: &RedisConfig) -> Result<Self, StoreFault> {
        Ok(Self { connection: Connection::new(&config.url, &config.access)? })
    }

    /// Reads all records and hands them over, each as it is at one moment. All jobs are among them that were accepted before the call
    /// and still exist. After a change of servers some records come twice.
    ///
    /// # Errors
    /// Redis that is away for longer than half a minute, or refuses; servers that change all the time.
    pub async fn read(&self, out: &Sender<Record>) -> Result<(), BackupFault> {
        let queues = read::hashes_and_queues(&self.connection, out).await?;
        for queue in queues {
            read::jobs(&self.connection, queue, out).await?;
        }
        without_index::all(&self.connection, out).await
    }

    /// Counts what would be in the way of a restore.
    ///
    /// # Errors
    /// Redis that is away or refuses.
    pub async fn contents(&self) -> Result<Contents, BackupFault> {
        progress::contents(&self.connection).await
    }

    /// Reads how far a restore has come that is under way or broke off.
    ///
    /// # Errors
    /// Redis that is away or refuses.
    pub async fn standing(&self) -> Result<Option<Standing>, BackupFault> {
        progress::standing(&self.connection).await
    }

    /// Notes that all records up to this line of a backup are restored.
    ///
    /// # Errors
    /// Redis that is away for longer than half a minute, or refuses.
    pub async fn note(&self, standing: &Standing) -> Result<(), BackupFault> {
        progress::note(&self.connection, standing).await
    }

    /// Removes what was noted about a restore that is over.
    ///
    /// # Errors
    /// Redis that is away for longer than half a minute, or refuses.
    pub async fn forget(&self) -> Result<(), BackupFault> {
        progress::forget(&self.connection).await
    }

    /// Writes consecutive records of a backup, each with its line. What is there is left as it is; a repeat changes nothing.
    ///
    /// # Errors
    /// Redis that is away for longer than half a minute, or refuses; a record that cannot be restored.
    pub async fn write(&self, backup: &str, lines: &[(u64, Record)]) -> Result<Written, BackupFault> {
        write::all(&self.connection, backup, lines).await
    }

    /// Drops the connections.
    pub fn close(&self) {
        self.connection.close();
    }
}

//! The queues that were created by name, beside the default queue of each script type.

use std::time::SystemTime;

use async_trait::async_trait;

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;

/// A queue that was created by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRecord {
    /// Name of the queue; never that of a default queue.
    pub name: QueueName,
    /// Script type of the jobs that it takes. It never changes.
    pub script_type: ScriptType,
    /// Time at which it was created.
    pub created_at: SystemTime,
}

/// Outcome of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueCreated {
    /// There is such a queue now.
    New(QueueRecord),
    /// There was one of this name, perhaps of another script type.
    Exists(QueueRecord),
    /// There are as many as may be; nothing was created.
    TooMany {
        /// Most queues that are created by name.
        limit: u64,
    },
}

/// Outcome of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueDeleted {
    /// The queue is gone, with the records of its ended jobs.
    Gone,
    /// There was none.
    Unknown,
    /// The queue is used, and nothing was changed.
    InUse {
        /// Jobs that have not ended.
        jobs: u64,
        /// Actors that are there.
        actors: u64,
    },
}

/// Creates, finds and deletes queues.
///
/// A job is submitted only to a queue that exists, and only if that takes jobs of its script type: this is looked at in the step that
/// accepts the job. So no deletion leaves an accepted job behind.
#[async_trait]
pub trait QueueRegistry: Send + Sync {
    /// Creates a queue. A repeat answers that it exists.
    async fn create_queue(
        &self,
        name: QueueName,
        script_type: ScriptType,
    ) -> Result<QueueCreated, QueueError>;

    /// Reads one queue. None for a default queue, which needs no record.
    async fn queue(&self, name: QueueName) -> Result<Option<QueueRecord>, QueueError>;

    /// Reads all queues, by name.
    async fn queues(&self) -> Result<Vec<QueueRecord>, QueueError>;

    /// Reads queues that have ever been used, at most so many: first those with unfinished jobs or actors, then those with ended jobs
    /// only. It costs the same whatever number of queues there is.
    async fn used_queues(&self, most: usize) -> Result<Vec<QueueRecord>, QueueError>;

    /// Deletes a queue in which no job waits or runs and at which no actor is.
    async fn delete_queue(&self, name: QueueName) -> Result<QueueDeleted, QueueError>;
}

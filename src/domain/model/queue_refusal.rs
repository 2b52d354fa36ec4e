//! Refusals of calls about queues that are created by name.

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;

/// Reason for which a call about a queue is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueRefusal {
    /// There is no such queue.
    #[error("there is no queue {0}")]
    NotFound(QueueName),
    /// The name is taken by a queue of another script type.
    #[error("there is a queue {name} already, and it takes {serves} jobs")]
    Exists {
        /// Name of the queue.
        name: QueueName,
        /// Script type of its jobs.
        serves: ScriptType,
    },
    /// The queue is used.
    #[error("queue {name} is used: unfinished jobs: {jobs}, actors: {actors}")]
    InUse {
        /// Name of the queue.
        name: QueueName,
        /// Jobs that have not ended.
        jobs: u64,
        /// Actors that are there.
        actors: u64,
    },
    /// Actors are meant for the queue, whether they run or not.
    #[error("queue {name} has actors: {some}{}", more(*.actors, .some))]
    HasActors {
        /// Name of the queue.
        name: QueueName,
        /// Number of these actors.
        actors: u64,
        /// Names of some of them, with commas.
        some: String,
    },
    /// There are as many queues as may be.
    #[error("queue {name} was not created: there are {limit} queues already, which is the limit")]
    TooMany {
        /// Name of the queue.
        name: QueueName,
        /// Most queues that are created by name.
        limit: u64,
    },
    /// The queue is the default one of a script type.
    #[error("{0} is the default queue of a script type, which is always there")]
    Default(QueueName),
}

fn more(all: u64, some: &str) -> String {
    match all.saturating_sub(some.split(", ").count() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

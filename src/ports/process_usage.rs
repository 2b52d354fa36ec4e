//! The resources that processes use.

use async_trait::async_trait;

use crate::domain::model::usage::TreeReading;

/// The topmost process of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Pid of the process.
    pub pid: u32,
    /// The actor as which it was started.
    pub actor: String,
}

/// Reads the resources of trees of processes.
#[async_trait]
pub trait ProcessUsage: Send + Sync {
    /// Reads each of these processes with all that is below it, in the same order. None for one that is gone, is of
    /// somebody else, or cannot be read. Answers within 5 seconds, whatever the kernel does.
    async fn read(&self, roots: Vec<Root>) -> Vec<Option<TreeReading>>;
}

//! Housekeeping of all queues, and the queue as one connection.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::ports::job_queue::QueueError;

/// Periodic maintenance of the queues, and their connection.
#[async_trait]
pub trait QueueMaintenance: Send + Sync {
    /// Asks whether it is there and would accept a job, and how long the answer takes; fails within 2 s when it is not.
    async fn probe(&self) -> Result<Duration, QueueError>;

    /// Reads the wall clock of the server; None where it is that of this machine.
    async fn wall_time(&self) -> Result<Option<SystemTime>, QueueError>;

    /// Names the server in use, where it can be another one at any time.
    fn primary(&self) -> Option<String> {
        None
    }

    /// One round of maintenance of every queue: due jobs are queued, expired leases reclaimed, overdue waits failed, old
    /// records removed. Harmless at any number of callers; meant to be called about once a second.
    async fn maintain(&self) -> Result<(), QueueError>;

    /// Returns the length of a lease without heartbeat, which actors get when they are started.
    fn lease(&self) -> Duration;

    /// Ends background tasks and lets go of connections.
    async fn close(&self);
}

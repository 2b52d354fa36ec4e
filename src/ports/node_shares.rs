//! Shares of a fleet's number of actors, carried out by the supervisors of the machines.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::model::event::Cause;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::QueueName;

/// Bytes of a reason for which a machine has not scaled; a longer one is cut.
pub const MAX_FAULT: usize = 300;

/// A number of actors that one machine is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareOrder {
    /// Queue that the actors serve.
    pub queue: QueueName,
    /// Number of actors on that machine.
    pub replicas: u32,
    /// Time for the jobs of those that go; each actor's own by default.
    pub drain_timeout: Option<Duration>,
    /// Names for new actors, so that machines which make some at the same time do not take the same ones.
    pub names: Vec<ActorId>,
    /// Longest wait for the end.
    pub wait: Duration,
}

/// Result of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShareResult {
    /// Actors that were made or started.
    pub added: Vec<ActorId>,
    /// Actors that were drained and removed.
    pub removed: Vec<ActorId>,
    /// False when the wait ended first; the order stands and is carried out.
    pub done: bool,
}

/// Has the supervisors of other machines scale.
#[async_trait]
pub trait NodeShares: Send + Sync {
    /// Has a machine scale to its share. To repeat it is harmless.
    ///
    /// # Errors
    /// Says in one sentence why the machine does not have its share.
    async fn scale(&self, node: &NodeName, order: &ShareOrder, cause: &Cause) -> Result<ShareResult, String>;
}

//! Policy and decisions of scaling, as values.

mod policy;

use std::time::{Duration, SystemTime};

use crate::domain::model::id::ActorId;

pub use policy::{MAX_TARGET, ScalingMode, ScalingPolicy};

/// Most actors of one script type on one node.
pub const MAX_REPLICAS: u32 = 1000;

/// One decision of scaling, with everything that went into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingDecision {
    /// Time of the decision.
    pub at: SystemTime,
    /// Actors before.
    pub current: u32,
    /// Actors wanted.
    pub desired: u32,
    /// Queued jobs that went into it.
    pub queued: u64,
    /// Running jobs that went into it.
    pub running: u64,
    /// Age of the oldest queued job that went into it.
    pub oldest_age: Option<Duration>,
    /// One sentence on why this number and no other.
    pub reason: String,
    /// Actors that were made.
    pub added: Vec<ActorId>,
    /// Actors that were drained and removed.
    pub removed: Vec<ActorId>,
}

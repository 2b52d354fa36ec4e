//! Policy and decisions of scaling, as values.

mod policy;

use std::time::{Duration, SystemTime};

use crate::domain::model::id::{ActorId, NodeName};

pub use policy::{MAX_TARGET, ScaleScope, ScalingMode, ScalingPolicy};

/// Most actors of one script type on one node.
pub const MAX_REPLICAS: u32 = 1000;

/// The part of a number that one machine of the fleet has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeShare {
    /// The machine.
    pub node: NodeName,
    /// Actors that it is to have; of an absent machine those that run there.
    pub replicas: u32,
    /// True if its supervisor was there when the decision was made.
    pub present: bool,
    /// One sentence on why the machine has not got its share; empty if it has.
    pub fault: String,
}

/// A number of actors, spread over the machines of the fleet. Empty for a number that counts on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shares {
    /// Shares of the machines, by name.
    pub nodes: Vec<NodeShare>,
    /// Actors that no machine could take.
    pub unplaced: u32,
}

impl Shares {
    /// Returns true if a machine has not got its share, or nobody could take a part.
    pub fn is_open(&self) -> bool {
        self.unplaced > 0 || self.nodes.iter().any(|share| !share.fault.is_empty())
    }
}

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
    /// Shares of the machines, of a decision over the fleet.
    pub shares: Shares,
}

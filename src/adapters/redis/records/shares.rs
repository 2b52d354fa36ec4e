//! Shares of a number of actors, in decisions and in events.

use serde::{Deserialize, Serialize};

use crate::domain::model::id::NodeName;
use crate::domain::model::scaling::{NodeShare, Shares};

/// The stored form of [`Shares`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SharesRecord {
    nodes: Vec<ShareRecord>,
    #[serde(default)]
    unplaced: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ShareRecord {
    node: String,
    replicas: u32,
    present: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    fault: String,
}

impl SharesRecord {
    /// Returns true if the number was not spread.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.unplaced == 0
    }
}

impl From<&Shares> for SharesRecord {
    fn from(shares: &Shares) -> Self {
        let record = |share: &NodeShare| ShareRecord {
            node: share.node.to_string(),
            replicas: share.replicas,
            present: share.present,
            fault: share.fault.clone(),
        };
        Self { nodes: shares.nodes.iter().map(record).collect(), unplaced: shares.unplaced }
    }
}

impl From<SharesRecord> for Shares {
    fn from(record: SharesRecord) -> Self {
        // Whatever has no name of a machine is of a later version.
        let share = |share: ShareRecord| {
            let ShareRecord { node, replicas, present, fault } = share;
            Some(NodeShare { node: NodeName::parse(&node).ok()?, replicas, present, fault })
        };
        Self { nodes: record.nodes.into_iter().filter_map(share).collect(), unplaced: record.unplaced }
    }
}

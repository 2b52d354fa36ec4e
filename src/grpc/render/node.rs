//! Machines of the fleet.

use crate::domain::model::fleet::Node;
use crate::grpc::render::{count, timestamp};
use crate::proto as pb;

/// Renders a machine.
pub(crate) fn node(node: Node) -> pb::Node {
    pb::Node {
        node: node.name.to_string(),
        seen_time: node.seen_at.map(timestamp),
        present: node.present,
        leads_fleet: node.leads_fleet,
        actors_total: count(node.actors),
        actors_running: count(node.running),
    }
}

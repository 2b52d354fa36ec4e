//! The machines of the fleet, as they are seen from here.

use std::collections::BTreeMap;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::actor::{ActorState, ActorStatus};
use crate::domain::model::fleet::{Fleet, MOST_NODES, Node};
use crate::domain::model::id::NodeName;
use crate::error::SupervisorError;

impl ActorLifecycleManager {
    /// Returns the machines whose supervisors were seen within a week, and those that have actors, by name.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn nodes(&self) -> Result<Vec<Node>, SupervisorError> {
        let fleet = self.parts().store.fleet().await?;
        Ok(nodes(&fleet, &self.actors().await?))
    }
}

/// Joins what is known of supervisors and of actors.
fn nodes(fleet: &Fleet, actors: &[ActorStatus]) -> Vec<Node> {
    let mut nodes: BTreeMap<NodeName, Node> = BTreeMap::new();
    for (name, seen_at) in &fleet.seen {
        let node = Node { seen_at: Some(*seen_at), present: fleet.is_recent(*seen_at), ..bare(fleet, name) };
        nodes.insert(name.clone(), node);
    }
    for actor in actors {
        let name = &actor.record.node;
        let node = nodes.entry(name.clone()).or_insert_with(|| bare(fleet, name));
        node.actors = node.actors.saturating_add(1);
        node.running = node.running.saturating_add(u32::from(actor.state == ActorState::Running));
    }
    nodes.into_values().take(MOST_NODES).collect()
}

/// A machine of which nothing is known but its name.
fn bare(fleet: &Fleet, name: &NodeName) -> Node {
    let leads_fleet = fleet.leader.as_ref() == Some(name);
    Node { name: name.clone(), seen_at: None, present: false, leads_fleet, actors: 0, running: 0 }
}

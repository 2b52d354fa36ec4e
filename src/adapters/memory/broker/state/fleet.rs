//! The machines whose supervisors share this memory.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::adapters::memory::broker::state::State;
use crate::domain::model::fleet::{Fleet, MOST_NODES};
use crate::domain::model::id::NodeName;

/// Time for which a machine is known after it was seen last.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

impl State {
    /// Returns the time of the store.
    fn now(&self) -> SystemTime {
        use crate::ports::clock::Clock;
        self.clock.now()
    }

    pub(in crate::adapters::memory) fn join_fleet(&mut self, node: &NodeName, term: Duration) -> Fleet {
        let at = self.now();
        self.nodes.insert(node.clone(), at);
        self.nodes.retain(|_node, seen_at| at.duration_since(*seen_at).unwrap_or_default() < KEPT);
        while self.nodes.len() > MOST_NODES {
            let oldest = self.nodes.iter().min_by_key(|(_node, seen_at)| **seen_at);
            let Some(oldest) = oldest.map(|(node, _seen_at)| node.clone()) else { break };
            self.nodes.remove(&oldest);
        }
        if self.fleet().leader.is_none_or(|leader| leader == *node) {
            self.fleet_leader = Some((node.clone(), Instant::now() + term));
        }
        self.fleet()
    }

    pub(in crate::adapters::memory) fn fleet(&self) -> Fleet {
        let leader = self.fleet_leader.as_ref().filter(|(_leader, until)| *until > Instant::now());
        Fleet {
            at: self.now(),
            leader: leader.map(|(leader, _until)| leader.clone()),
            seen: self.nodes.iter().map(|(node, seen_at)| (node.clone(), *seen_at)).collect(),
        }
    }

    pub(in crate::adapters::memory) fn leave_fleet(&mut self, node: &NodeName) {
        self.fleet_leader.take_if(|(leader, _until)| leader == node);
    }
}

//! The fleet, as values: the machines whose supervisors use the same store.

use std::time::{Duration, SystemTime};

use crate::domain::model::id::NodeName;

/// Most machines that are known.
pub const MOST_NODES: usize = 1000;
/// Time after which a machine whose supervisor was not seen counts as absent. A leader is seen each second; the restart of a
/// supervisor, or a failover of Redis, takes less.
pub const PRESENCE_TERM: Duration = Duration::from_secs(10);

/// The machines that are known, as one look at the store has shown them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// Time of the look, by the clock of the store.
    pub at: SystemTime,
    /// Machine that leads the fleet.
    pub leader: Option<NodeName>,
    /// Machines with the times at which their supervisors were last seen, by the clock of the store.
    pub seen: Vec<(NodeName, SystemTime)>,
}

impl Fleet {
    /// Returns the machines that are there, by name.
    pub fn present(&self) -> Vec<NodeName> {
        let present = self.seen.iter().filter(|(_node, seen_at)| self.is_recent(*seen_at));
        let mut names: Vec<NodeName> = present.map(|(node, _seen_at)| node.clone()).collect();
        names.sort();
        names
    }

    /// Returns true if a supervisor that was last seen then is still there.
    pub fn is_recent(&self, seen_at: SystemTime) -> bool {
        self.at.duration_since(seen_at).unwrap_or_default() < PRESENCE_TERM
    }
}

/// One machine of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Node name of its supervisor.
    pub name: NodeName,
    /// Time at which its supervisor was last seen, by the clock of the store; None if it has not said that it is there.
    pub seen_at: Option<SystemTime>,
    /// True if its supervisor was seen within [`PRESENCE_TERM`].
    pub present: bool,
    /// True if its supervisor decides for the whole fleet.
    pub leads_fleet: bool,
    /// Actors in any state.
    pub actors: u32,
    /// Actors that run.
    pub running: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_there_until_its_term_is_over() {
        let node = |name: &str| NodeName::parse(name).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let second = Duration::from_secs(1);
        let seen = vec![
            (node("b"), at),
            // The store has answered somebody else in between, or its clock was set back.
            (node("ahead"), at + second),
            (node("a"), at - PRESENCE_TERM + second),
            (node("gone"), at - PRESENCE_TERM),
        ];
        let fleet = Fleet { at, leader: None, seen };
        assert_eq!(fleet.present(), [node("a"), node("ahead"), node("b")]);
    }
}

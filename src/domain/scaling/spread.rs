//! Spreads a number of actors over the machines of the fleet, as a pure function of what each of them has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use crate::domain::model::actor::{ActorState, ActorStatus, Desired};
use crate::domain::model::fleet::Fleet;
use crate::domain::model::id::NodeName;
use crate::domain::model::scaling::{NodeShare, ScalingDecision, Shares};

/// Machines that a reason names.
const NAMED: usize = 20;
/// Time after which a decision that could not be carried out as a whole is made anew.
pub const RETRY: Duration = Duration::from_secs(30);

/// One machine, and its actors of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLoad {
    /// Name of the machine.
    pub node: NodeName,
    /// True if its supervisor is there to be asked.
    pub present: bool,
    /// Actors: of a machine that is present those that are meant to run, of another one those that send heartbeats.
    pub actors: u32,
    /// Actors of them that hold jobs.
    pub busy: u32,
    /// Actors that are stopped, and are started before new ones are made.
    pub stopped: u32,
    /// Most actors that the machine can have now; None for any number.
    pub limit: Option<u32>,
    /// Reason of the limit; empty without one.
    pub fault: String,
}

/// Spreads a number of actors.
///
/// A machine that is absent keeps what it has, since nobody can be asked to change that; the others share the rest, and
/// their shares differ by one at most, limits aside. Of several ways to do so, those machines get one more that have more
/// already, so that no actor is moved without need; then the name decides.
pub fn spread(wanted: u32, nodes: &[NodeLoad]) -> Shares {
    let kept: u32 =
        nodes.iter().filter(|node| !node.present).fold(0_u32, |sum, node| sum.saturating_add(node.actors));
    let mut left = wanted.saturating_sub(kept);
    let mut shares: BTreeMap<&NodeName, u32> = BTreeMap::new();
    let present = nodes.iter().filter(|node| node.present);
    let mut order: BinaryHeap<_> =
        present.map(|node| Reverse((0, Reverse(node.actors), &node.node, node.limit))).collect();
    while left > 0
        && let Some(Reverse((share, actors, node, limit))) = order.pop()
    {
        if limit.is_some_and(|limit| share >= limit) {
            continue;
        }
        shares.insert(node, share + 1);
        order.push(Reverse((share + 1, actors, node, limit)));
        left -= 1;
    }
    let share = |node: &NodeLoad| NodeShare {
        node: node.node.clone(),
        replicas: if node.present { shares.get(&node.node).copied().unwrap_or(0) } else { node.actors },
        present: node.present,
        fault: node.fault.clone(),
    };
    let mut all: Vec<NodeShare> = nodes.iter().map(share).collect();
    all.sort_by(|a, b| a.node.cmp(&b.node));
    Shares { nodes: all, unplaced: left }
}

/// Says who has decided, which machine has which share, and what could not be placed and why.
pub fn explain(shares: &Shares, by: &NodeName) -> String {
    let present = shares.nodes.iter().filter(|share| share.present).count();
    let mut text =
        format!("decided by node {by} over {present} {}:", if present == 1 { "node" } else { "nodes" });
    for (number, share) in shares.nodes.iter().take(NAMED).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let note = match (share.present, share.fault.as_str()) {
            (false, _) if share.replicas == 0 => " (absent)".to_owned(),
            (false, _) => " (absent; they run on)".to_owned(),
            (true, "") => String::new(),
            (true, fault) => format!(" ({fault})"),
        };
        // A text takes whatever it is given.
        let _written = write!(text, "{comma} {} {}{note}", share.node, share.replicas);
    }
    if shares.nodes.len() > NAMED {
        let _written = write!(text, ", and {} more nodes", shares.nodes.len() - NAMED);
    }
    if shares.unplaced > 0 {
        let _written = write!(text, "; {} could not be placed", shares.unplaced);
    }
    text
}

/// Sums up the actors of a queue by machine. `here` is one that is present, whatever is known of it; a machine with a fault
/// gets no more actors than it has.
pub fn loads(
    fleet: &Fleet,
    here: &NodeName,
    actors: &[ActorStatus],
    faults: &BTreeMap<NodeName, String>,
) -> Vec<NodeLoad> {
    let bare = |node: &NodeName, present| NodeLoad {
        node: node.clone(),
        present,
        actors: 0,
        busy: 0,
        stopped: 0,
        limit: None,
        fault: faults.get(node).cloned().unwrap_or_default(),
    };
    let present = fleet.present().into_iter().chain([here.clone()]);
    let mut all: BTreeMap<NodeName, NodeLoad> =
        present.map(|node| (node.clone(), bare(&node, true))).collect();
    for actor in actors {
        let (node, is_up) = (&actor.record.node, actor.record.desired == Desired::Up);
        let counts = match all.get(node).is_some_and(|load| load.present) {
            true => is_up,
            // Nobody can be asked what is meant to run there.
            false if is_up => actor.state == ActorState::Running || actor.state == ActorState::Draining,
            false => continue,
        };
        let load = all.entry(node.clone()).or_insert_with(|| bare(node, false));
        load.actors = load.actors.saturating_add(u32::from(counts));
        load.busy = load.busy.saturating_add(u32::from(counts && actor.in_flight > 0));
        load.stopped = load.stopped.saturating_add(u32::from(load.present && !is_up));
    }
    for load in all.values_mut().filter(|load| !load.fault.is_empty()) {
        load.limit = Some(load.actors);
    }
    all.into_values().collect()
}

/// Returns why a number that counts over the fleet is to be spread anew; None if the last decision stands. What somebody
/// starts or stops by hand is no reason.
pub fn why_anew(
    decided: Option<&ScalingDecision>,
    wanted: u32,
    nodes: &[NodeLoad],
    now: SystemTime,
) -> Option<&'static str> {
    let Some(decided) = decided.filter(|decision| !decision.shares.nodes.is_empty()) else {
        return Some("there is no decision over the fleet yet");
    };
    if decided.desired != wanted {
        return Some("another number was set");
    }
    if is_for_others(&decided.shares, nodes) {
        return Some("a node came or went");
    }
    let is_due = now.duration_since(decided.at).unwrap_or_default() >= RETRY;
    (decided.shares.is_open() && is_due).then_some("not all was placed the last time")
}

/// Returns true if a decision was made for other machines than there are now: one came or went, or an absent one has lost
/// or regained actors.
fn is_for_others(decided: &Shares, nodes: &[NodeLoad]) -> bool {
    let of_decision: BTreeMap<&NodeName, (bool, u32)> = decided
        .nodes
        .iter()
        .map(|share| (&share.node, (share.present, if share.present { 0 } else { share.replicas })))
        .collect();
    let now: BTreeMap<&NodeName, (bool, u32)> = nodes
        .iter()
        .map(|node| (&node.node, (node.present, if node.present { 0 } else { node.actors })))
        .collect();
    // An absent machine without actors is as good as none.
    let counts = |machines: &BTreeMap<&NodeName, (bool, u32)>| -> Vec<(NodeName, bool, u32)> {
        let some = machines.iter().filter(|(_node, what)| **what != (false, 0));
        some.map(|(node, (present, actors))| ((*node).clone(), *present, *actors)).collect()
    };
    counts(&of_decision) != counts(&now)
}

#[cfg(test)]
mod tests;

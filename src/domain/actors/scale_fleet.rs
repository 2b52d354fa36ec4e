//! Scaling of a queue over the machines of the fleet: carries out what [`spread`] decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::actors::scale::{ScaleRequest, Scaled};
use crate::domain::model::actor::{ActorConfig, ActorStatus};
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::TypedQueue;
use crate::domain::model::scaling::{ScaleScope, Shares};
use crate::domain::model::text::cut;
use crate::domain::model::violation::Violations;
use crate::domain::scaling;
use crate::domain::scaling::run::{Decision, load_on_fleet};
use crate::domain::scaling::spread::{NodeLoad, explain, loads, spread};
use crate::error::{SupervisorError, chain};
use crate::ports::node_shares::{MAX_FAULT, NodeShares, ShareOrder, ShareResult};

/// Rounds of more actors: what a machine cannot take in the first one is for the others in the second one.
const ROUNDS: usize = 2;
/// Tries to find names that no other machine takes in the same moment, and the longest delay between two.
const NAME_ATTEMPTS: u32 = 5;
const NAME_DELAY: Duration = Duration::from_millis(100);
/// Fault of a machine until it has answered.
const PENDING: &str = "has not answered yet";

/// The actors of a queue on all machines.
struct OverFleet {
    nodes: Vec<NodeLoad>,
    actors: Vec<ActorStatus>,
    /// Names of the actors of all queues.
    taken: BTreeSet<ActorId>,
}

/// A machine, its share, and the names for its new actors.
struct Step {
    node: NodeName,
    replicas: u32,
    names: Vec<ActorId>,
}

impl ActorLifecycleManager {
    /// Has other machines scale in this way. The first one that is given stays.
    pub(crate) fn scale_others_by(&self, shares: Arc<dyn NodeShares>) {
        let _first_or_not = self.core.node_shares.set(shares);
    }

    /// Scales a queue over all machines, and keeps number and scope among its settings.
    pub(super) async fn scale_fleet(
        &self,
        request: ScaleRequest,
        wait: Duration,
    ) -> Result<Scaled, SupervisorError> {
        let ScaleRequest { queue, replicas, drain_timeout, trial, .. } = request;
        let over = self.read_fleet(queue, &BTreeMap::new()).await?;
        // Before any change: what cannot be done is not to be kept as a wish.
        let template = self.template_for(queue, &over.actors).await?;
        let shares = spread(replicas, &over.nodes);
        if trial {
            return Ok(try_shares(over, shares, &template)?);
        }
        self.store_replicas(&request).await?;
        let state = self.supervisor().queue().state(queue.name).await?;
        let load = load_on_fleet(&over.nodes, &state);
        let reason = self.asked_for(replicas);
        let decision =
            Decision { queue, load, desired: replicas, reason, drain_timeout, scope: ScaleScope::Fleet };
        self.as_scaler(&decision.reason).place(decision, wait).await
    }

    /// Carries out a decision over the fleet: first more actors, then fewer, so that there are not too few in between.
    pub(super) async fn place(&self, decision: Decision, wait: Duration) -> Result<Scaled, SupervisorError> {
        let until = Instant::now() + wait;
        let mut faults = BTreeMap::new();
        let mut result = ShareResult { done: true, ..ShareResult::default() };
        for round in 0..ROUNDS {
            let over = self.read_fleet(decision.queue, &faults).await?;
            let shares = spread(decision.desired, &over.nodes);
            if round == 0 {
                self.note_pending(&decision, &shares, &over.nodes).await;
            }
            let mut steps = more(&shares, &over.nodes);
            if !steps.is_empty() {
                let template = self.template_for(decision.queue, &over.actors).await?;
                name(&mut steps, &template, over)?;
            }
            let failed = self.carry_out_steps(&decision, steps, until, &mut result).await;
            if failed.is_empty() {
                break;
            }
            faults.extend(failed);
        }
        let over = self.read_fleet(decision.queue, &faults).await?;
        let shares = spread(decision.desired, &over.nodes);
        faults.extend(self.carry_out_steps(&decision, fewer(&shares, &over.nodes), until, &mut result).await);
        let mut shares = shares;
        for share in &mut shares.nodes {
            share.fault = faults.get(&share.node).cloned().unwrap_or_default();
        }
        let actors = self.read_fleet(decision.queue, &faults).await?.actors;
        let ShareResult { added, removed, done } = result;
        let scaled = Scaled { actors, added, removed, done, shares };
        let reason = format!("{}; {}", decision.reason, explain(&scaled.shares, self.node()));
        self.record_decision(Decision { reason, ..decision }, &scaled).await;
        Ok(scaled)
    }

    /// Reads which machines there are, and their actors of a queue.
    async fn read_fleet(
        &self,
        queue: TypedQueue,
        faults: &BTreeMap<NodeName, String>,
    ) -> Result<OverFleet, SupervisorError> {
        let fleet = self.parts().store.fleet().await?;
        let all = self.actors_as_stored().await?;
        let taken = all.iter().map(|actor| actor.record.id.clone()).collect();
        let actors: Vec<ActorStatus> =
            all.into_iter().filter(|actor| actor.record.config.queue() == queue.name).collect();
        Ok(OverFleet { nodes: loads(&fleet, self.node(), &actors, faults), actors, taken })
    }

    /// Stores a decision before it is carried out, so that the leader of the fleet does not make it as well; if nobody carries
    /// it out to the end, the leader does.
    async fn note_pending(&self, decision: &Decision, shares: &Shares, nodes: &[NodeLoad]) {
        let changes = |name: &NodeName, share: u32| {
            nodes.iter().any(|node| node.node == *name && node.present && node.actors != share)
        };
        let mut pending = shares.clone();
        for share in pending.nodes.iter_mut().filter(|share| changes(&share.node, share.replicas)) {
            share.fault = PENDING.to_owned();
        }
        let reason = format!("{}; {}", decision.reason, explain(&pending, self.node()));
        self.store_decision(&Decision { reason, ..decision.clone() }, &[], &[], &pending).await;
    }

    /// Has machines scale at the same time, and adds up what they did. Returns the faults of those that did not.
    async fn carry_out_steps(
        &self,
        decision: &Decision,
        steps: Vec<Step>,
        until: Instant,
        result: &mut ShareResult,
    ) -> Vec<(NodeName, String)> {
        let wait = until.saturating_duration_since(Instant::now());
        let orders = steps.into_iter().map(|step| async move {
            let order = ShareOrder {
                queue: decision.queue.name,
                replicas: step.replicas,
                drain_timeout: decision.drain_timeout,
                names: step.names,
                wait,
            };
            let done = self.scale_node(&step.node, decision.queue, &order).await;
            (step.node, done)
        });
        let mut faults = Vec::new();
        for (node, done) in join_all(orders).await {
            match done {
                Ok(ShareResult { added, removed, done }) => {
                    result.added.extend(added);
                    result.removed.extend(removed);
                    result.done &= done;
                }
                Err(fault) => {
                    tracing::warn!(%node, %fault, "scaling: node {node} has not got its share ({fault})");
                    faults.push((node, fault));
                }
            }
        }
        faults
    }

    /// Has one machine scale to its share.
    async fn scale_node(
        &self,
        node: &NodeName,
        queue: TypedQueue,
        order: &ShareOrder,
    ) -> Result<ShareResult, String> {
        if node == self.node() {
            let scaled = self.scale_to_share(queue, order).await;
            return scaled.map_err(|error| cut(&chain(&error), MAX_FAULT).into_owned());
        }
        match self.core.node_shares.get() {
            Some(shares) => shares.scale(node, order, &self.cause).await,
            None => Err("this supervisor passes no calls on".to_owned()),
        }
    }

    /// Scales this machine to its share of the fleet. Another machine may take a name in the same moment; then others are
    /// found.
    ///
    /// # Errors
    /// `NoTemplate`, and those of `create` and `stop`.
    pub(crate) async fn scale_to_share(
        &self,
        queue: TypedQueue,
        order: &ShareOrder,
    ) -> Result<ShareResult, SupervisorError> {
        let mut attempt = 1;
        loop {
            match self.scale_to_order(queue, order).await {
                Err(SupervisorError::ActorExists { .. } | SupervisorError::ActorOnOtherNode { .. })
                    if attempt < NAME_ATTEMPTS =>
                {
                    attempt += 1;
                    sleep(NAME_DELAY.mul_f64(fastrand::f64())).await;
                }
                scaled => {
                    let Scaled { added, removed, done, .. } = scaled?;
                    return Ok(ShareResult { added, removed, done });
                }
            }
        }
    }

    async fn scale_to_order(&self, queue: TypedQueue, order: &ShareOrder) -> Result<Scaled, SupervisorError> {
        let scaler = self.as_scaler(&self.cause().reason);
        let ShareOrder { replicas, drain_timeout, ref names, wait, .. } = *order;
        scaler.scale_to(queue, replicas, drain_timeout, names, false, wait).await
    }
}

/// Says what shares would change, machine by machine.
fn try_shares(over: OverFleet, shares: Shares, template: &ActorConfig) -> Result<Scaled, Violations> {
    let OverFleet { nodes: _, actors, mut taken } = over;
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for share in shares.nodes.iter().filter(|share| share.present) {
        let of_node: Vec<ActorStatus> =
            actors.iter().filter(|actor| actor.record.node == share.node).cloned().collect();
        let plan = scaling::plan(share.replicas, &of_node, template, &taken)?;
        taken.extend(plan.create.iter().cloned());
        added.extend(plan.start.into_iter().chain(plan.create));
        removed.extend(plan.remove);
    }
    Ok(Scaled { actors, added, removed, done: true, shares })
}

/// Returns the machines that get more. They have no names yet.
fn more(shares: &Shares, nodes: &[NodeLoad]) -> Vec<Step> {
    steps(shares, nodes, |share, load| share > load.actors)
}

/// Returns the machines that get fewer.
fn fewer(shares: &Shares, nodes: &[NodeLoad]) -> Vec<Step> {
    steps(shares, nodes, |share, load| share < load.actors)
}

fn steps(shares: &Shares, nodes: &[NodeLoad], changes: fn(u32, &NodeLoad) -> bool) -> Vec<Step> {
    let of = |name: &NodeName| nodes.iter().find(|node| node.present && node.node == *name);
    let shares = shares.nodes.iter();
    let changed = shares.filter(|share| of(&share.node).is_some_and(|load| changes(share.replicas, load)));
    changed
        .map(|share| Step { node: share.node.clone(), replicas: share.replicas, names: Vec::new() })
        .collect()
}

/// Gives each machine names for its new actors; no two get the same one.
fn name(steps: &mut [Step], template: &ActorConfig, over: OverFleet) -> Result<(), Violations> {
    let OverFleet { nodes, actors: _, mut taken } = over;
    for step in steps {
        let load = nodes.iter().find(|node| node.node == step.node);
        let new =
            load.map_or(0, |load| step.replicas.saturating_sub(load.actors.saturating_add(load.stopped)));
        step.names = scaling::free_names(template, new as usize, &taken)?;
        taken.extend(step.names.iter().cloned());
    }
    Ok(())
}

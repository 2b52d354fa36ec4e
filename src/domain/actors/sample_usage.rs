//! The loop that samples the usage of the actors of this node, and shares it with other supervisors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::actors::core::Core;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::usage::Usage;
use crate::domain::usage::tracker::ActorReading;
use crate::domain::usage::{POINT, UsageTracker};
use crate::error::{SupervisorError, chain};
use crate::ports::process_usage::Root;

/// Time between two samples.
const SAMPLE: Duration = Duration::from_secs(5);
/// Samples between two exchanges with other supervisors: 30 seconds.
const EXCHANGE: u32 = 6;
/// Time for which other supervisors show a sample that is not renewed.
const TERM: Duration = Duration::from_secs(90);

/// The sampler of the actors of one node.
pub(super) struct UsageSampler {
    core: Arc<Core>,
    round: u32,
}

impl UsageSampler {
    /// Makes the sampler of a manager's parts.
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, round: 0 }
    }

    /// Samples every 5 seconds until the manager closes.
    pub(super) async fn run(mut self) {
        let token = self.core.token.clone();
        let rounds = async {
            let mut ticks = interval(SAMPLE);
            // Late samples are not made up for.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.sample().await;
            }
        };
        let _ended: Option<()> = token.run_until_cancelled(rounds).await;
    }

    async fn sample(&mut self) {
        let core = &self.core;
        let processes = core.registry.processes();
        let roots = processes.iter().filter_map(|(actor_id, _script_type, pid)| {
            Some(Root { pid: (*pid)?, actor: actor_id.to_string() })
        });
        let mut read = core.parts.usage.read(roots.collect()).await.into_iter();
        let readings = processes.into_iter().map(|(actor_id, script_type, pid)| {
            let reading = pid.and_then(|_pid| read.next().flatten());
            ActorReading { actor_id, script_type, reading }
        });
        let date = core.parts.supervisor.clock().now();
        let points = core.usage.record(readings.collect(), Instant::now(), date);
        // Of several supervisors of a node one writes.
        if core.leadership.is_leader() {
            self.write_points(&points).await;
        }
        if self.round.is_multiple_of(EXCHANGE) {
            self.exchange().await;
        }
        self.round = self.round.wrapping_add(1);
    }

    async fn write_points(&self, points: &[(ActorId, Usage)]) {
        for (actor_id, point) in points {
            if let Err(error) = self.core.parts.store.put_usage_point(actor_id, point).await {
                tracing::debug!(error = %chain(&error), "usage of actors: five minutes are lost (they cannot be written)");
                return;
            }
        }
    }

    /// Tells other supervisors the usage of the actors of this node, and reads that of theirs.
    async fn exchange(&self) {
        let Core { parts, usage, leadership, .. } = &*self.core;
        if leadership.is_leader()
            && let Err(error) = parts.store.put_usage(&parts.node, &usage.round().here, TERM).await
        {
            tracing::debug!(error = %chain(&error), "usage of actors: other nodes are not told (it cannot be written)");
        }
        let nodes: BTreeSet<NodeName> = self.core.other_nodes.lock().clone();
        let mut elsewhere = BTreeMap::new();
        for node in nodes {
            match parts.store.usage(&node).await {
                Ok(actors) => drop(elsewhere.insert(node, actors)),
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "usage of actors: that of other nodes is not known (it cannot be read)");
                    break;
                }
            }
        }
        usage.note_elsewhere(elsewhere);
    }
}

impl ActorLifecycleManager {
    /// Returns the memory of usage, to be followed.
    pub fn usage(&self) -> &UsageTracker {
        &self.core.usage
    }

    /// Returns the usage of an actor after a time, the oldest first: each sample of the last hour, if the actor is of this
    /// node, and points of five minutes before that, for a day.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn usage_history(
        &self,
        actor_id: &ActorId,
        after: SystemTime,
    ) -> Result<Vec<Usage>, SupervisorError> {
        let samples = self.core.usage.since(actor_id, after);
        let oldest = samples.first().map(|sample| sample.at);
        let mut history = self.parts().store.usage_points(actor_id, after).await?;
        // A point whose samples are here as well would show them twice.
        history.retain(|point| oldest.is_none_or(|oldest| point.at + POINT <= oldest));
        history.extend(samples);
        Ok(history)
    }
}

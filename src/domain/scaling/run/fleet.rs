//! Queues whose numbers count over the fleet: only its leader decides, for all machines.

use std::time::Duration;

use tokio::time::Instant;

use super::{Decision, READ_INTERVAL, Scaler, ScalerState, load_on_node};
use crate::domain::model::queue_name::TypedQueue;
use crate::domain::model::scaling::{ScaleScope, ScalingMode, ScalingPolicy};
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::scaling::decide::{Load, decide};
use crate::domain::scaling::spread::{NodeLoad, why_anew};
use crate::error::SupervisorError;
use crate::ports::queue_admin::QueueState;

/// One read of a queue by the leader of the fleet.
struct Read {
    nodes: Vec<NodeLoad>,
    load: Load,
    now: Instant,
}

impl Scaler {
    /// Reads one queue, and decides if this supervisor leads the fleet.
    pub(super) async fn decide_over_fleet(
        &self,
        queue: TypedQueue,
        known: &mut ScalerState,
        settings: &ScriptTypeSettings,
    ) -> Result<Option<Decision>, SupervisorError> {
        let policy = &settings.scaling;
        let nodes = self.actors.over_fleet(queue.name);
        // As on one node: first the flag, then the read. Whoever does not lead has no use for a notice.
        let has_none = nodes.as_ref().is_some_and(|nodes| nodes.iter().all(|node| node.actors == 0));
        if policy.mode == ScalingMode::Auto && has_none {
            self.trigger.arm(queue.name);
        } else {
            self.trigger.disarm(queue.name);
        }
        let state = self.queues.state(queue.name).await?;
        let now = Instant::now();
        self.queue_stats.note(queue.name, &state, now);
        self.queue_stats.set_next_look(queue.name, None);
        known.rest = 0;
        known.begin_anew(settings.generation);
        let Some(nodes) = nodes else {
            *known = ScalerState { acting: known.acting, ..ScalerState::default() };
            return Ok(None);
        };
        let read = Read { load: load_on_fleet(&nodes, &state), nodes, now };
        let decided = match policy.mode {
            ScalingMode::Fixed => self.kept_number(queue, policy, known, &read),
            ScalingMode::Auto => {
                self.queue_stats.set_next_look(queue.name, Some(self.clock.now() + READ_INTERVAL));
                self.needed_number(queue, policy, known, &read, state.paused.is_some())
            }
        };
        Ok(decided.map(|(desired, reason)| Decision {
            queue,
            load: read.load,
            desired,
            reason,
            drain_timeout: policy.drain_timeout,
            scope: ScaleScope::Fleet,
        }))
    }

    /// Spreads the number of the settings anew, once there has been a reason to for long enough.
    fn kept_number(
        &self,
        queue: TypedQueue,
        policy: &ScalingPolicy,
        known: &mut ScalerState,
        read: &Read,
    ) -> Option<(u32, String)> {
        let wanted = policy.replicas?;
        let decided = self.queue_stats.decision(queue.name);
        let why = why_anew(decided.as_ref(), wanted, &read.nodes, self.clock.now());
        let lasted = known.open_for(why.is_some(), read.now)?;
        if known.acting || lasted < policy.scale_out_delay {
            return None;
        }
        known.open_since = None;
        why.map(|why| (wanted, format!("there are to be {wanted}, and {why}")))
    }

    /// Decides by the number of jobs.
    fn needed_number(
        &self,
        queue: TypedQueue,
        policy: &ScalingPolicy,
        known: &mut ScalerState,
        read: &Read,
        is_paused: bool,
    ) -> Option<(u32, String)> {
        let trend = known.history.note(policy, &read.load, read.now);
        if known.acting || is_paused {
            return None;
        }
        let verdict = decide(policy, &read.load, &trend);
        if verdict.desired == read.load.current {
            return None;
        }
        let decided = self.queue_stats.decision(queue.name);
        let failed = decided.is_some_and(|decided| decided.shares.is_open());
        let may = verdict.desired < read.load.current || known.may_scale_out(failed, read.now);
        may.then_some((verdict.desired, verdict.reason))
    }
}

impl ScalerState {
    /// Notes whether something is open, and returns for how long it has been.
    fn open_for(&mut self, is_open: bool, now: Instant) -> Option<Duration> {
        self.open_since = is_open.then(|| self.open_since.unwrap_or(now));
        self.open_since.map(|since| now - since)
    }
}

/// Returns the load of the whole fleet.
pub(crate) fn load_on_fleet(nodes: &[NodeLoad], state: &QueueState) -> Load {
    let sum = |of: fn(&NodeLoad) -> u32| nodes.iter().map(of).fold(0_u32, u32::saturating_add);
    Load { current: sum(|node| node.actors), busy: sum(|node| node.busy), ..load_on_node(&[], state) }
}

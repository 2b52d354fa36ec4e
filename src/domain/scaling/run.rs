//! The scaling loop: reads the queues about once a second, and makes or removes actors where that is automatic.
//!
//! The leader of a node scales, so that several supervisors on the node do not undo each other's work. Only the step
//! from no actor to some is made by whichever supervisor has accepted the job: the step is urgent, and the same if it
//! is made twice. Of a queue whose numbers count over the fleet the leader of the fleet scales all machines.

mod fleet;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::leadership::Leadership;
use crate::domain::model::actor::{ActorStatus, Desired};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::scaling::{ScaleScope, ScalingMode};
use crate::domain::model::script_type::ScriptType;
use crate::domain::scaling::decide::{History, Load, decide};
use crate::domain::scaling::queue_stats::QueueStats;
use crate::domain::scaling::spread::NodeLoad;
use crate::domain::scaling::trigger::ScaleTrigger;
use crate::domain::script_types::settings_cache::SettingsCache;
use crate::error::{SupervisorError, chain};
use crate::ports::clock::Clock;
use crate::ports::queue_admin::{QueueAdmin, QueueDepth, QueueState};

pub(crate) use fleet::load_on_fleet;

/// Time between two reads of the queues.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Rounds between two reads of a named queue that has no jobs and no actors: its jobs come by the trigger, and only those
/// that another supervisor accepts may wait for so long.
const REST: u8 = 9;
/// Delay between tries while actors that were started fail.
const FAILING: Backoff = Backoff::of_millis(2_000, 60_000);

/// The actors that a scaler makes and removes.
#[async_trait]
pub(crate) trait ScaledActors: Send + Sync {
    /// Returns the named queues that actors of this node serve.
    fn queues(&self) -> Vec<TypedQueue>;

    /// Returns the actors of a queue on this node as they were last observed.
    fn own(&self, queue: QueueName) -> Vec<ActorStatus>;

    /// Returns how many actors of a queue run on other nodes.
    fn running_elsewhere(&self, queue: QueueName) -> u32;

    /// Returns the machines of the fleet with their actors of a queue, if this supervisor leads the fleet.
    fn over_fleet(&self, queue: QueueName) -> Option<Vec<NodeLoad>>;

    /// Carries out a decision; what fails is logged, and decided anew after the next read.
    async fn carry_out(&self, decision: Decision);
}

/// A decision that is to be carried out.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) queue: TypedQueue,
    /// Load that the decision is about.
    pub(crate) load: Load,
    /// Actors that there are to be.
    pub(crate) desired: u32,
    /// One sentence on why.
    pub(crate) reason: String,
    /// Time for the jobs of actors that go.
    pub(crate) drain_timeout: Option<Duration>,
    /// The machines over which the number counts.
    pub(crate) scope: ScaleScope,
}

/// The scaler of one node.
pub(crate) struct Scaler {
    pub(crate) actors: Arc<dyn ScaledActors>,
    pub(crate) settings: SettingsCache,
    pub(crate) trigger: ScaleTrigger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queues: Arc<dyn QueueAdmin>,
    pub(crate) queue_stats: Arc<QueueStats>,
    pub(crate) leadership: Arc<Leadership>,
}

/// Memory of the scaler about one queue between two reads.
#[derive(Debug, Default)]
struct ScalerState {
    generation: u64,
    history: History,
    /// A decision is being carried out.
    acting: bool,
    failures: u32,
    not_out_before: Option<Instant>,
    /// Rounds for which an idle named queue is not read.
    rest: u8,
    /// Time since which the last decision over the fleet is to be made anew.
    open_since: Option<Instant>,
}

impl Scaler {
    /// Reads and decides for ever.
    pub(crate) async fn run(self) {
        let mut states: BTreeMap<QueueName, ScalerState> = BTreeMap::new();
        let mut changes: JoinSet<QueueName> = JoinSet::new();
        let trigger = self.trigger.clone();
        let mut due = Instant::now();
        loop {
            let triggered = tokio::select! {
                Some(changed) = changes.join_next() => {
                    if let Ok(queue) = changed {
                        states.entry(queue).or_default().acting = false;
                        // What came meanwhile has not been decided on.
                        due = Instant::now();
                    }
                    continue;
                }
                () = tokio::time::sleep_until(due) => false,
                () = trigger.notified() => true,
            };
            due = Instant::now() + READ_INTERVAL;
            let queues = self.queues();
            states.retain(|queue, state| state.acting || queues.contains_key(queue));
            for queue in queues.into_values() {
                let state = states.entry(queue.name).or_default();
                if state.rests() && !triggered {
                    continue;
                }
                match self.decide_for(queue, state, triggered).await {
                    Ok(Some(decision)) => {
                        state.acting = true;
                        let actors = Arc::clone(&self.actors);
                        changes.spawn(async move {
                            actors.carry_out(decision).await;
                            queue.name
                        });
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(%queue, error = %chain(&error), "{queue} queue: no decision on scaling (it cannot be read)");
                    }
                }
            }
        }
    }

    /// Returns the queues to look after: the default ones, and those named ones that have actors here or may get some.
    fn queues(&self) -> BTreeMap<QueueName, TypedQueue> {
        let defaults = ScriptType::ALL.into_iter().map(TypedQueue::from);
        let named = self.actors.queues().into_iter().chain(self.settings.automatic());
        let queues: BTreeMap<_, _> = defaults.chain(named).map(|queue| (queue.name, queue)).collect();
        self.queue_stats.retain_looks(&queues.keys().copied().collect());
        queues
    }

    /// Reads one queue and decides.
    async fn decide_for(
        &self,
        queue: TypedQueue,
        known: &mut ScalerState,
        triggered: bool,
    ) -> Result<Option<Decision>, SupervisorError> {
        let settings = self.settings.of(queue);
        let is_automatic = settings.scaling.mode == ScalingMode::Auto;
        let trigger = &self.trigger;
        if settings.scaling.scope == ScaleScope::Fleet {
            return self.decide_over_fleet(queue, known, &settings).await;
        }
        let own = self.actors.own(queue.name);
        let current = own.iter().filter(|actor| actor.record.desired == Desired::Up).count();
        // First the flag, then the read: a job that comes in between either notifies or is read.
        if is_automatic && current == 0 {
            trigger.arm(queue.name);
        } else {
            trigger.disarm(queue.name);
        }
        let state = self.queues.state(queue.name).await?;
        let now = Instant::now();
        self.queue_stats.note(queue.name, &state, now);
        let is_idle = own.is_empty() && state.depth == QueueDepth::default();
        known.rest = if is_idle && queue.name.default_type().is_none() { REST } else { 0 };
        if !is_automatic {
            self.queue_stats.set_next_look(queue.name, None);
            *known = ScalerState { acting: known.acting, rest: known.rest, ..ScalerState::default() };
            return Ok(None);
        }
        self.queue_stats.set_next_look(queue.name, Some(self.clock.now() + READ_INTERVAL));
        known.begin_anew(settings.generation);
        let load = self.load_of(queue.name, &own, &state);
        let trend = known.history.note(&settings.scaling, &load, now);
        let is_urgent = triggered && current == 0;
        // A queue that hands out nothing needs nobody more and nobody less.
        if known.acting || state.paused.is_some() || !(self.leadership.is_leader() || is_urgent) {
            return Ok(None);
        }
        let verdict = decide(&settings.scaling, &load, &trend);
        if verdict.desired == load.current {
            return Ok(None);
        }
        let failed = own.iter().any(|actor| actor.record.fault.is_some());
        if verdict.desired > load.current && !known.may_scale_out(failed, now) {
            return Ok(None);
        }
        if verdict.desired == 0 {
            trigger.arm(queue.name);
        }
        Ok(Some(Decision {
            queue,
            load,
            desired: verdict.desired,
            reason: verdict.reason,
            drain_timeout: settings.scaling.drain_timeout,
            scope: ScaleScope::Node,
        }))
    }

    fn load_of(&self, queue: QueueName, own: &[ActorStatus], state: &QueueState) -> Load {
        let elsewhere = self.actors.running_elsewhere(queue);
        Load { elsewhere, ..load_on_node(own, state) }
    }
}

impl ScalerState {
    /// Forgets what was seen under other settings.
    fn begin_anew(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Self { acting: self.acting, rest: self.rest, generation, ..Self::default() };
        }
    }

    /// Returns whether the queue is left alone in this round.
    fn rests(&mut self) -> bool {
        let rests = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
        rests
    }

    /// Returns whether more actors may be made now. While those that were started fail, tries become ever rarer.
    fn may_scale_out(&mut self, failed: bool, now: Instant) -> bool {
        if self.not_out_before.is_some_and(|at| now < at) {
            return false;
        }
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        self.not_out_before = failed.then(|| now + FAILING.delay(self.failures, fastrand::f64()));
        true
    }
}

/// Returns the load of one node, without what other nodes do.
pub(crate) fn load_on_node(own: &[ActorStatus], state: &QueueState) -> Load {
    let up = || own.iter().filter(|actor| actor.record.desired == Desired::Up);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Load {
        current: count(up().count()),
        busy: count(up().filter(|actor| actor.in_flight > 0).count()),
        elsewhere: 0,
        // Nobody else can take what is for an actor that is not there.
        queued: state.depth.queued.saturating_sub(state.queued_for_absent),
        running: state.depth.running,
        oldest_age: state.oldest_common_age,
    }
}

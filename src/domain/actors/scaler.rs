//! Looks at the queues about once a second, and makes or removes actors where that is automatic.
//!
//! Of several supervisors on one node one does it (`leads`), so that they do not undo each other's work. Only the step
//! from no actor to some is made by whoever has accepted the job: it is urgent, and made twice it is the same step.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::actors::{ActorLifecycleManager, Scaled};
use crate::domain::model::actor::{ActorState, ActorStatus, Desired};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::event::{Event, EventKind};
use crate::domain::model::scaling::{ScalingDecision, ScalingMode};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::scaling::decide::{History, Load, decide};
use crate::error::{SupervisorError, chain};
use crate::ports::queue_admin::QueueState;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a change is waited for; it goes on after that, and the next look comes.
const CHANGE_WAIT: Duration = Duration::from_secs(2);
/// Between tries while actors that were started fail.
const FAILING: Backoff = Backoff { initial: Duration::from_secs(2), max: Duration::from_secs(60) };

/// What is remembered of one script type between looks.
#[derive(Debug, Default)]
struct ScalerState {
    generation: u64,
    history: History,
    /// A change is under way.
    acting: bool,
    failures: u32,
    not_out_before: Option<Instant>,
}

/// Looks for ever. In a box, because opening a manager begins this and this opens the manager.
pub(super) fn run(manager: ActorLifecycleManager) -> BoxFuture<'static, ()> {
    Box::pin(look_for_ever(manager))
}

async fn look_for_ever(manager: ActorLifecycleManager) {
    let mut known_types: [ScalerState; 4] = Default::default();
    let mut changes: JoinSet<ScriptType> = JoinSet::new();
    let scale_trigger = manager.supervisor().scale_trigger().clone();
    let mut due = Instant::now();
    loop {
        let woken = tokio::select! {
            Some(changed) = changes.join_next() => {
                if let Ok(script_type) = changed {
                    known_types[script_type.index()].acting = false;
                    // What came meanwhile has not been decided on.
                    due = Instant::now();
                }
                continue;
            }
            () = tokio::time::sleep_until(due) => false,
            () = scale_trigger.notified() => true,
        };
        due = Instant::now() + LOOK_INTERVAL;
        for script_type in ScriptType::ALL {
            let known = &mut known_types[script_type.index()];
            match look(&manager, script_type, known, woken).await {
                Ok(Some(change)) => {
                    known.acting = true;
                    let manager = manager.clone();
                    changes.spawn(change.carry_out(manager));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%script_type, error = %chain(&error), "the {script_type} queue could not be looked at");
                }
            }
        }
    }
}

/// A decision that is to be carried out.
struct Change {
    settings: ScriptTypeSettings,
    load: Load,
    desired: u32,
    reason: String,
}

/// Looks at one script type and decides.
async fn look(
    manager: &ActorLifecycleManager,
    script_type: ScriptType,
    known: &mut ScalerState,
    woken: bool,
) -> Result<Option<Change>, SupervisorError> {
    let settings = manager.supervisor().settings().of(script_type);
    let automatic = settings.scaling.mode == ScalingMode::Auto;
    let scale_trigger = manager.supervisor().scale_trigger();
    let ours: Vec<ActorStatus> = manager.own_actors_of(script_type);
    let up = |actor: &&ActorStatus| actor.record.desired == Desired::Up;
    let current = ours.iter().filter(up).count();
    // First the flag, then the look: a job that comes in between is either told of or seen.
    if automatic && current == 0 {
        scale_trigger.arm(script_type);
    } else {
        scale_trigger.disarm(script_type);
    }
    let state = manager.supervisor().queue().state(script_type).await?;
    let now = Instant::now();
    manager.queue_stats().note(script_type, &state, now);
    if !automatic {
        manager.queue_stats().set_next_look(script_type, None);
        *known = ScalerState { acting: known.acting, ..ScalerState::default() };
        return Ok(None);
    }
    manager.queue_stats().set_next_look(script_type, Some(manager.now() + LOOK_INTERVAL));
    if known.generation != settings.generation {
        *known =
            ScalerState { acting: known.acting, generation: settings.generation, ..ScalerState::default() };
    }
    let load = load_of(manager, script_type, &ours, &state);
    let trend = known.history.note(&settings.scaling, &load, now);
    let urgent = woken && current == 0;
    // A queue that hands out nothing needs nobody more and nobody less.
    if known.acting || state.paused.is_some() || !(manager.leads() || urgent) {
        return Ok(None);
    }
    let verdict = decide(&settings.scaling, &load, &trend);
    if verdict.desired == load.current {
        return Ok(None);
    }
    if verdict.desired > load.current {
        if known.not_out_before.is_some_and(|at| now < at) {
            return Ok(None);
        }
        // Those that failed are tried again, ever more slowly.
        let failed = ours.iter().any(|actor| actor.record.fault.is_some());
        known.failures = if failed { known.failures.saturating_add(1) } else { 0 };
        known.not_out_before = failed.then(|| now + FAILING.delay(known.failures, fastrand::f64()));
    }
    if verdict.desired == 0 {
        scale_trigger.arm(script_type);
    }
    let settings = ScriptTypeSettings::clone(&settings);
    Ok(Some(Change { settings, load, desired: verdict.desired, reason: verdict.reason }))
}

fn load_of(
    manager: &ActorLifecycleManager,
    script_type: ScriptType,
    ours: &[ActorStatus],
    state: &QueueState,
) -> Load {
    let up = || ours.iter().filter(|actor| actor.record.desired == Desired::Up);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Load {
        current: count(up().count()),
        busy: count(up().filter(|actor| actor.in_flight > 0).count()),
        elsewhere: manager.running_elsewhere(script_type),
        // Nobody else can take what is for an actor that is not there.
        queued: state.depth.queued.saturating_sub(state.queued_for_absent),
        running: state.depth.running,
        oldest_age: state.oldest_common_age,
    }
}

impl Change {
    /// Answers with the script type when it is done.
    fn carry_out(self, manager: ActorLifecycleManager) -> BoxFuture<'static, ScriptType> {
        Box::pin(async move {
            let script_type = self.settings.script_type;
            self.change(&manager).await;
            script_type
        })
    }

    async fn change(self, manager: &ActorLifecycleManager) {
        let Self { settings, load, desired, reason } = self;
        let script_type = settings.script_type;
        let drain_timeout = settings.scaling.drain_timeout;
        let manager = manager.as_scaler(&reason);
        let scaled = manager.scale_to(script_type, desired, drain_timeout, false, CHANGE_WAIT).await;
        match scaled {
            Ok(scaled) => manager.record_decision(script_type, &load, desired, reason, &scaled).await,
            Err(error) => {
                tracing::warn!(%script_type, error = %chain(&error), "{desired} {script_type} actors are needed ({reason}), and cannot be had");
            }
        }
    }
}

impl ActorLifecycleManager {
    /// Actors of a type on this node, as their drivers last saw them.
    fn own_actors_of(&self, script_type: ScriptType) -> Vec<ActorStatus> {
        self.shared.registry.statuses_of(script_type)
    }

    /// Actors of a type that have announced themselves and are not of this node.
    fn running_elsewhere(&self, script_type: ScriptType) -> u32 {
        let elsewhere = self.shared.elsewhere.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        elsewhere[script_type.index()]
    }

    /// Counts the actors of other nodes that run, as far as the queue knows.
    pub(super) fn count_elsewhere(&self, others: Vec<ActorStatus>) {
        let mut counts = [0_u32; 4];
        for actor in others.iter().filter(|actor| actor.state == ActorState::Running) {
            counts[actor.record.config.script_type.index()] += 1;
        }
        *self.shared.elsewhere.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = counts;
    }

    /// Keeps a decision of scaling, and tells of it if it changes anything.
    pub(super) async fn record_decision(
        &self,
        script_type: ScriptType,
        load: &Load,
        desired: u32,
        reason: String,
        scaled: &Scaled,
    ) {
        if scaled.added.is_empty() && scaled.removed.is_empty() {
            return;
        }
        let decision = ScalingDecision {
            at: self.now(),
            current: load.current,
            desired,
            queued: load.queued,
            running: load.running,
            oldest_age: load.oldest_age,
            reason,
            added: scaled.added.clone(),
            removed: scaled.removed.clone(),
        };
        let message =
            format!("{script_type} actors from {} to {desired}: {}", decision.current, decision.reason);
        tracing::info!(%script_type, "{message}");
        self.queue_stats().set_decision(script_type, decision.clone());
        if let Err(error) = self.parts().store.put_decision(script_type, &decision).await {
            tracing::debug!(error = %chain(&error), "a decision of scaling could not be stored");
        }
        let event = Event::new(self.now(), self.cause.clone(), EventKind::ScalingDecided(decision), message);
        self.events().emit(event.of_type(script_type).on_node(self.node()));
    }
}

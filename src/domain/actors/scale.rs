//! Scaling of a queue to a number of actors: carries out what [`scaling`] plans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::actors::commands::finish;
use crate::domain::model::actor::{ActorConfig, ActorStatus, ManagedBy, StopOptions, Verb};
use crate::domain::model::event::{Cause, Event, EventKind, Source};
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::scaling::{MAX_REPLICAS, ScaleScope, ScalingDecision, ScalingMode, Shares};
use crate::domain::model::violation::Violations;
use crate::domain::scaling;
use crate::domain::scaling::run::{Decision, ScaledActors, Scaler, load_on_node};
use crate::domain::scaling::spread::{NodeLoad, loads};
use crate::domain::script_types::update::usual_name;
use crate::error::{SupervisorError, chain};

/// Longest wait of the loop for a change; the change goes on after that, and the queues are read again.
const CHANGE_WAIT: Duration = Duration::from_secs(2);
/// The same for a change over the fleet, whose machines get more before others get fewer.
const FLEET_WAIT: Duration = Duration::from_secs(10);
/// Least time between two decisions on a queue.
const TICK: Duration = Duration::from_millis(1);

/// A number of actors to have on this node, or in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaleRequest {
    /// Queue that the actors serve.
    pub queue: TypedQueue,
    /// Number of actors.
    pub replicas: u32,
    /// Time for the jobs of those that go; each actor's own by default.
    pub drain_timeout: Option<Duration>,
    /// Only say what would happen.
    pub trial: bool,
    /// Switch automatic scaling off, if it is on, instead of refusing.
    pub take_over: bool,
    /// The machines over which the number counts; None for those of the settings.
    pub scope: Option<ScaleScope>,
}

impl ScaleRequest {
    /// Scales a queue, the default one for a script type, to a number of actors, with all defaults.
    pub fn new(queue: impl Into<TypedQueue>, replicas: u32) -> Self {
        Self {
            queue: queue.into(),
            replicas,
            drain_timeout: None,
            trial: false,
            take_over: false,
            scope: None,
        }
    }
}

/// Result of scaling, or of a dry run.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// Actors of this queue afterwards (before, for a trial).
    pub actors: Vec<ActorStatus>,
    /// Actors that were made or started, or would be.
    pub added: Vec<ActorId>,
    /// Actors that were drained and removed, or would be.
    pub removed: Vec<ActorId>,
    /// False when the wait ended first; the request stands and is carried out.
    pub done: bool,
    /// Shares of the machines, of a number that counts over the fleet.
    pub shares: Shares,
}

impl ActorLifecycleManager {
    /// Makes or removes actors of a queue until there are so many on this node, or in the fleet. Number and scope are kept
    /// among the settings of the queue.
    ///
    /// # Errors
    /// `AutoscalingActive` unless `take_over` is set, `Invalid`, `NoTemplate`, and those of `create` and `stop`.
    pub async fn scale(&self, request: ScaleRequest, wait: Duration) -> Result<Scaled, SupervisorError> {
        let ScaleRequest { queue, replicas, drain_timeout, trial, take_over, scope } = request;
        let (settings, _template) = self.script_type_settings(queue).await?;
        if settings.scaling.mode == ScalingMode::Auto && !take_over {
            return Err(SupervisorError::AutoscalingActive(queue.name));
        }
        check_replicas(replicas)?;
        let scope = scope.unwrap_or(settings.scaling.scope);
        let request = ScaleRequest { scope: Some(scope), ..request };
        if scope == ScaleScope::Fleet {
            return Box::pin(self.scale_fleet(request, wait)).await;
        }
        if trial {
            return self.scale_to(queue, replicas, drain_timeout, &[], true, wait).await;
        }
        // Before any change: what cannot be done is not to be kept as a wish.
        self.scale_to(queue, replicas, drain_timeout, &[], true, wait).await?;
        self.store_replicas(&request).await?;
        let state = self.supervisor().queue().state(queue.name).await?;
        let load = load_on_node(&self.core.registry.statuses_at(queue.name), &state);
        let reason = self.asked_for(replicas);
        let scaler = self.as_scaler(&reason);
        let scaled = scaler.scale_to(queue, replicas, drain_timeout, &[], false, wait).await?;
        let decision = Decision { queue, load, desired: replicas, reason, drain_timeout, scope };
        self.record_decision(decision, &scaled).await;
        Ok(scaled)
    }

    /// Says that somebody asked for a number, and why.
    pub(super) fn asked_for(&self, replicas: u32) -> String {
        match self.cause.reason.as_str() {
            "" => format!("somebody asked for {replicas}"),
            given => format!("somebody asked for {replicas}: {given}"),
        }
    }

    /// Makes the scaler of this node.
    pub(super) fn scaler(&self) -> Scaler {
        let parts = self.parts();
        Scaler {
            actors: Arc::new(self.clone()),
            settings: parts.supervisor.settings().clone(),
            trigger: parts.supervisor.scale_trigger().clone(),
            clock: Arc::clone(parts.supervisor.clock()),
            queues: parts.supervisor.queue().clone(),
            queue_stats: Arc::clone(&self.core.queue_stats),
            leadership: Arc::clone(&self.core.leadership),
        }
    }

    /// The same manager, whose steps are those of scaling for this reason. The call that asked for it stays known.
    pub(super) fn as_scaler(&self, reason: &str) -> Self {
        let cause = Cause { source: Source::Scaler, reason: reason.to_owned(), ..self.cause.clone() };
        self.on_behalf_of(cause)
    }

    /// The same without a look at the rules. New actors get these names, as far as they are free.
    pub(super) async fn scale_to(
        &self,
        queue: TypedQueue,
        replicas: u32,
        drain_timeout: Option<Duration>,
        names: &[ActorId],
        trial: bool,
        wait: Duration,
    ) -> Result<Scaled, SupervisorError> {
        check_replicas(replicas)?;
        let all = self.actors_as_stored().await?;
        let taken: BTreeSet<ActorId> = all.iter().map(|actor| actor.record.id.clone()).collect();
        let ours: Vec<ActorStatus> =
            all.into_iter().filter(|actor| self.is_ours(actor, queue.name)).collect();
        let template = self.template_for(queue, &ours).await?;
        let mut plan = scaling::plan(replicas, &ours, &template, &taken)?;
        plan.prefer(names, &taken);
        let added: Vec<ActorId> = plan.start.iter().chain(&plan.create).cloned().collect();
        let removed = plan.remove.clone();
        if trial {
            return Ok(Scaled { actors: ours, added, removed, done: true, shares: Shares::default() });
        }
        let options = StopOptions { drain_timeout, force: false };
        let starts = plan.start.iter().map(|id| self.start(id, wait));
        let creates = plan.create.iter().map(|id| {
            let config = scaling::instance(&template, id);
            self.create_as(config, ManagedBy::Scaler, true, wait)
        });
        let removes = plan.remove.iter().map(|id| self.let_go(id, &options, wait));
        let (started, created, gone) = tokio::join!(
            futures::future::join_all(starts),
            futures::future::join_all(creates),
            futures::future::join_all(removes),
        );
        let mut done = true;
        for result in started.into_iter().chain(created) {
            done &= result?.done;
        }
        for result in gone {
            done &= result?;
        }
        let actors = self.actors().await?;
        let actors = actors.into_iter().filter(|actor| self.is_ours(actor, queue.name)).collect();
        Ok(Scaled { actors, added, removed, done, shares: Shares::default() })
    }

    /// Returns the definition from which actors for a queue are made. A named queue without one has that of its script type.
    pub(super) async fn template_for(
        &self,
        queue: TypedQueue,
        ours: &[ActorStatus],
    ) -> Result<ActorConfig, SupervisorError> {
        let store = &self.parts().store;
        let stored = store.template(queue.name).await?;
        if let Some(own) = stored.or_else(|| ours.first().map(|actor| actor.record.config.clone())) {
            return Ok(own);
        }
        let missing = SupervisorError::NoTemplate(queue.name);
        if queue.name.default_type().is_some() {
            return Err(missing);
        }
        let of_type = store.template(queue.script_type.into()).await?.ok_or(missing)?;
        let name = ActorId::parse(&usual_name(queue.name));
        let name = name.map_err(|description| Violations::one("template.actor_id", description))?;
        Ok(scaling::instance(&of_type, &name).with_queue(queue.name))
    }

    /// Ends an actor that scaling has no use for: what scaling made is deleted, what a caller made is only stopped.
    async fn let_go(
        &self,
        id: &ActorId,
        options: &StopOptions,
        wait: Duration,
    ) -> Result<bool, SupervisorError> {
        let handle = match self.handle(id).await {
            // Somebody else was faster; it is gone, which is what was wanted.
            Err(SupervisorError::ActorNotFound(_)) => return Ok(true),
            other => other?,
        };
        let verb = match handle.status().record.managed_by {
            ManagedBy::Scaler => Verb::Delete { force: options.force },
            ManagedBy::User => Verb::Stop { force: options.force },
        };
        let answer = handle.request(verb, options.clone(), self.cause.clone())?;
        match finish(&handle, answer, Instant::now() + wait).await {
            Err(SupervisorError::ActorNotFound(_)) => Ok(true),
            finished => Ok(finished?.done),
        }
    }

    pub(super) fn is_ours(&self, actor: &ActorStatus, queue: QueueName) -> bool {
        actor.record.node == self.parts().node && actor.record.config.queue() == queue
    }

    /// Stores a decision of scaling, and emits its event if it changed anything, or a machine has not got its share.
    pub(super) async fn record_decision(&self, decided: Decision, scaled: &Scaled) {
        let Scaled { added, removed, shares, .. } = scaled;
        let is_quiet = added.is_empty() && removed.is_empty();
        if is_quiet && shares.nodes.is_empty() {
            return;
        }
        let queue = decided.queue;
        let decision = self.store_decision(&decided, added, removed, shares).await;
        if is_quiet && !shares.is_open() {
            return;
        }
        let (current, desired) = (decision.current, decision.desired);
        let message = format!("{queue} actors from {current} to {desired}: {}", decision.reason);
        tracing::info!(%queue, "scaling: {message}");
        let event = Event::new(self.now(), self.cause.clone(), EventKind::ScalingDecided(decision), message);
        self.events().emit(event.of_queue(queue.name).on_node(self.node()));
    }

    /// Stores a decision of scaling, later than the one before whatever the clocks of two machines say.
    pub(super) async fn store_decision(
        &self,
        decided: &Decision,
        added: &[ActorId],
        removed: &[ActorId],
        shares: &Shares,
    ) -> ScalingDecision {
        let Decision { queue, load, desired, reason, drain_timeout: _, scope: _ } = decided;
        let before = self.core.queue_stats.decision(queue.name).map(|decision| decision.at + TICK);
        let decision = ScalingDecision {
            at: before.map_or(self.now(), |before| before.max(self.now())),
            current: load.current,
            desired: *desired,
            queued: load.queued,
            running: load.running,
            oldest_age: load.oldest_age,
            reason: reason.clone(),
            added: added.to_vec(),
            removed: removed.to_vec(),
            shares: shares.clone(),
        };
        self.core.queue_stats.set_decision(queue.name, decision.clone());
        if let Err(error) = self.parts().store.put_decision(queue.name, &decision).await {
            tracing::debug!(error = %chain(&error), "decision of scaling: it is not stored (other supervisors do not know it)");
        }
        decision
    }
}

/// Checks a number of actors.
fn check_replicas(replicas: u32) -> Result<(), Violations> {
    match replicas <= MAX_REPLICAS {
        true => Ok(()),
        false => Err(Violations::one("replicas", format!("is {replicas}: use 0 to {MAX_REPLICAS}"))),
    }
}

#[async_trait]
impl ScaledActors for ActorLifecycleManager {
    fn queues(&self) -> Vec<TypedQueue> {
        self.core.registry.named_queues()
    }

    fn own(&self, queue: QueueName) -> Vec<ActorStatus> {
        self.core.registry.statuses_at(queue)
    }

    fn running_elsewhere(&self, queue: QueueName) -> u32 {
        self.core.running_elsewhere(queue)
    }

    fn over_fleet(&self, queue: QueueName) -> Option<Vec<NodeLoad>> {
        let fleet = self.core.leadership.fleet_led()?;
        let others = self.core.others.lock().clone();
        let at_queue = others.iter().filter(|actor| actor.record.config.queue() == queue).cloned();
        let actors: Vec<ActorStatus> = self.own(queue).into_iter().chain(at_queue).collect();
        Some(loads(&fleet, self.node(), &actors, &BTreeMap::new()))
    }

    async fn carry_out(&self, decision: Decision) {
        let (queue, desired, scope) = (decision.queue, decision.desired, decision.scope);
        let (reason, drain_timeout) = (decision.reason.clone(), decision.drain_timeout);
        let scaler = self.as_scaler(&reason);
        let scaled = match scope {
            ScaleScope::Fleet => scaler.place(decision.clone(), FLEET_WAIT).await,
            ScaleScope::Node => scaler.scale_to(queue, desired, drain_timeout, &[], false, CHANGE_WAIT).await,
        };
        match scaled {
            // Over the fleet each step is recorded as it is made.
            Ok(_scaled) if scope == ScaleScope::Fleet => {}
            Ok(scaled) => scaler.record_decision(decision, &scaled).await,
            Err(error) => {
                tracing::warn!(%queue, error = %chain(&error), "{queue} actors: not scaled to {desired} ({reason})");
            }
        }
    }
}

//! Scaling of a queue to a number of actors: carries out what [`scaling`] plans.

use std::collections::BTreeSet;
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
use crate::domain::model::scaling::{MAX_REPLICAS, ScalingDecision, ScalingMode};
use crate::domain::model::violation::Violations;
use crate::domain::scaling;
use crate::domain::scaling::run::{Decision, ScaledActors, Scaler, load_on_node};
use crate::domain::script_types::update::usual_name;
use crate::error::{SupervisorError, chain};

/// Longest wait of the loop for a change; the change goes on after that, and the queues are read again.
const CHANGE_WAIT: Duration = Duration::from_secs(2);

/// A number of actors to have on this node.
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
}

impl ScaleRequest {
    /// Scales a queue, the default one for a script type, to a number of actors, with all defaults.
    pub fn new(queue: impl Into<TypedQueue>, replicas: u32) -> Self {
        Self { queue: queue.into(), replicas, drain_timeout: None, trial: false, take_over: false }
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
}

impl ActorLifecycleManager {
    /// Makes or removes actors of a queue until there are so many on this node. The number is kept among the settings of
    /// the queue.
    ///
    /// # Errors
    /// `AutoscalingActive` unless `take_over` is set, `Invalid`, `NoTemplate`, and those of `create` and `stop`.
    pub async fn scale(&self, request: ScaleRequest, wait: Duration) -> Result<Scaled, SupervisorError> {
        let ScaleRequest { queue, replicas, drain_timeout, trial, take_over } = request;
        let (settings, _template) = self.script_type_settings(queue).await?;
        if settings.scaling.mode == ScalingMode::Auto && !take_over {
            return Err(SupervisorError::AutoscalingActive(queue.name));
        }
        if trial {
            return self.scale_to(queue, replicas, drain_timeout, true, wait).await;
        }
        // Before any change: what cannot be done is not to be kept as a wish.
        self.scale_to(queue, replicas, drain_timeout, true, wait).await?;
        self.store_replicas(&request).await?;
        let state = self.supervisor().queue().state(queue.name).await?;
        let load = load_on_node(&self.core.registry.statuses_at(queue.name), &state);
        let reason = match self.cause.reason.as_str() {
            "" => format!("somebody asked for {replicas}"),
            given => format!("somebody asked for {replicas}: {given}"),
        };
        let scaler = self.as_scaler(&reason);
        let scaled = scaler.scale_to(queue, replicas, drain_timeout, false, wait).await?;
        let decision = Decision { queue, load, desired: replicas, reason, drain_timeout };
        self.record_decision(decision, &scaled).await;
        Ok(scaled)
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

    /// The same without a look at the rules.
    pub(super) async fn scale_to(
        &self,
        queue: TypedQueue,
        replicas: u32,
        drain_timeout: Option<Duration>,
        trial: bool,
        wait: Duration,
    ) -> Result<Scaled, SupervisorError> {
        if replicas > MAX_REPLICAS {
            let description = format!("is {replicas}: use 0 to {MAX_REPLICAS}");
            return Err(Violations::one("replicas", description).into());
        }
        let all = self.actors_as_stored().await?;
        let taken: BTreeSet<ActorId> = all.iter().map(|actor| actor.record.id.clone()).collect();
        let ours: Vec<ActorStatus> =
            all.into_iter().filter(|actor| self.is_ours(actor, queue.name)).collect();
        let template = self.template_for(queue, &ours).await?;
        let plan = scaling::plan(replicas, &ours, &template, &taken)?;
        let added: Vec<ActorId> = plan.start.iter().chain(&plan.create).cloned().collect();
        let removed = plan.remove.clone();
        if trial {
            return Ok(Scaled { actors: ours, added, removed, done: true });
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
        Ok(Scaled { actors, added, removed, done })
    }

    /// Returns the definition from which actors for a queue are made. A named queue without one has that of its script type.
    async fn template_for(
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

    /// Stores a decision of scaling, and emits its event if it changed anything.
    async fn record_decision(&self, decided: Decision, scaled: &Scaled) {
        if scaled.added.is_empty() && scaled.removed.is_empty() {
            return;
        }
        let Decision { queue, load, desired, reason, drain_timeout: _ } = decided;
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
        let message = format!("{queue} actors from {} to {desired}: {}", decision.current, decision.reason);
        tracing::info!(%queue, "scaling: {message}");
        self.core.queue_stats.set_decision(queue.name, decision.clone());
        if let Err(error) = self.parts().store.put_decision(queue.name, &decision).await {
            tracing::debug!(error = %chain(&error), "decision of scaling: it is not stored (other supervisors do not know it)");
        }
        let event = Event::new(self.now(), self.cause.clone(), EventKind::ScalingDecided(decision), message);
        self.events().emit(event.of_queue(queue.name).on_node(self.node()));
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

    async fn carry_out(&self, decision: Decision) {
        let (queue, desired) = (decision.queue, decision.desired);
        let scaler = self.as_scaler(&decision.reason);
        match scaler.scale_to(queue, desired, decision.drain_timeout, false, CHANGE_WAIT).await {
            Ok(scaled) => scaler.record_decision(decision, &scaled).await,
            Err(error) => {
                tracing::warn!(%queue, error = %chain(&error), "{queue} actors: not scaled to {desired} ({})", decision.reason);
            }
        }
    }
}

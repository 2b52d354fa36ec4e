//! Script types and queues: the settings, the jobs and the actors of each, and commands that change them.
//!
//! A script type is its default queue; a queue that was created by name has the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::domain::actors::{ActorLifecycleManager, ScaleRequest};
use crate::domain::model::actor::{ActorConfig, ActorState, ActorStatus};
use crate::domain::model::health::Health;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::scaling::{ScaleScope, ScalingDecision, ScalingMode};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::retry_conflicts::retry_conflicts;
use crate::domain::scaling::queue_stats::{QueueRates, QueueStats};
use crate::domain::script_types::queue_commands::{PurgeRequest, QueueCommands};
use crate::domain::script_types::update::replacement;
use crate::error::{SupervisorError, chain};
use crate::ports::queue_admin::QueueState;

/// One queue: its settings, its jobs and its actors. That of a script type is its default queue.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptTypeStatus {
    /// Settings of the queue.
    pub settings: Arc<ScriptTypeSettings>,
    /// The definition from which scaling makes actors.
    pub template: Option<ActorConfig>,
    /// The queue.
    pub queue: QueueState,
    /// Jobs that may wait in it; None is any number.
    pub queue_limit: Option<u64>,
    /// Jobs submitted and finished a second.
    pub rates: QueueRates,
    /// Actors at its default queue on all nodes.
    pub actors: ActorCounts,
    /// The last decision of scaling.
    pub last_decision: Option<ScalingDecision>,
    /// Time of the next read of the queue, while scaling is automatic.
    pub next_scaling_at: Option<SystemTime>,
}

/// Actors at the default queue of a script type, on all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActorCounts {
    /// Whatever their state.
    pub total: u32,
    /// RUNNING.
    pub running: u32,
    /// RUNNING, with jobs in flight.
    pub busy: u32,
    /// UNHEALTHY.
    pub unhealthy: u32,
}

impl ActorLifecycleManager {
    /// Every script type; one whose queue is damaged is left out.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn script_types(&self) -> Result<Vec<ScriptTypeStatus>, SupervisorError> {
        let actors = self.actors().await?;
        let each = ScriptType::ALL.into_iter().map(|script_type| self.status_of(script_type.into(), &actors));
        let mut all = Vec::with_capacity(ScriptType::ALL.len());
        for status in futures::future::join_all(each).await {
            match status {
                Err(error @ SupervisorError::RecordDamaged { .. }) => {
                    tracing::debug!(error = %chain(&error), "script types: left one out");
                }
                status => all.push(status?),
            }
        }
        Ok(all)
    }

    /// One script type.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn script_type(&self, script_type: ScriptType) -> Result<ScriptTypeStatus, SupervisorError> {
        self.status_of(script_type.into(), &self.actors().await?).await
    }

    /// One queue, of whatever name.
    ///
    /// # Errors
    /// `Queue` when there is none; `QueueUnavailable`.
    pub async fn queue_status(&self, queue: QueueName) -> Result<ScriptTypeStatus, SupervisorError> {
        let queue = self.supervisor().typed_queue(queue).await?;
        self.status_of(queue, &self.actors().await?).await
    }

    async fn status_of(
        &self,
        typed: TypedQueue,
        actors: &[ActorStatus],
    ) -> Result<ScriptTypeStatus, SupervisorError> {
        let (queue, name) = (self.supervisor().queue(), typed.name);
        let (state, template) = tokio::join!(queue.state(name), self.parts().store.template(name));
        let mut counts = ActorCounts::default();
        for actor in actors.iter().filter(|actor| actor.record.config.queue() == name) {
            let running = actor.state == ActorState::Running;
            counts.total += 1;
            counts.running += u32::from(running);
            counts.busy += u32::from(running && actor.in_flight > 0);
            counts.unhealthy += u32::from(actor.health.health == Health::Unhealthy);
        }
        Ok(ScriptTypeStatus {
            settings: self.supervisor().settings().of(typed),
            template: template?,
            queue: state?,
            queue_limit: Some(queue.depth_limit(name)).filter(|limit| *limit != u64::MAX),
            rates: self.queue_stats().rates(name),
            actors: counts,
            last_decision: self.queue_stats().decision(name),
            next_scaling_at: self.queue_stats().next_look(name),
        })
    }

    /// Reads the stored settings and template of a queue, to be changed; a script type stands for its default queue.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn script_type_settings(
        &self,
        queue: impl Into<TypedQueue>,
    ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), SupervisorError> {
        let queue = queue.into();
        self.open().await?;
        let all = self.parts().store.settings().await?;
        let kept = all.into_iter().find(|settings| settings.queue == queue.name);
        let template = self.parts().store.template(queue.name).await?;
        Ok((kept.unwrap_or_else(|| ScriptTypeSettings::new(queue)), template))
    }

    /// Changes the settings and the template of a queue; a script type stands for its default queue. `change` makes the new ones from the stored ones, and is called
    /// again when another supervisor has changed them meanwhile. Returns false if nothing changes.
    ///
    /// # Errors
    /// Those of `change`; a template that is taken away, or whose program cannot be used; `SettingsConflict` when others were
    /// faster five times; those of [`ActorLifecycleManager::set_script_type_settings`].
    pub async fn update_script_type<F, E>(
        &self,
        queue: impl Into<TypedQueue>,
        change: F,
    ) -> Result<bool, SupervisorError>
    where
        F: Fn(
                &ScriptTypeSettings,
                Option<&ActorConfig>,
            ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), E>
            + Send
            + Sync,
        E: Into<SupervisorError>,
    {
        self.change_settings(queue.into(), false, change).await
    }

    /// Checks a change of the settings of a queue as [`ActorLifecycleManager::update_script_type`] does, and stores
    /// nothing. True if something would change.
    ///
    /// # Errors
    /// Those of the change.
    pub async fn check_script_type<F, E>(
        &self,
        queue: impl Into<TypedQueue>,
        change: F,
    ) -> Result<bool, SupervisorError>
    where
        F: Fn(
                &ScriptTypeSettings,
                Option<&ActorConfig>,
            ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), E>
            + Send
            + Sync,
        E: Into<SupervisorError>,
    {
        self.change_settings(queue.into(), true, change).await
    }

    async fn change_settings<F, E>(
        &self,
        queue: TypedQueue,
        trial: bool,
        change: F,
    ) -> Result<bool, SupervisorError>
    where
        F: Fn(
                &ScriptTypeSettings,
                Option<&ActorConfig>,
            ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), E>
            + Send
            + Sync,
        E: Into<SupervisorError>,
    {
        let change = &change;
        let attempt = move || async move {
            let (stored, stored_template) = self.script_type_settings(queue).await?;
            let changed = change(&stored, stored_template.as_ref()).map_err(Into::into)?;
            let (settings, template) = changed;
            let template = match template {
                Some(template) => Some(self.complete(template).await?),
                None => None,
            };
            let template = replacement(stored_template.as_ref(), template)?;
            if settings == stored && template.is_none() {
                // Another supervisor may have stored the same a moment ago, and the copy here may be older.
                self.supervisor().apply_settings(stored);
                return Ok(Some(false));
            }
            if let Some(template) = &template {
                // A missing program is refused now, and not when the next actor is needed.
                self.validate(template).await?;
            }
            if trial {
                return Ok(Some(true));
            }
            Ok(self.set_script_type_settings(settings, template).await?.then_some(true))
        };
        retry_conflicts(attempt).await?.ok_or(SupervisorError::SettingsConflict(queue.name))
    }

    /// Stores new settings, and a new template if there is one. They hold here at once and for other supervisors within a
    /// second. False when another supervisor has changed them since they were read.
    ///
    /// A number of actors that was not requested before is brought about on this node; see
    /// [`ActorLifecycleManager::scale`]. One that counts over the fleet is brought about by its leader.
    ///
    /// # Errors
    /// `QueueUnavailable`; those of `scale`.
    pub async fn set_script_type_settings(
        &self,
        settings: ScriptTypeSettings,
        template: Option<ActorConfig>,
    ) -> Result<bool, SupervisorError> {
        let queue = TypedQueue { name: settings.queue, script_type: settings.script_type };
        let before = self.supervisor().settings().of(queue).scaling;
        if !self.store_settings(&settings).await? {
            return Ok(false);
        }
        if let Some(template) = template {
            self.parts().store.set_template(&template, true).await?;
        }
        let scaling = settings.scaling;
        if let (ScalingMode::Fixed, ScaleScope::Node, Some(replicas)) =
            (scaling.mode, scaling.scope, scaling.replicas)
            && (before.mode != scaling.mode || before.replicas != scaling.replicas)
        {
            let drain_timeout = scaling.drain_timeout;
            let scaler = self.as_scaler(&format!("the settings ask for {replicas}"));
            scaler.scale_to(queue, replicas, drain_timeout, &[], false, Duration::ZERO).await?;
        }
        Ok(true)
    }

    async fn store_settings(&self, settings: &ScriptTypeSettings) -> Result<bool, SupervisorError> {
        if !self.parts().store.put_settings(settings).await? {
            return Ok(false);
        }
        let generation = settings.generation + 1;
        let queue = TypedQueue { name: settings.queue, script_type: settings.script_type };
        let has_changed = self.supervisor().settings().of(queue).flow != settings.flow;
        self.supervisor().apply_settings(ScriptTypeSettings { generation, ..settings.clone() });
        if has_changed && let Err(error) = self.supervisor().queue().push_flow(queue.name).await {
            // The next round of maintenance does it.
            tracing::debug!(error = %chain(&error), queue = %queue.name, "flow rules: not in force yet");
        }
        self.supervisor().scale_trigger().notify();
        Ok(true)
    }

    /// Stores a number of actors that a caller requested, and switches automatic scaling off.
    pub(super) async fn store_replicas(&self, request: &ScaleRequest) -> Result<(), SupervisorError> {
        let attempt = move || async move {
            let (mut settings, _template) = self.script_type_settings(request.queue).await?;
            settings.scaling.mode = ScalingMode::Fixed;
            settings.scaling.replicas = Some(request.replicas);
            settings.scaling.scope = request.scope.unwrap_or(settings.scaling.scope);
            Ok(self.store_settings(&settings).await?.then_some(()))
        };
        retry_conflicts(attempt).await?.ok_or(SupervisorError::SettingsConflict(request.queue.name))
    }

    /// Hands out no job of a queue any more; false when it was paused already.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn pause_queue(
        &self,
        queue: impl Into<QueueName>,
        reason: &str,
    ) -> Result<bool, SupervisorError> {
        let queue = queue.into();
        let changed = self.queue_commands().pause(queue, reason).await?;
        self.queue_stats().set_paused(queue, true);
        Ok(changed)
    }

    /// Hands out jobs of a queue again; false when it was not paused.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn resume_queue(
        &self,
        queue: impl Into<QueueName>,
        reason: &str,
    ) -> Result<bool, SupervisorError> {
        let queue = queue.into();
        let changed = self.queue_commands().resume(queue, reason).await?;
        self.queue_stats().set_paused(queue, false);
        Ok(changed)
    }

    /// Cancels jobs that wait; returns how many, or how many it would be.
    ///
    /// # Errors
    /// `PurgeRefused` when there are more than expected, `QueueUnavailable`.
    pub async fn purge_queue(&self, request: PurgeRequest) -> Result<u64, SupervisorError> {
        self.queue_commands().purge(request).await
    }

    fn queue_commands(&self) -> QueueCommands {
        QueueCommands {
            queues: self.supervisor().queue().clone(),
            events: self.events().clone(),
            clock: Arc::clone(self.supervisor().clock()),
            cause: self.cause.clone(),
        }
    }

    /// Returns the statistics of the queues.
    pub(super) fn queue_stats(&self) -> &QueueStats {
        &self.core.queue_stats
    }
}

//! Script types as callers see them: the rules, the queue and the actors of each, and what changes them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::domain::actors::{ActorLifecycleManager, ScaleRequest};
use crate::domain::model::actor::{ActorConfig, ActorState, ActorStatus};
use crate::domain::model::event::{Cause, Event, EventKind};
use crate::domain::model::health::Health;
use crate::domain::model::job::JobState;
use crate::domain::model::scaling::{ScalingDecision, ScalingMode};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::model::violation::Violations;
use crate::domain::scaling::queue_stats::{QueueRates, QueueStats};
use crate::domain::script_types::update::replacement;
use crate::error::SupervisorError;
use crate::ports::queue_admin::QueueState;

/// Times that rules are written again after somebody else was faster.
const MOST_TRIES: u32 = 5;

/// One script type: its rules, its queue and its actors.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptTypeStatus {
    /// The rules.
    pub settings: Arc<ScriptTypeSettings>,
    /// From which definition scaling makes actors.
    pub template: Option<ActorConfig>,
    /// The queue.
    pub queue: QueueState,
    /// How fast jobs come and go.
    pub rates: QueueRates,
    /// Its actors on all nodes.
    pub actors: ActorCounts,
    /// The last decision of scaling.
    pub last_decision: Option<ScalingDecision>,
    /// When scaling looks again, while it is automatic.
    pub next_scaling_at: Option<SystemTime>,
}

/// Actors of a script type on all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActorCounts {
    /// Whatever their state.
    pub total: u32,
    /// RUNNING.
    pub running: u32,
    /// RUNNING, with jobs in hand.
    pub busy: u32,
    /// UNHEALTHY.
    pub unhealthy: u32,
}

/// Waiting jobs to be cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRequest {
    /// Of this type.
    pub script_type: ScriptType,
    /// In these states.
    pub states: Vec<JobState>,
    /// Nothing is done if there are more.
    pub expected: Option<u64>,
    /// Only count.
    pub trial: bool,
    /// Why.
    pub reason: String,
}

impl ActorLifecycleManager {
    /// Every script type.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn script_types(&self) -> Result<Vec<ScriptTypeStatus>, SupervisorError> {
        let actors = self.actors().await?;
        let each = ScriptType::ALL.into_iter().map(|script_type| self.status_of(script_type, &actors));
        futures::future::try_join_all(each).await
    }

    /// One script type.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn script_type(&self, script_type: ScriptType) -> Result<ScriptTypeStatus, SupervisorError> {
        self.status_of(script_type, &self.actors().await?).await
    }

    async fn status_of(
        &self,
        script_type: ScriptType,
        actors: &[ActorStatus],
    ) -> Result<ScriptTypeStatus, SupervisorError> {
        let queue = self.supervisor().queue();
        let (state, template) =
            tokio::join!(queue.state(script_type), self.parts().store.template(script_type));
        let mut counts = ActorCounts::default();
        for actor in actors.iter().filter(|actor| actor.record.config.script_type == script_type) {
            let running = actor.state == ActorState::Running;
            counts.total += 1;
            counts.running += u32::from(running);
            counts.busy += u32::from(running && actor.in_flight > 0);
            counts.unhealthy += u32::from(actor.health.health == Health::Unhealthy);
        }
        Ok(ScriptTypeStatus {
            settings: self.supervisor().settings().of(script_type),
            template: template?,
            queue: state?,
            rates: self.queue_stats().rates(script_type),
            actors: counts,
            last_decision: self.queue_stats().decision(script_type),
            next_scaling_at: self.queue_stats().next_look(script_type),
        })
    }

    /// The rules and the template of a script type as they are kept, to be changed.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn script_type_settings(
        &self,
        script_type: ScriptType,
    ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), SupervisorError> {
        self.open().await?;
        let all = self.parts().store.settings().await?;
        let kept = all.into_iter().find(|settings| settings.script_type == script_type);
        let template = self.parts().store.template(script_type).await?;
        Ok((kept.unwrap_or_else(|| ScriptTypeSettings::new(script_type)), template))
    }

    /// Changes the settings and the template of a script type. `change` makes the new ones from the stored ones, and is called
    /// again when another supervisor has changed them meanwhile. Returns false if nothing changes.
    ///
    /// # Errors
    /// Those of `change`; a template that is taken away, or whose program cannot be used; `SettingsConflict` when others were
    /// faster five times; those of [`ActorLifecycleManager::set_script_type_settings`].
    pub async fn update_script_type<F>(
        &self,
        script_type: ScriptType,
        change: F,
    ) -> Result<bool, SupervisorError>
    where
        F: Fn(
                &ScriptTypeSettings,
                Option<&ActorConfig>,
            ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), Violations>
            + Send
            + Sync,
    {
        for _try in 0..MOST_TRIES {
            let (stored, stored_template) = self.script_type_settings(script_type).await?;
            let (settings, template) = change(&stored, stored_template.as_ref())?;
            let template = replacement(stored_template.as_ref(), template)?;
            if settings == stored && template.is_none() {
                return Ok(false);
            }
            if let Some(template) = &template {
                // A missing program is refused now, and not when the next actor is needed.
                self.validate(template).await?;
            }
            if self.set_script_type_settings(settings, template).await? {
                return Ok(true);
            }
        }
        Err(SupervisorError::SettingsConflict(script_type))
    }

    /// Keeps new rules, and a new template if there is one. They hold here at once and for other supervisors within a
    /// second. False when somebody else was faster: read them again.
    ///
    /// A number of actors that was not asked for before is brought about on this node; see
    /// [`ActorLifecycleManager::scale`].
    ///
    /// # Errors
    /// `QueueUnavailable`; those of `scale`.
    pub async fn set_script_type_settings(
        &self,
        settings: ScriptTypeSettings,
        template: Option<ActorConfig>,
    ) -> Result<bool, SupervisorError> {
        let script_type = settings.script_type;
        let before = self.supervisor().settings().of(script_type).scaling;
        if !self.store_rules(&settings).await? {
            return Ok(false);
        }
        if let Some(template) = template {
            self.parts().store.set_template(&template, true).await?;
        }
        let scaling = settings.scaling;
        if let (ScalingMode::Fixed, Some(replicas)) = (scaling.mode, scaling.replicas)
            && (before.mode != scaling.mode || before.replicas != scaling.replicas)
        {
            let drain_timeout = scaling.drain_timeout;
            let scaler = self.as_scaler(&format!("the rules ask for {replicas}"));
            scaler.scale_to(script_type, replicas, drain_timeout, false, Duration::ZERO).await?;
        }
        Ok(true)
    }

    async fn store_rules(&self, settings: &ScriptTypeSettings) -> Result<bool, SupervisorError> {
        if !self.parts().store.put_settings(settings).await? {
            return Ok(false);
        }
        let generation = settings.generation + 1;
        self.supervisor().apply_settings(ScriptTypeSettings { generation, ..settings.clone() });
        self.supervisor().scale_trigger().notify();
        Ok(true)
    }

    /// Notes a number that somebody asked for; from then on nothing is automatic.
    pub(super) async fn store_replicas(&self, request: &ScaleRequest) -> Result<(), SupervisorError> {
        for _try in 0..MOST_TRIES {
            let (mut settings, _template) = self.script_type_settings(request.script_type).await?;
            settings.scaling.mode = ScalingMode::Fixed;
            settings.scaling.replicas = Some(request.replicas);
            if self.store_rules(&settings).await? {
                return Ok(());
            }
        }
        Err(SupervisorError::SettingsConflict(request.script_type))
    }

    /// Hands out no job of a type any more; false when it was so already.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn pause_queue(&self, script_type: ScriptType, reason: &str) -> Result<bool, SupervisorError> {
        let changed = self.supervisor().queue().pause(script_type, reason).await?;
        self.queue_stats().set_paused(script_type, true);
        if changed {
            let message = format!("the {script_type} queue is paused{}", because(reason));
            self.tell_of_queue(script_type, reason, message, EventKind::QueuePaused);
        }
        Ok(changed)
    }

    /// Hands out jobs of a type again; false when it was not paused.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn resume_queue(&self, script_type: ScriptType, reason: &str) -> Result<bool, SupervisorError> {
        let changed = self.supervisor().queue().resume(script_type).await?;
        self.queue_stats().set_paused(script_type, false);
        if changed {
            let message = format!("the {script_type} queue goes on{}", because(reason));
            self.tell_of_queue(script_type, reason, message, EventKind::QueueResumed);
        }
        Ok(changed)
    }

    /// Cancels jobs that wait; answers with how many, or how many it would be.
    ///
    /// # Errors
    /// `PurgeRefused` when there are more than expected, `QueueUnavailable`.
    pub async fn purge_queue(&self, request: PurgeRequest) -> Result<u64, SupervisorError> {
        let PurgeRequest { script_type, states, expected, trial, reason } = request;
        let queue = self.supervisor().queue();
        let mut most = u64::MAX;
        if trial || expected.is_some() {
            let found = queue.count(script_type, &states).await?;
            if let Some(expected) = expected.filter(|expected| found > *expected) {
                return Err(SupervisorError::PurgeRefused { script_type, found, expected });
            }
            if trial {
                return Ok(found);
            }
            // What comes after the count was not meant.
            most = found;
        }
        let count = queue.purge(script_type, &states, &reason, most).await?;
        if count > 0 {
            let message = format!("{count} waiting {script_type} jobs were cancelled{}", because(&reason));
            self.tell_of_queue(script_type, &reason, message, EventKind::QueuePurged { count });
        }
        Ok(count)
    }

    fn tell_of_queue(&self, script_type: ScriptType, reason: &str, message: String, kind: EventKind) {
        tracing::info!(%script_type, "{message}");
        let cause = Cause { reason: reason.to_owned(), ..self.cause.clone() };
        self.events().emit(Event::new(self.now(), cause, kind, message).of_type(script_type));
    }

    /// What was seen of the queues.
    pub(super) fn queue_stats(&self) -> &QueueStats {
        &self.shared.queue_stats
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

//! Blocking convenience methods for users of the library: each waits until the operation has completed.

use std::time::Duration;

use crate::domain::health::report::HealthReport;
use crate::domain::model::actor::{ActorConfig, ActorState, ActorStatus};
use crate::domain::model::health::Scope;

use crate::domain::actors::{ActorAnswer, ActorLifecycleManager, ActorSelector, ScaleRequest};
use crate::domain::model::actor::StopOptions;
use crate::domain::model::id::ActorId;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;

/// Every start and stop ends by its own time-outs (at most 24 hours each); this only bounds the wait for it.
const UNTIL_DONE: Duration = Duration::from_secs(3 * 24 * 3600);

impl ActorLifecycleManager {
    /// Starts every actor of this node and waits until all are RUNNING.
    ///
    /// # Errors
    /// The first failure, after all others have been tried.
    pub async fn start_all_actors(&self) -> Result<(), SupervisorError> {
        first_failure(self.start_many(&ActorSelector::default(), UNTIL_DONE).await?)
    }

    /// Drains and stops every actor of this node and waits until all processes are gone.
    ///
    /// # Errors
    /// The first failure, after all others have been tried.
    pub async fn stop_all_actors(&self) -> Result<(), SupervisorError> {
        first_failure(self.stop_many(&ActorSelector::default(), &StopOptions::default(), UNTIL_DONE).await?)
    }

    /// Makes the actor, if it is not there, starts it and waits until it is RUNNING.
    ///
    /// # Errors
    /// `ActorStartFailed` with the actor's name and the reason; those of [`ActorLifecycleManager::create`].
    pub async fn start_actor(&self, config: &ActorConfig) -> Result<(), SupervisorError> {
        self.create(config.clone(), true, UNTIL_DONE).await.map(|_changed| ())
    }

    /// Drains and stops an actor and waits until its process is gone.
    ///
    /// # Errors
    /// Those of [`ActorLifecycleManager::stop`].
    pub async fn stop_actor(&self, name: &str) -> Result<(), SupervisorError> {
        self.stop(&parse(name)?, StopOptions::default(), UNTIL_DONE).await.map(|_changed| ())
    }

    /// Drains, stops and starts an actor and waits until it is RUNNING.
    ///
    /// # Errors
    /// Those of [`ActorLifecycleManager::restart`].
    pub async fn restart_actor(&self, name: &str) -> Result<(), SupervisorError> {
        self.restart(&parse(name)?, StopOptions::default(), UNTIL_DONE).await.map(|_changed| ())
    }

    /// The state, the pid and all else that is known of an actor.
    ///
    /// # Errors
    /// Those of [`ActorLifecycleManager::actor`].
    pub async fn get_actor_status(&self, name: &str) -> Result<ActorStatus, SupervisorError> {
        self.actor(&parse(name)?).await
    }

    /// Starts or stops actors of a type until `replicas` run, and waits until that is so.
    ///
    /// # Errors
    /// Those of [`ActorLifecycleManager::scale`].
    pub async fn scale_actors(&self, script_type: &ScriptType, replicas: u32) -> Result<(), SupervisorError> {
        self.scale(ScaleRequest::new(*script_type, replicas), UNTIL_DONE).await.map(|_scaled| ())
    }

    /// Returns the number of actors of a type that are RUNNING on this node; 0 also while the supervisor cannot know.
    pub async fn get_running_actor_count(&self, script_type: &ScriptType) -> usize {
        let actors = self.actors().await.unwrap_or_default();
        let running = |actor: &&ActorStatus| {
            self.is_ours(actor, (*script_type).into()) && actor.state == ActorState::Running
        };
        actors.iter().filter(running).count()
    }

    /// One round of health checks: idle actors are pinged, and restarted after three misses in a row.
    ///
    /// # Errors
    /// Those of [`ActorLifecycleManager::actors`].
    pub async fn monitor_actor_health(&self) -> Result<Vec<HealthReport>, SupervisorError> {
        let actors = self.actors().await?;
        let ours = actors.into_iter().filter(|actor| actor.record.node == *self.node()).collect();
        Ok(self.health_monitor().check(ours, Scope::Due).await)
    }

    /// Notes that an actor had a job just now, so that it does not count as idle. Job times are also read from the
    /// queue; this is for work that does not go through it.
    pub fn update_actor_job_time(&self, name: &str) {
        self.core.tracker.note_job(name, self.now());
    }

    /// Health checks, one round after the other, for ever.
    pub async fn start_health_monitoring(&self) {
        self.health_monitor().run().await;
    }
}

fn parse(name: &str) -> Result<ActorId, SupervisorError> {
    ActorId::parse(name).map_err(|description| Violations::one("actor_id", description).into())
}

fn first_failure(answers: Vec<ActorAnswer>) -> Result<(), SupervisorError> {
    answers.into_iter().try_for_each(|answer| answer.result.map(|_changed| ()))
}

//! Another definition for an actor that is there.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::actors::commands::finish;
use crate::domain::model::actor::StopOptions;
use crate::domain::model::actor::{ActorConfig, ActorStatus, Desired, Verb};
use crate::domain::model::id::ActorId;
use crate::domain::model::violation::Violations;
use crate::domain::retry_conflicts::retry_conflicts;
use crate::error::SupervisorError;

/// The moment at which a changed definition takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Apply {
    /// Applies the change at the next start.
    #[default]
    NextStart,
    /// Applies the change at once: an actor that is meant to run is restarted with these options.
    Restart(StopOptions),
}

/// A change of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// The etag of the record that the change was made for; not checked by default.
    pub etag: Option<String>,
    /// The moment at which the change takes effect.
    pub apply: Apply,
}

/// Result of an [`Update`].
#[derive(Debug, Clone, PartialEq)]
pub struct Updated {
    /// The actor afterwards.
    pub status: ActorStatus,
    /// False when the definition was so already.
    pub changed: bool,
    /// True if the actor was restarted.
    pub restarted: bool,
    /// False when the wait ended before the actor ran again; the request stands and is carried out.
    pub done: bool,
}

impl ActorLifecycleManager {
    /// Changes the definition of an actor. `change` makes the new definition of the one that is there, and is asked again
    /// when somebody else was faster (unless an etag was given).
    ///
    /// # Errors
    /// `ActorNotFound`, `ActorOnOtherNode`, `Invalid` (also for another name or script type), `BinaryInvalid`,
    /// `DependencyUnmet`, `ActorConflict`, and those of [`ActorLifecycleManager::restart`].
    pub async fn update(
        &self,
        id: &ActorId,
        update: Update,
        change: impl Fn(&ActorConfig) -> Result<ActorConfig, Violations>,
        wait: Duration,
    ) -> Result<Updated, SupervisorError> {
        let deadline = Instant::now() + wait;
        let handle = self.handle(id).await?;
        let (update_etag, change, shown) = (update.etag.as_deref(), &change, &handle);
        let attempt = move || async move {
            // Not what was shown last: another supervisor may have changed it since.
            let record = shown.read().await?.record;
            let etag = record.etag();
            if update_etag.is_some_and(|expected| expected != etag) {
                return Err(SupervisorError::ActorConflict(id.clone()));
            }
            let config = self.complete(change(&record.config)?).await?;
            fixed(&record.config, &config)?;
            self.validate(&config).await?;
            match shown.define(etag, config, self.cause.clone()).await {
                Err(SupervisorError::ActorConflict(_)) if update_etag.is_none() => Ok(None),
                defined => defined.map(Some),
            }
        };
        let changed =
            retry_conflicts(attempt).await?.ok_or_else(|| SupervisorError::ActorConflict(id.clone()))?;
        let record = handle.status().record;
        let (Apply::Restart(options), Desired::Up, true) = (update.apply, record.desired, record.outdated)
        else {
            return Ok(Updated { status: handle.status(), changed, restarted: false, done: true });
        };
        let answer = handle.request(Verb::Restart, options, self.cause.clone())?;
        let restart = finish(&handle, answer, deadline).await?;
        Ok(Updated { status: restart.status, changed, restarted: true, done: restart.done })
    }
}

/// Refuses what makes it another actor.
fn fixed(old: &ActorConfig, new: &ActorConfig) -> Result<(), Violations> {
    let mut violations = Violations::new();
    if old.name != new.name {
        violations.add("actor_id", format!("is {:?}, and an actor cannot be renamed", new.name));
    }
    if old.script_type != new.script_type {
        let (old, new) = (old.script_type, new.script_type);
        let description = format!(
            "is {new}, and the actor serves the {old} queue: a script type cannot be changed; delete the actor and \
             make it anew, or make another one"
        );
        violations.add("config.script_type", description);
    } else if old.queue() != new.queue() {
        let description = format!(
            "is {}, and the actor serves the {} queue: delete the actor and make it anew, or make another one",
            new.queue(),
            old.queue()
        );
        violations.add("config.queue", description);
    }
    violations.into_result()
}

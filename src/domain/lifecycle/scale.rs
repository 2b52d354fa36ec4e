//! As many actors of a type as are wanted: carries out what [`scaling`] plans.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::actor::{ActorStatus, ManagedBy};
use crate::domain::id::ActorId;
use crate::domain::lifecycle::admission::Verb;
use crate::domain::lifecycle::{ActorLifecycleManager, Changed, StopOptions, finish};
use crate::domain::scaling::{self, MAX_REPLICAS};
use crate::domain::script_type::ScriptType;
use crate::domain::violation::Violations;
use crate::error::SupervisorError;

/// What scaling did, or would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// Actors of this type afterwards (before, for a trial).
    pub actors: Vec<ActorStatus>,
    /// Actors that were made or started, or would be.
    pub added: Vec<ActorId>,
    /// Actors that were drained and let go of, or would be.
    pub removed: Vec<ActorId>,
    /// False when the wait was over first; the wish stands and is worked on.
    pub done: bool,
}

impl ActorLifecycleManager {
    /// Makes or removes actors of a type until there are `replicas` on this node; `trial` only says what would happen.
    ///
    /// # Errors
    /// `Invalid`, `NoTemplate`, and those of `create` and `stop`.
    pub async fn scale(
        &self,
        script_type: ScriptType,
        replicas: u32,
        drain_timeout: Option<Duration>,
        trial: bool,
        wait: Duration,
    ) -> Result<Scaled, SupervisorError> {
        if replicas > MAX_REPLICAS {
            let description = format!("is {replicas}: use 0 to {MAX_REPLICAS}");
            return Err(Violations::one("replicas", description).into());
        }
        let all = self.actors().await?;
        let taken: BTreeSet<ActorId> = all.iter().map(|actor| actor.record.id.clone()).collect();
        let ours: Vec<ActorStatus> =
            all.into_iter().filter(|actor| self.is_ours(actor, script_type)).collect();
        let template = self.parts().store.template(script_type).await?;
        let template = template
            .or_else(|| ours.first().map(|actor| actor.record.config.clone()))
            .ok_or(SupervisorError::NoTemplate(script_type))?;
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
        for result in started.into_iter().chain(created).chain(gone) {
            done &= result?.done;
        }
        let actors = self.actors().await?;
        let actors = actors.into_iter().filter(|actor| self.is_ours(actor, script_type)).collect();
        Ok(Scaled { actors, added, removed, done })
    }

    /// Ends an actor that scaling has no use for: what scaling made is deleted, what a caller made is only stopped.
    async fn let_go(
        &self,
        id: &ActorId,
        options: &StopOptions,
        wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        let handle = self.handle(id).await?;
        let verb = match handle.status().record.managed_by {
            ManagedBy::Scaler => Verb::Delete { force: options.force },
            ManagedBy::User => Verb::Stop { force: options.force },
        };
        let answer = handle.wish(verb, options.clone())?;
        finish(&handle, answer, Instant::now() + wait).await
    }

    pub(super) fn is_ours(&self, actor: &ActorStatus, script_type: ScriptType) -> bool {
        actor.record.node == self.parts().node && actor.record.config.script_type == script_type
    }
}

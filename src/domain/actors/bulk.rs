//! One request for many actors, and an answer for each.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::actors::{ActorLifecycleManager, CommandOutcome};
use crate::domain::model::actor::ActorStatus;
use crate::domain::model::actor::StopOptions;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;

/// A selection of actors of this node: those that match every part that is set. With no part set, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActorSelector {
    /// Ids of actors; an id without an actor gets an answer that says so.
    pub ids: Vec<ActorId>,
    /// Script types of actors.
    pub script_types: Vec<ScriptType>,
    /// Queues that actors serve.
    pub queues: Vec<QueueName>,
    /// Labels; an actor needs every one of them.
    pub labels: Vec<(String, String)>,
}

impl ActorSelector {
    /// Returns true if an actor, of whatever node, is selected.
    pub fn matches(&self, actor: &ActorStatus) -> bool {
        let (id, config) = (&actor.record.id, &actor.record.config);
        (self.ids.is_empty() || self.ids.contains(id))
            && (self.script_types.is_empty() || self.script_types.contains(&config.script_type))
            && (self.queues.is_empty() || self.queues.contains(&config.queue()))
            && self.labels.iter().all(|(name, value)| config.labels.get(name) == Some(value))
    }
}

/// Result for one actor of many.
#[derive(Debug)]
pub struct ActorAnswer {
    /// Id of the actor.
    pub id: ActorId,
    /// Result of the command.
    pub result: Result<CommandOutcome, SupervisorError>,
}

impl ActorLifecycleManager {
    /// Starts many, side by side, dependencies first.
    ///
    /// # Errors
    /// Only when the actors cannot be read; what happened to each is in its answer.
    pub async fn start_many(
        &self,
        selector: &ActorSelector,
        wait: Duration,
    ) -> Result<Vec<ActorAnswer>, SupervisorError> {
        let ids = self.select(selector).await?;
        let each = ids.into_iter().map(|id| async move {
            let result = self.start(&id, wait).await;
            ActorAnswer { id, result }
        });
        Ok(futures::future::join_all(each).await)
    }

    /// Stops many, side by side.
    ///
    /// # Errors
    /// Only when the actors cannot be read.
    pub async fn stop_many(
        &self,
        selector: &ActorSelector,
        options: &StopOptions,
        wait: Duration,
    ) -> Result<Vec<ActorAnswer>, SupervisorError> {
        let ids = self.select(selector).await?;
        let each = ids.into_iter().map(|id| async move {
            let result = self.stop(&id, options.clone(), wait).await;
            ActorAnswer { id, result }
        });
        Ok(futures::future::join_all(each).await)
    }

    /// Restarts many, at most `max_unavailable` at a time (0: all at once).
    ///
    /// # Errors
    /// Only when the actors cannot be read.
    pub async fn restart_many(
        &self,
        selector: &ActorSelector,
        options: &StopOptions,
        max_unavailable: usize,
        wait: Duration,
    ) -> Result<Vec<ActorAnswer>, SupervisorError> {
        let ids = self.select(selector).await?;
        let at_once = if max_unavailable == 0 { ids.len().max(1) } else { max_unavailable };
        let mut answers = Vec::with_capacity(ids.len());
        for group in ids.chunks(at_once) {
            let each = group.iter().map(|id| async move {
                let result = self.restart(id, options.clone(), wait).await;
                ActorAnswer { id: id.clone(), result }
            });
            answers.extend(futures::future::join_all(each).await);
        }
        Ok(answers)
    }

    /// Names of the actors that a selector means; named ones that are not here are kept, for their answer.
    async fn select(&self, selector: &ActorSelector) -> Result<Vec<ActorId>, SupervisorError> {
        self.open().await?;
        let matches = |actor: &ActorStatus| actor.record.node == self.parts().node && selector.matches(actor);
        let actors = self.actors().await?;
        let mut ids: BTreeSet<ActorId> =
            actors.iter().filter(|actor| matches(actor)).map(|actor| actor.record.id.clone()).collect();
        let known = |id: &&ActorId| {
            actors.iter().any(|actor| actor.record.id == **id && !elsewhere(actor, self.node()))
        };
        ids.extend(selector.ids.iter().filter(|id| !known(id)).cloned());
        Ok(ids.into_iter().collect())
    }
}

fn elsewhere(actor: &ActorStatus, node: &NodeName) -> bool {
    actor.record.node != *node
}

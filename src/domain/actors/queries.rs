//! Actors as they are seen: those of this node by their drivers, others from afar.

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::actor::ActorStatus;
use crate::domain::model::id::ActorId;
use crate::error::SupervisorError;
use crate::ports::actor_store::Loaded;
use crate::ports::process_manager::{LogLine, ProcessManagerInfo};

impl ActorLifecycleManager {
    /// One actor.
    ///
    /// # Errors
    /// `ActorNotFound`, `QueueUnavailable`.
    pub async fn actor(&self, id: &ActorId) -> Result<ActorStatus, SupervisorError> {
        self.open().await?;
        if let Some(handle) = self.core.registry.get(id.as_str()) {
            return Ok(self.with_latest(handle.status()));
        }
        let record = self.parts().store.load().await?.find(id)?;
        record
            .map(|record| self.core.seen_from_afar(record))
            .ok_or_else(|| SupervisorError::ActorNotFound(id.clone()))
    }

    /// Returns all actors of all nodes, by name. Of actors with a damaged record, those of this node that are known are
    /// returned.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn actors(&self) -> Result<Vec<ActorStatus>, SupervisorError> {
        self.open().await?;
        let Loaded { records, damaged } = self.parts().store.load().await?;
        // What is known of an actor here is not lost with its record.
        let known = damaged.keys().filter_map(|name| self.core.registry.get(name));
        let known: Vec<ActorStatus> = known.map(|handle| self.with_latest(handle.status())).collect();
        let mut actors: Vec<ActorStatus> = records
            .into_iter()
            .map(|record| match self.core.registry.get(record.id.as_str()) {
                // A ping may have ended since its driver last looked.
                Some(handle) => self.with_latest(handle.status()),
                None => self.core.seen_from_afar(record),
            })
            .chain(known)
            .collect();
        actors.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        Ok(actors)
    }

    /// Returns the actors for a decision: those of this node with their records as they are stored now.
    pub(super) async fn actors_as_stored(&self) -> Result<Vec<ActorStatus>, SupervisorError> {
        let each = self.actors().await?.into_iter().map(|actor| async move {
            match self.core.registry.get(actor.record.id.as_str()) {
                Some(handle) => handle.read().await,
                None => Ok(actor),
            }
        });
        let mut actors = Vec::new();
        for read in futures::future::join_all(each).await {
            match read {
                Ok(actor) => actors.push(self.with_latest(actor)),
                Err(SupervisorError::ActorNotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(actors)
    }

    /// The last lines that an actor wrote, oldest first.
    ///
    /// # Errors
    /// `ActorNotFound`, `ProcessManagerUnavailable`.
    pub async fn log_tail(&self, id: &ActorId, lines: usize) -> Result<Vec<LogLine>, SupervisorError> {
        self.handle(id).await?;
        Ok(self.parts().processes.log_tail(id.as_str(), lines).await?)
    }

    /// Asks the process manager for its name, version and response time.
    ///
    /// # Errors
    /// `ProcessManagerUnavailable`.
    pub async fn probe(&self) -> Result<ProcessManagerInfo, SupervisorError> {
        Ok(self.parts().processes.probe().await?)
    }
}

//! Changed definitions: written at once, taken by the process at its next start.

use crate::domain::actor::{ActorConfig, ActorRecord};
use crate::domain::event::{Cause, Event, What};
use crate::domain::lifecycle::driver::{Driver, MOST_TRIES};
use crate::domain::lifecycle::registry::Edit;
use crate::error::SupervisorError;

impl Driver {
    pub(super) async fn on_edit(&mut self, edit: Edit) {
        match edit {
            Edit::Define { etag, config, cause, reply } => {
                let defined = self.define(&etag, *config, cause).await;
                // Who asked is to see the new definition when the answer is there.
                self.publish();
                let _caller_gone = reply.send(defined);
            }
            Edit::Newer(record) => self.take_over(*record),
        }
    }

    /// Writes another definition over the one of this etag; false when it is the same.
    async fn define(
        &mut self,
        etag: &str,
        config: ActorConfig,
        cause: Cause,
    ) -> Result<bool, SupervisorError> {
        for _try in 0..MOST_TRIES {
            if self.record.etag() != etag {
                return Err(SupervisorError::ActorConflict(self.record.id.clone()));
            }
            if self.record.config == config {
                return Ok(false);
            }
            let before = self.record.clone();
            let is_there = self.record.last_pid.is_some() || self.process(&self.observer.latest()).is_some();
            let needs_start = !self.record.config.runs_like(&config);
            self.record.outdated |= needs_start && (is_there || self.running.is_some());
            self.record.config = config.clone();
            let was_dirty = std::mem::replace(&mut self.dirty, true);
            match self.store().await {
                Ok(()) => {
                    if let Some(running) = &mut self.running {
                        running.outdated |= needs_start;
                    }
                    self.tell_updated(cause);
                    return Ok(true);
                }
                // The record is the other one's now; it may be only history that was added.
                Err(SupervisorError::ActorConflict(_)) => {}
                Err(error) => {
                    (self.record, self.dirty) = (before, was_dirty);
                    return Err(error);
                }
            }
        }
        Err(SupervisorError::ActorConflict(self.record.id.clone()))
    }

    /// Takes over what another supervisor of this node has written; what we have to write ourselves is joined to it then.
    fn take_over(&mut self, newer: ActorRecord) {
        if self.dirty || self.running.is_some() || newer.generation <= self.record.generation {
            return;
        }
        // Both look at the processes, and each believes its own eyes.
        let last_pid = self.record.last_pid;
        let restart_count = newer.restart_count.max(self.record.restart_count);
        self.record = ActorRecord { last_pid, restart_count, ..newer };
    }

    fn tell_updated(&self, cause: Cause) {
        let id = &self.record.id;
        let when = if self.record.outdated { "; its process takes it at its next start" } else { "" };
        tracing::info!(actor.id = %id, "the definition of actor {id} was changed{when}");
        let message = format!("the definition of actor {id} was changed{when}");
        let event = Event::new(self.now(), cause, What::ActorUpdated, message);
        self.parts.events.emit(event.of_actor(&self.record));
    }
}

//! Changed definitions: written at once, taken by the process at its next start.

use crate::domain::actors::registry::Edit;
use crate::domain::actors::task::{ActorTask, StopReason};
use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::event::{Cause, Event, EventKind};
use crate::error::SupervisorError;

impl ActorTask {
    pub(super) async fn on_edit(&mut self, edit: Edit) -> Option<StopReason> {
        let stands = match edit {
            Edit::Newer(record) => {
                self.adopt_newer(*record);
                return None;
            }
            Edit::Gone | Edit::Read { .. } | Edit::Define { .. } => self.refresh().await.map(drop),
        };
        let deleted = matches!(stands, Err(SupervisorError::ActorNotFound(_))) && !self.is_deleting();
        match edit {
            Edit::Newer(_) | Edit::Gone => {}
            Edit::Read { reply } => {
                self.publish();
                let _caller_gone = reply.send(stands);
            }
            Edit::Define { etag, config, cause, reply } => {
                let defined = match stands {
                    Ok(()) => self.define(&etag, &config, cause).await,
                    Err(error) => Err(error),
                };
                // Who asked is to see the new definition when the answer is there.
                self.publish();
                let _caller_gone = reply.send(defined);
            }
        }
        deleted.then_some(StopReason::Deleted)
    }

    /// Writes another definition over the one of this etag; false when it is the same.
    async fn define(
        &mut self,
        etag: &str,
        config: &ActorConfig,
        cause: Cause,
    ) -> Result<bool, SupervisorError> {
        let is_there = self.process(&self.observer.latest()).is_some()
            || self.running.is_some()
            || self.foreign.is_some();
        let mut is_other = false;
        let edit = |record: &mut ActorRecord| {
            is_other = record.etag() != etag;
            if is_other || record.config == *config {
                return false;
            }
            let needs_start = !record.config.runs_like(config);
            record.outdated |= needs_start && (is_there || record.last_pid.is_some());
            record.config = config.clone();
            true
        };
        let written = self.change(edit).await?;
        if is_other {
            return Err(SupervisorError::ActorConflict(self.record.id.clone()));
        }
        if written {
            self.tell_updated(cause);
        }
        Ok(written)
    }

    fn tell_updated(&self, cause: Cause) {
        let id = &self.record.id;
        let when = if self.record.outdated { "; its process takes it at its next start" } else { "" };
        tracing::info!(actor.id = %id, "actor {id}: its definition was changed{when}");
        let message = format!("the definition of actor {id} was changed{when}");
        let event = Event::new(self.now(), cause, EventKind::ActorUpdated, message);
        self.parts.events.emit(event.of_actor(&self.record));
    }
}

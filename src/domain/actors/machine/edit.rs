//! Changed definitions: written at once, taken by the process at its next start. And news of the record from elsewhere.

use super::change::Change;
use super::protocol::{Edit, Effect, ReplyId};
use super::step::{AfterChange, ReadPurpose};
use super::{Machine, StopReason};
use crate::domain::model::event::{Cause, Event, EventKind};
use crate::error::SupervisorError;

impl Machine {
    pub(super) fn on_edit(&mut self, edit: Edit) {
        match edit {
            Edit::Newer(record) => self.adopt_newer(*record),
            Edit::Gone | Edit::Read { .. } | Edit::Define { .. } => self.read(ReadPurpose::Edit(edit)),
        }
    }

    pub(super) fn on_record_for_edit(&mut self, edit: Edit, read: Result<(), SupervisorError>) {
        let deleted = matches!(read, Err(SupervisorError::ActorNotFound(_))) && !self.is_deleting();
        match (edit, read) {
            (Edit::Define { etag, config, cause, reply }, Ok(())) => {
                let process = self.process(&self.moment.observation);
                let is_there = process.is_some() || self.running.is_some() || self.foreign.is_some();
                let then = AfterChange::Define { etag: etag.clone(), cause, reply };
                return self.change(Change::Define { etag, config, is_there }, then);
            }
            (Edit::Define { reply, .. } | Edit::Read { reply }, read) => {
                self.publish();
                self.reply(reply, read.map(|()| false));
            }
            (Edit::Newer(_) | Edit::Gone, _read) => {}
        }
        if deleted {
            self.leave(StopReason::Deleted);
        }
    }

    pub(super) fn on_defined(
        &mut self,
        etag: &str,
        cause: Cause,
        reply: ReplyId,
        defined: Result<bool, SupervisorError>,
    ) {
        let defined = match defined {
            Ok(false) if self.record.etag() != etag => {
                Err(SupervisorError::ActorConflict(self.record.id.clone()))
            }
            defined => defined,
        };
        if let Ok(true) = defined {
            self.emit_updated(cause);
        }
        // Who asked is to see the new definition when the answer is there.
        self.publish();
        self.reply(reply, defined);
    }

    fn emit_updated(&mut self, cause: Cause) {
        let id = &self.record.id;
        let when = if self.record.outdated { "; its process takes it at its next start" } else { "" };
        tracing::info!(actor.id = %id, "actor {id}: its definition was changed{when}");
        let message = format!("the definition of actor {id} was changed{when}");
        let event = Event::new(self.moment.date, cause, EventKind::ActorUpdated, message);
        self.effects.push(Effect::Emit(Box::new(event.of_actor(&self.record))));
    }
}

//! What a driver tells those who watch about its actor.

use crate::domain::actors::task::ActorTask;
use crate::domain::model::actor::{ActorState, ActorStatus, LastExit};
use crate::domain::model::event::{Cause, Event, EventKind, Source};
use crate::domain::model::text::cut;

/// Bytes of a line of the log that an event tells in its message; its detail has more.
const SHOWN_LINE_BYTES: usize = 256;

impl ActorTask {
    /// The actor went from one state to another.
    pub(super) fn tell_of_state(&self, old: ActorState, status: &ActorStatus) {
        let (id, new) = (&status.record.id, status.state);
        let message = match (status.pid.0, status.message.as_str()) {
            (Some(pid), "") => format!("actor {id} is {new}, pid {pid}"),
            (None, "") => format!("actor {id} is {new}"),
            (_, why) => format!("actor {id} is {new}: {why}"),
        };
        let kind =
            EventKind::ActorStateChanged { old, new, desired: status.record.desired, pid: status.pid.0 };
        self.tell(self.cause(), kind, message);
    }

    /// The actor's process ended.
    pub(super) fn tell_of_exit(&self, exit: &LastExit) {
        let id = &self.record().id;
        let LastExit { status, pid, requested, log_tail, .. } = exit;
        let (cause, how) = if *requested {
            (self.cause(), "was stopped and ended")
        } else {
            (Source::ProcessManager.into(), "ended by itself")
        };
        let last = log_tail.last().map(|line| format!("; it wrote last: {}", cut(line, SHOWN_LINE_BYTES)));
        let last = last.unwrap_or_default();
        let message = format!("the process {pid} of actor {id} {how} with {status}{last}");
        self.tell(cause, EventKind::ActorExited(exit.clone()), message);
    }

    /// The actor was deleted.
    pub(super) fn tell_of_end(&self) {
        let message = format!("actor {} was deleted", self.record().id);
        self.tell(self.cause(), EventKind::ActorDeleted, message);
    }

    fn tell(&self, cause: Cause, kind: EventKind, message: String) {
        let event = Event::new(self.now(), cause, kind, message);
        self.events().emit(event.of_actor(self.record()));
    }
}

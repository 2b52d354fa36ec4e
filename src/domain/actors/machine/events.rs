//! Events of an actor: a changed state, an end of its process, its deletion.

use super::Machine;
use super::protocol::Effect;
use crate::domain::model::actor::{ActorState, ActorStatus, LastExit};
use crate::domain::model::event::{Cause, Event, EventKind, Source};
use crate::domain::model::text::cut;

/// Most bytes of a line of the log in the message of an event; the detail has more.
const SHOWN_LINE_BYTES: usize = 256;

impl Machine {
    /// The actor went from one state to another.
    pub(super) fn emit_state(&mut self, old: ActorState, status: &ActorStatus) {
        let (id, new) = (&status.record.id, status.state);
        let message = match (status.pid.0, status.message.as_str()) {
            (Some(pid), "") => format!("actor {id} is {new}, pid {pid}"),
            (None, "") => format!("actor {id} is {new}"),
            (_, why) => format!("actor {id} is {new}: {why}"),
        };
        let kind =
            EventKind::ActorStateChanged { old, new, desired: status.record.desired, pid: status.pid.0 };
        self.emit(self.cause(), kind, message);
    }

    /// The actor's process ended.
    pub(super) fn emit_exit(&mut self, exit: &LastExit) {
        let id = &self.record.id;
        let LastExit { status, pid, requested, log_tail, reason, at: _ } = exit;
        let (cause, how) = if *requested {
            (self.cause(), "was stopped and ended")
        } else if reason.is_empty() {
            (Source::ProcessManager.into(), "ended by itself")
        } else {
            (Source::ProcessManager.into(), "was ended")
        };
        let last = log_tail.last().map(|line| format!("; it wrote last: {}", cut(line, SHOWN_LINE_BYTES)));
        let last = last.unwrap_or_default();
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let message = format!("the process {pid} of actor {id} {how} with {status}{why}{last}");
        self.emit(cause, EventKind::ActorExited(exit.clone()), message);
    }

    /// The actor was deleted.
    pub(super) fn emit_deleted(&mut self) {
        let message = format!("actor {} was deleted", self.record.id);
        self.emit(self.cause(), EventKind::ActorDeleted, message);
    }

    fn emit(&mut self, cause: Cause, kind: EventKind, message: String) {
        let event = Event::new(self.moment.date, cause, kind, message).of_actor(&self.record);
        self.effects.push(Effect::Emit(Box::new(event)));
    }

    /// Returns the cause of the present change: the cause of the request under way, or nobody here.
    fn cause(&self) -> Cause {
        let running = self.running.as_ref().map(|running| &running.cause);
        running.or(self.ended_cause.as_ref()).cloned().unwrap_or(Source::ProcessManager.into())
    }
}

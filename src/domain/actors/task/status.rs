//! What is shown of the actor, and who brought it about.

use super::ActorTask;
use crate::domain::actors::derive_state::{StateInputs, derive};
use crate::domain::model::actor::{ActorState, ActorStatus, Pid};
use crate::domain::model::event::{Cause, Source};
use crate::ports::process_manager::ProcessState;

impl ActorTask {
    /// Shows the actor as it is now; says so to those who watch if it is in another state.
    pub(super) fn publish(&mut self) {
        let (state, message) = self.view();
        let observation = self.observer.latest();
        let presence = observation.presences.get(&self.record.id);
        let process = self.process(&observation);
        let pid = Pid(process.and_then(ProcessState::pid).filter(|_pid| state != ActorState::Stopped));
        let in_flight = presence.map_or(0, |presence| presence.in_flight);
        let last_job_at = presence.and_then(|presence| presence.last_job_at);
        let health = self.tracker.health(&self.record.id, pid.0);
        let (old, status) = {
            let shown = self.end.status.borrow();
            let last_job_at = last_job_at.or(shown.last_job_at);
            // Every driver comes here at every look, and mostly nothing has happened: then nothing is copied.
            let same = shown.state == state
                && shown.message == message
                && shown.pid == pid
                && shown.in_flight == in_flight
                && shown.last_job_at == last_job_at
                && shown.started_at == self.started_at
                && shown.health == health
                && shown.record == self.record;
            if same {
                return;
            }
            let status = ActorStatus {
                record: self.record.clone(),
                state,
                pid,
                message,
                state_since: if shown.state == state { shown.state_since } else { self.now() },
                started_at: self.started_at,
                in_flight,
                last_job_at,
                health,
            };
            (shown.state, status)
        };
        if status.state != old {
            self.tell_of_state(old, &status);
        }
        self.end.status.send_replace(status);
    }

    pub(super) fn view(&self) -> (ActorState, String) {
        let observation = self.observer.latest();
        derive(&StateInputs {
            phase: self.running.as_ref().map(|running| (running.phase.0, running.phase.1.as_str())),
            record: &self.record,
            process: self.process(&observation),
            reachable: observation.processes.is_some(),
            fault: &observation.fault,
            presence: observation.presences.get(&self.record.id),
            trouble: &self.trouble,
            waits_for: self.waits_for.as_deref(),
        })
    }

    /// Who brings about what happens now: whoever asked for what is under way, or nobody here.
    pub(in crate::domain::actors) fn cause(&self) -> Cause {
        let running = self.running.as_ref().map(|running| &running.cause);
        running.or(self.ended_cause.as_ref()).cloned().unwrap_or(Source::ProcessManager.into())
    }
}

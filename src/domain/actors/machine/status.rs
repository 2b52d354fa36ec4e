//! The status of the actor for readers.

use std::time::SystemTime;

use super::Machine;
use super::protocol::Effect;
use crate::domain::actors::derive_state::{StateInputs, derive};
use crate::domain::actors::observer::Observation;
use crate::domain::model::actor::{ActorState, ActorStatus, Pid};
use crate::ports::process_manager::{FailedCheck, ProcessState};

impl Machine {
    /// Shows the actor as it is now, if that is another way than before; emits an event if it is in another state.
    pub(super) fn publish(&mut self) {
        let (state, message) = self.view();
        let observation = &self.moment.observation;
        let presence = observation.presences.get(&self.record.id);
        let process = self.process(observation);
        let pid = Pid(process.and_then(ProcessState::pid).filter(|_pid| state != ActorState::Stopped));
        let in_flight = presence.map_or(0, |presence| presence.in_flight);
        let started_at = self.started_at();
        let shown = &self.shown;
        let last_job_at = presence.and_then(|presence| presence.last_job_at).or(shown.last_job_at);
        // Every machine comes here at every observation, and mostly nothing has happened: then nothing is copied.
        let same = shown.state == state
            && shown.message == message
            && shown.pid == pid
            && shown.in_flight == in_flight
            && shown.last_job_at == last_job_at
            && shown.started_at == started_at
            && shown.record == self.record;
        let old = shown.state;
        // Before the first observation the record is believed: an actor that was stopped has not become unknown by a restart of ours.
        let is_unseen = observation.seq == 0 && state == ActorState::Unknown && old != state;
        if same || is_unseen {
            return;
        }
        let status = ActorStatus {
            record: self.record.clone(),
            state,
            pid,
            message,
            state_since: if old == state { shown.state_since } else { Some(self.moment.date) },
            started_at,
            in_flight,
            last_job_at,
            health: shown.health.clone(),
            // It is added for each reader.
            usage: None,
        };
        if status.state != old {
            self.emit_state(old, &status);
        }
        self.shown = status.clone();
        self.effects.push(Effect::Publish(Box::new(status)));
    }

    pub(super) fn view(&self) -> (ActorState, String) {
        let observation = &self.moment.observation;
        derive(&StateInputs {
            phase: self.running.as_ref().map(|running| (running.phase.0, running.phase.1.as_str())),
            record: &self.record,
            process: self.process(observation),
            failed_check: self.failed_check(observation),
            reachable: observation.processes.is_some(),
            fault: &observation.fault,
            presence: observation.presences.get(&self.record.id),
            trouble: &self.trouble,
            waits_for: self.waits_for.as_deref(),
        })
    }

    pub(super) fn process(&self, observation: &Observation) -> Option<ProcessState> {
        let processes = observation.processes.as_ref()?;
        processes.get(self.record.id.as_str()).filter(|info| !info.foreign).map(|info| info.state)
    }

    /// Returns the start time of the process: what the process manager says, or else when it was first observed.
    fn started_at(&self) -> Option<SystemTime> {
        let processes = self.moment.observation.processes.as_ref();
        let info = processes.and_then(|processes| processes.get(self.record.id.as_str()));
        info.filter(|info| !info.foreign).and_then(|info| info.started_at).or(self.started_at)
    }

    /// Returns the last failure of the health check of the process.
    pub(super) fn failed_check<'a>(&self, observation: &'a Observation) -> Option<&'a FailedCheck> {
        let info = observation.processes.as_ref()?.get(self.record.id.as_str())?;
        info.failed_check.as_ref().filter(|_failed| !info.foreign)
    }

    pub(super) fn pid_now(&self) -> Option<u32> {
        self.process(&self.moment.observation).and_then(ProcessState::pid)
    }
}

//! The process of the actor, its process manager, the operation, and what is observed of them.

use std::sync::Arc;

use super::{OUR_RECORDS, World};
use crate::domain::actors::machine::protocol::{Input, OperationPlan, Progress};
use crate::domain::actors::observer::Observation;
use crate::domain::model::actor::{ActorState, ExitStatus, Verb};
use crate::error::SupervisorError;
use crate::ports::process_manager::{Orphan, ProcessInfo, ProcessState};

impl World {
    /// The operation takes its next step, unless it waits.
    pub(in crate::domain::actors::machine::tests) fn operation_goes_on(&mut self) {
        let Some(mut operation) = self.operation.take() else { return };
        if operation.waits_to_resume {
            self.operation = Some(operation);
            return;
        }
        if let Err(error) = self.check_lease(&operation.plan) {
            return self.bring(Input::OperationEnded(Err(error)));
        }
        let step = operation.step;
        operation.step += 1;
        match (operation.plan.verb, step) {
            (Verb::Start, 0) | (Verb::Restart, 3) => {
                if !matches!(self.process, Some(ProcessState::Running { .. })) {
                    self.spawn();
                }
                self.operation = Some(operation);
                self.bring(Input::Progress(Progress::Phase(ActorState::Starting, String::new())));
            }
            (Verb::Stop { .. } | Verb::Restart | Verb::Delete { .. }, 0) => {
                self.operation = Some(operation);
                self.bring(Input::Progress(Progress::Phase(ActorState::Draining, String::new())));
            }
            (Verb::Stop { .. } | Verb::Restart | Verb::Delete { .. }, 1) => {
                operation.pid = self.process.and_then(ProcessState::pid);
                self.operation = Some(operation);
            }
            (Verb::Stop { .. } | Verb::Restart | Verb::Delete { .. }, 2) => {
                // One that the process manager has started in this moment ends without anybody's knowledge.
                let unknown =
                    self.process.and_then(ProcessState::pid).filter(|pid| Some(*pid) != operation.pid);
                self.crashed.extend(unknown);
                let (pid, status) = (operation.pid, self.end_process());
                operation.waits_to_resume = pid.is_some();
                self.operation = Some(operation);
                self.bring(Input::Progress(Progress::Phase(ActorState::Stopping, String::new())));
                self.look();
                if let Some(pid) = pid {
                    self.bring(Input::Progress(Progress::Ended { pid, status, log_tail: Vec::new() }));
                }
            }
            (verb, _last) => {
                if matches!(verb, Verb::Delete { .. }) {
                    self.remove_record();
                }
                // It ends by what it observes.
                self.observe_silently();
                self.bring(Input::OperationEnded(Ok(())));
            }
        }
    }

    pub(super) fn end_process(&mut self) -> ExitStatus {
        let status = ExitStatus::Signal(15);
        self.process = Some(ProcessState::Down { exit: Some(status) });
        status
    }

    fn check_lease(&self, plan: &OperationPlan) -> Result<(), SupervisorError> {
        let Some(lease) = &plan.lease else { return Ok(()) };
        let id = self.machine.record.id.clone();
        match &self.stored {
            None => Err(SupervisorError::ActorNotFound(id)),
            Some(record) if record.operation.as_ref().is_some_and(|ours| ours.id == *lease) => Ok(()),
            Some(_) => Err(SupervisorError::OperationInProgress { id, operation: "another request" }),
        }
    }

    pub(in crate::domain::actors::machine::tests) fn operation_fails(&mut self) {
        if let Some(operation) = self.operation.take() {
            let id = self.machine.record.id.to_string();
            let error = match operation.plan.verb {
                Verb::Start | Verb::Restart => SupervisorError::ActorStartFailed(id, "no".to_owned()),
                Verb::Stop { .. } | Verb::Delete { .. } => {
                    SupervisorError::ActorStopFailed(id, "no".to_owned())
                }
            };
            self.bring(Input::OperationEnded(Err(error)));
        }
    }

    fn spawn(&mut self) {
        self.pids += 1;
        self.process = Some(ProcessState::Running { pid: self.pids });
    }

    /// The process ends by itself; the process manager will start it again.
    pub(in crate::domain::actors::machine::tests) fn crash(&mut self) {
        if let Some(ProcessState::Running { pid }) = self.process {
            self.crashed.insert(pid);
            self.process = Some(ProcessState::Backoff { exit: ExitStatus::Code(1) });
        }
    }

    pub(in crate::domain::actors::machine::tests) fn process_manager_restarts_it(&mut self) {
        if let Some(ProcessState::Backoff { .. }) = self.process {
            self.spawn();
        }
    }

    /// The process manager does not answer, or does again.
    pub(in crate::domain::actors::machine::tests) fn process_manager_is_away(&mut self, away: bool) {
        self.process_manager_is_away = away;
    }

    /// The process manager was replaced by another one, and its process lives on.
    pub(in crate::domain::actors::machine::tests) fn process_manager_is_replaced(&mut self) {
        if let Some(pid) = self.process.take().and_then(ProcessState::pid) {
            self.crashed.insert(pid);
            self.orphans.insert(pid, OUR_RECORDS);
        }
        self.pids += 1;
        self.orphans.insert(self.pids, "of another");
    }

    pub(in crate::domain::actors::machine::tests) fn begin_observation(&mut self) {
        self.begun += 1;
        let info = |state| {
            let (name, detail) = ("a".to_owned(), String::new());
            ProcessInfo { name, state, started_at: None, detail, failed_check: None, foreign: false }
        };
        let processes = self.process.map(|state| ("a".to_owned(), info(state))).into_iter().collect();
        let orphan = |(pid, realm): (&u32, &&str)| Orphan {
            pid: *pid,
            name: "a".to_owned(),
            realm: (*realm).to_owned(),
        };
        self.observing = Some(Observation {
            seq: self.begun,
            processes: (!self.process_manager_is_away).then_some(processes),
            orphans: self.orphans.iter().map(orphan).collect(),
            ..Observation::default()
        });
    }

    pub(in crate::domain::actors::machine::tests) fn end_observation(&mut self) {
        if let Some(observation) = self.observing.take() {
            self.latest = Arc::new(observation);
            self.bring(Input::Observed);
        }
    }

    /// Waits for an observation, in vain while they are late.
    pub(super) fn look(&mut self) {
        if !self.observations_are_late {
            self.observe_silently();
        }
    }

    pub(super) fn observe_silently(&mut self) {
        self.begin_observation();
        self.latest = self.observing.take().map(Arc::new).unwrap_or_default();
    }

    pub(in crate::domain::actors::machine::tests) fn observe(&mut self) {
        self.begin_observation();
        self.end_observation();
    }
}

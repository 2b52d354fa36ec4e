//! The end of an operation: it is recorded and published, the callers who wait are answered, and then requests that waited
//! for it have their turn.

use tokio::time::Instant;

use super::change::{Change, EndOfOperation};
use super::lease::Heartbeat;
use super::requests::{Running, superseded_by};
use super::step::{AfterChange, OperationEnd, ReadPurpose};
use super::{Machine, StopReason};
use crate::domain::model::actor::{Desired, Fault, FaultKind, Verb};
use crate::error::{SupervisorError, chain};

impl Machine {
    pub(super) fn on_operation_end(&mut self, ended: Result<(), SupervisorError>) {
        self.stale_up_to = self.moment.begun;
        self.heartbeat = Heartbeat::new(self.moment.at);
        let Some(Running { verb, lease, config, waiting, verdict, cause, phase: _ }) = self.running.take()
        else {
            return;
        };
        self.ended_cause = Some(cause);
        self.waits_for = None;
        let deleted = ended.is_ok() && matches!(verb, Verb::Delete { .. });
        let overtaken = matches!(ended, Err(SupervisorError::OperationInProgress { .. }));
        let mut fault = None;
        match &ended {
            _ if overtaken => {}
            Ok(()) => {
                self.trouble.clear();
                self.started_at = (verb.desired() == Desired::Up).then_some(self.moment.date);
                fault = verdict;
            }
            Err(error) if verb.desired() == Desired::Up => {
                fault = self.on_failed_start(error, waiting.is_empty());
            }
            Err(error) => self.trouble = chain(error),
        }
        if let Err(error) = &ended {
            tracing::warn!(actor.id = %self.record.id, error = %chain(error), "actor {}: {} failed", self.record.id, verb.noun());
        }
        let (succeeded, pid) = (ended.is_ok(), self.pid_now());
        let change = EndOfOperation { verb, lease: lease.clone(), succeeded, config, pid, fault };
        let end = OperationEnd { lease, waiting, deleted, ended };
        if overtaken {
            self.read(ReadPurpose::Overtaken(end));
        } else if deleted {
            self.after_end(end, Ok(()));
        } else {
            self.change(Change::End(Box::new(change)), AfterChange::End(end));
        }
    }

    pub(super) fn on_end_stored(
        &mut self,
        end: OperationEnd,
        change: &Change,
        stored: Result<bool, SupervisorError>,
    ) {
        let ended_as = match stored {
            Ok(true) => Ok(()),
            // Another supervisor decides now, by what it observes itself.
            Ok(false) => Err(superseded_by(&self.record)),
            Err(error) => {
                tracing::warn!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the end of an operation is not stored yet (the store does not answer)", self.record.id);
                self.dirty |= change.apply(&mut self.record);
                Ok(())
            }
        };
        self.after_end(end, ended_as);
    }

    /// The end is recorded, or cannot be for now: shows it and answers.
    pub(super) fn after_end(&mut self, end: OperationEnd, ended_as: Result<(), SupervisorError>) {
        let OperationEnd { lease, waiting, deleted, ended } = end;
        self.ended_lease = lease;
        self.look_at_lease();
        self.publish();
        if deleted {
            self.emit_deleted();
        }
        self.ended_cause = None;
        self.reply_all(waiting, ended.and(ended_as).map(|()| true));
        if deleted {
            self.leave(StopReason::Deleted);
        } else {
            self.settle_queued_requests();
        }
    }

    /// A start that somebody requested and that failed is given up, which is the answer; our own are tried again, ever
    /// more slowly.
    fn on_failed_start(&mut self, error: &SupervisorError, by_ourselves: bool) -> Option<Fault> {
        self.trouble = chain(error);
        self.started_at = None;
        let given_up = |kind, message: &String| Some(Fault { kind, message: message.clone() });
        let unavailable = error.is_unavailable();
        if !by_ourselves && !unavailable {
            return given_up(FaultKind::StartFailed, &self.trouble);
        }
        let policy = self.record.config.restart;
        // What it waits for is no fault of its own.
        if let SupervisorError::DependencyUnmet { dependency, .. } = error {
            self.waits_for = Some(dependency.clone());
        }
        let blocked = self.waits_for.is_some();
        let now: Instant = self.moment.at;
        let too_many = !unavailable && !blocked && self.recent_ends.note(&policy, now);
        let attempt = self.recent_ends.count().max(1);
        self.next_start = now + policy.backoff.delay(attempt, self.moment.chance);
        if too_many { given_up(FaultKind::CrashLoop, &self.trouble) } else { None }
    }
}

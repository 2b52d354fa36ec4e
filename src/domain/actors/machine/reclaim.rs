//! Jobs of processes that are gone: reclaimed one process after the other, beside everything else.

use std::collections::VecDeque;

use super::Machine;
use super::protocol::{Call, Effect, Ticket};
use crate::domain::model::actor::ExitStatus;
use crate::domain::model::id::ActorId;
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::error::chain;
use crate::ports::actor_presence::Reclaimed;
use crate::ports::job_queue::QueueError;

/// Upper bound of processes whose jobs wait for the queue to be reclaimed. Leases reclaim the rest.
const MOST_PENDING_RECLAIMS: usize = 16;

/// Processes that are gone and whose jobs are to be reclaimed, oldest first.
#[derive(Debug, Default)]
pub(super) struct Reclaims {
    pending: VecDeque<Reclaim>,
    /// The call for the first of them, while it is under way.
    sent: Option<Ticket>,
    /// The operation waits until this is done, or cannot be done for now.
    resumes_operation: bool,
}

#[derive(Debug)]
struct Reclaim {
    pid: u32,
    error: JobError,
}

impl Reclaims {
    pub(super) fn is_awaited(&self, ticket: Ticket) -> bool {
        self.sent == Some(ticket)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.sent.is_some()
    }
}

impl Machine {
    /// Has the jobs of a process that is gone reclaimed.
    pub(super) fn reclaim(&mut self, pid: u32, status: ExitStatus, requested: bool, log_tail: Vec<String>) {
        let error = actor_lost(&self.record.id, status, requested, log_tail);
        if self.reclaims.pending.len() < MOST_PENDING_RECLAIMS {
            self.reclaims.pending.push_back(Reclaim { pid, error });
        }
    }

    /// Lets the operation go on as soon as the jobs of its process are reclaimed.
    pub(super) fn resume_after_reclaims(&mut self) {
        self.reclaims.resumes_operation = true;
        self.reclaim_jobs();
    }

    /// Reclaims jobs of processes that are gone; what the queue does not do now is tried again after the next observation.
    pub(super) fn reclaim_jobs(&mut self) {
        if self.reclaims.sent.is_some() {
            return;
        }
        match self.reclaims.pending.front() {
            Some(Reclaim { pid, error }) => {
                let queue = self.record.config.queue();
                let call = Call::Reclaim { queue, pid: *pid, error: error.clone() };
                self.reclaims.sent = Some(self.call(call));
            }
            None => self.resume_operation(),
        }
    }

    pub(super) fn on_reclaimed(&mut self, reclaimed: Result<Reclaimed, QueueError>) {
        self.reclaims.sent = None;
        match reclaimed {
            Ok(reclaimed) => {
                if reclaimed != Reclaimed::default() {
                    tracing::info!(actor.id = %self.record.id, retried = reclaimed.retried, failed = reclaimed.failed, "actor {}: jobs of its process were reclaimed", self.record.id);
                }
                self.reclaims.pending.pop_front();
                self.reclaim_jobs();
            }
            Err(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: jobs of its process are not reclaimed yet (the queue does not answer)", self.record.id);
                self.resume_operation();
            }
        }
    }

    fn resume_operation(&mut self) {
        if std::mem::take(&mut self.reclaims.resumes_operation) {
            self.effects.push(Effect::Resume);
        }
    }
}

/// The error of a job whose actor's process is known to be gone.
fn actor_lost(id: &ActorId, status: ExitStatus, requested: bool, log_tail: Vec<String>) -> JobError {
    let how = if requested { "was stopped" } else { "ended" };
    let message = format!("actor {id} {how} with {status} before the job was finished");
    JobError {
        exit_code: status.code(),
        signal: status.signal(),
        log_tail,
        ..JobError::new(JobErrorKind::ActorLost, message)
    }
}

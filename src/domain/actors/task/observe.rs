//! Observations of the process and what follows: its ends are recorded, its jobs reclaimed, and its state is reconciled with
//! the desired one.

use std::sync::Arc;

use tokio::time::Instant;

use super::{ActorTask, MOST_TRIES, StopReason};
use crate::domain::actors::observer::Observation;
use crate::domain::actors::operation::{Observations, actor_lost};
use crate::domain::actors::reconcile::needed;
use crate::domain::model::actor::StopOptions;
use crate::domain::model::actor::{
    ActorRecord, ActorState, Desired, ExitStatus, Fault, FaultKind, LastExit, Verb,
};
use crate::domain::model::event::{Cause, Source};
use crate::domain::model::job::JobError;
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::Stored;
use crate::ports::process_manager::{Orphan, ProcessState};

/// Upper bound of processes whose jobs wait for the queue to be reclaimed. Leases reclaim the rest.
const MOST_PENDING_RECLAIMS: usize = 16;
/// The jobs of a process that is gone, to be reclaimed.
pub(super) struct Reclaim {
    pid: u32,
    error: JobError,
}

impl ActorTask {
    pub(super) async fn on_observation(&mut self, observations: &mut Observations) -> Option<StopReason> {
        let observation = observations.borrow_and_update().clone();
        if observation.processes.is_none() || observation.seq <= self.stale_up_to {
            return None;
        }
        let process = self.process(&observation);
        if self.running.is_none() && self.differs(&observation, process) {
            // It may be another supervisor's doing. What its record says is compared with a look that begins after it.
            match self.refresh().await {
                Ok(false) => {}
                Ok(true) => return None,
                // Who deleted it has ended its process; to start it now would bring it back.
                Err(SupervisorError::ActorNotFound(_)) => return Some(StopReason::Deleted),
                Err(error) => {
                    tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the last known record holds (it cannot be read)", self.record.id);
                }
            }
        }
        if self.foreign.is_some() {
            self.reclaim_jobs().await;
            return None;
        }
        let stopping = self.running.as_ref().is_some_and(|running| running.phase.0 == ActorState::Stopping);
        if !stopping {
            if self.has_orphans(&observation, process).await {
                return None;
            }
            let compared = self.compare_pids(process).await;
            self.interrupted = self.interrupted.take().filter(|_verb| observation.seq <= self.stale_up_to);
            if compared == Some(StopReason::Deleted) {
                return (!self.is_deleting()).then_some(StopReason::Deleted);
            }
        }
        self.reclaim_jobs().await;
        if self.running.is_none() && self.foreign.is_none() && observation.seq > self.stale_up_to {
            match self.store().await {
                Ok(()) => {}
                Err(SupervisorError::ActorNotFound(_)) => return Some(StopReason::Deleted),
                Err(error) => {
                    tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: its record is not stored yet (the store does not answer)", self.record.id);
                }
            }
            self.reconcile(process).await;
        }
        None
    }

    /// Returns whether the observation is not what the record says.
    fn differs(&self, observation: &Observation, process: Option<ProcessState>) -> bool {
        let is_due = |verb| verb != Verb::Start || Instant::now() >= self.next_start;
        process.and_then(ProcessState::pid) != self.record.last_pid
            || self.needed(process).is_some_and(is_due)
            || observation.orphans.iter().any(|orphan| orphan.name == self.record.id.as_str())
    }

    /// Returns whether the operation under way is a delete.
    pub(super) fn is_deleting(&self) -> bool {
        self.running.as_ref().is_some_and(|running| matches!(running.verb, Verb::Delete { .. }))
    }

    /// Returns whether orphans of this actor live: the process observed last, or others. Until they have ended, their jobs are
    /// not reclaimed and nothing else is started.
    async fn has_orphans(&mut self, observation: &Observation, process: Option<ProcessState>) -> bool {
        let managed = process.and_then(ProcessState::pid);
        self.observe_orphans(observation).await;
        let last = self.record.last_pid;
        let mut pids = self.orphan_pids.clone();
        pids.extend(last);
        if let Some(managed) = managed {
            pids.remove(&managed);
        }
        let mut any = false;
        for pid in pids {
            let grace = self.record.config.drain_timeout;
            let lives = self.parts.processes.end_orphan(self.record.id.as_str(), pid, grace).await;
            // Who cannot be asked now may well live.
            if lives.unwrap_or(true) {
                any = true;
            } else if self.orphan_pids.remove(&pid) && last != Some(pid) {
                // Nobody was shown it, so there is nothing to tell and to count; but it may have had jobs.
                self.reclaim(pid, ExitStatus::Unknown, false, Vec::new());
            }
        }
        any
    }

    /// Adds what was found to be left over of this actor, by its name and by these very records.
    async fn observe_orphans(&mut self, observation: &Observation) {
        let of_this = |orphan: &&Orphan| orphan.name == self.record.id.as_str();
        let found: Vec<Orphan> = observation.orphans.iter().filter(of_this).cloned().collect();
        if found.is_empty() {
            return;
        }
        // While the records cannot be read nobody knows whose it is; the next look finds it again.
        if let Ok(Some(epoch)) = self.parts.store.epoch().await {
            let ours = found.iter().filter(|orphan| orphan.realm == epoch);
            self.orphan_pids.extend(ours.map(|orphan| orphan.pid));
        }
    }

    /// Records that the process observed last is gone, and the one that runs instead. Of several supervisors that observe it,
    /// the first writer records it.
    async fn compare_pids(&mut self, process: Option<ProcessState>) -> Option<StopReason> {
        let pid = process.and_then(ProcessState::pid);
        let Some(last) = self.record.last_pid else {
            if pid.is_some() {
                self.record.last_pid = pid;
                self.started_at = Some(self.now());
                self.dirty = true;
            }
            return None;
        };
        if pid == Some(last) {
            return None;
        }
        let status = match process {
            Some(ProcessState::Backoff { exit } | ProcessState::Down { exit: Some(exit) }) => exit,
            Some(
                ProcessState::Down { exit: None }
                | ProcessState::Waiting
                | ProcessState::Starting { .. }
                | ProcessState::Running { .. }
                | ProcessState::Stopping { .. }
                | ProcessState::SpawnFailed,
            )
            | None => ExitStatus::Unknown,
        };
        // Also while an operation of our own follows one that was interrupted after it had ended the process.
        let requested = self.interrupted.is_some_and(Verb::ends_process)
            || (self.running.is_none() && self.record.desired == Desired::Down);
        let log_tail = self.operation(None).log_tail().await;
        let exit = LastExit { status, at: self.now(), pid: last, requested, log_tail };
        // What does not come up is told by its start; it is not started again.
        let restarts = u32::from(!requested && !self.is_starting());
        let noted = ActorRecord {
            last_pid: pid,
            restart_count: self.record.restart_count.saturating_add(restarts),
            last_exit: Some(exit.clone()),
            ..self.record.clone()
        };
        let generation = match self.parts.store.update(&noted).await {
            Ok(Stored::Written(generation)) => {
                self.dirty = false;
                generation
            }
            Ok(Stored::Conflict(theirs)) => {
                self.adopt(*theirs);
                return None;
            }
            Ok(Stored::Missing) => return Some(StopReason::Deleted),
            Err(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the end of its process is not stored yet (the store does not answer)", self.record.id);
                self.dirty = true;
                self.record.generation
            }
        };
        self.record = ActorRecord { generation, ..noted };
        self.started_at = pid.map(|_pid| self.now());
        self.after_end(exit).await;
        None
    }

    /// Records that the operation under way has ended the process.
    pub(super) async fn note_end(&mut self, pid: u32, status: ExitStatus, log_tail: Vec<String>) {
        let exit = LastExit { status, at: self.now(), pid, requested: true, log_tail };
        self.record.last_exit = Some(exit.clone());
        self.record.last_pid = None;
        self.dirty = true;
        self.after_end(exit).await;
    }

    /// Returns whether a start is under way and its process was observed.
    fn is_starting(&self) -> bool {
        self.running.as_ref().is_some_and(|running| {
            running.verb.desired() == Desired::Up && running.phase.0 == ActorState::Starting
        })
    }

    async fn after_end(&mut self, exit: LastExit) {
        self.tell_of_exit(&exit);
        let LastExit { status, pid, requested, log_tail, .. } = exit;
        self.reclaim(pid, status, requested, log_tail);
        self.reclaim_jobs().await;
        if requested {
            return;
        }
        tracing::warn!(actor.id = %self.record.id, pid, "actor {}: its process ended with {status} (nobody requested it)", self.record.id);
        if self.is_starting() {
            return;
        }
        let policy = self.record.config.restart;
        if !self.recent_ends.note(&policy, Instant::now()) || self.running.is_some() {
            return;
        }
        let message = format!(
            "it ended more than {} times within {:?}, the last time with {status}; start it again when it is mended",
            policy.max_restarts, policy.window
        );
        self.trouble.clone_from(&message);
        for _try in 0..MOST_TRIES {
            self.record.desired = Desired::Down;
            let options = StopOptions { force: true, ..StopOptions::default() };
            let cause = Cause { reason: message.clone(), ..Cause::from(Source::Supervisor) };
            if self.begin(Verb::Stop { force: true }, options, cause).await {
                if let Some(running) = &mut self.running {
                    running.verdict = Some(Fault { kind: FaultKind::CrashLoop, message });
                }
                return;
            }
            // Somebody else has written the record. Whoever gives an order is heard rather than this verdict.
            if self.foreign.is_some() || self.recent_ends.count() <= policy.max_restarts {
                return;
            }
        }
    }

    /// Has the jobs of a process that is gone reclaimed.
    pub(super) fn reclaim(&mut self, pid: u32, status: ExitStatus, requested: bool, log_tail: Vec<String>) {
        let error = actor_lost(&self.record.id, status, requested, log_tail);
        if self.reclaims.len() < MOST_PENDING_RECLAIMS {
            self.reclaims.push(Reclaim { pid, error });
        }
    }

    /// Reclaims jobs of processes that are gone; what the queue does not do now is tried again after the next observation.
    async fn reclaim_jobs(&mut self) {
        let queue = Arc::clone(self.parts.supervisor.queue());
        while let Some(reclaim) = self.reclaims.first() {
            let script_type = self.record.config.script_type;
            match queue.reclaim(script_type, &self.record.id, reclaim.pid, &reclaim.error).await {
                Ok(reclaimed) => {
                    if reclaimed != Default::default() {
                        tracing::info!(actor.id = %self.record.id, retried = reclaimed.retried, failed = reclaimed.failed, "actor {}: jobs of its process were reclaimed", self.record.id);
                    }
                    self.reclaims.remove(0);
                }
                Err(error) => {
                    tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: jobs of its process are not reclaimed yet (the queue does not answer)", self.record.id);
                    return;
                }
            }
        }
    }

    fn needed(&self, process: Option<ProcessState>) -> Option<Verb> {
        let last_exit = self.record.last_exit.as_ref().map(|last| last.status);
        let mode = self.record.config.restart.mode;
        needed(self.record.desired, mode, last_exit, process, self.record.outdated)
    }

    /// Begins what is needed to reach the desired state.
    async fn reconcile(&mut self, process: Option<ProcessState>) {
        let Some(verb) = self.needed(process) else { return };
        if verb == Verb::Start && Instant::now() < self.next_start {
            return;
        }
        if self.begin(verb, StopOptions::default(), Source::Supervisor.into()).await {
            tracing::info!(actor.id = %self.record.id, "actor {}: {} begins (its state is not the desired one)", self.record.id, verb.noun());
        }
    }
}

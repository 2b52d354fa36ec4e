//! Observations of the process and what follows: its ends are recorded, its jobs reclaimed, and its state is reconciled with
//! the desired one.
//!
//! One observation is followed in this order, and given up whenever the record turns out to be newer:
//!
//! ```text
//!   differs from the record? ─► read the record ─► orphans? ─► ended? ─► last lines ─► record the end
//!                                                                            │
//!                          begin what is needed ◄─ store what is not stored ◄┘── too many ends: the verdict
//! ```

use std::sync::Arc;

use super::change::Change;
use super::protocol::Call;
use super::step::{AfterChange, Claimant, Claimed, EndOfProcess, ReadPurpose, RecordedEnd, Step};
use super::{MOST_TRIES, Machine, StopReason};
use crate::domain::actors::derive_state::reason_of_end;
use crate::domain::actors::observer::Observation;
use crate::domain::actors::reconcile::needed;
use crate::domain::model::actor::{
    ActorRecord, ActorState, Desired, ExitStatus, Fault, FaultKind, LastExit, StopOptions, Verb,
};
use crate::domain::model::event::{Cause, Source};
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::{StoreError, Stored};
use crate::ports::process_manager::{Orphan, ProcessState};

impl Machine {
    pub(super) fn on_observation(&mut self) {
        let observation = Arc::clone(&self.moment.observation);
        if observation.processes.is_none() || self.is_stale(&observation) {
            return;
        }
        if self.running.is_none() && self.differs(&observation) {
            // It may be another supervisor's doing. What its record says is compared with an observation that begins after
            // it.
            self.read(ReadPurpose::Observation(observation));
        } else {
            self.follow(observation);
        }
    }

    pub(super) fn on_record_for_observation(
        &mut self,
        observation: Arc<Observation>,
        read: Result<bool, SupervisorError>,
    ) {
        match read {
            Ok(false) => self.follow(observation),
            Ok(true) => {}
            // Who deleted it has ended its process; to start it now would bring it back.
            Err(SupervisorError::ActorNotFound(_)) => self.leave(StopReason::Deleted),
            Err(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the last known record holds (it cannot be read)", self.record.id);
                self.follow(observation);
            }
        }
    }

    fn follow(&mut self, observation: Arc<Observation>) {
        let stopping = self.running.as_ref().is_some_and(|running| running.phase.0 == ActorState::Stopping);
        if self.foreign.is_some() || stopping {
            self.reclaim_jobs();
        } else if self.orphans_of_this(&observation).next().is_some() {
            self.await_call(Step::ReadingEpoch(observation), Call::Epoch);
        } else {
            self.end_orphans(observation);
        }
    }

    /// Returns whether the world may have been changed since the observation began.
    fn is_stale(&self, observation: &Observation) -> bool {
        observation.seq <= self.stale_up_to
    }

    /// Returns whether the observation is not what the record says.
    fn differs(&self, observation: &Observation) -> bool {
        let process = self.process(observation);
        let is_due = |verb| verb != Verb::Start || self.moment.at >= self.next_start;
        process.and_then(ProcessState::pid) != self.record.last_pid
            || self.needed(process).is_some_and(is_due)
            || self.orphans_of_this(observation).next().is_some()
    }

    fn orphans_of_this<'a>(&'a self, observation: &'a Observation) -> impl Iterator<Item = &'a Orphan> {
        observation.orphans.iter().filter(|orphan| orphan.name == self.record.id.as_str())
    }

    /// Adds orphans that bear the mark of these very records. While the records cannot be read nobody knows whose they are;
    /// the next observation finds them again.
    pub(super) fn on_epoch(&mut self, observation: Arc<Observation>, epoch: Option<String>) {
        if self.is_stale(&observation) {
            return;
        }
        if let Some(epoch) = epoch {
            let ours = self.orphans_of_this(&observation).filter(|orphan| orphan.realm == epoch);
            let pids: Vec<u32> = ours.map(|orphan| orphan.pid).collect();
            self.orphan_pids.extend(pids);
        }
        self.end_orphans(observation);
    }

    /// Ends orphans of this actor: the process observed last, if it is not the managed one, and others.
    fn end_orphans(&mut self, observation: Arc<Observation>) {
        let managed = self.process(&observation).and_then(ProcessState::pid);
        let mut pids = self.orphan_pids.clone();
        pids.extend(self.record.last_pid);
        if let Some(managed) = managed {
            pids.remove(&managed);
        }
        if pids.is_empty() {
            return self.compare_pids(observation);
        }
        let grace = self.record.config.drain_timeout;
        self.ask_process_manager(Step::EndingOrphans(observation), Call::EndOrphans { pids, grace });
    }

    /// Goes on once no orphan lives. Until then their jobs are not reclaimed and nothing else is started.
    pub(super) fn on_orphans(&mut self, observation: Arc<Observation>, lives: &[(u32, bool)]) {
        let last = self.record.last_pid;
        for (pid, _lives) in lives.iter().filter(|(_pid, lives)| !lives) {
            if self.orphan_pids.remove(pid) && last != Some(*pid) {
                // Nobody was shown it, so there is nothing to tell and to count; but it may have had jobs.
                self.reclaim(*pid, ExitStatus::Unknown, false, Vec::new());
            }
        }
        let any = lives.iter().any(|(_pid, lives)| *lives);
        if !any && !self.is_stale(&observation) {
            self.compare_pids(observation);
        }
    }

    /// Makes a call to the process manager. While an earlier one has not been answered the observation ends here, and a
    /// later one is followed instead.
    fn ask_process_manager(&mut self, step: Step, call: Call) {
        if self.process_call.is_none() {
            self.await_call(step, call);
        }
    }

    /// Compares the process with the one observed last.
    fn compare_pids(&mut self, observation: Arc<Observation>) {
        let process = self.process(&observation);
        let pid = process.and_then(ProcessState::pid);
        let Some(last) = self.record.last_pid else {
            if pid.is_some() {
                self.record.last_pid = pid;
                self.started_at = Some(self.moment.date);
                self.dirty = true;
            }
            return self.after_comparison(observation);
        };
        if pid == Some(last) {
            return self.after_comparison(observation);
        }
        // Also while an operation of our own follows one that was interrupted after it had ended the process.
        let requested = self.interrupted.is_some_and(Verb::ends_process)
            || (self.running.is_none() && self.record.desired == Desired::Down);
        let (status, at) = (process.map_or(ExitStatus::Unknown, ProcessState::exit_status), self.moment.date);
        let killed = self.failed_check(&observation).filter(|failed| failed.killed && !requested);
        let given_up = self.given_up.as_ref().filter(|(pid, _reason)| *pid == last);
        let given_up = given_up.map(|(_pid, reason)| reason.as_str());
        let reason = reason_of_end(&self.record.config, status, killed, given_up);
        let exit = LastExit { status, at, pid: last, requested, reason, log_tail: Vec::new() };
        self.ask_process_manager(
            Step::ReadingLog(EndOfProcess { observation, exit, successor: pid }),
            Call::LogTail,
        );
    }

    /// Records the end. Of several supervisors that observe it, the first writer records it.
    pub(super) fn on_log_tail(&mut self, ended: EndOfProcess, log_tail: Vec<String>) {
        let EndOfProcess { observation, exit, successor } = ended;
        if self.is_stale(&observation) {
            return;
        }
        let exit = LastExit { log_tail, ..exit };
        // What does not come up is told by its start; it is not started again.
        let restarts = u32::from(!exit.requested && !self.is_starting());
        let next = Box::new(ActorRecord {
            last_pid: successor,
            restart_count: self.record.restart_count.saturating_add(restarts),
            last_exit: Some(exit.clone()),
            ..self.record.clone()
        });
        let call = Call::Write(next.clone());
        self.await_call(Step::Recording(RecordedEnd { observation, exit, next }), call);
    }

    pub(super) fn on_recorded(&mut self, ended: RecordedEnd, stored: Result<Stored, StoreError>) {
        let RecordedEnd { observation, exit, next } = ended;
        let generation = match stored {
            Ok(Stored::Written(generation)) => {
                self.all_is_stored();
                generation
            }
            Ok(Stored::Conflict(theirs)) => {
                self.adopt(*theirs);
                return self.after_comparison(observation);
            }
            Ok(Stored::Missing) if self.is_deleting() => return,
            Ok(Stored::Missing) => return self.leave(StopReason::Deleted),
            Err(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the end of its process is not stored yet (the store does not answer)", self.record.id);
                self.keep_end(exit.pid, next.restart_count > self.record.restart_count);
                self.record.generation
            }
        };
        let successor = next.last_pid;
        self.record = ActorRecord { generation, ..*next };
        self.started_at = successor.map(|_pid| self.moment.date);
        let requested = exit.requested;
        let how = if exit.reason.is_empty() {
            format!("with {}", exit.status)
        } else {
            format!("since {}", exit.reason)
        };
        self.after_exit(exit);
        if requested || self.is_starting() {
            return self.after_comparison(observation);
        }
        let policy = self.record.config.restart;
        if !self.recent_ends.note(&policy, self.moment.at) || self.running.is_some() {
            return self.after_comparison(observation);
        }
        let times = match policy.max_restarts {
            1 => "once".to_owned(),
            restarts => format!("{restarts} times"),
        };
        let message = format!(
            "it ended more than {times} within {:?}, the last time {how}; start it again when it is mended",
            policy.window
        );
        self.trouble.clone_from(&message);
        self.claim_verdict(message, 1, observation);
    }

    /// Records that the operation under way has ended the process. An end during its drain has been observed by then.
    pub(super) fn on_requested_end(&mut self, pid: u32, status: ExitStatus, log_tail: Vec<String>) {
        if self.record.last_exit.as_ref().is_none_or(|exit| exit.pid != pid) {
            let (at, reason) = (self.moment.date, String::new());
            let exit = LastExit { status, at, pid, requested: true, reason, log_tail };
            self.record.last_exit = Some(exit.clone());
            self.record.last_pid = None;
            self.keep_end(pid, false);
            // An observation of before would take the process for a new one.
            self.stale_up_to = self.moment.begun;
            self.after_exit(exit);
        }
        self.resume_after_reclaims();
    }

    fn after_exit(&mut self, exit: LastExit) {
        self.emit_exit(&exit);
        let LastExit { status, pid, requested, log_tail, reason, at: _ } = exit;
        self.reclaim(pid, status, requested, log_tail);
        self.reclaim_jobs();
        if !requested {
            let why = if reason.is_empty() { "nobody requested it" } else { reason.as_str() };
            tracing::warn!(actor.id = %self.record.id, pid, "actor {}: its process ended with {status} ({why})", self.record.id);
        }
    }

    /// Returns whether a start is under way and its process was observed.
    fn is_starting(&self) -> bool {
        self.running.as_ref().is_some_and(|running| {
            running.verb.desired() == Desired::Up && running.phase.0 == ActorState::Starting
        })
    }

    /// Stops the actor, since it ended too often.
    fn claim_verdict(&mut self, message: String, tries: u32, observation: Arc<Observation>) {
        self.record.desired = Desired::Down;
        let claimant = Claimant::Verdict { message, tries, observation };
        self.claim(Verb::Stop { force: true }, claimant);
    }

    pub(super) fn on_claim_of_verdict(
        &mut self,
        message: String,
        tries: u32,
        observation: Arc<Observation>,
        claimed: Claimed,
    ) {
        let verb = Verb::Stop { force: true };
        match self.lease_without_caller(verb, claimed) {
            Some(lease) => {
                let options = StopOptions { force: true, ..StopOptions::default() };
                let cause = Cause { reason: message.clone(), ..Cause::from(Source::Supervisor) };
                self.begin_operation(verb, options, cause, None, lease);
                if let Some(running) = &mut self.running {
                    running.verdict = Some(Fault { kind: FaultKind::CrashLoop, message });
                }
                self.after_comparison(observation);
            }
            None => {
                // Somebody else has written the record. Whoever requests something is heard rather than this verdict.
                let allowed = self.record.config.restart.max_restarts;
                let is_void = self.foreign.is_some() || self.recent_ends.count() <= allowed;
                if is_void || tries == MOST_TRIES {
                    self.after_comparison(observation);
                } else {
                    self.claim_verdict(message, tries + 1, observation);
                }
            }
        }
    }

    /// Returns the lease of an operation that nobody requested, None in it while Redis is away: that is no reason to leave a
    /// process as it is not to be. None when another supervisor has written the record, or removed it.
    fn lease_without_caller(&self, verb: Verb, claimed: Claimed) -> Option<Option<String>> {
        match claimed {
            Claimed::Lease(lease) => Some(Some(lease)),
            Claimed::Conflict | Claimed::Failed(SupervisorError::ActorNotFound(_)) => None,
            Claimed::Failed(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: {} begins without a lease (the store does not answer)", self.record.id, verb.noun());
                Some(None)
            }
        }
    }

    /// The process is known now: stores what is not stored yet, and begins what is needed.
    fn after_comparison(&mut self, observation: Arc<Observation>) {
        if !self.is_stale(&observation) {
            self.interrupted = None;
        }
        self.reclaim_jobs();
        if !self.may_reconcile(&observation) {
            return;
        }
        if self.dirty {
            self.change(Change::Store, AfterChange::Stored(observation));
        } else {
            self.reconcile(&observation);
        }
    }

    fn may_reconcile(&self, observation: &Observation) -> bool {
        self.running.is_none() && self.foreign.is_none() && !self.is_stale(observation)
    }

    pub(super) fn on_stored(&mut self, observation: &Observation, stored: Result<bool, SupervisorError>) {
        match stored {
            Ok(_written) => {}
            Err(SupervisorError::ActorNotFound(_)) => return self.leave(StopReason::Deleted),
            Err(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: its record is not stored yet (the store does not answer)", self.record.id);
            }
        }
        if self.may_reconcile(observation) {
            self.reconcile(observation);
        }
    }

    fn needed(&self, process: Option<ProcessState>) -> Option<Verb> {
        let last_exit = self.record.last_exit.as_ref().map(|last| last.status);
        let mode = self.record.config.restart.mode;
        needed(self.record.desired, mode, last_exit, process, self.record.outdated)
    }

    /// Begins what is needed to reach the desired state.
    fn reconcile(&mut self, observation: &Observation) {
        let Some(verb) = self.needed(self.process(observation)) else { return };
        if verb != Verb::Start || self.moment.at >= self.next_start {
            self.claim(verb, Claimant::Reconcile { verb });
        }
    }

    pub(super) fn on_claim_to_reconcile(&mut self, verb: Verb, claimed: Claimed) {
        if let Some(lease) = self.lease_without_caller(verb, claimed) {
            self.begin_operation(verb, StopOptions::default(), Source::Supervisor.into(), None, lease);
            tracing::info!(actor.id = %self.record.id, "actor {}: {} begins (its state is not the desired one)", self.record.id, verb.noun());
        }
    }
}

//! The record, which all supervisors of the node share: read anew before a request is decided by it, changed by
//! compare-and-set, and adopted from whoever has changed it.
//!
//! An operation stands in it as a lease. What another supervisor is doing is waited for, or overtaken; what one was doing
//! that lives no longer is given up.

use std::time::Duration;

use tokio::time::Instant;

use super::change::Change;
use super::protocol::{Call, Effect, Ticket};
use super::step::{AfterChange, Changing, ReadPurpose, Step};
use super::{MOST_TRIES, Machine, StopReason};
use crate::domain::model::actor::{ActorRecord, OperationLease, Verb};
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::{StoreError, Stored};

/// Time between two heartbeats of the supervisor that carries out an operation.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// An operation whose supervisor has sent no heartbeat for this long is given up.
const ABANDONED: Duration = Duration::from_secs(5);

/// Upper bound of the ends of processes that are kept while the store does not answer.
const MAX_UNSTORED_ENDS: usize = 64;

/// An end of the process that the stored record does not have yet.
#[derive(Debug)]
pub(super) struct UnstoredEnd {
    pid: u32,
    /// True if the end counts as a restart.
    counts: bool,
}

/// The operation of another supervisor of this node.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) lease: OperationLease,
    /// True if the supervisor has sent a heartbeat since the lease was first read.
    pub(super) alive: bool,
    seen_at: Instant,
}

impl Foreign {
    pub(super) fn new(lease: OperationLease, alive: bool, at: Instant) -> Self {
        Self { lease, alive, seen_at: at }
    }
}

/// The heartbeat of our operation: when the last one was sent, and the record that is to stand in the store by it, until
/// that is answered.
#[derive(Debug)]
pub(super) struct Heartbeat {
    last: Instant,
    sent: Option<(Ticket, Box<ActorRecord>)>,
}

impl Heartbeat {
    /// An operation begins, or has ended.
    pub(super) fn new(at: Instant) -> Self {
        Self { last: at, sent: None }
    }

    pub(super) fn is_awaited(&self, ticket: Ticket) -> bool {
        self.sent.as_ref().is_some_and(|(sent, _record)| *sent == ticket)
    }
}

impl Machine {
    pub(super) fn read(&mut self, purpose: ReadPurpose) {
        self.await_call(Step::Reading(purpose), Call::Read);
    }

    /// Takes over the record as it is stored now, and goes on with what it was read for. Read is whether somebody else had
    /// changed it.
    pub(super) fn on_record(
        &mut self,
        purpose: ReadPurpose,
        read: Result<Option<Box<ActorRecord>>, StoreError>,
    ) {
        let read = match read {
            Ok(None) => Err(SupervisorError::ActorNotFound(self.record.id.clone())),
            Ok(Some(stored)) => Ok(self.adopt(*stored)),
            Err(error) => Err(error.into()),
        };
        match purpose {
            ReadPurpose::Request(request) => self.on_record_for_request(request, read),
            ReadPurpose::Tick => self.on_record_for_tick(&read),
            ReadPurpose::Edit(edit) => self.on_record_for_edit(edit, read.map(drop)),
            ReadPurpose::Observation(observation) => self.on_record_for_observation(observation, read),
            ReadPurpose::Overtaken(end) => {
                if let Err(error) = read {
                    tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: an operation was overtaken (by whom cannot be read yet)", self.record.id);
                }
                self.after_end(end, Ok(()));
            }
        }
    }

    /// Changes the record, and then goes on.
    pub(super) fn change(&mut self, change: Change, then: AfterChange) {
        self.try_change(change, then, 1);
    }

    fn try_change(&mut self, change: Change, then: AfterChange, tries: u32) {
        let mut next = Box::new(self.record.clone());
        if !change.apply(&mut next) {
            return self.after_change(then, &change, Ok(false));
        }
        let call = Call::Write(next.clone());
        self.await_call(Step::Changing(Changing { change, next, tries, then }), call);
    }

    pub(super) fn on_change_stored(&mut self, changing: Changing, stored: Result<Stored, StoreError>) {
        let Changing { change, next, tries, then } = changing;
        let changed = match stored {
            Ok(Stored::Written(generation)) => {
                self.on_written(*next, generation);
                Ok(true)
            }
            Ok(Stored::Conflict(theirs)) => {
                self.adopt(*theirs);
                if tries < MOST_TRIES {
                    return self.try_change(change, then, tries + 1);
                }
                Err(SupervisorError::ActorConflict(self.record.id.clone()))
            }
            Ok(Stored::Missing) => Err(SupervisorError::ActorNotFound(self.record.id.clone())),
            Err(error) => Err(error.into()),
        };
        self.after_change(then, &change, changed);
    }

    fn after_change(&mut self, then: AfterChange, change: &Change, changed: Result<bool, SupervisorError>) {
        match then {
            AfterChange::Define { etag, cause, reply } => self.on_defined(&etag, cause, reply, changed),
            AfterChange::End(end) => self.on_end_stored(end, change, changed),
            AfterChange::GivenUp(verb) => self.on_given_up(verb, &changed),
            AfterChange::Stored(observation) => self.on_stored(&observation, changed),
            AfterChange::Released => self.on_released(&changed),
        }
    }

    pub(super) fn on_written(&mut self, next: ActorRecord, generation: u64) {
        self.record = ActorRecord { generation, ..next };
        self.all_is_stored();
        self.look_at_lease();
    }

    /// Takes over a record that stood in the store a moment ago, if it is newer than ours.
    pub(super) fn adopt_newer(&mut self, stored: ActorRecord) {
        if stored.is_newer_than(&self.record) {
            self.adopt(stored);
        }
    }

    /// Takes over the record as it stands in the store; what only we know is added. False when it is ours.
    pub(super) fn adopt(&mut self, theirs: ActorRecord) -> bool {
        let same_actor = theirs.created_at == self.record.created_at;
        if same_actor && theirs.generation == self.record.generation {
            return false;
        }
        let ours = std::mem::replace(&mut self.record, theirs);
        // Only an observation that begins now can be compared with it.
        self.stale_up_to = self.moment.begun;
        if !same_actor || ours.requests_made != self.record.requests_made {
            self.recent_ends.clear();
            self.next_start = self.moment.at;
            self.trouble.clear();
            self.waits_for = None;
            // What we began without a lease nobody could know of.
            let contradicted = self.running.as_ref().is_some_and(|running| {
                running.lease.is_none() && running.verb.desired() != self.record.desired
            });
            if contradicted {
                self.overtaken("another request");
            }
        }
        if same_actor {
            self.follow_history(&ours);
            self.dirty = self.dirty && self.add_history(ours);
        } else {
            self.started_at = None;
            self.all_is_stored();
        }
        self.look_at_lease();
        true
    }

    /// Takes over what another supervisor has recorded of the process.
    fn follow_history(&mut self, ours: &ActorRecord) {
        let policy = self.record.config.restart;
        for _end in (ours.restart_count..self.record.restart_count).take(policy.max_restarts as usize + 1) {
            self.recent_ends.note(&policy, self.moment.at);
        }
        if ours.last_pid == self.record.last_pid {
            return;
        }
        self.started_at = self.record.last_pid.map(|_pid| self.moment.date);
        // Who recorded the end may have died before it reclaimed the jobs.
        if let Some(exit) = self.record.last_exit.clone().filter(|exit| ours.last_pid == Some(exit.pid)) {
            self.reclaim(exit.pid, exit.status, exit.requested, exit.log_tail);
        }
    }

    /// Adds what only we know of the process; false when it is known.
    fn add_history(&mut self, ours: ActorRecord) -> bool {
        let record = &mut self.record;
        let first = self.unstored_ends.iter().position(|end| record.last_pid == Some(end.pid));
        if let Some(first) = first {
            self.unstored_ends.drain(..first);
            let counted = self.unstored_ends.iter().filter(|end| end.counts).count();
            let restarts = record.restart_count.saturating_add(u32::try_from(counted).unwrap_or(u32::MAX));
            record.restart_count = restarts.max(ours.restart_count);
            record.last_exit = ours.last_exit;
            record.last_pid = ours.last_pid;
            return true;
        }
        self.unstored_ends.clear();
        let has_ended = record.last_exit.as_ref().is_some_and(|exit| ours.last_pid == Some(exit.pid));
        if record.last_pid.is_none() && ours.last_pid.is_some() && !has_ended {
            record.last_pid = ours.last_pid;
            return true;
        }
        false
    }

    /// An end of the process is known here only, for now.
    pub(super) fn keep_end(&mut self, pid: u32, counts: bool) {
        if self.unstored_ends.len() < MAX_UNSTORED_ENDS {
            self.unstored_ends.push(UnstoredEnd { pid, counts });
        }
        self.dirty = true;
    }

    /// The store has all that the record has.
    pub(super) fn all_is_stored(&mut self) {
        self.dirty = false;
        self.unstored_ends.clear();
    }

    /// Sees whose operation stands in the record; one of our own that another one has overtaken ends here.
    pub(super) fn look_at_lease(&mut self) {
        let lease = self.record.operation.clone();
        let id = lease.as_ref().map(|lease| lease.id.as_str());
        if let Some(running) = &self.running {
            let is_ours = running.lease.as_deref() == id;
            if is_ours {
                self.foreign = None;
                return;
            }
            self.overtaken(lease.as_ref().map_or("another request", |lease| lease.verb.noun()));
        }
        if id.is_some() && id == self.ended_lease.as_deref() {
            self.record.operation = None;
            self.dirty = true;
            self.foreign = None;
            return;
        }
        let known = self.foreign.take();
        if let Some(ended) = known.as_ref().filter(|known| Some(known.lease.id.as_str()) != id) {
            // Whether it was done or given up, by whomever: what it has ended was requested. Only an observation that
            // begins now is sure to show that.
            self.interrupted = Some(ended.lease.verb);
            self.stale_up_to = self.moment.begun;
        }
        self.foreign = match (lease, known) {
            (None, _ended) => None,
            (Some(lease), Some(known)) if known.lease == lease => Some(known),
            (Some(lease), _) => Some(Foreign::new(lease, true, self.moment.at)),
        };
    }

    /// Gives up what is under way, since somebody else decides now.
    fn overtaken(&mut self, operation: &'static str) {
        let Some(running) = self.running.take() else { return };
        self.heartbeat = Heartbeat::new(self.moment.at);
        self.inbox.forget_operation();
        self.effects.push(Effect::GiveUp);
        let id = self.record.id.clone();
        tracing::info!(actor.id = %id, "actor {id}: {} is given up (overtaken by {operation})", running.verb.noun());
        self.reply_all(running.waiting, Err(SupervisorError::OperationInProgress { id, operation }));
    }

    /// Sees to it that the operation of a supervisor that is dead is given up, and that requests do not wait in vain.
    pub(super) fn on_tick(&mut self) {
        if self.running.is_none() && self.foreign.is_some() {
            self.read(ReadPurpose::Tick);
        } else {
            self.settle_queued_requests();
        }
    }

    fn on_record_for_tick(&mut self, read: &Result<bool, SupervisorError>) {
        match (read, &mut self.foreign) {
            (Err(SupervisorError::ActorNotFound(_)), _) => return self.leave(StopReason::Deleted),
            // While nobody can say that it lives, it is not known to be dead.
            (Err(_unreadable), Some(foreign)) => foreign.seen_at = self.moment.at,
            (Err(_) | Ok(_), _) => {}
        }
        let abandoned = self
            .foreign
            .as_ref()
            .filter(|foreign| self.moment.at.saturating_duration_since(foreign.seen_at) >= ABANDONED);
        match abandoned {
            Some(foreign) => {
                let (lease, verb) = (foreign.lease.clone(), foreign.lease.verb);
                self.change(Change::GiveUp(lease), AfterChange::GivenUp(verb));
            }
            None => self.settle_queued_requests(),
        }
    }

    fn on_given_up(&mut self, verb: Verb, given_up: &Result<bool, SupervisorError>) {
        if let Ok(true) = given_up {
            tracing::warn!(actor.id = %self.record.id, "actor {}: {} is given up (its supervisor sends no heartbeat)", self.record.id, verb.noun());
            self.queued_requests.iter_mut().for_each(|queued| queued.joined = false);
        }
        self.settle_queued_requests();
    }

    /// Renews the lease while an operation is under way. Not beside a write: one of the two would be made in vain.
    pub(super) fn heartbeat_if_due(&mut self) {
        let has_lease = self.running.as_ref().is_some_and(|running| running.lease.is_some());
        let is_due = self.moment.at.saturating_duration_since(self.heartbeat.last) >= HEARTBEAT;
        if !has_lease || !is_due || self.heartbeat.sent.is_some() || self.step.writes() {
            return;
        }
        self.heartbeat.last = self.moment.at;
        let mut next = Box::new(self.record.clone());
        let Some(lease) = &mut next.operation else { return };
        lease.heartbeat += 1;
        let ticket = self.call(Call::Write(next.clone()));
        self.heartbeat.sent = Some((ticket, next));
    }

    pub(super) fn on_heartbeat(&mut self, stored: Result<Stored, StoreError>) {
        let Some((_ticket, sent)) = self.heartbeat.sent.take() else { return };
        match stored {
            // Whatever else was written in the meantime has it in it.
            Ok(Stored::Written(generation)) if self.record.generation + 1 == generation => {
                self.record.generation = generation;
                self.record.operation = sent.operation;
            }
            Ok(Stored::Conflict(theirs)) => self.adopt_newer(*theirs),
            Ok(Stored::Written(_) | Stored::Missing) => {}
            Err(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the heartbeat of its operation is not stored (the store does not answer)", self.record.id);
            }
        }
    }
}

//! The record, which all supervisors of the node share: read anew before a request is decided by it, changed by
//! compare-and-set, and adopted from whoever has changed it.

use super::change::Change;
use super::protocol::Call;
use super::step::{AfterChange, Changing, ReadPurpose, Step};
use super::{MOST_TRIES, Machine};
use crate::domain::model::actor::ActorRecord;
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::{StoreError, Stored};

/// Upper bound of the ends of processes that are kept while the store does not answer.
const MAX_UNSTORED_ENDS: usize = 64;

/// An end of the process that the stored record does not have yet.
#[derive(Debug)]
pub(super) struct UnstoredEnd {
    pid: u32,
    /// True if the end counts as a restart.
    counts: bool,
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
}

//! The record, which all supervisors of the node share: read anew before a request is decided by it, changed by
//! compare-and-set, and adopted from whoever has changed it.
//!
//! An operation stands in it as a lease. What another supervisor is doing is waited for, or overtaken; what one was doing
//! that lives no longer is given up.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{ActorTask, MOST_TRIES, StopReason};
use crate::domain::actors::operation::superseded_by;
use crate::domain::actors::reply;
use crate::domain::model::actor::{ActorRecord, OperationLease, Verb};
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::{StoreError, Stored};

/// Time between two heartbeats of the supervisor that carries out an operation.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// An operation whose supervisor has sent no heartbeat for this long is given up.
const ABANDONED: Duration = Duration::from_secs(5);

/// The operation of another supervisor of this node.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) lease: OperationLease,
    /// Whether its supervisor has sent a heartbeat since the lease was first read.
    pub(super) alive: bool,
    seen_at: Instant,
}

impl Foreign {
    pub(super) fn new(lease: OperationLease, alive: bool) -> Self {
        Self { lease, alive, seen_at: Instant::now() }
    }
}

/// A heartbeat on its way to the store: the record that is to stand there, and what became of it.
pub(super) type Heartbeat = BoxFuture<'static, (ActorRecord, Result<Stored, StoreError>)>;

impl ActorTask {
    /// Takes over the record as it is stored now; true when somebody else had changed it.
    pub(super) async fn refresh(&mut self) -> Result<bool, SupervisorError> {
        match self.parts.store.get(&self.record.id).await? {
            None => Err(SupervisorError::ActorNotFound(self.record.id.clone())),
            Some(stored) => Ok(self.adopt(stored)),
        }
    }

    /// Changes the record: `edit` is asked again about whatever another supervisor has written in between, and may say
    /// that there is nothing to change (any more), which is the answer false.
    pub(super) async fn change(
        &mut self,
        mut edit: impl FnMut(&mut ActorRecord) -> bool,
    ) -> Result<bool, SupervisorError> {
        for _try in 0..MOST_TRIES {
            let mut next = self.record.clone();
            if !edit(&mut next) {
                return Ok(false);
            }
            match self.parts.store.update(&next).await? {
                Stored::Written(generation) => {
                    self.record = ActorRecord { generation, ..next };
                    self.dirty = false;
                    self.look_at_lease();
                    return Ok(true);
                }
                Stored::Conflict(theirs) => {
                    self.adopt(*theirs);
                }
                Stored::Missing => return Err(SupervisorError::ActorNotFound(self.record.id.clone())),
            }
        }
        Err(SupervisorError::ActorConflict(self.record.id.clone()))
    }

    /// Writes what only we know so far.
    pub(super) async fn store(&mut self) -> Result<(), SupervisorError> {
        if self.dirty {
            self.change(|_record| true).await?;
        }
        Ok(())
    }

    /// Writes the lease of an operation and, for a request of a caller, the desired state, in one step. None when another
    /// supervisor was faster: then the request is to be decided anew.
    pub(super) async fn claim(
        &mut self,
        verb: Verb,
        by_caller: bool,
    ) -> Result<Option<String>, SupervisorError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mut next = self.record.clone();
        next.operation = Some(OperationLease { verb, id: id.clone(), heartbeat: 0 });
        if by_caller {
            next.desired = verb.desired();
            next.fault = None;
            next.requests_made += 1;
        }
        match self.parts.store.update(&next).await? {
            Stored::Written(generation) => {
                self.record = ActorRecord { generation, ..next };
                self.dirty = false;
                self.look_at_lease();
                Ok(Some(id))
            }
            Stored::Conflict(theirs) => {
                self.adopt(*theirs);
                Ok(None)
            }
            Stored::Missing => Err(SupervisorError::ActorNotFound(self.record.id.clone())),
        }
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
        // Only a look that begins now can be compared with it.
        self.stale_up_to = self.observer.mark();
        if !same_actor || ours.requests_made != self.record.requests_made {
            self.recent_ends.clear();
            self.next_start = Instant::now();
            self.trouble.clear();
            self.waits_for = None;
        }
        if same_actor {
            self.follow_history(&ours);
            self.dirty = self.dirty && self.add_history(ours);
        } else {
            self.started_at = None;
            self.dirty = false;
        }
        self.look_at_lease();
        true
    }

    /// What another supervisor has noted of the process is true for us as well.
    fn follow_history(&mut self, ours: &ActorRecord) {
        let now = Instant::now();
        let policy = self.record.config.restart;
        for _end in (ours.restart_count..self.record.restart_count).take(policy.max_restarts as usize + 1) {
            self.recent_ends.note(&policy, now);
        }
        if ours.last_pid == self.record.last_pid {
            return;
        }
        self.started_at = self.record.last_pid.map(|_pid| self.now());
        // Who noted the end may have died before it took the jobs back.
        if let Some(exit) = self.record.last_exit.clone().filter(|exit| ours.last_pid == Some(exit.pid)) {
            self.reclaim(exit.pid, exit.status, exit.requested, exit.log_tail);
        }
    }

    /// Adds what only we know of the process; false when it is known.
    fn add_history(&mut self, ours: ActorRecord) -> bool {
        let record = &mut self.record;
        if let Some(exit) = ours.last_exit.filter(|exit| record.last_pid == Some(exit.pid)) {
            let restarts = record.restart_count.saturating_add(u32::from(!exit.requested));
            record.restart_count = restarts.max(ours.restart_count);
            record.last_exit = Some(exit);
            record.last_pid = ours.last_pid;
            return true;
        }
        let has_ended = record.last_exit.as_ref().is_some_and(|exit| ours.last_pid == Some(exit.pid));
        if record.last_pid.is_none() && ours.last_pid.is_some() && !has_ended {
            record.last_pid = ours.last_pid;
            return true;
        }
        false
    }

    /// Sees whose operation stands in the record; one of our own that another supervisor has overtaken ends here.
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
        self.foreign = match (lease, self.foreign.take()) {
            (None, known) => {
                // Whether it was done or given up, by whomever: what it has ended was asked for.
                self.interrupted = known.map(|known| known.lease.verb).or(self.interrupted);
                None
            }
            (Some(lease), Some(known)) if known.lease == lease => Some(known),
            (Some(lease), _) => Some(Foreign::new(lease, true)),
        };
    }

    /// Gives up what is under way, since somebody else decides now.
    fn overtaken(&mut self, operation: &'static str) {
        self.heartbeat = None;
        let Some(running) = self.running.take() else { return };
        tracing::info!(actor.id = %self.record.id, "actor {}: {} is given up (overtaken by {operation})", self.record.id, running.verb.noun());
        let id = self.record.id.clone();
        reply::answer(running.waiting, Err(SupervisorError::OperationInProgress { id, operation }));
    }

    /// Says that we live while an operation is under way; sees to it that one of a supervisor that does not is given up.
    pub(super) async fn on_tick(&mut self) -> Option<StopReason> {
        if let Some(running) = &self.running {
            if running.lease.is_some()
                && self.heartbeat.is_none()
                && self.last_heartbeat.elapsed() >= HEARTBEAT
            {
                self.send_heartbeat();
            }
            return None;
        }
        if self.foreign.is_some() {
            match self.refresh().await {
                Ok(_changed) => {}
                Err(SupervisorError::ActorNotFound(_)) => return Some(StopReason::Deleted),
                // While nobody can say that it lives, it is not known to be dead.
                Err(_unreadable) => {
                    let now = Instant::now();
                    self.foreign.iter_mut().for_each(|foreign| foreign.seen_at = now);
                }
            }
            self.give_up_abandoned().await;
        }
        self.settle_queued_requests().await;
        None
    }

    fn send_heartbeat(&mut self) {
        self.last_heartbeat = Instant::now();
        let mut next = self.record.clone();
        let Some(lease) = &mut next.operation else { return };
        lease.heartbeat += 1;
        let parts = std::sync::Arc::clone(&self.parts);
        self.heartbeat = Some(Box::pin(async move {
            let stored = parts.store.update(&next).await;
            (next, stored)
        }));
    }

    pub(super) fn on_heartbeat(&mut self, sent: ActorRecord, stored: Result<Stored, StoreError>) {
        self.heartbeat = None;
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

    async fn give_up_abandoned(&mut self) {
        let Some(foreign) = self.foreign.as_ref().filter(|foreign| foreign.seen_at.elapsed() >= ABANDONED)
        else {
            return;
        };
        let lease = foreign.lease.clone();
        let given_up = self.change(|record| {
            let stands = record.operation.as_ref() == Some(&lease);
            record.operation = record.operation.take().filter(|_lease| !stands);
            stands
        });
        if let Ok(true) = given_up.await {
            tracing::warn!(actor.id = %self.record.id, "actor {}: {} is given up (its supervisor sends no heartbeat)", self.record.id, lease.verb.noun());
            self.queued_requests.iter_mut().for_each(|queued_requests| queued_requests.joined = false);
        }
    }

    /// Takes the lease of what is under way out of the record, since we are leaving.
    pub(super) async fn release(&mut self, lease: String) {
        let released = self.change(|record| {
            let ours = record.operation.as_ref().is_some_and(|operation| operation.id == lease);
            record.operation = record.operation.take().filter(|_lease| !ours);
            ours
        });
        if let Err(error) = released.await {
            tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the lease of its operation is not released (others give it up later)", self.record.id);
        }
    }

    /// The error of what another supervisor does not allow now.
    pub(super) fn busy(&self, operation: &'static str) -> SupervisorError {
        SupervisorError::OperationInProgress { id: self.record.id.clone(), operation }
    }

    /// The error of an operation that was overtaken, by the record as it is.
    pub(super) fn superseded(&self) -> SupervisorError {
        superseded_by(&self.record)
    }
}

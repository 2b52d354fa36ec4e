//! Leases: an operation stands in the record as one, which is renewed as long as the operation is under way.
//!
//! The operation of another supervisor is waited for, or overtaken; that of one that lives no longer is given up.

use std::time::Duration;

use tokio::time::Instant;

use super::change::Change;
use super::protocol::{Call, Effect, Ticket};
use super::step::{AfterChange, ReadPurpose};
use super::{Machine, StopReason};
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
    pub(super) fn overtaken(&mut self, operation: &'static str) {
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

    pub(super) fn on_record_for_tick(&mut self, read: &Result<bool, SupervisorError>) {
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

    pub(super) fn on_given_up(&mut self, verb: Verb, given_up: &Result<bool, SupervisorError>) {
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

//! The state that `top` shows, as a fold of the messages of WatchEvents: a snapshot, then events. It is the same fold as
//! that of the dashboard. Nothing here reads a clock or calls the server; what an event does not tell is noted as stale,
//! for somebody to read it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rates::Rates;
use crate::proto::bookmark::Kind;
use crate::proto::event::{Detail, Type};
use crate::proto::job::State;
use crate::proto::snapshot_item::Item as Part;
use crate::proto::watch_events_response::Item;
use crate::proto::{Actor, ActorUsage, Event, Job, JobStateChange, ScriptTypeStatus, WatchEventsResponse};
use prost_types::Timestamp;

/// Ended jobs that are shown.
pub(super) const MOST_ENDED: usize = 200;

/// One job, as far as events tell of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LiveJob {
    pub(super) id: String,
    pub(super) script_type: i32,
    pub(super) state: State,
    pub(super) actor: String,
    pub(super) attempt: i32,
    /// Time since which it is in its state.
    pub(super) since: Option<Timestamp>,
    /// Message of its error; empty without one.
    pub(super) error: String,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Overview {
    /// True once the first snapshot is complete.
    pub(super) ready: bool,
    pub(super) actors: BTreeMap<String, Actor>,
    pub(super) types: BTreeMap<i32, ScriptTypeStatus>,
    /// The queues that were created by name, as they were read last.
    pub(super) named: Vec<ScriptTypeStatus>,
    /// Jobs that have not ended.
    pub(super) jobs: BTreeMap<String, LiveJob>,
    /// The jobs that ended last, the latest last.
    pub(super) ended: VecDeque<LiveJob>,
    /// The latest sample of each actor that has a process.
    pub(super) usage: BTreeMap<String, ActorUsage>,
    /// Actors that have to be read.
    pub(super) stale: BTreeSet<String>,
    pub(super) rates: BTreeMap<i32, Rates>,
    /// Cursor of the last message after the snapshot.
    pub(super) cursor: String,
    arriving: Option<Arriving>,
}

/// A snapshot that is not complete yet.
#[derive(Debug, Default)]
struct Arriving {
    actors: BTreeMap<String, Actor>,
    types: BTreeMap<i32, ScriptTypeStatus>,
    jobs: BTreeMap<String, LiveJob>,
}

/// Returns true for the states in which a job stays.
pub(super) fn has_ended(state: State) -> bool {
    match state {
        State::Succeeded | State::Failed | State::Cancelled => true,
        State::Unspecified
        | State::Scheduled
        | State::Blocked
        | State::Queued
        | State::Running
        | State::RetryWait => false,
    }
}

impl Overview {
    /// Folds one message into the state.
    pub(super) fn fold(&mut self, message: WatchEventsResponse) {
        match message.item {
            Some(Item::SnapshotItem(part)) => self.arrive(part.item),
            Some(Item::Bookmark(mark)) if mark.kind() == Kind::SnapshotEnd => {
                // A watch that goes on has no snapshot, and what is known stands.
                if let Some(Arriving { actors, types, jobs }) = self.arriving.take() {
                    (self.actors, self.types, self.jobs) = (actors, types, jobs);
                }
                self.ready = true;
            }
            Some(Item::Event(event)) => self.fold_event(&event),
            Some(Item::Usage(usage)) => self.usage = usage.actors,
            Some(Item::Bookmark(_)) | None => {}
        }
        if self.ready && !message.cursor.is_empty() {
            self.cursor = message.cursor;
        }
    }

    /// Forgets the part of a snapshot that broke off: it comes again as a whole.
    pub(super) fn lost(&mut self) {
        self.arriving = None;
    }

    /// Begins anew, with a snapshot: the events in between are no longer kept.
    pub(super) fn expired(&mut self) {
        self.lost();
        self.cursor.clear();
    }

    /// Puts an actor that was read into the state; one that is gone is removed.
    pub(super) fn put_actor(&mut self, id: &str, actor: Option<Actor>) {
        match actor {
            Some(actor) => drop(self.actors.insert(id.to_owned(), actor)),
            None => drop(self.actors.remove(id)),
        }
    }

    fn arrive(&mut self, part: Option<Part>) {
        let arriving = self.arriving.get_or_insert_default();
        match part {
            Some(Part::Actor(actor)) => drop(arriving.actors.insert(actor.actor_id.clone(), actor)),
            Some(Part::ScriptType(status)) => drop(arriving.types.insert(status.script_type, status)),
            Some(Part::Job(job)) => drop(arriving.jobs.insert(job.job_id.clone(), live(job))),
            // It asks for none.
            Some(Part::Queue(_)) | None => {}
        }
    }

    fn fold_event(&mut self, event: &Event) {
        match event.r#type() {
            Type::JobStateChanged => {
                if let Some(Detail::JobStateChange(change)) = &event.detail {
                    self.fold_job(event, change);
                }
            }
            Type::JobDeleted => {
                self.jobs.remove(&event.job_id);
                self.ended.retain(|job| job.id != event.job_id);
            }
            Type::QueuePaused | Type::QueueResumed | Type::ScalingDecided => self.fold_queue(event),
            Type::ActorDeleted => {
                self.actors.remove(&event.actor_id);
                self.stale.remove(&event.actor_id);
            }
            Type::ActorStateChanged | Type::HealthChanged => self.fold_actor(event),
            Type::ActorCreated | Type::ActorUpdated | Type::ActorExited | Type::ActorRestarted => {
                self.stale.insert(event.actor_id.clone());
            }
            Type::Unspecified
            | Type::PingSent
            | Type::PingOk
            | Type::PingFailed
            | Type::JobUpdated
            | Type::QueuePurged
            | Type::DependencyDown
            | Type::DependencyUp
            | Type::ServerStarted
            | Type::ServerDraining
            | Type::ServerReloaded
            | Type::ServerReloadFailed => {}
        }
    }

    fn fold_job(&mut self, event: &Event, change: &JobStateChange) {
        let before = self.jobs.remove(&event.job_id);
        let is_new = before.is_none() && change.old_state() == State::Unspecified;
        let state = change.new_state();
        let known_actor = before.as_ref().map(|job| job.actor.clone()).unwrap_or_default();
        let job = LiveJob {
            id: event.job_id.clone(),
            script_type: event.script_type,
            state,
            actor: if event.actor_id.is_empty() { known_actor } else { event.actor_id.clone() },
            attempt: change.attempt,
            since: event.time,
            error: change.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        };
        let rates = self.rates.entry(event.script_type).or_default();
        let second = event.time.map_or(0, |time| time.seconds);
        rates.note(second, is_new, has_ended(state));
        self.ended.retain(|ended| ended.id != job.id);
        if has_ended(state) {
            self.ended.push_back(job);
            if self.ended.len() > MOST_ENDED {
                self.ended.pop_front();
            }
        } else {
            self.jobs.insert(job.id.clone(), job);
        }
    }

    fn fold_actor(&mut self, event: &Event) {
        if let Some(actor) = self.actors.get_mut(&event.actor_id) {
            match &event.detail {
                Some(Detail::ActorStateChange(change)) => {
                    (actor.state, actor.desired_state) = (change.new_state, change.desired_state);
                    (actor.pid, actor.state_time) = (change.pid, event.time);
                    actor.status_message.clear();
                }
                Some(Detail::Health(change)) => {
                    actor.health = change.new_health;
                    actor.consecutive_ping_failures = change.consecutive_failures;
                    return;
                }
                Some(
                    Detail::ActorExit(_)
                    | Detail::Ping(_)
                    | Detail::JobStateChange(_)
                    | Detail::JobUpdate(_)
                    | Detail::ScalingDecision(_)
                    | Detail::Dependency(_)
                    | Detail::Reload(_),
                )
                | None => {}
            }
        }
        // When the process was started, and why it is so, is said by the actor alone.
        self.stale.insert(event.actor_id.clone());
    }

    fn fold_queue(&mut self, event: &Event) {
        let Some(status) = self.types.get_mut(&event.script_type) else { return };
        let reason = event.cause.as_ref().map(|cause| cause.reason.clone()).unwrap_or_default();
        match (event.r#type(), &event.detail) {
            (Type::QueuePaused, _) => (status.paused, status.pause_reason) = (true, reason),
            (Type::QueueResumed, _) => (status.paused, status.pause_reason) = (false, String::new()),
            (_, Some(Detail::ScalingDecision(decision))) => {
                status.desired_replicas = Some(decision.desired_replicas);
            }
            (_, _) => {}
        }
    }
}

fn live(job: Job) -> LiveJob {
    LiveJob {
        script_type: job.spec.as_ref().map_or(0, |spec| spec.script_type),
        state: job.state(),
        since: job.start_time.or(job.create_time),
        attempt: job.attempt,
        error: job.error.map(|error| error.message).unwrap_or_default(),
        actor: job.actor_id,
        id: job.job_id,
    }
}

#[cfg(test)]
mod tests;

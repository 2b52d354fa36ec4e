//! Unique keys: at most one job of a key at a time in its queue.

use std::time::Duration;

use tokio::time::Instant;

use super::{Lane, State, entry_of};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{
    Conflict, Job, JobSpec, JobState, KeyHolder, Reservation, Unique, decide_conflict,
};
use crate::domain::model::queue_name::QueueName;
use crate::ports::clock::Clock;
use crate::ports::work_queue::Lease;

/// A time that does not come.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The last job that has taken a key, and the one that waits for its end.
#[derive(Debug, Clone)]
pub(super) struct Key {
    holder: JobId,
    next: Option<JobId>,
}

/// A job that was cancelled while an actor had it, and whose script may run until the actor has heard of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopping {
    entry: u64,
    until: Instant,
}

impl Stopping {
    pub(super) fn until(self) -> Instant {
        self.until
    }
}

impl State {
    /// Returns the jobs of a key: the one that holds it, and the one that waits for its end.
    pub(in crate::adapters::memory) fn holders(&self, name: QueueName, key: &str) -> Vec<JobId> {
        let found = self.reservation(name, key);
        found.map(|found| std::iter::once(found.holder).chain(found.next).collect()).unwrap_or_default()
    }

    fn reservation(&self, name: QueueName, key: &str) -> Option<Reservation> {
        let Key { mut holder, next } = self.keys.get(&(name, key.to_owned()))?.clone();
        let unfinished = |id: &JobId| self.jobs.get(id).is_some_and(|job| !job.state.is_terminal());
        let mut next = next.filter(unfinished);
        if let Some(heir) = next.take_if(|_next| !unfinished(&holder)) {
            holder = heir;
        }
        let state = self.key_state(self.jobs.get(&holder)?)?;
        Some(Reservation { holder, state, next })
    }

    fn key_state(&self, job: &Job) -> Option<KeyHolder> {
        let unique = job.spec.unique.as_ref()?;
        match job.state {
            JobState::Blocked | JobState::Scheduled | JobState::Queued | JobState::RetryWait => {
                Some(KeyHolder::Waits)
            }
            JobState::Running => Some(KeyHolder::Begun { held_while: unique.held_while }),
            JobState::Succeeded | JobState::Failed | JobState::Cancelled if self.stops(&job.id).is_some() => {
                Some(KeyHolder::Stopping)
            }
            JobState::Succeeded | JobState::Failed => {
                let since = self.clock.now().duration_since(job.finished_at?).unwrap_or_default();
                (since < unique.held_after_end).then_some(KeyHolder::Ended)
            }
            JobState::Cancelled => None,
        }
    }

    /// Returns the time until which the actor of a cancelled job may run its script.
    fn stops(&self, id: &JobId) -> Option<Instant> {
        self.stopping.get(id).map(|stopping| stopping.until).filter(|until| *until > Instant::now())
    }

    /// Decides about a new job; None for one without a key.
    pub(in crate::adapters::memory) fn conflict(&self, spec: &JobSpec) -> Option<Conflict> {
        let unique = spec.unique.as_ref()?;
        let held = self.reservation(spec.queue(), &unique.text());
        Some(decide_conflict(unique, spec.retry_of.as_ref(), held.as_ref()))
    }

    /// Cancels the jobs that a new one replaces, and gives it its key; answers with the job for whose end it waits.
    pub(in crate::adapters::memory) fn take_key(
        &mut self,
        id: &JobId,
        spec: &JobSpec,
        conflict: Conflict,
    ) -> Option<JobId> {
        let (Some(unique), Conflict::Accepted { replaces, cancels, behind }) = (&spec.unique, conflict)
        else {
            return None;
        };
        let inherited = replaces.last().and_then(|old| self.jobs.get(old)?.blocked_by.clone());
        for old in replaces.iter().chain(&cancels) {
            self.cancel(old, &format!("replaced by job {id}, which has the same unique key"));
        }
        let waits = |holder: &JobId| {
            self.jobs.get(holder).is_some_and(|job| !job.state.is_terminal() || self.stops(holder).is_some())
        };
        let behind = behind.or(inherited).filter(waits);
        let (holder, next) = match &behind {
            Some(holder) => (holder.clone(), Some(id.clone())),
            None => (id.clone(), None),
        };
        self.keys.insert((spec.queue(), unique.text()), Key { holder, next });
        behind
    }

    /// Makes an accepted job wait for the end of another one.
    pub(super) fn block(&mut self, id: &JobId, behind: &JobId) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let old = Some(job.state).filter(|state| state.is_terminal());
        *job = job.clone().blocked_by(behind.clone());
        let (name, lane) = (job.spec.queue(), lane_of(job));
        let at = self.stops(behind).unwrap_or_else(|| Instant::now() + NEVER);
        self.queue(name).delayed.insert(id.clone(), (at, lane));
        self.emit_state(id, old);
    }

    /// Notes that a job is cancelled while an actor has this entry of it.
    pub(super) fn note_stopping(&mut self, id: &JobId, entry: u64) {
        if self.stops_slowly(id) {
            let until = Instant::now() + self.config.lease;
            self.stopping.insert(id.clone(), Stopping { entry, until });
        }
    }

    /// Takes its key from a job that has ended.
    pub(super) fn leave_key(&mut self, id: &JobId) {
        let Some((name, unique)) = self.key_of(id) else { return };
        let key = (name, unique.text());
        let Some(held) = self.keys.get_mut(&key) else { return };
        if held.next.as_ref() == Some(id) {
            held.next = None;
        } else if held.holder == *id {
            match (held.next.clone(), self.stops(id)) {
                (Some(next), Some(until)) => {
                    if let Some((at, _lane)) = self.queue(name).delayed.get_mut(&next) {
                        *at = until;
                    }
                }
                (Some(next), None) => self.release_blocked(&next),
                (None, _until) => {
                    if self.reservation(name, &key.1).is_none() {
                        self.keys.remove(&key);
                    }
                }
            }
        }
    }

    fn key_of(&self, id: &JobId) -> Option<(QueueName, Unique)> {
        let spec = &self.jobs.get(id)?.spec;
        Some((spec.queue(), Unique::clone(spec.unique.as_ref()?)))
    }

    /// Lets a blocked job go on.
    pub(super) fn release_blocked(&mut self, id: &JobId) {
        let Some((name, unique)) = self.key_of(id) else { return };
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.state == JobState::Blocked) else { return };
        job.blocked_by = None;
        let (lane, due) = (lane_of(job), job.spec.run_at.filter(|due| *due > now));
        if let Some(due) = due {
            (job.state, job.due_at) = (JobState::Scheduled, Some(due));
        }
        self.keys.insert((name, unique.text()), Key { holder: id.clone(), next: None });
        self.queue(name).delayed.remove(id);
        match due {
            Some(due) => {
                let at = Instant::now() + due.duration_since(now).unwrap_or_default();
                self.queue(name).delayed.insert(id.clone(), (at, lane));
                self.emit_state(id, Some(JobState::Blocked));
            }
            None => self.enqueue(id, lane, None),
        }
    }

    /// Notes that an actor does not run a job any more that was cancelled while it had it.
    pub(in crate::adapters::memory) fn let_go(&mut self, lease: &Lease) {
        let id = &lease.job_id;
        let entry = entry_of(lease);
        if self.stopping.get(id).is_none_or(|stopping| Some(stopping.entry) != entry) {
            return;
        }
        self.stopping.remove(id);
        match self.jobs.get(id).map(|job| job.state) {
            Some(JobState::Blocked) => self.release_blocked(id),
            Some(_) => self.leave_key(id),
            None => {}
        }
    }

    /// Returns the job that keeps an ended one from being tried again by holding its key.
    pub(super) fn key_holder_before_retry(&self, id: &JobId) -> Option<(JobId, JobState)> {
        let (name, unique) = self.key_of(id)?;
        let held = self.reservation(name, &unique.text()).filter(|held| held.holder != *id)?;
        let state = match held.state {
            KeyHolder::Stopping => JobState::Running,
            KeyHolder::Waits | KeyHolder::Begun { .. } | KeyHolder::Ended => {
                self.jobs.get(&held.holder)?.state
            }
        };
        Some((held.holder, state))
    }

    /// Gives its key to a job that is tried again; true if it has to wait until its actor has stopped it.
    pub(super) fn retake_key(&mut self, id: &JobId) -> bool {
        let Some((name, unique)) = self.key_of(id) else { return false };
        self.keys.insert((name, unique.text()), Key { holder: id.clone(), next: None });
        self.stops(id).is_some()
    }
}

fn lane_of(job: &Job) -> Lane {
    match &job.spec.target_actor {
        Some(actor) => Lane::Inbox(actor.clone()),
        None => Lane::Queue,
    }
}

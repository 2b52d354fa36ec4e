//! Jobs from the supervisor's side: accept, await, cancel, delete, retry.

use std::time::SystemTime;

use tokio::time::Instant;

use super::{Lane, REQUEST_WINDOW, State, Waiting, finished, lease, remember};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{
    DEFAULT_AGEING, IdentityQuota, Job, JobKind, JobState, Outcome, Priority, UnfinishedJobs,
};
use crate::ports::clock::Clock;
use crate::ports::job_queue::{Reprioritized, Retried};
use crate::ports::job_submission::Completion;
use crate::ports::work_queue::Work;

impl State {
    pub(in crate::adapters::memory) fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    pub(in crate::adapters::memory) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().filter(|job| job.spec.kind == JobKind::Script)
    }

    /// Counts the unfinished jobs of an identity.
    pub(in crate::adapters::memory) fn unfinished_of(&self, identity: &str) -> UnfinishedJobs {
        let mut jobs = UnfinishedJobs::default();
        for job in self.jobs().filter(|job| job.spec.submitted_by.as_deref() == Some(identity)) {
            match job.state {
                JobState::Running => jobs.running += 1,
                JobState::Blocked | JobState::Scheduled | JobState::Queued | JobState::RetryWait => {
                    jobs.queued += 1;
                }
                JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
            }
        }
        jobs
    }

    /// The job that a request made before, with its fingerprint and time.
    pub(in crate::adapters::memory) fn request(&self, id: &str) -> Option<(&str, &JobId, SystemTime)> {
        let (fingerprint, job_id, at, begun) = self.requests.get(id)?;
        (begun.elapsed() < REQUEST_WINDOW).then_some((fingerprint, job_id, *at))
    }

    /// Returns true for a request that was answered with a job that was there before.
    pub(in crate::adapters::memory) fn was_answered(&self, id: &str) -> bool {
        self.answered.contains(id)
    }

    pub(in crate::adapters::memory) fn note_answered(&mut self, id: String, fingerprint: String, job: JobId) {
        self.answered.insert(id.clone());
        self.note_request(id, fingerprint, job);
    }

    pub(in crate::adapters::memory) fn note_request(&mut self, id: String, fingerprint: String, job: JobId) {
        self.requests.insert(id, (fingerprint, job, self.clock.now(), Instant::now()));
    }

    /// Accepts a job, which perhaps waits for the end of `behind`.
    pub(in crate::adapters::memory) fn accept(&mut self, job: Job, behind: Option<&JobId>) {
        let (id, name) = (job.id.clone(), job.spec.queue());
        self.queue(name).submitted += u64::from(job.spec.kind == JobKind::Script);
        let lane = match &job.spec.target_actor {
            Some(actor) => Lane::Inbox(actor.clone()),
            None => Lane::Queue,
        };
        let due = job.due_at.map(|due| due.duration_since(self.clock.now()).unwrap_or_default());
        self.jobs.insert(id.clone(), job);
        if let Some(behind) = behind {
            return self.block(&id, behind);
        }
        match due {
            Some(delay) => {
                self.emit_state(&id, None);
                self.queue(name).delayed.insert(id, (Instant::now() + delay, lane));
            }
            None => self.enqueue(&id, lane, None),
        }
    }

    pub(in crate::adapters::memory) fn completion(&mut self, id: &JobId) -> Option<Completion> {
        if self.jobs.get(id)?.state.is_terminal() {
            return None;
        }
        let (sender, completion) = Completion::pair();
        let waiters = self.waiters.entry(id.clone()).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(sender);
        Some(completion)
    }

    pub(in crate::adapters::memory) fn cancel(&mut self, id: &JobId, reason: &str) {
        let Some(job) = self.jobs.get(id) else { return };
        let finished = finished(job, Outcome::Cancelled(reason.to_owned()), self.clock.now());
        let queue = self.queue(job.spec.queue());
        queue.delayed.remove(id);
        queue.waiting.retain(|_place, waiting| waiting.job_id != *id);
        let held = queue.held.iter().find(|(_entry, held)| held.job_id == *id).map(|(entry, _held)| *entry);
        if let Some(held) = held.and_then(|entry| queue.held.remove(&entry).map(|held| (entry, held))) {
            let (entry, held) = held;
            let message = Work::Cancelled { lease: lease(entry, id) };
            queue.messages.entry(held.holder).or_default().push_back(message);
            self.note_stopping(id, entry);
        }
        self.finish_job(id, finished);
    }

    pub(in crate::adapters::memory) fn delete(&mut self, id: &JobId) {
        self.emit_deleted(id);
        self.jobs.remove(id);
        self.outputs.remove(id);
        self.waiters.remove(id);
    }

    /// Gives a job that waits another priority.
    pub(in crate::adapters::memory) fn reprioritize(
        &mut self,
        id: &JobId,
        priority: Priority,
    ) -> Reprioritized {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.spec.kind == JobKind::Script) else {
            return Reprioritized::Unknown;
        };
        if job.state == JobState::Running || job.state.is_terminal() {
            return Reprioritized::NotWaiting(job.state);
        }
        let (old, name) = (job.spec.priority, job.spec.queue());
        job.spec.priority = priority;
        let job = Box::new(job.clone());
        if old == priority {
            return Reprioritized::Done { job, changed: false };
        }
        let queue = self.queue(name);
        let ageing = queue.ageing.unwrap_or(DEFAULT_AGEING);
        let mut places = queue.waiting.iter();
        let place = places.find(|((lane, ..), waiting)| waiting.job_id == *id && *lane == Lane::Queue);
        if let Some(place) = place.map(|(place, _waiting)| place.clone())
            && let Some(waiting) = queue.waiting.remove(&place)
        {
            let (lane, order, entry) = place;
            let shift = priority.shift(ageing);
            queue.waiting.insert((lane, order - waiting.shift + shift, entry), Waiting { shift, ..waiting });
        }
        self.emit_updated(id, old, priority);
        Reprioritized::Done { job, changed: true }
    }

    /// Returns why a job cannot be retried by the identity that has this quota.
    fn retry_refusal(&self, id: &JobId, quota: Option<&IdentityQuota>) -> Option<Retried> {
        let Some(job) = self.jobs.get(id) else { return Some(Retried::Unknown) };
        if job.spec.kind == JobKind::Ping || !matches!(job.state, JobState::Failed | JobState::Cancelled) {
            return Some(Retried::NotPossible(job.state));
        }
        if let Some((holder, state)) = self.key_holder_before_retry(id) {
            return Some(Retried::KeyHeld { holder, state });
        }
        let own = quota.filter(|own| job.spec.submitted_by.as_ref() == Some(&own.identity))?;
        own.quota.check(self.unfinished_of(&own.identity)).err().map(Retried::QuotaReached)
    }

    pub(in crate::adapters::memory) fn retry(
        &mut self,
        id: &JobId,
        reset_attempts: bool,
        quota: Option<&IdentityQuota>,
    ) -> Retried {
        if let Some(refused) = self.retry_refusal(id, quota) {
            return refused;
        }
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(id) else { return Retried::Unknown };
        if !reset_attempts && job.attempt > 0 {
            let (left, error) = (job.state, job.error.take());
            remember(job, left, error.as_ref(), job.finished_at.unwrap_or(now));
        }
        job.result = None;
        job.error = None;
        job.cancel_reason = None;
        job.finished_at = None;
        job.started_at = None;
        job.usage = None;
        if reset_attempts {
            job.attempt = 0;
            job.past_attempts.clear();
            // Attempts count anew, and what is said in them, too.
            job.progress = None;
            self.outputs.remove(id);
        } else {
            job.spec.retry.max_attempts = job.spec.retry.max_attempts.max(job.attempt + 1);
        }
        let lane = match &job.spec.target_actor {
            Some(actor) => Lane::Inbox(actor.clone()),
            None => Lane::Queue,
        };
        self.ended.retain(|(ended, _expires)| ended != id);
        if self.retake_key(id) {
            self.block(id, id);
        } else {
            self.enqueue(id, lane, None);
        }
        match self.jobs.get(id) {
            Some(job) => Retried::Queued(Box::new(job.clone())),
            None => Retried::Unknown,
        }
    }
}

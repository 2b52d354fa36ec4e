//! A queue as a whole: how it is, pause, purge; and one more try for a job.

use super::{Lane, State, remember};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{JobKind, JobState};
use crate::domain::model::script_type::ScriptType;
use crate::ports::clock::Clock;
use crate::ports::job_queue::Retried;
use crate::ports::queue_admin::{Paused, QueueDepth, QueueState};

impl State {
    pub(in crate::adapters::memory) fn state_of(&self, script_type: ScriptType) -> QueueState {
        let now = self.clock.now();
        let age =
            |job: &crate::domain::model::job::Job| now.duration_since(job.created_at).unwrap_or_default();
        let of_type = |job: &&crate::domain::model::job::Job| {
            job.spec.script_type == script_type && job.spec.kind == JobKind::Script
        };
        let waits = self.jobs.values().filter(of_type).filter(|job| job.state == JobState::Queued);
        let queue = &self.queues[script_type];
        let is_absent = |actor: &ActorId| !queue.presences.contains_key(actor);
        let is_for_absent =
            |job: &&crate::domain::model::job::Job| job.spec.target_actor.as_ref().is_some_and(is_absent);
        QueueState {
            depth: QueueDepth {
                queued: self.queued(script_type),
                running: self.running(script_type),
                delayed: self.delayed(script_type),
            },
            oldest_age: waits.clone().map(age).max(),
            oldest_common_age: waits.clone().filter(|job| job.spec.target_actor.is_none()).map(age).max(),
            queued_for_absent: u64::try_from(waits.filter(is_for_absent).count()).unwrap_or(u64::MAX),
            paused: queue.paused.clone(),
            submitted: queue.submitted,
            finished: queue.finished,
            malformed: 0,
            damaged: 0,
        }
    }

    /// True when that changed anything.
    pub(in crate::adapters::memory) fn set_paused(
        &mut self,
        script_type: ScriptType,
        reason: Option<&str>,
    ) -> bool {
        let since = self.clock.now();
        let queue = self.queue(script_type);
        let changed = queue.paused.is_some() != reason.is_some();
        if changed {
            queue.paused = reason.map(|reason| Paused { since, reason: reason.to_owned() });
        }
        changed
    }

    /// Jobs in these states that nobody has in hand.
    pub(in crate::adapters::memory) fn jobs_waiting_in(
        &self,
        script_type: ScriptType,
        states: &[JobState],
    ) -> Vec<JobId> {
        let wanted = |job: &&crate::domain::model::job::Job| {
            job.spec.script_type == script_type && states.contains(&job.state)
        };
        let mut jobs: Vec<_> = self.jobs().filter(wanted).collect();
        jobs.sort_by_key(|job| (job.created_at, job.id.clone()));
        jobs.into_iter().map(|job| job.id.clone()).collect()
    }

    pub(in crate::adapters::memory) fn retry(&mut self, id: &JobId, reset_attempts: bool) -> Retried {
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(id) else { return Retried::Unknown };
        if job.spec.kind == JobKind::Ping || !matches!(job.state, JobState::Failed | JobState::Cancelled) {
            return Retried::NotPossible(job.state);
        }
        if !reset_attempts && job.attempt > 0 {
            let (left, error) = (job.state, job.error.take());
            remember(job, left, error.as_ref(), job.finished_at.unwrap_or(now));
        }
        job.result = None;
        job.error = None;
        job.cancel_reason = None;
        job.finished_at = None;
        job.started_at = None;
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
        self.enqueue(id, lane, None);
        match self.jobs.get(id) {
            Some(job) => Retried::Queued(Box::new(job.clone())),
            None => Retried::Unknown,
        }
    }
}

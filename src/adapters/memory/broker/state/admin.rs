//! A queue as a whole: its depth, its state, its pause.

use std::time::Duration;

use super::State;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Job, JobKind, JobState};
use crate::domain::model::queue_name::QueueName;
use crate::ports::clock::Clock;
use crate::ports::queue_admin::{EndCount, Paused, QueueDepth, QueueState};

impl State {
    pub(in crate::adapters::memory) fn queued(&self, name: QueueName) -> u64 {
        self.look_at(name).waiting.values().filter(|waiting| waiting.counted).count() as u64
    }

    pub(in crate::adapters::memory) fn running(&self, name: QueueName) -> u64 {
        self.look_at(name).held.values().filter(|held| held.counted).count() as u64
    }

    pub(in crate::adapters::memory) fn delayed(&self, name: QueueName) -> u64 {
        self.look_at(name).delayed.len() as u64
    }

    /// Jobs that may wait, where that is set.
    pub(in crate::adapters::memory) fn limit(&self, name: QueueName) -> Option<u64> {
        self.look_at(name).limit
    }

    pub(in crate::adapters::memory) fn set_limit(&mut self, name: QueueName, limit: Option<u64>) {
        self.queue(name).limit = limit;
    }

    pub(in crate::adapters::memory) fn set_ageing(&mut self, name: QueueName, ageing: Duration) {
        self.queue(name).ageing = Some(ageing);
    }

    pub(in crate::adapters::memory) fn state_of(&self, name: QueueName) -> QueueState {
        let now = self.clock.now();
        let age = |job: &Job| now.duration_since(job.created_at).unwrap_or_default();
        let of_type = |job: &&Job| job.spec.queue() == name && job.spec.kind == JobKind::Script;
        let waits = self.jobs.values().filter(of_type).filter(|job| job.state == JobState::Queued);
        let queue = self.look_at(name);
        let is_absent = |actor: &ActorId| !queue.presences.contains_key(actor);
        let is_for_absent = |job: &&Job| job.spec.target_actor.as_ref().is_some_and(is_absent);
        QueueState {
            depth: QueueDepth {
                queued: self.queued(name),
                running: self.running(name),
                delayed: self.delayed(name),
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

    pub(in crate::adapters::memory) fn ends_of(&self, name: QueueName) -> Vec<EndCount> {
        let ends = self.look_at(name).ends.iter();
        ends.map(|(&(state, error_kind), &jobs)| EndCount { state, error_kind, jobs }).collect()
    }

    /// Pauses the queue for a reason and on behalf of an identity, or resumes it; false when it was so already.
    pub(in crate::adapters::memory) fn set_paused(
        &mut self,
        name: QueueName,
        pause: Option<(&str, Option<&str>)>,
    ) -> bool {
        let since = self.clock.now();
        let queue = self.queue(name);
        let changed = queue.paused.is_some() != pause.is_some();
        if changed {
            queue.paused = pause.map(|(reason, by)| Paused {
                since,
                reason: reason.to_owned(),
                by: by.map(str::to_owned),
            });
        }
        changed
    }

    /// The jobs in these states that no actor has.
    pub(in crate::adapters::memory) fn jobs_waiting_in(
        &self,
        name: QueueName,
        states: &[JobState],
    ) -> Vec<JobId> {
        let wanted = |job: &&Job| job.spec.queue() == name && states.contains(&job.state);
        let mut jobs: Vec<_> = self.jobs().filter(wanted).collect();
        jobs.sort_by_key(|job| (job.created_at, job.id.clone()));
        jobs.into_iter().map(|job| job.id.clone()).collect()
    }
}

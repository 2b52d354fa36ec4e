//! Leases from the actor's side: announce, take, renew, finish, release.

use std::time::SystemTime;

use tokio::time::Instant;

use super::{FREE_ATTEMPTS, Holder, InFlight, State, Waiting, entry_of, finished, front_of, lease, remember};
use crate::domain::model::job::{JobError, JobErrorKind, JobResult, JobState, MAX_RESULT_BYTES, Outcome};
use crate::domain::model::queue_name::QueueName;
use crate::ports::actor_presence::Presence;
use crate::ports::clock::Clock;
use crate::ports::work_queue::{AttemptEnd, AttemptError, Lease, Retryability, TakenJob, Work};

/// Makes the end of an attempt whose result is longer than allowed.
fn too_long(result: &JobResult) -> AttemptError {
    let bytes = result.text.len();
    let message = format!("the result has {bytes} bytes, more than the {MAX_RESULT_BYTES} that are allowed");
    AttemptError { error: JobError::new(JobErrorKind::LimitExceeded, message), retry: Retryability::Final }
}

impl State {
    pub(in crate::adapters::memory) fn announce(&mut self, name: QueueName, holder: &Holder, draining: bool) {
        let heartbeat_at = self.clock.now();
        let queue = self.queue(name);
        let last_job_at = queue.presences.get(&holder.actor_id).and_then(|presence| presence.last_job_at);
        let presence = Presence {
            actor_id: holder.actor_id.clone(),
            pid: holder.pid,
            draining,
            in_flight: 0,
            heartbeat_at,
            last_job_at,
            pending_ends: 0,
            refused_ends: 0,
        };
        queue.presences.insert(holder.actor_id.clone(), presence);
    }

    pub(in crate::adapters::memory) fn leave(&mut self, name: QueueName, holder: &Holder) {
        let queue = self.queue(name);
        if queue.presences.get(&holder.actor_id).is_some_and(|presence| presence.pid == holder.pid) {
            queue.presences.remove(&holder.actor_id);
        }
    }

    /// Takes messages, and up to `max` jobs: pinned ones first.
    pub(in crate::adapters::memory) fn take(
        &mut self,
        name: QueueName,
        holder: &Holder,
        max: usize,
    ) -> Vec<Work> {
        let until = Instant::now() + self.config.lease;
        let queue = self.queue(name);
        let mut work: Vec<Work> =
            queue.messages.get_mut(holder).map(|messages| messages.drain(..).collect()).unwrap_or_default();
        let max = if queue.paused.is_some() { 0 } else { max };
        for _job in 0..max {
            let Some(place) = self.next_place(name, &holder.actor_id) else { break };
            let queue = self.queue(name);
            let Some(waiting) = queue.waiting.remove(&place) else { continue };
            let (lane, order, entry) = place;
            let Waiting { job_id: id, expires, counted, shift } = waiting;
            let job_id = id.clone();
            let (by, begun) = (holder.clone(), false);
            let held = InFlight { job_id, lane, order, holder: by, until, expires, counted, shift, begun };
            queue.held.insert(entry, held);
            self.charge_flow(name, &id);
            if counted {
                self.note_activity(name, holder);
            }
            let now = self.clock.now();
            if let Some(job) = self.jobs.get_mut(&id) {
                job.state = JobState::Running;
                job.attempt += 1;
                job.actor_id = Some(holder.actor_id.clone());
                job.started_at = Some(now);
                let taken =
                    TakenJob { lease: lease(entry, &id), spec: job.spec.clone(), attempt: job.attempt };
                work.push(Work::Job(Box::new(taken)));
                self.emit_state(&id, Some(JobState::Queued));
            }
        }
        work
    }

    /// Finds the jobs that this process holds without knowing them.
    pub(in crate::adapters::memory) fn recover(
        &self,
        name: QueueName,
        holder: &Holder,
        known: &[Lease],
    ) -> Vec<Work> {
        let queue = self.look_at(name);
        let held = queue.held.iter().filter(|(_, held)| held.holder == *holder);
        held.filter_map(|(entry, held)| {
            let lease = lease(*entry, &held.job_id);
            let job = self.jobs.get(&held.job_id).filter(|_job| !known.contains(&lease))?;
            Some(Work::Job(Box::new(TakenJob { lease, spec: job.spec.clone(), attempt: job.attempt })))
        })
        .collect()
    }

    /// Renews the leases that stand; returns the void ones.
    pub(in crate::adapters::memory) fn renew_leases(
        &mut self,
        name: QueueName,
        holder: &Holder,
        leases: &[Lease],
    ) -> Vec<Lease> {
        let until = Instant::now() + self.config.lease;
        let queue = self.queue(name);
        let mut void = Vec::new();
        for lease in leases {
            let held = entry_of(lease).and_then(|entry| queue.held.get_mut(&entry));
            match held.filter(|held| held.holder == *holder) {
                Some(held) => held.until = until,
                None => void.push(lease.clone()),
            }
        }
        void
    }

    pub(in crate::adapters::memory) fn note_start(&mut self, lease: &Lease, at: SystemTime) {
        if let Some(job) = self.jobs.get_mut(&lease.job_id) {
            job.started_at = Some(at);
            let name = job.spec.queue();
            let held = entry_of(lease).and_then(|entry| self.queue(name).held.get_mut(&entry));
            if let Some(held) = held {
                held.begun = true;
            }
        }
    }

    pub(in crate::adapters::memory) fn finish(
        &mut self,
        name: QueueName,
        holder: &Holder,
        end: AttemptEnd,
    ) -> bool {
        let Some(entry) = entry_of(&end.lease) else { return false };
        let Some(held) = self.queue(name).held.remove(&entry) else {
            self.let_go(&end.lease);
            return false;
        };
        if held.counted {
            self.note_activity(name, holder);
        }
        self.keep_output(&held.job_id, &end.output);
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(&held.job_id) else { return false };
        job.started_at = Some(end.started_at);
        job.usage = end.usage;
        let failed = match end.outcome {
            Ok(result) if result.text.len() > MAX_RESULT_BYTES => too_long(&result),
            Ok(result) => {
                let finished = finished(job, Outcome::Succeeded(result), now);
                self.finish_job(&held.job_id, finished);
                return true;
            }
            Err(failed) => failed,
        };
        let free = failed.retry == Retryability::NotStarted && {
            let released = self.free_attempts.entry(held.job_id.clone()).or_default();
            *released += 1;
            *released <= FREE_ATTEMPTS
        };
        if free || (failed.retry != Retryability::Final && job.attempt < job.spec.retry.max_attempts) {
            let delay = job.spec.retry.backoff.delay(job.attempt, 1.0);
            if free {
                job.attempt = job.attempt.saturating_sub(1);
                job.usage = None;
            } else {
                remember(job, JobState::RetryWait, Some(&failed.error), now);
            }
            job.state = JobState::RetryWait;
            job.error = Some(failed.error);
            job.due_at = Some(now + delay);
            let due = (Instant::now() + delay, front_of(held.lane));
            self.emit_state(&held.job_id, Some(JobState::Running));
            self.queue(name).delayed.insert(held.job_id, due);
        } else {
            self.fail_job(&held.job_id, failed.error);
        }
        true
    }

    /// Puts untouched jobs back to where they were.
    pub(in crate::adapters::memory) fn release(&mut self, name: QueueName, leases: &[Lease]) {
        let mut entries: Vec<u64> = leases.iter().filter_map(entry_of).collect();
        entries.sort_unstable();
        for entry in entries {
            let Some(held) = self.queue(name).held.remove(&entry) else { continue };
            if let Some(job) = self.jobs.get_mut(&held.job_id) {
                job.attempt = job.attempt.saturating_sub(1);
                job.started_at = None;
            }
            self.refund_flow(name, &held);
            self.enqueue(&held.job_id, held.lane.clone(), Some(&held));
        }
    }
}

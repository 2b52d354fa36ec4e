//! Periodic housekeeping: due jobs, leases, queue timeouts, retention.

use tokio::time::Instant;

use super::{Lane, State};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{JobError, JobErrorKind, JobState};
use crate::domain::model::queue_name::QueueName;
use crate::ports::actor_presence::Reclaimed;

impl State {
    pub(in crate::adapters::memory) fn maintain(&mut self) {
        let now = Instant::now();
        self.stopping.retain(|_id, stopping| stopping.until() > now);
        let names: Vec<QueueName> = self.queues.keys().copied().collect();
        for name in names {
            self.promote_due(name, now);
            self.expire_leases(name, now);
            self.fail_overdue(name, now);
        }
        self.remove_ended(now);
    }

    /// Queues the delayed jobs whose time has come.
    fn promote_due(&mut self, name: QueueName, now: Instant) {
        let delayed = self.queue(name).delayed.iter();
        let due: Vec<(JobId, Lane)> = delayed
            .filter(|(_id, (at, _lane))| *at <= now)
            .map(|(id, (_at, lane))| (id.clone(), lane.clone()))
            .collect();
        for (id, lane) in due {
            self.queue(name).delayed.remove(&id);
            match self.jobs.get(&id).map(|job| job.state) {
                Some(JobState::Blocked) => self.release_blocked(&id),
                _other => self.enqueue(&id, lane, None),
            }
        }
    }

    /// Reclaims the jobs whose lease has expired.
    fn expire_leases(&mut self, name: QueueName, now: Instant) {
        let held = self.queue(name).held.iter();
        let expired: Vec<(u64, ActorId)> = held
            .filter(|(_entry, held)| held.until <= now)
            .map(|(entry, held)| (*entry, held.holder.actor_id.clone()))
            .collect();
        for (entry, actor) in expired {
            let message = format!("the lease of actor {actor} expired: it gave no sign of life");
            let error = JobError::new(JobErrorKind::ActorLost, message);
            self.reclaim_entry(name, entry, &error, &mut Reclaimed::default());
        }
    }

    /// Fails the jobs that wait for their first attempt beyond their queue timeout.
    fn fail_overdue(&mut self, name: QueueName, now: Instant) {
        let mut overdue = Vec::new();
        self.queue(name).waiting.retain(|_place, waiting| {
            let late = waiting.expires.is_some_and(|expires| expires <= now);
            if late {
                overdue.push(waiting.job_id.clone());
            }
            !late
        });
        for id in overdue {
            let message = "no actor took the job within its queue timeout";
            self.fail_job(&id, JobError::new(JobErrorKind::QueueTimeout, message));
        }
    }

    /// Removes ended jobs that are too old or too many.
    fn remove_ended(&mut self, now: Instant) {
        let (jobs, outputs) = (&mut self.jobs, &mut self.outputs);
        self.ended.retain(|(id, expires)| {
            let keep = *expires > now;
            if !keep {
                jobs.remove(id);
                outputs.remove(id);
            }
            keep
        });
        while self.ended.len() > self.config.finished_limit {
            if let Some((id, _expires)) = self.ended.pop_front() {
                jobs.remove(&id);
                outputs.remove(&id);
            }
        }
    }
}

//! The way of a job from the queue, through the jobs that wait here, into a host.

use std::collections::HashSet;

use tokio::time::Instant;

use super::output::JobOutput;
use super::slot::{SentJob, Slot};
use super::{HeldJob, WorkerLoop};
use crate::actor::engines::failed;
use crate::actor::hosts::{HostEvent, HostTag, Launcher, Reply, Report};
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::ports::work_queue::{AttemptEnd, Lease, TakenJob, Work};

impl<L: Launcher> WorkerLoop<L> {
    /// Takes work that the queue has given. `good_at` is the time at which the queue was asked.
    pub(super) fn on_work(&mut self, work: Vec<Work>, good_at: Instant) {
        for work in work {
            match work {
                Work::Job(job) => {
                    // It may have waited for long, here or on its way.
                    let renew_by = (good_at + self.heartbeat_interval()).max(self.retry_at);
                    self.heartbeat.set_no_later_than(renew_by);
                    let (heartbeats_sent, output) = (self.heartbeats_sent, JobOutput::default());
                    self.waiting.push_back(HeldJob {
                        job,
                        good_at,
                        heartbeats_sent,
                        reported: None,
                        void: false,
                        output,
                    });
                }
                Work::Drain { resume_after } => self.drain(resume_after),
                Work::Cancelled { lease } => self.on_void(&lease, "its job was cancelled"),
            }
        }
    }

    /// Takes the work that the queue believes to be in flight. A job that has run here is not run again: the queue has lost
    /// its end, and is told that the end is unknown.
    pub(super) fn on_recovered(&mut self, mut work: Vec<Work>, good_at: Instant) {
        let known: HashSet<Lease> = self.known_leases().into_iter().collect();
        let mut lost = Vec::new();
        work.retain(|work| match work {
            Work::Job(job) if known.contains(&job.lease) => false,
            Work::Job(job) if self.executed.contains(&job.lease) => {
                lost.push(job.clone());
                false
            }
            Work::Job(_) | Work::Drain { .. } | Work::Cancelled { .. } => true,
        });
        lost.into_iter().for_each(|job| self.end_unknown(*job));
        self.on_work(work, good_at);
        // Some of it may have been taken before what has come since.
        self.waiting.make_contiguous().sort_by(|a, b| a.job.lease.token.cmp(&b.job.lease.token));
    }

    fn end_unknown(&mut self, job: TakenJob) {
        let lease = job.lease;
        tracing::error!(job.id = %lease.job_id, "job {}: the queue has lost its end (not run again)", lease.job_id);
        let why = "the script has run on this actor, and the queue has lost how it ended";
        let outcome = Err(failed(JobError::new(JobErrorKind::ActorLost, why)));
        self.pending.push(
            AttemptEnd { lease, started_at: self.clock.now(), outcome, usage: None, output: Vec::new() },
            self.now,
        );
    }

    /// Writes waiting jobs to hosts, the oldest first, each to the host with the fewest. One whose lease may be over is
    /// not started, nor is any behind it, before the queue has said that it is not.
    pub(super) fn dispatch(&mut self) {
        self.fail_without_engine();
        if self.is_draining() {
            return;
        }
        let ahead = self.run_times.together(&self.config.ahead, 1);
        let (now, slow_after) = (self.now, self.config.slow_after);
        let (trust, lease_trust) = (self.start_trust(), self.lease_trust());
        let mut written = false;
        while let Some(first) = self.waiting.front() {
            if now >= first.good_at + trust {
                self.heartbeat.set_no_later_than(now.max(self.retry_at));
                break;
            }
            let free = self.slots.iter_mut().filter(|slot| slot.can_take(now, ahead, slow_after));
            // Of idle hosts the one that is idle longest: a Python host has had the time to fork its next process.
            let Some(slot) = free.min_by_key(|slot| (slot.load(), slot.front_since)) else { break };
            let Some(held) = self.waiting.pop_front() else { break };
            let start_by = held.good_at + lease_trust;
            slot.submit(held, start_by, now);
            written = true;
        }
        if written {
            self.slots.iter_mut().for_each(Slot::flush);
        }
    }

    /// Handles an event of a host.
    pub(super) fn on_host(&mut self, tag: HostTag, event: HostEvent) {
        let Some(slot) = self.slots.get_mut(tag.slot).filter(|slot| slot.generation == tag.generation) else {
            return;
        };
        match event {
            HostEvent::Replied(replies) => {
                replies.into_iter().for_each(|reply| self.on_reply(tag.slot, reply))
            }
            HostEvent::CalledBack { current } => {
                let taken_back: Vec<_> = slot.take_back(current).collect();
                slot.advance_termination(Some(current), self.now);
                slot.terminate_if_void(self.now);
                self.take_back(taken_back);
            }
            HostEvent::Died(death) => self.on_died(tag.slot, death),
        }
    }

    /// Keeps the jobs that a host has not touched, but for those that nobody wants.
    pub(super) fn take_back(&mut self, untouched: Vec<SentJob>) {
        for SentJob { held, .. } in untouched.into_iter().rev() {
            match held.void {
                true => self.let_go(&held.job),
                false => self.waiting.push_front(held),
            }
        }
    }

    fn on_reply(&mut self, place: usize, reply: Reply) {
        let doubtful = self.now.checked_sub(self.start_trust());
        let Some(slot) = self.slots.get_mut(place) else { return };
        match reply {
            Reply::Ready { version } => {
                // The version names the confinement of a confined engine, and owners look for that.
                match (place, slot.generation) {
                    (0, 0) => tracing::info!("engine: up ({version})"),
                    _ => tracing::debug!(slot = place, "engine host: up ({version})"),
                }
                slot.came_up();
            }
            Reply::Unavailable { reason } => {
                tracing::error!("engine: unavailable ({reason})");
                slot.missing = Some(reason);
            }
            Reply::Output { seq, output } => self.on_output(place, seq, output),
            Reply::Stale { seq } => {
                tracing::warn!(
                    slot = place,
                    seq,
                    "engine host: refused a job whose lease may be over (called back)"
                );
                // The clock of the host also counts while the machine sleeps; here it may seem that no time has passed. So none of
                // these jobs is sent again before a heartbeat has been answered.
                for sent in &mut slot.sent {
                    sent.held.good_at = doubtful.map_or(sent.held.good_at, |at| sent.held.good_at.min(at));
                }
                slot.refuse(seq);
            }
            Reply::Done(done) => self.on_done(place, done),
        }
    }

    /// Handles a void lease: its script is killed, or never started.
    pub(super) fn on_void(&mut self, lease: &Lease, why: &str) {
        let waiting = self.waiting.iter().position(|held| held.job.lease == *lease);
        let dropped = waiting.and_then(|at| self.waiting.remove(at));
        if let Some(held) = &dropped {
            self.let_go(&held.job);
        }
        let mut found = dropped.is_some() || self.pending.drop_void(lease);
        for slot in &mut self.slots {
            let Some(sent) = slot.sent.iter_mut().find(|sent| sent.held.job.lease == *lease) else {
                continue;
            };
            found = true;
            sent.held.void = true;
            slot.terminate_if_void(self.now);
            slot.call_back_untouched();
        }
        if found {
            tracing::info!(job.id = %lease.job_id, "job {}: dropped ({why})", lease.job_id);
        }
    }

    /// Starts hosts where there is none.
    pub(super) fn launch_missing(&mut self) {
        if self.is_stopping() {
            return;
        }
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if slot.host.is_some() || self.now < slot.relaunch_at {
                continue;
            }
            let tag = HostTag { slot: place, generation: slot.generation };
            match self.launcher.launch(Report::new(tag, self.report.clone())) {
                Ok(host) => slot.launched(host, self.now),
                Err(error) => {
                    tracing::error!(%error, "engine host: cannot be started");
                    slot.failed_to_come_up(format!("the engine host cannot be started: {error}"), self.now);
                }
            }
        }
    }
}

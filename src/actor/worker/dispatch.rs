//! The way of a job: from the queue, through the waiting line, into a host.

use std::collections::HashSet;

use tokio::time::Instant;

use super::output::JobOutput;
use super::slot::Slot;
use super::{HeldJob, Worker};
use crate::actor::engines::failed;
use crate::actor::hosts::{HostEvent, HostTag, Launcher, Reply, Report};
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::ports::work_queue::{AttemptEnd, Lease, TakenJob, Work};

impl<L: Launcher> Worker<L> {
    /// What the queue has given us when it was asked at `good_at`.
    pub(super) fn on_work(&mut self, work: Vec<Work>, good_at: Instant) {
        for work in work {
            match work {
                Work::Job(job) => {
                    // It may have waited for long, here or on its way.
                    self.beat_at = self.beat_at.min(good_at + self.beat_every()).max(self.retry_at);
                    let (beats, output) = (self.beats, JobOutput::default());
                    self.waiting.push_back(HeldJob {
                        job,
                        good_at,
                        beats,
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

    /// What the queue believes to be in our hands. What has run here is not run again: if the queue knows nothing of its
    /// end any more, it is told that the end is unknown.
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
        tracing::error!(job.id = %lease.job_id, "the queue has lost the end of job {}; it is not run again", lease.job_id);
        let why = "the script has run on this actor, and the queue has lost how it ended";
        let outcome = Err(failed(JobError::new(JobErrorKind::ActorLost, why)));
        self.pending
            .push(AttemptEnd { lease, started_at: self.clock.now(), outcome, output: Vec::new() }, self.now);
    }

    /// Writes waiting jobs to hosts, the oldest first, each to the host with the fewest. One whose lease may be over is
    /// not started, nor is any behind it, before the queue has said that it is not.
    pub(super) fn dispatch(&mut self) {
        self.fail_without_engine();
        if self.is_draining() {
            return;
        }
        let (now, ahead, slow_after) = (self.now, self.config.ahead, self.config.slow_after);
        let trust = self.start_trust();
        let mut written = false;
        while let Some(first) = self.waiting.front() {
            if now >= first.good_at + trust {
                self.beat_at = self.beat_at.min(now.max(self.retry_at));
                break;
            }
            let free = self.slots.iter_mut().filter(|slot| slot.can_take(now, ahead, slow_after));
            let Some(slot) = free.min_by_key(|slot| slot.load()) else { break };
            let Some(held) = self.waiting.pop_front() else { break };
            slot.submit(held, now);
            written = true;
        }
        if written {
            self.slots.iter_mut().for_each(Slot::flush);
        }
    }

    /// Something happened to a host.
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
                for sent in taken_back.into_iter().rev().filter(|sent| !sent.held.void) {
                    self.waiting.push_front(sent.held);
                }
            }
            HostEvent::Died(death) => self.on_died(tag.slot, death),
        }
    }

    fn on_reply(&mut self, place: usize, reply: Reply) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        match reply {
            Reply::Ready { version } => {
                // What a confined engine is confined by is in there, and owners look for it.
                match (place, slot.generation) {
                    (0, 0) => tracing::info!("the engine is up: {version}"),
                    _ => tracing::debug!(slot = place, "engine host is up: {version}"),
                }
                slot.came_up();
            }
            Reply::Unavailable { reason } => {
                tracing::error!("there is no engine: {reason}");
                slot.missing = Some(reason);
            }
            Reply::Output { seq, output } => self.on_output(place, seq, output),
            Reply::Done(done) => self.on_done(place, done),
        }
    }

    /// A lease is not ours any more: its script is killed, or never started.
    pub(super) fn on_void(&mut self, lease: &Lease, why: &str) {
        let known = self.waiting.len();
        self.waiting.retain(|held| held.job.lease != *lease);
        let mut found = self.waiting.len() < known || self.pending.drop_void(lease);
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
            tracing::info!(job.id = %lease.job_id, "job {} is dropped: {why}", lease.job_id);
        }
    }

    /// Starts hosts where there is none.
    pub(super) fn launch_missing(&mut self) {
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if slot.host.is_some() || self.now < slot.relaunch_at || self.stopping {
                continue;
            }
            let tag = HostTag { slot: place, generation: slot.generation };
            match self.launcher.launch(Report::new(tag, self.events.report.clone())) {
                Ok(host) => slot.launched(host, self.now),
                Err(error) => {
                    tracing::error!(%error, "an engine host cannot be started");
                    slot.failed_to_come_up(format!("the engine host cannot be started: {error}"), self.now);
                }
            }
        }
    }
}

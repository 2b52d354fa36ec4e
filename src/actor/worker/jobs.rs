//! The way of a job: from the queue, through the waiting line, into a host.

use super::output::Output;
use super::slot::Slot;
use super::{Hand, Worker};
use crate::actor::hosts::{HostEvent, HostTag, Launcher, Reply, Report};
use crate::ports::work_queue::{Lease, Work};

impl<L: Launcher> Worker<L> {
    /// What the queue has given us.
    pub(super) fn on_work(&mut self, work: Vec<Work>) {
        for work in work {
            match work {
                Work::Job(job) => {
                    let (good_at, output) = (self.now, Output::default());
                    self.waiting.push_back(Hand { job, good_at, reported: None, void: false, output });
                }
                Work::Drain { resume_after } => self.drain(resume_after),
                Work::Cancelled { lease } => self.on_void(&lease, "its job was cancelled"),
            }
        }
    }

    /// Writes waiting jobs to hosts, the oldest first, each to the host with the fewest.
    pub(super) fn dispatch(&mut self) {
        self.fail_without_engine();
        if self.is_draining() {
            return;
        }
        let (now, ahead, slow_after) = (self.now, self.config.ahead, self.config.slow_after);
        let mut written = false;
        while !self.waiting.is_empty() {
            let free = self.slots.iter_mut().filter(|slot| slot.can_take(now, ahead, slow_after));
            let Some(slot) = free.min_by_key(|slot| slot.load()) else { break };
            let Some(hand) = self.waiting.pop_front() else { break };
            slot.submit(hand, now);
            written = true;
        }
        if written {
            self.slots.iter_mut().for_each(Slot::flush);
        }
    }

    /// Something happened to a host.
    pub(super) fn on_host(&mut self, tag: HostTag, event: HostEvent) {
        let Some(slot) = self.slots.get_mut(tag.slot).filter(|slot| slot.life == tag.life) else { return };
        match event {
            HostEvent::Said(replies) => replies.into_iter().for_each(|reply| self.on_reply(tag.slot, reply)),
            HostEvent::CalledBack { current } => {
                let taken_back: Vec<_> = slot.take_back(current).collect();
                slot.execute(Some(current), self.now);
                slot.condemn_void(self.now);
                for sent in taken_back.into_iter().rev().filter(|sent| !sent.hand.void) {
                    self.waiting.push_front(sent.hand);
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
                match (place, slot.life) {
                    (0, 0) => tracing::info!("the engine is up: {version}"),
                    _ => tracing::debug!(slot = place, "engine host is up: {version}"),
                }
                slot.came_up();
            }
            Reply::Unavailable { reason } => {
                tracing::error!("there is no engine: {reason}");
                slot.missing = Some(reason);
            }
            Reply::Output { seq, spoken } => self.on_output(place, seq, spoken),
            Reply::Done(done) => self.on_done(place, done),
            Reply::Skipped { seq } => {
                // Only one that we took for started is still there.
                if slot.sent.front().is_some_and(|front| front.seq == seq)
                    && let Some(sent) = slot.sent.pop_front()
                {
                    slot.front_since = self.now;
                    if !sent.hand.void {
                        self.waiting.push_front(sent.hand);
                    }
                }
            }
        }
    }

    /// A lease is not ours any more: its script is killed, or never started.
    pub(super) fn on_void(&mut self, lease: &Lease, why: &str) {
        let known = self.waiting.len();
        self.waiting.retain(|hand| hand.job.lease != *lease);
        let mut found = self.waiting.len() < known;
        for slot in &mut self.slots {
            let Some(sent) = slot.sent.iter_mut().find(|sent| sent.hand.job.lease == *lease) else {
                continue;
            };
            found = true;
            sent.hand.void = true;
            slot.condemn_void(self.now);
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
            let tag = HostTag { slot: place, life: slot.life };
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

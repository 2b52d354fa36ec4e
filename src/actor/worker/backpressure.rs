//! Decides when the actor takes no jobs and releases those it has, and what is due.

use std::time::Duration;

use tokio::time::Instant;

use super::repeating::Repeating;
use super::slot::{KillReason, Slot};
use super::{LAST_WRITES, Mode, WorkerLoop};
use crate::actor::hosts::Launcher;

/// A script that runs this much longer than its timeout is not stopped by its engine: what the engine gives it to end by
/// itself, 100 ms and a twentieth.
fn overrun(timeout: Duration, stop_grace: Duration) -> Duration {
    timeout + stop_grace + Duration::from_millis(100) + timeout / 20
}

impl<L: Launcher> WorkerLoop<L> {
    /// True when nothing new is started: the actor ends, or was asked to drain.
    pub(super) fn is_draining(&self) -> bool {
        self.mode != Mode::Working
    }

    /// True when jobs that were taken could not start soon.
    pub(super) fn is_holding_back(&self) -> bool {
        self.is_draining() || self.is_slow()
    }

    fn is_slow(&self) -> bool {
        let slow = |busy: Duration| busy >= self.config.slow_after;
        self.slots.iter().all(|slot| slot.busy_for(self.now).is_some_and(slow))
    }

    /// Takes no new jobs for a while.
    pub(super) fn drain(&mut self, resume_after: Duration) {
        tracing::info!(?resume_after, "actor: drains and takes no new jobs");
        if !self.is_stopping() {
            self.mode = Mode::Draining { until: self.now + resume_after };
        }
        self.announce.set(self.now);
    }

    /// Kills everything that runs.
    pub(super) fn kill_all(&mut self) {
        for slot in &mut self.slots {
            slot.begin_termination(KillReason::Stopped, self.now);
        }
    }

    /// Gives untouched jobs back to the front of the queue, all in one call, once it is known which they are.
    pub(super) fn release_untouched(&mut self) {
        if !self.is_holding_back() {
            return;
        }
        self.slots.iter_mut().for_each(Slot::call_back_untouched);
        // A `take` that is under way, or whose answer was lost, may bring jobs that belong behind those.
        let settled =
            !self.slots.iter().any(|slot| slot.calling_back) && self.taking.is_none_or(|max| max == 0);
        if !settled || !self.recover.is_idle() || !self.releasing.is_empty() {
            return;
        }
        let stopping = self.is_stopping();
        // Nobody else can take a job that is pinned to this actor; it would come back at once.
        self.waiting.retain(|held| {
            let stays = !stopping && held.job.spec.target_actor.is_some();
            if !stays {
                self.releasing.push(held.job.lease.clone());
            }
            stays
        });
        if !self.releasing.is_empty() {
            tracing::debug!(count = self.releasing.len(), "queue: releases untouched jobs");
            self.call_release();
        }
    }

    /// Does what has become due.
    pub(super) fn check_times(&mut self) {
        let now = self.now;
        if matches!(self.mode, Mode::Draining { until } if now >= until) {
            tracing::info!("actor: takes jobs again");
            self.mode = Mode::Working;
            self.announce.set(now);
        }
        self.launch_missing();
        self.check_leases();
        self.check_running();
        self.call_when_due();
    }

    /// Drops jobs whose leases may soon belong to another actor.
    fn check_leases(&mut self) {
        let (now, trust) = (self.now, self.lease_trust());
        let known = self.waiting.len();
        if self.waiting.front().is_some_and(|held| now >= held.good_at + trust) {
            self.waiting.retain(|held| now < held.good_at + trust);
        }
        let mut lost = known > self.waiting.len();
        for slot in &mut self.slots {
            if slot.sent.front().is_some_and(|front| now >= front.held.good_at + trust)
                && slot.termination.is_none()
            {
                slot.begin_termination(KillReason::QueueUnreachable, now);
                lost = true;
            }
        }
        if lost {
            tracing::warn!(
                "leases: not renewed for two thirds of their length (released all jobs in flight)"
            );
            self.recover.set(now);
        }
    }

    fn check_running(&mut self) {
        let (now, grace) = (self.now, self.config.stop_grace);
        let mut started = Vec::new();
        for slot in &mut self.slots {
            slot.kill_if_late(now);
            if slot.termination_due().is_some_and(|due| now >= due) {
                slot.advance_termination(None, now);
            }
            let Some(busy) = slot.busy_for(now) else { continue };
            let Some(front) = slot.sent.front() else { continue };
            if busy >= overrun(front.held.job.spec.run_timeout, grace) {
                slot.begin_termination(KillReason::Overrun, now);
            } else if busy >= self.config.report_start_after
                && now >= self.retry_at
                && let Some(front) = slot.running_mut()
                && front.held.reported.is_none()
                && !front.held.void
            {
                let wall_now = self.clock.now();
                let since = wall_now.checked_sub(busy).unwrap_or(wall_now);
                front.held.reported = Some(since);
                started.push((front.held.job.lease.clone(), since));
            }
        }
        if !started.is_empty() {
            self.call_start(started);
        }
    }

    /// Time of the next round, if no event comes before.
    pub(super) fn next_due(&self) -> Instant {
        let mut next = self.now + self.heartbeat_interval();
        let mut consider = |due: Instant| {
            if due > self.now {
                next = next.min(due);
            }
        };
        let calls = [self.announce, self.heartbeat, self.interrupt, self.recover];
        calls.iter().filter_map(Repeating::due_at).for_each(&mut consider);
        consider(self.retry_at);
        self.pending.due().into_iter().for_each(&mut consider);
        match self.mode {
            Mode::Draining { until } => consider(until),
            Mode::Stopping { forced_at: Some(at) } => consider(at + LAST_WRITES),
            Mode::Working | Mode::Stopping { forced_at: None } => {}
        }
        let trust = self.lease_trust();
        self.waiting.front().into_iter().for_each(|held| consider(held.good_at + trust));
        for slot in &self.slots {
            if slot.host.is_none() {
                consider(slot.relaunch_at);
            } else if !slot.ready {
                consider(slot.up_by);
            }
            slot.termination_due().into_iter().for_each(&mut consider);
            let Some(front) = slot.sent.front() else { continue };
            if front.held.reported.is_none() {
                consider(slot.front_since + self.config.report_start_after);
            }
            consider(slot.front_since + self.config.slow_after);
            consider(slot.front_since + overrun(front.held.job.spec.run_timeout, self.config.stop_grace));
            consider(front.held.good_at + trust);
        }
        next
    }
}

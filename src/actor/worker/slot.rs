//! One place for an engine host, and the jobs in that host.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::HeldJob;
use crate::actor::hosts::Host;
use crate::domain::model::backoff::Backoff;

/// Waits between attempts to start a host that does not come up.
const RELAUNCH: Backoff = Backoff::of_millis(100, 30_000);
/// Loading an engine takes milliseconds; a machine under heavy load may need a moment.
const COME_UP: Duration = Duration::from_secs(30);
/// A host that fails this often in a row to come up counts as missing.
const FAILURES_ALLOWED: u32 = 3;

/// A job that was written to a host.
pub(super) struct SentJob {
    pub(super) seq: u64,
    pub(super) held: HeldJob,
    /// Time at which the job was handed to the host (lower bound).
    written: Instant,
    /// The host has reported that it will not start the job.
    refused: bool,
}

/// The reason to kill a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillReason {
    /// The lease is void: nobody wants the result.
    Void,
    /// The script runs longer than it may, and its engine does not stop it.
    Overrun,
    /// The queue cannot be reached, and others may soon have the job.
    QueueUnreachable,
    /// The actor has to end at once.
    Stopped,
}

/// The killing of a host, which takes several steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Termination {
    pub(super) reason: KillReason,
    /// The job that it is about; if that ends in time, the host lives on.
    pub(super) seq: u64,
    pub(super) step: TerminationStep,
}

/// A step of a termination.
#[derive(Debug, Clone, Copy)]
pub(super) enum TerminationStep {
    /// Time until which the host has to answer a call back; without an answer it is killed then.
    CallingBack(Instant),
    /// The host was asked to end; it is killed then.
    Terminating(Instant),
    /// The host was killed.
    Killed,
}

/// A place for a host.
pub(super) struct Slot<H> {
    pub(super) host: Option<H>,
    /// Counts the hosts that were here.
    pub(super) generation: u64,
    /// The host can take jobs.
    pub(super) ready: bool,
    /// A host that is not up by then is killed.
    pub(super) up_by: Instant,
    pub(super) next_seq: u64,
    /// Jobs in the host, the first one running.
    pub(super) sent: VecDeque<SentJob>,
    /// Start of the first one.
    pub(super) front_since: Instant,
    /// Jobs behind the first one are called back, and the answer has not come.
    pub(super) calling_back: bool,
    /// The last job that was ever called back.
    called_back: u64,
    pub(super) termination: Option<Termination>,
    /// The host ends by itself and starts nothing else.
    pub(super) retiring: bool,
    pub(super) relaunch_at: Instant,
    failures: u32,
    /// Time that a script is given to end by itself if its host outlives that; else zero.
    stop_grace: Duration,
    /// The reason why there is no engine.
    pub(super) missing: Option<String>,
}

impl<H: Host> Slot<H> {
    pub(super) fn new(now: Instant, stop_grace: Duration) -> Self {
        Self {
            host: None,
            generation: 0,
            ready: false,
            up_by: now,
            next_seq: 1,
            sent: VecDeque::new(),
            front_since: now,
            calling_back: false,
            called_back: 0,
            termination: None,
            retiring: false,
            relaunch_at: now,
            failures: 0,
            stop_grace,
            missing: None,
        }
    }

    pub(super) fn load(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.sent.is_empty()
    }

    /// Time for which the first job has run.
    pub(super) fn busy_for(&self, now: Instant) -> Option<Duration> {
        (!self.sent.is_empty()).then(|| now.saturating_duration_since(self.front_since))
    }

    /// True when a job can be written to the host now.
    pub(super) fn can_take(&self, now: Instant, ahead: usize, slow_after: Duration) -> bool {
        let free = self.ready && !self.calling_back && self.termination.is_none() && !self.retiring;
        free && self.sent.len() < ahead && self.busy_for(now).is_none_or(|busy| busy < slow_after)
    }

    /// Writes a job to the host, which starts it before `start_by` or not at all.
    pub(super) fn submit(&mut self, held: HeldJob, start_by: Instant, now: Instant) {
        if self.sent.is_empty() {
            self.front_since = now;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        if let Some(host) = self.host.as_mut() {
            host.submit(seq, &held.job, start_by);
        }
        self.sent.push_back(SentJob { seq, held, written: now, refused: false });
    }

    /// Lets written jobs go out.
    pub(super) fn flush(&mut self) {
        if let Some(host) = self.host.as_mut() {
            host.flush();
        }
    }

    /// Notes that the host starts neither the job `seq` nor any behind it, and calls them back.
    pub(super) fn refuse(&mut self, seq: u64) {
        // An answer to an earlier call-back may have come first; then what is here was written later, and starts.
        if !self.sent.iter().any(|sent| sent.seq == seq) {
            return;
        }
        self.sent.iter_mut().filter(|sent| sent.seq >= seq).for_each(|sent| sent.refused = true);
        self.call_back();
    }

    /// The first job, unless the host has refused it.
    pub(super) fn running_mut(&mut self) -> Option<&mut SentJob> {
        self.sent.front_mut().filter(|front| !front.refused)
    }

    /// Calls back what has not started.
    pub(super) fn call_back(&mut self) {
        if self.calling_back {
            return;
        }
        if let Some(host) = self.host.as_mut() {
            self.calling_back = true;
            self.called_back = self.next_seq - 1;
            host.call_back(self.called_back);
        }
    }

    /// Calls back what is behind the first job, if that was not done since it was written.
    pub(super) fn call_back_untouched(&mut self) {
        if self.sent.len() > 1 && self.next_seq - 1 > self.called_back {
            self.call_back();
        }
    }

    /// Takes out the jobs that will not start, now that the host has said which one it started last.
    pub(super) fn take_back(&mut self, current: u64) -> impl DoubleEndedIterator<Item = SentJob> {
        self.calling_back = false;
        let kept = self.sent.iter().take_while(|sent| sent.seq <= current).count();
        self.sent.split_off(kept).into_iter()
    }

    /// Begins to kill the host because of the job that it runs, unless that has begun.
    pub(super) fn begin_termination(&mut self, reason: KillReason, now: Instant) {
        /// A living host answers in microseconds, also while a script runs.
        const ANSWER: Duration = Duration::from_millis(500);
        let Some(front) = self.sent.front() else { return };
        if self.termination.is_some() {
            return;
        }
        self.termination =
            Some(Termination { reason, seq: front.seq, step: TerminationStep::CallingBack(now + ANSWER) });
        self.call_back();
    }

    /// Begins to kill the host if nobody wants the job that it runs.
    pub(super) fn terminate_if_void(&mut self, now: Instant) {
        if self.sent.front().is_some_and(|front| front.held.void) {
            self.begin_termination(KillReason::Void, now);
        }
    }

    /// Takes the next step of a termination: nothing else starts in the host, or the host does not answer. `current` is the
    /// job that the host says it has started last.
    pub(super) fn advance_termination(&mut self, current: Option<u64>, now: Instant) {
        /// Time for a script to clean up.
        const GRACE: Duration = Duration::from_secs(2);
        let Some(termination) = self.termination.as_mut() else { return };
        let may_end = termination.reason == KillReason::Void && !self.stop_grace.is_zero();
        let is_target = self.sent.front().is_some_and(|front| front.seq == termination.seq)
            && current.is_none_or(|current| current == termination.seq);
        match termination.step {
            TerminationStep::CallingBack(_) | TerminationStep::Terminating(_) if !is_target => {
                self.termination = None
            }
            TerminationStep::CallingBack(_) if termination.reason == KillReason::Overrun || may_end => {
                termination.step = TerminationStep::Terminating(now + GRACE.max(self.stop_grace));
                if let Some(host) = self.host.as_mut() {
                    host.terminate();
                }
            }
            TerminationStep::CallingBack(_) | TerminationStep::Terminating(_) => {
                termination.step = TerminationStep::Killed;
                if let Some(host) = self.host.as_mut() {
                    host.kill();
                }
            }
            TerminationStep::Killed => {}
        }
    }

    /// Ends a termination whose job has ended by itself. A host that outlives the request to end lives on.
    pub(super) fn cancel_termination(&mut self, seq: u64) {
        let asked = |termination: &Termination| {
            termination.seq == seq && matches!(termination.step, TerminationStep::Terminating(_))
        };
        if !self.stop_grace.is_zero() && self.termination.as_ref().is_some_and(asked) {
            self.termination = None;
        }
    }

    /// Time of the next step of a termination.
    pub(super) fn termination_due(&self) -> Option<Instant> {
        match self.termination?.step {
            TerminationStep::CallingBack(at) | TerminationStep::Terminating(at) => Some(at),
            TerminationStep::Killed => None,
        }
    }

    /// Notes a new host.
    pub(super) fn launched(&mut self, host: H, now: Instant) {
        self.host = Some(host);
        self.up_by = now + COME_UP;
    }

    /// Kills a host that should be up and is not; its end is then noticed as always.
    pub(super) fn kill_if_late(&mut self, now: Instant) {
        if let Some(host) = self.host.as_mut().filter(|_| !self.ready && now >= self.up_by) {
            self.up_by = now + COME_UP;
            host.kill();
        }
    }

    /// Notes that the host is up.
    pub(super) fn came_up(&mut self) {
        self.ready = true;
        self.failures = 0;
        self.missing = None;
    }

    /// Notes that a host did not come up; after a few times in a row there is no engine.
    pub(super) fn failed_to_come_up(&mut self, why: String, now: Instant) {
        self.failures += 1;
        self.relaunch_at = now + RELAUNCH.delay(self.failures, 1.0);
        if self.failures >= FAILURES_ALLOWED && self.missing.is_none() {
            self.missing = Some(why);
        }
    }

    /// Empties the place after the end of its host. Returns the jobs that were in it, and the reason for a kill.
    /// `gone_at` is when the host was certainly gone.
    pub(super) fn lose_host(&mut self, gone_at: Option<Instant>) -> LostHost {
        self.host = None;
        self.generation += 1;
        self.ready = false;
        self.calling_back = false;
        // A new host counts from the start; numbers go on, so that none is used twice in this place.
        self.called_back = self.next_seq - 1;
        let retired = std::mem::take(&mut self.retiring);
        let termination = self.termination.take();
        let mut left = std::mem::take(&mut self.sent);
        let unseen = |sent: &SentJob| gone_at.is_some_and(|gone_at| sent.written > gone_at);
        let may_run = |front: &SentJob| !front.refused && !unseen(front);
        let ran = !retired && left.front().is_some_and(may_run);
        let running = if ran { left.pop_front() } else { None };
        LostHost { reason: termination.map(|termination| termination.reason), running, untouched: left }
    }
}

/// Jobs of a host that is gone.
pub(super) struct LostHost {
    pub(super) reason: Option<KillReason>,
    pub(super) running: Option<SentJob>,
    pub(super) untouched: VecDeque<SentJob>,
}

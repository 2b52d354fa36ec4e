//! Calls to the queue: each is started by the loop and comes back to it as an event.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{ENDS, Worker};
use crate::actor::hosts::Launcher;
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{Lease, Work, WorkQueue};

/// Wait after a call that failed; every call has its own deadline, so this only keeps a refusal from spinning.
const RETRY: Duration = Duration::from_millis(200);

/// An interrupt may come before the `take` that it means has begun to wait; it is repeated after this.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(100);

/// How a call ended.
pub(super) enum CallEnd {
    Announced { draining: bool, result: Result<(), QueueError> },
    Beaten { begun: Instant, result: Result<Vec<Lease>, QueueError> },
    Started(Result<Vec<Lease>, QueueError>),
    Reported(Result<Vec<Lease>, QueueError>),
    Released(Result<(), QueueError>),
    Recovered(Result<Vec<Work>, QueueError>),
    Interrupted(Result<(), QueueError>),
}

/// Starts the task that waits for work. It is asked for a number of jobs and answers once to each request.
pub(super) fn spawn_taker(
    tasks: &mut JoinSet<()>,
    queue: &Arc<dyn WorkQueue>,
    wait: Duration,
) -> (mpsc::Sender<usize>, mpsc::Receiver<Result<Vec<Work>, QueueError>>) {
    let (requests, mut asked) = mpsc::channel(1);
    let (answers, taken) = mpsc::channel(1);
    let queue = Arc::clone(queue);
    tasks.spawn(async move {
        while let Some(max) = asked.recv().await {
            if answers.send(queue.take(max, wait).await).await.is_err() {
                return;
            }
        }
    });
    (requests, taken)
}

impl<L: Launcher> Worker<L> {
    /// Asks for work, or makes a `take` that asks for the wrong thing return.
    pub(super) fn ask_for_work(&mut self) {
        let wanted = self.wanted();
        if let Some(waiting_for) = self.taking {
            // One that waits for few jobs is right enough, but not one for none instead of some.
            let right = wanted.is_none_or(|wanted| (wanted == 0) == (waiting_for == 0));
            let pointless = self.stopping || (self.is_holding() && waiting_for > 0);
            if !self.interrupting && (pointless || !right) && self.now >= self.interrupt_at {
                self.interrupting = true;
                self.interrupt_at = self.now + INTERRUPT_AGAIN;
                let queue = Arc::clone(&self.queue);
                self.calls.spawn(async move { CallEnd::Interrupted(queue.interrupt_take().await) });
            }
            return;
        }
        if self.may_recover() {
            self.recovering = true;
            let (queue, known) = (Arc::clone(&self.queue), self.leases());
            self.calls.spawn(async move { CallEnd::Recovered(queue.recover(&known).await) });
            return;
        }
        if let Some(max) = wanted
            && self.takes.try_send(max).is_ok()
        {
            self.taking = Some(max);
        }
    }

    /// How many jobs to take now.
    fn wanted(&self) -> Option<usize> {
        let calm = self.announced && self.now >= self.retry_at && !self.must_recover && !self.stopping;
        if !calm || !self.releasing.is_empty() || self.finishing >= ENDS / 2 {
            return None;
        }
        if self.is_holding() {
            return Some(0);
        }
        Some(self.config.window.saturating_sub(self.in_hand())).filter(|free| *free > 0)
    }

    /// The queue must not give back what has ended here and is only not written yet.
    fn may_recover(&self) -> bool {
        let asked = self.must_recover && self.announced && self.now >= self.retry_at && !self.recovering;
        asked && self.finishing == 0 && self.releasing.is_empty()
    }

    pub(super) fn on_taken(&mut self, taken: Result<Vec<Work>, QueueError>) {
        self.taking = None;
        self.interrupt_at = self.now;
        match taken {
            Ok(work) => {
                self.reached();
                self.on_work(work);
            }
            Err(error) => {
                self.not_reached("take jobs", &error);
                self.must_recover = true;
                // Whatever made it fail, the queue may have to be made ready again.
                self.announced = false;
                self.announce_at = self.retry_at;
            }
        }
    }

    /// Starts the calls whose time has come.
    pub(super) fn call_when_due(&mut self) {
        if self.now >= self.announce_at && !self.announcing {
            self.announcing = true;
            self.announce_at = self.now + self.config.announce_every;
            let queue = Arc::clone(&self.queue);
            let draining = self.is_draining();
            self.calls.spawn(async move {
                CallEnd::Announced { draining, result: queue.announce(draining).await }
            });
        }
        if self.now >= self.beat_at && !self.beating {
            self.beat_at = self.now + self.beat_every();
            let leases = self.leases();
            if leases.is_empty() {
                return;
            }
            self.beating = true;
            let (queue, begun) = (Arc::clone(&self.queue), self.now);
            self.calls
                .spawn(async move { CallEnd::Beaten { begun, result: queue.heartbeat(&leases).await } });
        }
    }

    pub(super) fn call_start(&mut self, started: Vec<(Lease, SystemTime)>) {
        let queue = Arc::clone(&self.queue);
        self.calls.spawn(async move { CallEnd::Started(queue.start(&started).await) });
    }

    pub(super) fn call_release(&mut self) {
        let (queue, leases) = (Arc::clone(&self.queue), self.releasing.clone());
        self.calls.spawn(async move {
            let released = queue.release(&leases).await;
            if released.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            CallEnd::Released(released)
        });
    }

    pub(super) fn on_call(&mut self, end: CallEnd) {
        match end {
            CallEnd::Announced { draining, result } => {
                self.announcing = false;
                if draining != self.is_draining() {
                    self.announce_at = self.now;
                }
                match result {
                    Ok(()) => {
                        self.announced = true;
                        self.reached();
                    }
                    Err(error) => {
                        self.not_reached("announce the actor", &error);
                        self.announce_at = self.retry_at;
                    }
                }
            }
            CallEnd::Beaten { begun, result } => {
                self.beating = false;
                match result {
                    Ok(void) => {
                        self.reached();
                        self.renewed(begun);
                        void.iter().for_each(|lease| self.on_void(lease, "its lease was lost"));
                    }
                    Err(error) => {
                        self.not_reached("renew leases", &error);
                        self.beat_at = self.retry_at;
                    }
                }
            }
            CallEnd::Started(Ok(void)) => {
                void.iter().for_each(|lease| self.on_void(lease, "its lease was lost"))
            }
            // The end will say it too.
            CallEnd::Started(Err(error)) => self.not_reached("report a start", &error),
            CallEnd::Reported(result) => self.on_reported(result),
            CallEnd::Released(Ok(())) => self.releasing.clear(),
            CallEnd::Released(Err(error)) => {
                self.not_reached("give jobs back", &error);
                self.call_release();
            }
            CallEnd::Recovered(result) => {
                self.recovering = false;
                match result {
                    Ok(work) => {
                        self.must_recover = false;
                        if !work.is_empty() {
                            tracing::info!(
                                count = work.len(),
                                "found work that was on its way to this actor"
                            );
                        }
                        // It may have been on its way for long.
                        self.beat_at = self.now;
                        self.on_work(work);
                    }
                    Err(error) => self.not_reached("recover work", &error),
                }
            }
            CallEnd::Interrupted(result) => {
                self.interrupting = false;
                if let Err(error) = result {
                    self.not_reached("interrupt a take", &error);
                }
            }
        }
    }

    /// Every lease that is ours, as far as we know.
    fn leases(&self) -> Vec<Lease> {
        let sent = self.slots.iter().flat_map(|slot| slot.sent.iter().map(|sent| &sent.hand));
        let hands = sent.chain(&self.waiting).filter(|hand| !hand.void);
        hands.map(|hand| hand.job.lease.clone()).collect()
    }

    /// Leases that were in the heartbeat which began then are good from then on.
    fn renewed(&mut self, begun: Instant) {
        let sent = self.slots.iter_mut().flat_map(|slot| slot.sent.iter_mut().map(|sent| &mut sent.hand));
        for hand in sent.chain(&mut self.waiting) {
            hand.good_at = hand.good_at.max(begun);
        }
    }

    fn reached(&mut self) {
        if let Some(since) = self.away_since.take() {
            tracing::info!(after = ?(self.now - since), "the queue answers again");
        }
    }

    pub(super) fn not_reached(&mut self, what: &str, error: &QueueError) {
        self.retry_at = self.now + RETRY;
        let error: &dyn std::error::Error = error;
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        if self.away_since.is_none() {
            self.away_since = Some(self.now);
            tracing::warn!(%error, cause, "could not {what}; trying again until it works");
        } else {
            tracing::debug!(%error, cause, "could not {what}");
        }
    }
}

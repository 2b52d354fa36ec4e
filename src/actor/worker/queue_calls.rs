//! Calls to the queue: each is started by the loop and comes back to it as an event.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{END_BYTES, ENDS, HeldJob, WorkerLoop};
use crate::actor::hosts::Launcher;
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{Lease, TakenJob, Work, WorkQueue};

/// Wait after a call that failed; every call has its own deadline, so this only keeps a refusal from spinning.
pub(super) const RETRY: Duration = Duration::from_millis(200);

/// An interrupt may come before the `take` that it means has begun to wait; it is repeated after this.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(100);

/// The end of a call.
pub(super) enum CallEnd {
    Announced {
        draining: bool,
        result: Result<(), QueueError>,
    },
    /// `number` counts heartbeats.
    HeartbeatDone {
        number: u64,
        begun: Instant,
        result: Result<Vec<Lease>, QueueError>,
    },
    Started {
        leases: Vec<Lease>,
        result: Result<Vec<Lease>, QueueError>,
    },
    Finished(Result<Vec<bool>, QueueError>),
    Reported(Result<Vec<Lease>, QueueError>),
    Released(Result<(), QueueError>),
    Recovered {
        begun: Instant,
        result: Result<Vec<Work>, QueueError>,
    },
    Interrupted(Result<(), QueueError>),
    /// The queue was told, or not, that jobs do not run any more.
    LetGo(Result<(), QueueError>),
}

/// The answer of a `take`, and the time at which the `take` was begun: leases count from then on.
pub(super) struct Taken {
    begun: Instant,
    result: Result<Vec<Work>, QueueError>,
}

/// Starts the task that waits for work. It is asked for a number of jobs and answers once to each request.
pub(super) fn spawn_taker(
    tasks: &mut JoinSet<()>,
    queue: &Arc<dyn WorkQueue>,
    wait: Duration,
) -> (mpsc::Sender<usize>, mpsc::Receiver<Taken>) {
    let (requests, mut asked) = mpsc::channel(1);
    let (answers, taken) = mpsc::channel(1);
    let queue = Arc::clone(queue);
    tasks.spawn(async move {
        while let Some(max) = asked.recv().await {
            let begun = Instant::now();
            let result = queue.take(max, wait).await;
            if answers.send(Taken { begun, result }).await.is_err() {
                return;
            }
        }
    });
    (requests, taken)
}

impl<L: Launcher> WorkerLoop<L> {
    /// Asks for work, or makes a `take` that asks for the wrong thing return.
    pub(super) fn ask_for_work(&mut self) {
        let wanted = self.wanted();
        if let Some(waiting_for) = self.taking {
            // One that waits for few jobs is right enough, but not one for none instead of some.
            let right = wanted.is_none_or(|wanted| (wanted == 0) == (waiting_for == 0));
            let pointless = self.is_stopping() || (self.is_holding_back() && waiting_for > 0);
            if (pointless || !right) && self.interrupt.is_due(self.now) {
                self.interrupt.begin(Some(self.now + INTERRUPT_AGAIN));
                let queue = Arc::clone(&self.queue);
                self.calls.spawn(async move { CallEnd::Interrupted(queue.interrupt_take().await) });
            }
            return;
        }
        if self.may_recover() {
            self.recover.begin(None);
            let (queue, known, begun) = (Arc::clone(&self.queue), self.known_leases(), self.now);
            self.calls
                .spawn(async move { CallEnd::Recovered { begun, result: queue.recover(&known).await } });
            return;
        }
        if let Some(max) = wanted
            && self.takes.try_send(max).is_ok()
        {
            self.taking = Some(max);
        }
    }

    /// Number of jobs to take now. None if no `take` may be made; 0 to wait for messages only.
    fn wanted(&self) -> Option<usize> {
        let calm = self.announced && self.now >= self.retry_at && !self.is_stopping();
        let crowded = self.unwritten() >= ENDS || self.pending.bytes() >= END_BYTES;
        if !calm || !self.recover.is_idle() || !self.releasing.is_empty() || crowded {
            return None;
        }
        if self.is_holding_back() {
            return Some(0);
        }
        let window = self.run_times.together(&self.config.window, self.slots.len());
        Some(window.saturating_sub(self.held_count())).filter(|free| *free > 0)
    }

    fn may_recover(&self) -> bool {
        let can_call = self.announced && self.now >= self.retry_at;
        self.recover.is_due(self.now) && can_call && self.releasing.is_empty()
    }

    pub(super) fn on_taken(&mut self, taken: Taken) {
        self.taking = None;
        self.interrupt.set(self.now);
        match taken.result {
            Ok(work) => {
                self.reached();
                self.on_work(work, taken.begun);
            }
            Err(error) => {
                self.not_reached("take jobs", &error);
                self.recover.set(self.now);
                // Whatever made it fail, the queue may have to be made ready again.
                self.announced = false;
                self.announce.set(self.retry_at);
            }
        }
    }

    /// Starts the calls whose time has come.
    pub(super) fn call_when_due(&mut self) {
        if self.announce.is_due(self.now) {
            self.announce.begin(Some(self.now + self.config.announce_every));
            let queue = Arc::clone(&self.queue);
            let draining = self.is_draining();
            queue.note_pending_ends(self.unwritten() as u64, self.refusals);
            self.calls.spawn(async move {
                CallEnd::Announced { draining, result: queue.announce(draining).await }
            });
        }
        if self.heartbeat.is_due(self.now) {
            let again = self.now + self.heartbeat_interval();
            let leases = self.leases();
            if leases.is_empty() {
                self.heartbeat.set(again);
                return;
            }
            self.heartbeat.begin(Some(again));
            self.heartbeats_sent += 1;
            let (queue, number, begun) = (Arc::clone(&self.queue), self.heartbeats_sent, self.now);
            self.calls.spawn(async move {
                CallEnd::HeartbeatDone { number, begun, result: queue.heartbeat(&leases).await }
            });
        }
    }

    pub(super) fn call_start(&mut self, started: Vec<(Lease, SystemTime)>) {
        let queue = Arc::clone(&self.queue);
        self.calls.spawn(async move {
            let result = queue.start(&started).await;
            CallEnd::Started { leases: started.into_iter().map(|(lease, _)| lease).collect(), result }
        });
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

    /// Says that a job does not run here any more whose lease is void, if another one may wait for that. It is said once: without it
    /// the other one waits for the length of a lease.
    pub(super) fn let_go(&mut self, job: &TakenJob) {
        if job.spec.unique.is_none() && job.spec.flow_key.is_none() {
            return;
        }
        let (queue, lease) = (Arc::clone(&self.queue), job.lease.clone());
        self.calls.spawn(async move { CallEnd::LetGo(queue.let_go(&[lease]).await) });
    }

    pub(super) fn on_call(&mut self, end: CallEnd) {
        match end {
            CallEnd::Announced { draining, result } => self.on_announced(draining, result),
            CallEnd::HeartbeatDone { number, begun, result } => self.on_heartbeat_done(number, begun, result),
            CallEnd::Started { result: Ok(void), .. } => {
                void.iter().for_each(|lease| self.on_void(lease, "its lease was lost"))
            }
            CallEnd::Started { leases, result: Err(error) } => {
                self.not_reached("report a start", &error);
                self.report_again(&leases);
            }
            CallEnd::Finished(result) => self.on_finished(result),
            CallEnd::Reported(result) => self.on_reported(result),
            CallEnd::Released(Ok(())) => self.releasing.clear(),
            CallEnd::Released(Err(error)) => {
                self.not_reached("release jobs", &error);
                self.call_release();
            }
            CallEnd::LetGo(Ok(())) => {}
            CallEnd::LetGo(Err(error)) => tracing::debug!(%error, "queue: not told that a job has stopped"),
            CallEnd::Recovered { begun, result } => self.on_recover_done(begun, result),
            CallEnd::Interrupted(result) => {
                self.interrupt.end();
                if let Err(error) = result {
                    self.not_reached("interrupt a take", &error);
                }
            }
        }
    }

    fn on_announced(&mut self, draining: bool, result: Result<(), QueueError>) {
        self.announce.end();
        if draining != self.is_draining() {
            self.announce.set(self.now);
        }
        match result {
            Ok(()) => {
                self.announced = true;
                self.reached();
            }
            Err(error) => {
                self.not_reached("announce the actor", &error);
                self.announce.set(self.retry_at);
            }
        }
    }

    fn on_heartbeat_done(&mut self, number: u64, begun: Instant, result: Result<Vec<Lease>, QueueError>) {
        self.heartbeat.end();
        match result {
            Ok(void) => {
                self.reached();
                self.renewed(number, begun);
                void.iter().for_each(|lease| self.on_void(lease, "its lease was lost"));
            }
            Err(error) => {
                self.not_reached("renew leases", &error);
                self.heartbeat.set(self.retry_at);
            }
        }
    }

    fn on_recover_done(&mut self, begun: Instant, result: Result<Vec<Work>, QueueError>) {
        self.recover.end();
        match result {
            Ok(work) => {
                if !work.is_empty() {
                    let count = work.len();
                    tracing::info!(count, "queue: recovered work that was on its way to this actor");
                }
                // It may have been on its way for long.
                self.heartbeat.set(self.now);
                self.on_recovered(work, begun);
            }
            Err(error) => {
                self.recover.set(self.now);
                self.not_reached("recover work", &error);
            }
        }
    }

    /// Leases that this process may still hold: of jobs in flight, and of those that the queue has not taken back yet.
    fn leases(&self) -> Vec<Lease> {
        self.held_jobs()
            .filter(|held| !held.void)
            .map(|held| &held.job.lease)
            .chain(self.settling())
            .cloned()
            .collect()
    }

    /// The same, with void leases whose scripts may not have ended yet.
    pub(super) fn known_leases(&self) -> Vec<Lease> {
        self.held_jobs().map(|held| &held.job.lease).chain(self.settling()).cloned().collect()
    }

    fn held_jobs(&self) -> impl Iterator<Item = &HeldJob> {
        let sent = self.slots.iter().flat_map(|slot| slot.sent.iter().map(|sent| &sent.held));
        sent.chain(&self.waiting)
    }

    /// Leases of jobs that have ended or are given back, and of which the queue has not said that it knows.
    fn settling(&self) -> impl Iterator<Item = &Lease> {
        self.releasing.iter().chain(self.pending.leases()).chain(self.output_reports.end_leases())
    }

    /// Leases that were in the heartbeat of this number, which began then, are good from then on.
    fn renewed(&mut self, number: u64, begun: Instant) {
        let sent = self.slots.iter_mut().flat_map(|slot| slot.sent.iter_mut().map(|sent| &mut sent.held));
        for held in sent.chain(&mut self.waiting).filter(|held| held.heartbeats_sent < number) {
            held.good_at = held.good_at.max(begun);
        }
    }

    /// Reports again a start that the queue has not acknowledged.
    fn report_again(&mut self, leases: &[Lease]) {
        for sent in self.slots.iter_mut().filter_map(|slot| slot.sent.front_mut()) {
            if leases.contains(&sent.held.job.lease) {
                sent.held.reported = None;
            }
        }
    }

    pub(super) fn reached(&mut self) {
        if let Some(since) = self.away_since.take() {
            tracing::info!(after = ?(self.now - since), "queue: answers again");
        }
    }

    pub(super) fn not_reached(&mut self, what: &str, error: &QueueError) {
        self.retry_at = self.now + RETRY;
        let error: &dyn std::error::Error = error;
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        if self.away_since.is_none() {
            self.away_since = Some(self.now);
            tracing::warn!(%error, cause, "queue: cannot {what} (trying again until it works)");
        } else {
            tracing::debug!(%error, cause, "queue: cannot {what}");
        }
    }
}

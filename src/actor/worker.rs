//! The queue loop: takes jobs, feeds them to engine hosts and writes how they ended.
//!
//! One task owns all state and never waits for anything but the next event. Around it: a task that waits in
//! [`WorkQueue::take`], and short calls (heartbeats, ends of jobs and the like).
//!
//! Rules:
//! * jobs reach a host in the order in which they were taken, and a host runs them in that order;
//! * several jobs are written to a host ahead, so that short ones cost no round trip; when one runs long, those behind
//!   it are called back and returned to the queue, and nothing is taken until it has ended;
//! * a host that has to be killed is first told to start nothing else, so that only the guilty job pays;
//! * a job that may have started is never started again here: it gets an end, and the queue decides about a retry;
//! * an end that the queue does not take is kept, and its lease renewed, until the queue takes it or says that it is void;
//! * a lease counts from the moment at which it was asked for: what came late is not started before it was renewed;
//! * a script whose lease is void, or was not renewed for two thirds of its length, is killed.

mod backpressure;
mod dispatch;
mod executed;
mod finish;
mod output;
mod pending_results;
mod queue_calls;
mod slot;
mod write_results;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::actor::hosts::{HostEvent, HostTag, Launcher};
use crate::ports::clock::Clock;
use crate::ports::work_queue::{Lease, TakenJob, WorkQueue};
use crate::shutdown::Shutdown;
use executed::ExecutedLeases;
use output::{JobOutput, OutputReports};
use pending_results::PendingResults;
use queue_calls::{CallEnd, Taken};
use slot::Slot;

/// How a loop works; the times are for tests, users set only the rest.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Engine hosts.
    pub hosts: usize,
    /// Jobs written to one host at a time; 1 when a slow job must not hold up others.
    pub ahead: usize,
    /// Jobs in hand at a time, those in hosts included.
    pub window: usize,
    /// A job that runs longer is reported as started; the end of a shorter one says both.
    pub report_start_after: Duration,
    /// A job that runs longer holds up nobody: untouched ones go back.
    pub slow_after: Duration,
    /// One `take` waits this long for work.
    pub take_wait: Duration,
    /// The actor says this often that it is there.
    pub announce_every: Duration,
    /// The engine itself stops overlong scripts: it asks them to end (SIGTERM), and kills them this much later. A script
    /// that nobody wants any more is given the same time, and its host lives on. Zero for an engine that does neither.
    pub stop_grace: Duration,
}

impl WorkerConfig {
    /// One host, strictly first in, first out.
    pub fn one_after_another() -> Self {
        Self {
            hosts: 1,
            ahead: 16,
            window: 16,
            report_start_after: Duration::from_millis(5),
            slow_after: Duration::from_millis(50),
            take_wait: Duration::from_secs(5),
            announce_every: Duration::from_secs(3),
            stop_grace: Duration::ZERO,
        }
    }

    /// Several hosts with one job each.
    pub fn side_by_side(hosts: usize) -> Self {
        Self { hosts, ahead: 1, window: hosts * 4, ..Self::one_after_another() }
    }
}

/// Why a loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to; everything taken was finished or given back.
    Drained,
    /// It was asked to, and ends of jobs could not be written any more; the queue will find out when leases run out.
    Abandoned,
}

/// Events that may wait; each sender waits when there are more.
const EVENTS: usize = 64;
/// While this many ends wait to be written, or ends with this many bytes, nothing is taken.
const ENDS: usize = 512;
const END_BYTES: usize = 64 << 20;
/// After this, ends that cannot be written are given up by an actor that is asked to end at once.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A job in hand that has not ended.
struct HeldJob {
    job: Box<TakenJob>,
    /// When its lease was known to be good: not when it came, but when it was asked for.
    good_at: Instant,
    /// Heartbeats that were sent before it came; the answers to these say nothing of it.
    beats: u64,
    /// Its start was reported, as this time.
    reported: Option<std::time::SystemTime>,
    /// Nobody wants its result any more.
    void: bool,
    /// What its script said.
    output: JobOutput,
}

/// The queue loop of one actor.
pub struct Worker<L: Launcher> {
    queue: Arc<dyn WorkQueue>,
    clock: Arc<dyn Clock>,
    config: WorkerConfig,
    launcher: L,
    slots: Vec<Slot<L::Host>>,
    waiting: VecDeque<HeldJob>,
    /// Leases on their way back to the queue.
    releasing: Vec<Lease>,
    /// Ends that are not written yet.
    pending: PendingResults,
    /// Ends that the queue has refused, each counted once for each refusal.
    refusals: u64,
    /// When it was last told that the queue takes no ends.
    stuck_told_at: Option<Instant>,
    /// What has run here.
    executed: ExecutedLeases,
    /// What scripts said and the queue is being told.
    output_reports: OutputReports,
    now: Instant,
    calls: JoinSet<CallEnd>,
    events: Events,
    takes: mpsc::Sender<usize>,
    /// How many jobs the waiting `take` may bring.
    taking: Option<usize>,
    interrupting: bool,
    interrupt_at: Instant,
    /// Calls fail since; none while they work.
    away_since: Option<Instant>,
    retry_at: Instant,
    announced: bool,
    announcing: bool,
    announce_at: Instant,
    beating: bool,
    beat_at: Instant,
    /// Heartbeats that were sent.
    beats: u64,
    /// What the queue believes to be in our hands has to be asked for before anything else is taken.
    must_recover: bool,
    recovering: bool,
    /// Asked to take nothing until then.
    drain_until: Option<Instant>,
    /// Asked to end.
    stopping: bool,
    /// Asked to end at once, then.
    forced_at: Option<Instant>,
}

/// Where the loop hears from its helpers.
struct Events {
    taken: mpsc::Receiver<Taken>,
    hosts: mpsc::Receiver<(HostTag, HostEvent)>,
    report: mpsc::Sender<(HostTag, HostEvent)>,
}

impl<L: Launcher> Worker<L> {
    /// A loop on this queue; it does nothing until it [runs](Self::run).
    pub fn new(queue: Arc<dyn WorkQueue>, clock: Arc<dyn Clock>, launcher: L, config: WorkerConfig) -> Self {
        let now = Instant::now();
        let (report, hosts) = mpsc::channel(EVENTS);
        // Replaced by `run`, which starts the tasks at the other ends.
        let (takes, _) = mpsc::channel(1);
        let (_, taken) = mpsc::channel(1);
        let slots = (0..config.hosts.max(1)).map(|_| Slot::new(now, config.stop_grace)).collect();
        Self {
            queue,
            clock,
            config,
            launcher,
            slots,
            waiting: VecDeque::new(),
            releasing: Vec::new(),
            pending: PendingResults::new(now),
            refusals: 0,
            stuck_told_at: None,
            executed: ExecutedLeases::default(),
            output_reports: OutputReports::default(),
            now,
            calls: JoinSet::new(),
            events: Events { taken, hosts, report },
            takes,
            taking: None,
            interrupting: false,
            interrupt_at: now,
            away_since: None,
            retry_at: now,
            announced: false,
            announcing: false,
            announce_at: now,
            beating: false,
            beat_at: now,
            beats: 0,
            must_recover: false,
            recovering: false,
            drain_until: None,
            stopping: false,
            forced_at: None,
        }
    }

    /// Works until `shutdown`: softly, it finishes what runs and gives the rest back; hard, it also kills what runs.
    pub async fn run(mut self, shutdown: &Shutdown) -> Ended {
        let mut helpers = JoinSet::new();
        // A frozen actor's read waits on in the queue and would be given the very job that was taken from it. So a
        // read ends before a lease can have run out since the last sign of life, and while what it brings can be started.
        let take_wait = self.config.take_wait.min(self.queue.lease() / 3);
        (self.takes, self.events.taken) = queue_calls::spawn_taker(&mut helpers, &self.queue, take_wait);
        self.now = Instant::now();
        self.beat_at = self.now + self.beat_every();
        self.launch_missing();
        let timer = sleep_until(self.now);
        tokio::pin!(timer);
        let mut armed = self.now;
        let ended = loop {
            self.act();
            if let Some(ended) = self.ended() {
                break ended;
            }
            let due = self.next_due();
            if due < armed || armed <= self.now {
                armed = due;
                timer.as_mut().reset(due);
            }
            tokio::select! {
                biased;
                () = shutdown.hard().cancelled(), if self.forced_at.is_none() => {
                    self.now = Instant::now();
                    self.stop(true);
                }
                () = shutdown.soft().cancelled(), if !self.stopping => {
                    self.now = Instant::now();
                    self.stop(false);
                }
                Some((tag, event)) = self.events.hosts.recv() => {
                    self.now = Instant::now();
                    self.on_host(tag, event);
                    while let Ok((tag, event)) = self.events.hosts.try_recv() {
                        self.on_host(tag, event);
                    }
                }
                Some(taken) = self.events.taken.recv() => {
                    self.now = Instant::now();
                    self.on_taken(taken);
                }
                Some(call) = self.calls.join_next() => {
                    self.now = Instant::now();
                    match call {
                        Ok(end) => self.on_call(end),
                        Err(error) => {
                            tracing::error!(%error, "a call to the queue broke off");
                            return Ended::Abandoned;
                        }
                    }
                }
                () = timer.as_mut() => self.now = Instant::now(),
            }
        };
        self.slots.clear();
        helpers.abort_all();
        self.tell_abandoned();
        self.queue.close().await;
        ended
    }

    /// Does everything that has become possible or due; called after each event.
    fn act(&mut self) {
        self.check_times();
        self.dispatch();
        self.release_untouched();
        self.report_output();
        self.ask_for_work();
        self.write_ends();
    }

    /// True when there is nothing left to do before the end.
    fn ended(&self) -> Option<Ended> {
        if !self.stopping {
            return None;
        }
        let idle =
            self.waiting.is_empty() && self.releasing.is_empty() && self.slots.iter().all(Slot::is_idle);
        // A `take` that still waits could be given a job that nobody would then run.
        if idle && self.unwritten() == 0 && self.taking.is_none() && !self.recovering {
            return Some(Ended::Drained);
        }
        let late = self.forced_at.is_some_and(|at| self.now >= at + LAST_WRITES);
        late.then_some(Ended::Abandoned)
    }

    fn stop(&mut self, force: bool) {
        self.stopping = true;
        self.announce_at = self.now;
        if force {
            self.forced_at = Some(self.now);
            self.kill_all();
        }
    }

    /// Jobs in hand that have not ended.
    fn held_count(&self) -> usize {
        self.waiting.len() + self.slots.iter().map(Slot::load).sum::<usize>()
    }

    fn beat_every(&self) -> Duration {
        self.queue.lease() / 3
    }

    /// A job whose lease was not known to be good for this long is not started before that is known again.
    fn start_trust(&self) -> Duration {
        self.queue.lease() / 2
    }

    /// Ends that the queue has not taken yet.
    fn unwritten(&self) -> usize {
        self.pending.len() + self.output_reports.waiting_ends()
    }

    /// Without a renewal for this long, a lease may soon be somebody else's.
    fn lease_trust(&self) -> Duration {
        self.queue.lease() * 2 / 3
    }
}

#[cfg(test)]
mod tests;

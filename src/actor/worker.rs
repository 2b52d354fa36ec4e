//! The queue loop: takes jobs, feeds them to engine hosts and writes how they ended.
//!
//! # Shape
//!
//! One task owns all state and waits for nothing but the next event. An event is a message of an engine host, the answer
//! of [`WorkQueue::take`], which waits in a task of its own, the end of a short call (heartbeat, ends of jobs), a signal,
//! or a time that has come. The loop has three rules of its own:
//!
//! * **Handlers change state.** `on_host`, `on_taken` and `on_call` note what has happened, and start nothing.
//! * **`act` derives actions.** After each event `act` looks at the whole state and does what has become possible or due:
//!   start hosts, write jobs to hosts, call jobs back, make calls. So the order of events decides nothing.
//! * **Time is read once an event**, into `now`. All decisions of one round see the same time, and `next_due` computes when
//!   to look again.
//!
//! | file | subject |
//! |---|---|
//! | `config` | settings, and how a loop ends |
//! | `dispatch` | the way of a job from the queue into a host |
//! | `backpressure` | when to stop taking jobs, and what is due |
//! | `queue_calls`, `repeating` | calls to the queue, and when they are made again |
//! | `slot` | one host with its jobs, and how it is killed |
//! | `finish` | how attempts end |
//! | `output` | lines and progress of scripts |
//! | `pending_results`, `write_results` | ends that the queue has not taken yet |
//! | `executed` | leases that have run here and never run again |
//! | `run_times` | how many jobs are taken together |
//!
//! # Rules for jobs
//!
//! * jobs reach a host in the order in which they were taken, and a host runs them in that order;
//! * several jobs are written to a host ahead, so that short ones cost no round trip; when one runs long, those behind
//!   it are called back and returned to the queue, and nothing is taken until it has ended;
//! * the shorter jobs run, the more are taken and written together;
//! * a host that has to be killed is first told to start nothing else, so that only the guilty job pays;
//! * a job that may have started is never started again here: it gets an end, and the queue decides about a retry;
//! * an end that the queue does not take is kept, and its lease renewed, until the queue takes it or says that it is void;
//! * a lease counts from the moment at which it was asked for: what came late is not started before it was renewed;
//! * a script whose lease is void, or was not renewed for two thirds of its length, is killed.

mod backpressure;
mod config;
mod dispatch;
mod executed;
mod finish;
mod output;
mod pending_results;
mod queue_calls;
mod repeating;
mod run_times;
mod slot;
mod write_results;

pub use config::{Ended, WorkerConfig};

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::actor::hosts::{HostEvent, HostTag, Launcher};
use crate::ports::clock::Clock;
use crate::ports::work_queue::{Lease, TakenJob, WorkQueue};
use crate::shutdown::Shutdown;
use executed::ExecutedLeases;
use output::{JobOutput, OutputReports};
use pending_results::PendingResults;
use queue_calls::{CallEnd, Taken};
use repeating::Repeating;
use run_times::RunTimes;
use slot::Slot;

/// Events that may wait; each sender waits when there are more.
const EVENTS: usize = 64;
/// While this many ends wait to be written, or ends with this many bytes, nothing is taken.
const ENDS: usize = 512;
const END_BYTES: usize = 64 << 20;
/// After this, ends that cannot be written are given up by an actor that is asked to end at once.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A job in flight that has not ended.
struct HeldJob {
    job: Box<TakenJob>,
    /// Time at which its lease was known to be good: when the lease was asked for, not when the answer came.
    good_at: Instant,
    /// Number of heartbeats that were sent before the job came; their answers say nothing of it.
    heartbeats_sent: u64,
    /// Start time that was reported to the queue.
    reported: Option<std::time::SystemTime>,
    /// True if nobody wants the result any more.
    void: bool,
    /// Output that was not handed to the queue yet.
    output: JobOutput,
}

/// Readiness of the actor to take jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The actor takes jobs.
    Working,
    /// The actor was asked to take no jobs until then.
    Draining { until: Instant },
    /// The actor ends when its jobs have ended; with a time, it was then asked to end at once.
    Stopping { forced_at: Option<Instant> },
}

/// The queue loop of one actor. It does nothing until it [runs](Self::run).
pub struct Worker<L: Launcher> {
    queue: Arc<dyn WorkQueue>,
    clock: Arc<dyn Clock>,
    config: WorkerConfig,
    launcher: L,
}

impl<L: Launcher> Worker<L> {
    /// Makes a loop on this queue.
    pub fn new(queue: Arc<dyn WorkQueue>, clock: Arc<dyn Clock>, launcher: L, config: WorkerConfig) -> Self {
        Self { queue, clock, config, launcher }
    }

    /// Works until `shutdown`. Softly, it finishes what runs and releases the rest; hard, it also kills what runs.
    pub async fn run(self, shutdown: &Shutdown) -> Ended {
        let mut helpers = JoinSet::new();
        // A frozen actor's read waits on in the queue and would be given the very job that was taken from it. So a
        // read ends before a lease can have run out since the last sign of life, and while what it brings can be started.
        let take_wait = self.config.take_wait.min(self.queue.lease() / 3);
        let (takes, taken) = queue_calls::spawn_taker(&mut helpers, &self.queue, take_wait);
        let (report, hosts) = mpsc::channel(EVENTS);
        let mut state = WorkerLoop::new(self, takes, report);
        let ended = state.run(Events { taken, hosts }, shutdown).await;
        state.slots.clear();
        helpers.abort_all();
        state.tell_abandoned();
        state.queue.close().await;
        ended
    }
}

/// The events of the helpers of a loop.
struct Events {
    taken: mpsc::Receiver<Taken>,
    hosts: mpsc::Receiver<(HostTag, HostEvent)>,
}

/// The state of a running loop.
struct WorkerLoop<L: Launcher> {
    queue: Arc<dyn WorkQueue>,
    clock: Arc<dyn Clock>,
    config: WorkerConfig,
    launcher: L,
    /// The time of this round.
    now: Instant,
    mode: Mode,
    slots: Vec<Slot<L::Host>>,
    /// By which the numbers of jobs ahead and in hand are chosen.
    run_times: RunTimes,
    /// Jobs that no host has.
    waiting: VecDeque<HeldJob>,
    /// Leases on their way back to the queue.
    releasing: Vec<Lease>,
    /// Ends that are not written yet.
    pending: PendingResults,
    /// Number of calls with ends that the queue has refused.
    refusals: u64,
    /// Time of the last log line about ends that the queue does not take.
    stuck_told_at: Option<Instant>,
    /// Leases whose scripts may have run here.
    executed: ExecutedLeases,
    /// Output on its way to the queue.
    output_reports: OutputReports,
    calls: JoinSet<CallEnd>,
    /// Sender for the reports of hosts.
    report: mpsc::Sender<(HostTag, HostEvent)>,
    /// Asks the task that waits for work.
    takes: mpsc::Sender<usize>,
    /// Most jobs that the `take` under way may bring.
    taking: Option<usize>,
    /// Makes a `take` return.
    interrupt: Repeating,
    /// Announcement of the actor.
    announce: Repeating,
    /// The queue knows of the actor, and no call has failed since.
    announced: bool,
    /// Renews leases.
    heartbeat: Repeating,
    /// Heartbeats that were sent.
    heartbeats_sent: u64,
    /// Asks for the jobs that the queue believes to be in flight; no others are taken before.
    recover: Repeating,
    /// Calls fail since; none while they work.
    away_since: Option<Instant>,
    /// No call that failed is made again before.
    retry_at: Instant,
}

impl<L: Launcher> WorkerLoop<L> {
    fn new(
        worker: Worker<L>,
        takes: mpsc::Sender<usize>,
        report: mpsc::Sender<(HostTag, HostEvent)>,
    ) -> Self {
        let Worker { queue, clock, config, launcher } = worker;
        let now = Instant::now();
        let slots = (0..config.hosts.max(1)).map(|_| Slot::new(now, config.stop_grace)).collect();
        let heartbeat = Repeating::Due(now + queue.lease() / 3);
        Self {
            queue,
            clock,
            config,
            launcher,
            now,
            mode: Mode::Working,
            slots,
            run_times: RunTimes::default(),
            waiting: VecDeque::new(),
            releasing: Vec::new(),
            pending: PendingResults::new(now),
            refusals: 0,
            stuck_told_at: None,
            executed: ExecutedLeases::default(),
            output_reports: OutputReports::default(),
            calls: JoinSet::new(),
            report,
            takes,
            taking: None,
            interrupt: Repeating::Due(now),
            announce: Repeating::Due(now),
            announced: false,
            heartbeat,
            heartbeats_sent: 0,
            recover: Repeating::Idle,
            away_since: None,
            retry_at: now,
        }
    }

    async fn run(&mut self, mut events: Events, shutdown: &Shutdown) -> Ended {
        self.launch_missing();
        let timer = sleep_until(self.now);
        tokio::pin!(timer);
        let mut armed = self.now;
        loop {
            self.act();
            if let Some(ended) = self.ended() {
                return ended;
            }
            let due = self.next_due();
            if due < armed || armed <= self.now {
                armed = due;
                timer.as_mut().reset(due);
            }
            if let Err(ended) = self.next_event(&mut events, shutdown, timer.as_mut()).await {
                return ended;
            }
        }
    }

    /// Waits for one event and notes it. Fails when the loop cannot go on.
    async fn next_event(
        &mut self,
        events: &mut Events,
        shutdown: &Shutdown,
        timer: Pin<&mut Sleep>,
    ) -> Result<(), Ended> {
        tokio::select! {
            biased;
            () = shutdown.hard().cancelled(), if self.forced_at().is_none() => {
                self.now = Instant::now();
                self.stop(true);
            }
            () = shutdown.soft().cancelled(), if !self.is_stopping() => {
                self.now = Instant::now();
                self.stop(false);
            }
            Some((tag, event)) = events.hosts.recv() => {
                self.now = Instant::now();
                self.on_host(tag, event);
                while let Ok((tag, event)) = events.hosts.try_recv() {
                    self.on_host(tag, event);
                }
            }
            Some(taken) = events.taken.recv() => {
                self.now = Instant::now();
                self.on_taken(taken);
            }
            Some(call) = self.calls.join_next() => {
                self.now = Instant::now();
                match call {
                    Ok(end) => self.on_call(end),
                    Err(error) => {
                        tracing::error!(%error, "queue: a call broke off");
                        return Err(Ended::Abandoned);
                    }
                }
            }
            () = timer => self.now = Instant::now(),
        }
        Ok(())
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
        if !self.is_stopping() {
            return None;
        }
        let idle =
            self.waiting.is_empty() && self.releasing.is_empty() && self.slots.iter().all(Slot::is_idle);
        // A `take` that still waits could be given a job that nobody would then run.
        if idle && self.unwritten() == 0 && self.taking.is_none() && !self.recover.is_in_flight() {
            return Some(Ended::Drained);
        }
        let late = self.forced_at().is_some_and(|at| self.now >= at + LAST_WRITES);
        late.then_some(Ended::Abandoned)
    }

    fn stop(&mut self, force: bool) {
        self.announce.set(self.now);
        let forced_at = force.then_some(self.now);
        self.mode = Mode::Stopping { forced_at: self.forced_at().or(forced_at) };
        if force {
            self.kill_all();
        }
    }

    fn is_stopping(&self) -> bool {
        matches!(self.mode, Mode::Stopping { .. })
    }

    fn forced_at(&self) -> Option<Instant> {
        match self.mode {
            Mode::Stopping { forced_at } => forced_at,
            Mode::Working | Mode::Draining { .. } => None,
        }
    }

    /// Jobs in flight that have not ended.
    fn held_count(&self) -> usize {
        self.waiting.len() + self.slots.iter().map(Slot::load).sum::<usize>()
    }

    fn heartbeat_interval(&self) -> Duration {
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

    /// Returns the time after which a lease that was not renewed may soon be somebody else's.
    fn lease_trust(&self) -> Duration {
        self.queue.lease() * 2 / 3
    }
}

#[cfg(test)]
mod tests;

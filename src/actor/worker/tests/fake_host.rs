//! Hosts that only wait: a script is `NAME` (at once), `NAME MILLISECONDS`, `crash`, `retire`, `leave`, `stubborn`, `hang` or
//! `polite MILLISECONDS`, which ends that long after it was asked to and leaves its host alive.
//! One that has left is missed only a moment later.
//! One whose name begins with `say` says so at its start and at its end. `stale` is refused once by each host; the host that is
//! given `stale to death` first refuses it and is gone `STAYS` later, without an answer to what it is asked.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use crate::actor::hosts::{Death, Done, Host, HostEvent, HostOutput, Launcher, Reply, Report};
use crate::domain::model::job::{JobResult, ResultKind};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::OutputItem;
use crate::ports::work_queue::TakenJob;

/// Delay after which the loss of a host is noticed.
pub(super) const MISSED_AFTER: Duration = Duration::from_millis(50);
/// Time between a refusal and the death of the host.
const STAYS: Duration = Duration::from_millis(500);

enum Order {
    Job(u64, String),
    CallBack(u64),
    Terminate,
    Kill,
}

/// Jobs that hosts have run, and the number of launches.
#[derive(Default)]
pub(super) struct Log {
    pub(super) ran: Vec<String>,
    pub(super) launched: usize,
    pub(super) terminated: usize,
    /// A host has died of `stale to death`.
    died_of_it: bool,
}

#[derive(Clone, Default)]
pub(super) struct FakeHosts {
    pub(super) log: Arc<Mutex<Log>>,
    pub(super) broken: bool,
    /// The first host never comes up.
    pub(super) first_hangs: bool,
    pub(super) tasks: TaskTracker,
}

pub(super) struct FakeHost {
    orders: mpsc::Sender<Order>,
}

impl Launcher for FakeHosts {
    type Host = FakeHost;

    fn launch(&mut self, report: Report) -> io::Result<FakeHost> {
        let launched = {
            let mut log = self.log.lock().unwrap();
            log.launched += 1;
            log.launched
        };
        let hangs = self.first_hangs && launched == 1;
        let (orders, inbox) = mpsc::channel(1000);
        let log = Arc::clone(&self.log);
        let broken = self.broken;
        self.tasks.spawn(async move {
            if broken {
                report
                    .send(HostEvent::Replied(vec![Reply::Unavailable { reason: "no engine".to_owned() }]))
                    .await;
                report.send(HostEvent::Died(Death { exit_code: Some(1), ..Death::default() })).await;
                return;
            }
            if hangs {
                let mut inbox = inbox;
                while !matches!(inbox.recv().await, Some(Order::Kill) | None) {}
                report.send(HostEvent::Died(Death { signal: Some(9), ..Death::default() })).await;
                return;
            }
            sleep(Duration::from_millis(1)).await;
            report.send(HostEvent::Replied(vec![Reply::Ready { version: "fake".to_owned() }])).await;
            let death = live(inbox, &report, &log).await;
            report.send(HostEvent::Died(death)).await;
        });
        Ok(FakeHost { orders })
    }
}

/// A host that is up.
struct Life<'a> {
    report: &'a Report,
    log: &'a Mutex<Log>,
    waiting: VecDeque<(u64, String)>,
    running: Option<(u64, String, Instant)>,
    current: u64,
    called_back: u64,
    /// The running script was asked to end.
    asked: bool,
    /// A job was refused as stale.
    refused: bool,
}

async fn live(mut inbox: mpsc::Receiver<Order>, report: &Report, log: &Mutex<Log>) -> Death {
    let mut life = Life {
        report,
        log,
        waiting: VecDeque::new(),
        running: None,
        current: 0,
        called_back: 0,
        asked: false,
        refused: false,
    };
    loop {
        if let Some(death) = life.start_next().await {
            return death;
        }
        let end = life.end();
        let over = async {
            match end {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let death = tokio::select! {
            biased;
            order = inbox.recv() => life.follow(order).await,
            () = over => life.finish().await,
        };
        if let Some(death) = death {
            return death;
        }
    }
}

impl Life<'_> {
    /// Starts the next script unless one runs. Returns the death of the host, if it dies of the script.
    async fn start_next(&mut self) -> Option<Death> {
        while self.running.is_none() {
            let (seq, script) = self.waiting.pop_front()?;
            if seq <= self.called_back {
                continue;
            }
            if script == "stale" && !std::mem::replace(&mut self.refused, true) {
                self.report.send(HostEvent::Replied(vec![Reply::Stale { seq }])).await;
                continue;
            }
            let is_deadly = script == "stale to death";
            if is_deadly && !std::mem::replace(&mut self.log.lock().unwrap().died_of_it, true) {
                self.report.send(HostEvent::Replied(vec![Reply::Stale { seq }])).await;
                sleep(STAYS).await;
                return Some(Death { signal: Some(9), ..Death::default() });
            }
            self.current = seq;
            self.log.lock().unwrap().ran.push(script.clone());
            if script.starts_with("say") {
                self.report.send(HostEvent::Replied(vec![words(seq, 1, "begins")])).await;
            }
            let time = time_of(&script);
            self.running = Some((seq, script, Instant::now() + Duration::from_millis(time)));
        }
        None
    }

    /// Returns the end of the running script; None while it waits to be asked, or if there is none.
    fn end(&self) -> Option<Instant> {
        let waits = |script: &str| ["hang", "stubborn"].contains(&script) || script.starts_with("polite");
        let ends = self.running.as_ref().filter(|(_, script, _)| self.asked || !waits(script));
        ends.map(|(_, _, at)| *at)
    }

    async fn follow(&mut self, order: Option<Order>) -> Option<Death> {
        match order {
            Some(Order::Job(seq, script)) => self.waiting.push_back((seq, script)),
            Some(Order::CallBack(upto)) => {
                self.called_back = upto;
                self.report.send(HostEvent::CalledBack { current: self.current }).await;
            }
            Some(Order::Terminate) => {
                self.log.lock().unwrap().terminated += 1;
                let polite = self.running.as_mut().filter(|(_, script, _)| script.starts_with("polite"));
                if let Some((_, script, at)) = polite {
                    self.asked = true;
                    *at = Instant::now() + Duration::from_millis(time_of(script));
                } else if self.running.as_ref().is_none_or(|(_, script, _)| script != "stubborn") {
                    return Some(Death { signal: Some(15), ..Death::default() });
                }
            }
            Some(Order::Kill) | None => return Some(Death { signal: Some(9), ..Death::default() }),
        }
        None
    }

    /// Ends the running script.
    async fn finish(&mut self) -> Option<Death> {
        let (seq, script, _) = self.running.take().unwrap();
        self.asked = false;
        if script == "crash" {
            return Some(Death { signal: Some(6), ..Death::default() });
        }
        let (retiring, leaves) = (script == "retire", script == "leave");
        let script_says = script.starts_with("say");
        let result = JobResult { text: script, kind: ResultKind::Text };
        let done = Done { seq, wall_us: 1, retiring, usage: None, outcome: Ok(result) };
        let mut replies = vec![Reply::Done(done)];
        if script_says {
            replies.insert(0, words(seq, 2, "ends"));
        }
        self.report.send(HostEvent::Replied(replies)).await;
        if retiring {
            return Some(Death { exit_code: Some(0), ..Death::default() });
        }
        if leaves {
            let gone_at = Some(Instant::now());
            sleep(MISSED_AFTER).await;
            return Some(Death { signal: Some(9), gone_at, ..Death::default() });
        }
        None
    }
}

fn time_of(script: &str) -> u64 {
    script.split(' ').nth(1).and_then(|time| time.parse().ok()).unwrap_or(0)
}

fn words(seq: u64, number: u64, text: &str) -> Reply {
    let item = OutputItem::Line { stream: LogStream::Stdout, text: text.to_owned() };
    Reply::Output { seq, output: vec![HostOutput { number, ago: Duration::ZERO, item }] }
}

impl FakeHost {
    fn order(&self, order: Order) {
        // A dead host takes no orders.
        drop(self.orders.try_send(order));
    }
}

impl Host for FakeHost {
    fn submit(&mut self, seq: u64, job: &TakenJob, _start_by: Instant) {
        self.order(Order::Job(seq, job.spec.script.clone()));
    }

    fn flush(&mut self) {}

    fn call_back(&mut self, upto: u64) {
        self.order(Order::CallBack(upto));
    }

    fn terminate(&mut self) {
        self.order(Order::Terminate);
    }

    fn kill(&mut self) {
        self.order(Order::Kill);
    }
}

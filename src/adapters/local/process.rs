//! The task that owns one process: only it starts, ends and restarts it.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::health;
use super::logs::collect;
use super::spawn::{Child, Launch, Spawner};
use crate::adapters::log_ring::LogRing;
use crate::domain::model::actor::{ExitStatus, RestartMode};
use crate::domain::model::output::LogStream;
use crate::ports::clock::Clock;
use crate::ports::process_manager::{FailedCheck, ProcessError, ProcessSpec, ProcessState};

/// The callers that wait for a command.
pub(super) type Reply = oneshot::Sender<Result<(), ProcessError>>;

/// A command to the owner of a process.
pub(super) enum Command {
    /// Have it run by this definition.
    Start(Box<ProcessSpec>, Reply),
    /// Have it end; killed after the grace, or after that of its definition.
    Stop(Option<Duration>, Reply),
    /// Forget it.
    Remove(Reply),
    /// Send it a signal.
    Signal(Signal, Reply),
}

/// State of the process for readers.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) state: ProcessState,
    pub(super) started_at: Option<SystemTime>,
    pub(super) detail: String,
    pub(super) failed_check: Option<FailedCheck>,
}

impl Snapshot {
    pub(super) fn of(state: ProcessState, detail: &str) -> Self {
        Self { state, started_at: None, detail: detail.to_owned(), failed_check: None }
    }
}

/// Time for the last words of an ended process to arrive, should somebody outside of its group hold its outputs.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The owner of one process.
pub(super) struct Owner {
    pub(super) spec: ProcessSpec,
    pub(super) spawner: Spawner,
    pub(super) logs: Arc<LogRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) published: watch::Sender<Snapshot>,
}

enum Phase {
    Ended,
    Backoff { until: Instant },
    Up(Up),
}

struct Up {
    child: Child,
    readers: JoinSet<()>,
    since: Instant,
    stage: Stage,
}

enum Stage {
    /// The task inside repeats the health check.
    Starting(JoinSet<Result<(), String>>),
    Running,
    Stopping(Stopping),
    /// Killed because its health check did not pass in time, and how that failed the last time.
    Unhealthy(String),
}

struct Stopping {
    /// Time of the SIGKILL; None once it was sent.
    kill_at: Option<Instant>,
    waiters: Vec<Reply>,
    /// Process to start after the end of this one.
    next: Option<(Box<ProcessSpec>, Reply)>,
}

enum Event {
    Asked(Option<Command>),
    Ended(ExitStatus),
    Healthy(Result<(), String>),
    TimeIsUp,
}

impl Owner {
    /// Works until nobody can ask any more, or the process is forgotten. What still runs then is killed.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut phase = Phase::Ended;
        let mut failures = 0;
        loop {
            let event = next_event(&mut phase, &mut commands).await;
            phase = match (event, phase) {
                (Event::Asked(None), _) => break,
                (Event::Asked(Some(Command::Remove(reply))), Phase::Ended) => {
                    // Closed before the answer, so that whoever gets it finds nobody here.
                    drop(commands);
                    drop(reply.send(Ok(())));
                    break;
                }
                (Event::Asked(Some(command)), phase) => self.obey(command, phase, &mut failures).await,
                (Event::Ended(exit), Phase::Up(up)) => self.ended(exit, up, &mut failures).await,
                (Event::Healthy(passed), Phase::Up(up)) => self.checked(passed, up),
                (Event::TimeIsUp, Phase::Up(up)) => kill_late(up),
                (Event::TimeIsUp, Phase::Backoff { .. }) => self.spawn().await,
                (Event::Ended(_) | Event::Healthy(_) | Event::TimeIsUp, phase) => phase,
            };
        }
    }

    async fn obey(&mut self, command: Command, phase: Phase, failures: &mut u32) -> Phase {
        match command {
            Command::Start(spec, reply) => self.start(spec, reply, phase, failures).await,
            Command::Stop(grace, reply) => self.stop(grace, reply, phase),
            Command::Remove(reply) => {
                drop(reply.send(Err(rejected(&self.spec.name, "still runs: stop it first"))));
                phase
            }
            Command::Signal(signal, reply) => {
                let sent = match &phase {
                    Phase::Up(up) => {
                        up.child.signal(signal).map_err(|error| rejected_by(&self.spec.name, error))
                    }
                    Phase::Ended | Phase::Backoff { .. } => Err(rejected(&self.spec.name, "does not run")),
                };
                drop(reply.send(sent));
                phase
            }
        }
    }

    async fn start(
        &mut self,
        spec: Box<ProcessSpec>,
        reply: Reply,
        phase: Phase,
        failures: &mut u32,
    ) -> Phase {
        match phase {
            Phase::Up(mut up) => {
                if let Stage::Stopping(stopping) = &mut up.stage {
                    supersede(stopping.next.replace((spec, reply)));
                } else if self.spec == *spec {
                    drop(reply.send(Ok(())));
                } else {
                    let grace = self.spec.stop_grace;
                    let next = Some((spec, reply));
                    self.begin_stop(&mut up, grace, Stopping { kill_at: None, waiters: Vec::new(), next });
                }
                Phase::Up(up)
            }
            Phase::Ended | Phase::Backoff { .. } => {
                *failures = 0;
                self.spec = *spec;
                let phase = self.spawn().await;
                drop(reply.send(Ok(())));
                phase
            }
        }
    }

    fn stop(&mut self, grace: Option<Duration>, reply: Reply, phase: Phase) -> Phase {
        let grace = grace.unwrap_or(self.spec.stop_grace);
        match phase {
            Phase::Up(mut up) => {
                if let Stage::Stopping(stopping) = &mut up.stage {
                    supersede(stopping.next.take());
                    stopping.waiters.push(reply);
                    stopping.kill_at = stopping.kill_at.map(|at| at.min(Instant::now() + grace));
                } else {
                    self.begin_stop(
                        &mut up,
                        grace,
                        Stopping { kill_at: None, waiters: vec![reply], next: None },
                    );
                }
                Phase::Up(up)
            }
            Phase::Backoff { .. } => {
                let exit = match self.published.borrow().state {
                    ProcessState::Backoff { exit } => Some(exit),
                    ProcessState::Waiting
                    | ProcessState::Starting { .. }
                    | ProcessState::Running { .. }
                    | ProcessState::Stopping { .. }
                    | ProcessState::Down { .. }
                    | ProcessState::SpawnFailed => None,
                };
                self.publish(ProcessState::Down { exit }, "stopped before its next start");
                drop(reply.send(Ok(())));
                Phase::Ended
            }
            Phase::Ended => {
                drop(reply.send(Ok(())));
                Phase::Ended
            }
        }
    }

    fn begin_stop(&self, up: &mut Up, grace: Duration, stopping: Stopping) {
        // It may have ended just now; its end is on its way then.
        let _ended = up.child.signal(Signal::SIGTERM);
        up.stage = Stage::Stopping(Stopping { kill_at: Some(Instant::now() + grace), ..stopping });
        self.publish(ProcessState::Stopping { pid: Some(up.child.pid()) }, "");
    }

    fn checked(&self, passed: Result<(), String>, mut up: Up) -> Phase {
        let pid = up.child.pid();
        match passed {
            Ok(()) => {
                up.stage = Stage::Running;
                self.publish(ProcessState::Running { pid }, "");
            }
            Err(last) => {
                let _ended = up.child.signal(Signal::SIGKILL);
                up.stage = Stage::Unhealthy(last);
            }
        }
        Phase::Up(up)
    }

    async fn ended(&mut self, exit: ExitStatus, mut up: Up, failures: &mut u32) -> Phase {
        let drained = async { while up.readers.join_next().await.is_some() {} };
        let _cut_off = timeout(LAST_WORDS, drained).await;
        let mut failed_check = None;
        match up.stage {
            Stage::Stopping(stopping) => {
                self.publish(ProcessState::Down { exit: Some(exit) }, "stopped");
                for waiter in stopping.waiters {
                    drop(waiter.send(Ok(())));
                }
                let Some((spec, reply)) = stopping.next else { return Phase::Ended };
                *failures = 0;
                self.spec = *spec;
                let phase = self.spawn().await;
                drop(reply.send(Ok(())));
                return phase;
            }
            Stage::Unhealthy(last) => failed_check = Some(FailedCheck { last, killed: true }),
            Stage::Starting(_) | Stage::Running => {}
        }
        let restart = match self.spec.restart.mode {
            RestartMode::Always => true,
            RestartMode::OnFailure => exit != ExitStatus::Code(0),
            RestartMode::Never => false,
        };
        if !restart {
            let down = Snapshot::of(ProcessState::Down { exit: Some(exit) }, &format!("ended with {exit}"));
            self.published.send_replace(Snapshot { failed_check, ..down });
            return Phase::Ended;
        }
        if up.since.elapsed() >= self.spec.restart.reset_after {
            *failures = 0;
        }
        *failures = failures.saturating_add(1);
        let delay = self.spec.restart.backoff.delay(*failures, fastrand::f64());
        let detail = format!("ended with {exit}; restart {failures} in {delay:?}");
        let backoff = Snapshot::of(ProcessState::Backoff { exit }, &detail);
        self.published.send_replace(Snapshot { failed_check, ..backoff });
        Phase::Backoff { until: Instant::now() + delay }
    }

    async fn spawn(&self) -> Phase {
        let mut argv = vec![self.spec.program.clone().into_os_string()];
        argv.extend(self.spec.args.iter().map(Into::into));
        let env = self.spec.env.clone().into_iter().collect();
        let launch = Launch {
            argv,
            env,
            env_from_file: self.spec.env_from_file.clone(),
            dir: self.spec.working_dir.clone(),
            output: true,
            confinement: self.spec.confinement.clone(),
            sha256: self.spec.sha256.clone(),
        };
        let mut child = match self.spawner.spawn(launch).await {
            Ok(child) => child,
            Err(error) => {
                let detail = format!("{} could not be executed: {error}", self.spec.program.display());
                self.publish(ProcessState::SpawnFailed, &detail);
                return Phase::Ended;
            }
        };
        let mut readers = JoinSet::new();
        let (stdout, stderr) = child.outputs();
        if let Some(stdout) = stdout {
            readers.spawn(collect(stdout, LogStream::Stdout, self.logs.clone(), self.clock.clone()));
        }
        if let Some(stderr) = stderr {
            readers.spawn(collect(stderr, LogStream::Stderr, self.logs.clone(), self.clock.clone()));
        }
        let since = Instant::now();
        let pid = child.pid();
        self.published.send_modify(|snapshot| snapshot.started_at = Some(self.clock.now()));
        let stage = if let Some(check) = self.spec.health_check.clone() {
            self.publish(ProcessState::Starting { pid: Some(pid) }, "");
            let mut checks = JoinSet::new();
            let deadline = since + self.spec.start_timeout;
            checks.spawn(health::passes(self.spawner.clone(), self.spec.clone(), check, deadline));
            Stage::Starting(checks)
        } else {
            self.publish(ProcessState::Running { pid }, "");
            Stage::Running
        };
        Phase::Up(Up { child, readers, since, stage })
    }

    fn publish(&self, state: ProcessState, detail: &str) {
        let started_at = state.pid().and(self.published.borrow().started_at);
        self.published.send_replace(Snapshot { started_at, ..Snapshot::of(state, detail) });
    }
}

async fn next_event(phase: &mut Phase, commands: &mut mpsc::Receiver<Command>) -> Event {
    match phase {
        Phase::Ended => Event::Asked(commands.recv().await),
        Phase::Backoff { until } => tokio::select! {
            command = commands.recv() => Event::Asked(command),
            () = sleep_until(*until) => Event::TimeIsUp,
        },
        Phase::Up(Up { child, stage, .. }) => tokio::select! {
            exit = child.wait() => Event::Ended(exit),
            event = stage_event(stage) => event,
            command = commands.recv() => Event::Asked(command),
        },
    }
}

async fn stage_event(stage: &mut Stage) -> Event {
    match stage {
        Stage::Starting(checks) => Event::Healthy(match checks.join_next().await {
            Some(Ok(passed)) => passed,
            Some(Err(_)) | None => Err("was given up".to_owned()),
        }),
        Stage::Stopping(Stopping { kill_at: Some(at), .. }) => {
            sleep_until(*at).await;
            Event::TimeIsUp
        }
        Stage::Running | Stage::Unhealthy(_) | Stage::Stopping(Stopping { kill_at: None, .. }) => {
            std::future::pending().await
        }
    }
}

/// Kills a group whose grace is over.
fn kill_late(mut up: Up) -> Phase {
    if let Stage::Stopping(stopping) = &mut up.stage
        && mem::take(&mut stopping.kill_at).is_some()
    {
        let _ended = up.child.signal(Signal::SIGKILL);
    }
    Phase::Up(up)
}

/// Answers a start that somebody took back before it could happen.
fn supersede(start: Option<(Box<ProcessSpec>, Reply)>) {
    if let Some((_spec, reply)) = start {
        drop(reply.send(Ok(())));
    }
}

fn rejected(name: &str, what: &str) -> ProcessError {
    ProcessError::Rejected { reason: format!("process {name:?} {what}") }
}

fn rejected_by(name: &str, error: nix::Error) -> ProcessError {
    ProcessError::Rejected { reason: format!("process {name:?} could not be signalled: {error}") }
}

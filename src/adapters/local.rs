//! Runs processes as our own children, for `dev` and for hosts without Zinit.
//!
//! ```text
//!  LocalRunner ── one owner task a process ──► spawning thread ──► [shim] program (a process group each)
//! ```
//!
//! Only the owner starts, ends and restarts its process, so nothing can be started twice or restarted after a
//! stop. Children die with us: in `close`, when their owner is dropped, and by a signal of the kernel if we are killed
//! (their own children are not covered by that one).

mod health;
mod logs;
mod process;
mod spawn;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use self::process::{Command, Owner, Reply, Snapshot};
use self::spawn::Spawner;
use crate::adapters::log_ring::LogRing;
use crate::lock::Lock;
use crate::ports::clock::Clock;
use crate::ports::process_manager::{
    LogBatch, LogLine, LogPosition, ProcessError, ProcessInfo, ProcessManager, ProcessManagerInfo,
    ProcessSpec, ProcessState,
};

/// Time for which a reader of lines waits for a process that is not there.
const UNKNOWN_NAME: Duration = Duration::from_millis(250);

/// Settings of a [`LocalRunner`].
#[derive(Clone)]
pub struct LocalOptions {
    /// Clock of log lines.
    pub clock: Arc<dyn Clock>,
    /// Words put before each program that make it die with us, `[hero-supervisor, exec-shim, --pdeathsig]` for
    /// instance (see [`exec_shim`](crate::adapters::exec_shim); `--parent PID --` is added to them). Without them
    /// `setpriv` is used if it is installed, and processes with another user or limits are refused.
    pub shim: Option<Vec<OsString>>,
}

impl LocalOptions {
    /// Options without a shim.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shim: None }
    }
}

/// Runs processes as our own children. They die with us.
pub struct LocalRunner {
    options: LocalOptions,
    tasks: TaskTracker,
    inner: Lock<Inner>,
}

#[derive(Default)]
struct Inner {
    closed: bool,
    spawner: Option<Spawner>,
    processes: BTreeMap<String, Process>,
}

/// The handle of an owner task.
#[derive(Clone)]
struct Process {
    commands: mpsc::Sender<Command>,
    seen: watch::Receiver<Snapshot>,
    logs: Arc<LogRing>,
}

impl LocalRunner {
    /// A runner without processes. Nothing is done before the first call.
    pub fn new(options: LocalOptions) -> Self {
        Self { options, tasks: TaskTracker::new(), inner: Lock::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    fn process(&self, name: &str) -> Option<Process> {
        self.inner().processes.get(name).cloned()
    }

    /// The owner of this process, made if there is none yet.
    fn owner_for(&self, spec: &ProcessSpec) -> Result<Process, ProcessError> {
        let mut inner = self.inner();
        if inner.closed {
            return Err(ProcessError::Unavailable("the local runner is closed".into()));
        }
        if let Some(process) = inner.processes.get(&spec.name)
            && !process.commands.is_closed()
        {
            return Ok(process.clone());
        }
        let spawner = match &inner.spawner {
            Some(spawner) => spawner.clone(),
            None => {
                let started = Spawner::start(self.options.shim.clone());
                started.map_err(|error| ProcessError::Unavailable(error.into()))?
            }
        };
        inner.spawner = Some(spawner.clone());
        let (commands, inbox) = mpsc::channel(16);
        let down = Snapshot::of(ProcessState::Down { exit: None }, "");
        let (published, seen) = watch::channel(down);
        let logs = Arc::new(LogRing::default());
        let clock = self.options.clock.clone();
        let owner = Owner { spec: spec.clone(), spawner, logs: logs.clone(), clock, published };
        self.tasks.spawn(owner.run(inbox));
        let process = Process { commands, seen, logs };
        inner.processes.insert(spec.name.clone(), process.clone());
        Ok(process)
    }
}

impl Process {
    /// Has a command carried out; None when the process was forgotten in between.
    async fn ask(&self, command: impl FnOnce(Reply) -> Command) -> Option<Result<(), ProcessError>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

#[async_trait]
impl ProcessManager for LocalRunner {
    async fn probe(&self) -> Result<ProcessManagerInfo, ProcessError> {
        if self.inner().closed {
            return Err(ProcessError::Unavailable("the local runner is closed".into()));
        }
        Ok(ProcessManagerInfo {
            name: "local runner".to_owned(),
            latency: Duration::ZERO,
            limits: &["actors end with the service: use Zinit where they must go on"],
        })
    }

    async fn start(&self, spec: &ProcessSpec) -> Result<(), ProcessError> {
        let texts = spec.args.iter().chain(spec.env.keys()).chain(spec.env.values());
        if texts.clone().any(|text| text.contains('\0')) {
            let reason =
                format!("process {:?} has an argument or a variable with a NUL character", spec.name);
            return Err(ProcessError::Rejected { reason });
        }
        loop {
            let process = self.owner_for(spec)?;
            let spec = Box::new(spec.clone());
            if let Some(answer) = process.ask(|reply| Command::Start(spec, reply)).await {
                return answer;
            }
        }
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError> {
        let Some(process) = self.process(name) else { return Ok(()) };
        process.ask(|reply| Command::Stop(Some(grace), reply)).await.unwrap_or(Ok(()))
    }

    async fn remove(&self, name: &str) -> Result<(), ProcessError> {
        let Some(process) = self.process(name) else { return Ok(()) };
        process.ask(Command::Remove).await.unwrap_or(Ok(()))?;
        let mut inner = self.inner();
        if inner.processes.get(name).is_some_and(|process| process.commands.is_closed()) {
            inner.processes.remove(name);
        }
        Ok(())
    }

    async fn signal(&self, name: &str, signal: i32) -> Result<(), ProcessError> {
        let unknown = || ProcessError::NotFound { name: name.to_owned() };
        let process = self.process(name).ok_or_else(unknown)?;
        let signal = Signal::try_from(signal)
            .map_err(|_unknown| ProcessError::Rejected { reason: format!("{signal} is not a signal") })?;
        process.ask(|reply| Command::Signal(signal, reply)).await.unwrap_or_else(|| Err(unknown()))
    }

    async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError> {
        let inner = self.inner();
        let living = inner.processes.iter().filter(|(_name, process)| !process.commands.is_closed());
        let info = |(name, process): (&String, &Process)| {
            let Snapshot { state, started_at, detail, failed_check } = process.seen.borrow().clone();
            ProcessInfo { name: name.clone(), state, started_at, detail, failed_check, foreign: false }
        };
        Ok(living.map(info).collect())
    }

    async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ProcessError> {
        Ok(self.process(name).map(|process| process.logs.tail(lines)).unwrap_or_default())
    }

    async fn logs(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        match self.process(name) {
            Some(process) => Ok(process.logs.read(after, wait).await),
            None => {
                // It may be started in a moment.
                sleep(wait.min(UNKNOWN_NAME)).await;
                Ok(LogBatch::default())
            }
        }
    }

    /// Stops every process, each with the grace of its definition. Nothing can be started afterwards.
    async fn close(&self) {
        let processes = {
            let mut inner = self.inner();
            inner.closed = true;
            std::mem::take(&mut inner.processes)
        };
        let stops = processes.values().map(|process| process.ask(|reply| Command::Stop(None, reply)));
        join_all(stops).await;
        drop(processes);
        // The thread may end now; whatever it spawned is gone.
        self.inner().spawner = None;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

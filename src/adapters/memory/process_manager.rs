//! A process manager whose processes are only states, for tests with paused time.
//!
//! Nothing runs in the background. Each call first applies the changes that were due since the last one, at the times at
//! which they were due. With paused time every run is therefore the same.

mod process;

use std::collections::{BTreeMap, VecDeque};
use std::sync::MutexGuard;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, sleep_until};

pub use self::process::Behaviour;
use self::process::{Phase, Pids, Process};
use crate::domain::model::actor::ExitStatus;
use crate::lock::Lock;
use crate::ports::process_manager::{
    LogBatch, LogLine, LogPosition, ProcessError, ProcessInfo, ProcessManager, ProcessManagerInfo,
    ProcessSpec,
};

/// Time after which a hung call fails with `TimedOut`.
const DEADLINE: Duration = Duration::from_secs(2);

/// Longest wait of a reader of lines for a process that does not exist.
const UNKNOWN_NAME: Duration = Duration::from_millis(250);

/// A fault of the whole process manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every call fails at once with `Unavailable`.
    Unavailable,
    /// Every call fails after 2 s with `TimedOut`, without effect.
    Hung,
}

/// A call that changes something, as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A start of this name.
    Start(String),
    /// A stop of this name with this grace.
    Stop(String, Duration),
    /// A removal of this name.
    Remove(String),
    /// A signal to this name.
    Signal(String, i32),
}

/// A process manager whose processes are only states.
#[derive(Debug, Default)]
pub struct MemoryProcessManager {
    inner: Lock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    fault: Fault,
    calls: Vec<Call>,
    /// One entry for each coming start, true when it fails.
    starts: VecDeque<bool>,
    behaviours: BTreeMap<String, Behaviour>,
    processes: BTreeMap<String, Process>,
    /// Stops so far, by name: a start that waits gives way to a stop that came later.
    stops: BTreeMap<String, u64>,
    pids: Pids,
}

/// Handles for tests.
impl MemoryProcessManager {
    /// A manager without processes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Breaks or mends the whole process manager.
    pub fn set_fault(&self, fault: Fault) {
        self.inner().fault = fault;
    }

    /// Sets the behaviour of a process of this name from its next start on.
    pub fn behave(&self, name: &str, behaviour: Behaviour) {
        self.inner().behaviours.insert(name.to_owned(), behaviour);
    }

    /// Makes the `nth` start from now on fail with `Rejected`; 1 is the next one, of any process.
    pub fn fail_start(&self, nth: usize) {
        let mut inner = self.inner();
        let nth = nth.max(1);
        let length = inner.starts.len().max(nth);
        inner.starts.resize(length, false);
        inner.starts[nth - 1] = true;
    }

    /// Ends a process that runs, as if it had crashed. False when it does not run.
    pub fn exit(&self, name: &str, status: ExitStatus) -> bool {
        let mut inner = self.settled();
        let Inner { processes, pids, .. } = &mut *inner;
        processes.get_mut(name).is_some_and(|process| process.crash(status, Instant::now(), pids))
    }

    /// Adds a line to the output of a process; does nothing for an unknown name.
    pub fn write_line(&self, name: &str, line: LogLine) {
        if let Some(process) = self.inner().processes.get_mut(name) {
            process.logs.push(line);
        }
    }

    /// The definition of the last start of a process.
    pub fn spec(&self, name: &str) -> Option<ProcessSpec> {
        self.inner().processes.get(name).map(|process| process.spec.clone())
    }

    /// Returns all calls so far that change something.
    pub fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// The inner state, after all due changes.
    fn settled(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner();
        let Inner { processes, pids, .. } = &mut *inner;
        let now = Instant::now();
        for process in processes.values_mut() {
            process.settle(now, pids);
        }
        inner
    }

    fn stops_of(&self, name: &str) -> u64 {
        self.inner().stops.get(name).copied().unwrap_or_default()
    }

    async fn answers(&self) -> Result<(), ProcessError> {
        let fault = self.inner().fault;
        match fault {
            Fault::None => Ok(()),
            Fault::Unavailable => Err(ProcessError::Unavailable("it was told to be away".into())),
            Fault::Hung => {
                sleep(DEADLINE).await;
                Err(ProcessError::TimedOut { after: DEADLINE })
            }
        }
    }

    /// Tries to start a process. None when that is done, else the time of the next try.
    fn try_start(&self, spec: &ProcessSpec) -> Option<Instant> {
        let mut inner = self.settled();
        let now = Instant::now();
        let Inner { behaviours, processes, pids, .. } = &mut *inner;
        let behaviour = behaviours.get(&spec.name).cloned().unwrap_or_default();
        let Some(process) = processes.get_mut(&spec.name) else {
            let mut process = Process::new(spec.clone(), behaviour);
            process.spawn(now, pids);
            processes.insert(spec.name.clone(), process);
            return None;
        };
        match process.phase {
            Phase::Stopping { gone_at, .. } => Some(gone_at),
            Phase::Starting { .. } | Phase::Running { .. } if process.spec == *spec => None,
            Phase::Starting { .. } | Phase::Running { .. } => {
                let grace = process.spec.stop_grace;
                process.stop(now, grace)
            }
            Phase::Down { .. } | Phase::SpawnFailed | Phase::Backoff { .. } => {
                process.restarted_by_hand(spec.clone(), behaviour);
                process.spawn(now, pids);
                None
            }
        }
    }
}

#[async_trait]
impl ProcessManager for MemoryProcessManager {
    async fn probe(&self) -> Result<ProcessManagerInfo, ProcessError> {
        self.answers().await?;
        Ok(ProcessManagerInfo { name: "memory".to_owned(), latency: Duration::ZERO, limits: &[] })
    }

    async fn start(&self, spec: &ProcessSpec) -> Result<(), ProcessError> {
        self.inner().calls.push(Call::Start(spec.name.clone()));
        self.answers().await?;
        if self.inner().starts.pop_front() == Some(true) {
            return Err(ProcessError::Rejected { reason: "this start was told to fail".to_owned() });
        }
        let stops = self.stops_of(&spec.name);
        while let Some(later) = self.try_start(spec) {
            sleep_until(later).await;
            if self.stops_of(&spec.name) != stops {
                break;
            }
        }
        Ok(())
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError> {
        self.inner().calls.push(Call::Stop(name.to_owned(), grace));
        self.answers().await?;
        let gone_at =
            self.settled().processes.get_mut(name).and_then(|process| process.stop(Instant::now(), grace));
        if let Some(gone_at) = gone_at {
            sleep_until(gone_at).await;
        }
        drop(self.settled());
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), ProcessError> {
        self.inner().calls.push(Call::Remove(name.to_owned()));
        self.answers().await?;
        let mut inner = self.settled();
        match inner.processes.get(name).map(|process| process.phase) {
            None => Ok(()),
            Some(Phase::Down { .. } | Phase::SpawnFailed) => {
                inner.processes.remove(name);
                Ok(())
            }
            Some(
                Phase::Starting { .. }
                | Phase::Running { .. }
                | Phase::Stopping { .. }
                | Phase::Backoff { .. },
            ) => {
                let reason = format!("process {name:?} still runs: stop it first");
                Err(ProcessError::Rejected { reason })
            }
        }
    }

    async fn signal(&self, name: &str, signal: i32) -> Result<(), ProcessError> {
        self.inner().calls.push(Call::Signal(name.to_owned(), signal));
        self.answers().await?;
        let mut inner = self.settled();
        let Inner { processes, pids, .. } = &mut *inner;
        let process =
            processes.get_mut(name).ok_or_else(|| ProcessError::NotFound { name: name.to_owned() })?;
        if process.signal(signal, Instant::now(), pids) {
            return Ok(());
        }
        Err(ProcessError::Rejected { reason: format!("process {name:?} does not run") })
    }

    async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError> {
        self.answers().await?;
        let info = |(name, process): (&String, &Process)| ProcessInfo {
            name: name.clone(),
            state: process.phase.state(),
            started_at: None,
            detail: process.detail.clone(),
            failed_check: None,
            foreign: false,
        };
        Ok(self.settled().processes.iter().map(info).collect())
    }

    async fn environment(&self, name: &str) -> Result<BTreeMap<String, String>, ProcessError> {
        self.answers().await?;
        Ok(self.spec(name).map(|spec| spec.env).unwrap_or_default())
    }

    async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ProcessError> {
        self.answers().await?;
        let inner = self.settled();
        let Some(process) = inner.processes.get(name) else { return Ok(Vec::new()) };
        Ok(process.logs.tail(lines))
    }

    async fn logs(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        self.answers().await?;
        let ring = self.settled().processes.get(name).map(|process| process.logs.clone());
        match ring {
            Some(ring) => Ok(ring.read(after, wait).await),
            None => {
                // The process may be started in a moment.
                sleep(wait.min(UNKNOWN_NAME)).await;
                Ok(LogBatch::default())
            }
        }
    }

    async fn close(&self) {
        self.inner().processes.clear();
    }
}

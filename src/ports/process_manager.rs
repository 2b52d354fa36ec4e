//! The abilities of any process manager: run named processes, keep them running, report their states.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::domain::model::actor::{ExitStatus, RestartPolicy};
use crate::domain::model::confinement::Confinement;
use crate::domain::model::output::LogStream;
use crate::ports::Cause;

/// Definition of one process.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSpec {
    /// Name of the process, an actor id.
    pub name: String,
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Arguments, each passed on exactly as it stands.
    pub args: Vec<String>,
    /// Environment beside what the process manager itself has.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are read from files at each start. The process manager is not told the values.
    pub env_from_file: BTreeMap<String, PathBuf>,
    /// Working folder.
    pub working_dir: Option<PathBuf>,
    /// Shell command that must succeed before the process counts as running.
    pub health_check: Option<String>,
    /// Restarts after an unasked end; done by the process manager, so that they go on without us.
    pub restart: RestartPolicy,
    /// Time between SIGTERM and SIGKILL when somebody else than us (`zinit stop`) stops it.
    pub stop_grace: Duration,
    /// Time to start and to pass the health check.
    pub start_timeout: Duration,
    /// Processes that have to run before this one. Callers wait for them before they ask for a start; a process manager
    /// with an order of starts may keep it, too, when it starts processes by itself.
    pub after: Vec<String>,
    /// SHA-256 that the program must have at the moment of its execution, in hex.
    pub sha256: Option<String>,
    /// User and limits of the process.
    pub confinement: Confinement,
}

/// The variable that names the actor as which a process was started.
pub const ACTOR_MARK: &str = "HERO_ACTOR_ID";
/// The variable that says by whose records a process was made.
pub const REALM_MARK: &str = "HERO_REALM";

/// A process of an actor that a process manager has started which is no more, and that lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Pid of the process.
    pub pid: u32,
    /// The actor as which it was started ([`ACTOR_MARK`]).
    pub name: String,
    /// Realm of the records ([`REALM_MARK`]).
    pub realm: String,
}

/// State of a process, in words that every process manager can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// Waits for something before it starts.
    Waiting,
    /// Spawned; its health check has not passed yet.
    Starting {
        /// Pid of the process, once it has one.
        pid: Option<u32>,
    },
    /// Runs.
    Running {
        /// Pid of the process.
        pid: u32,
    },
    /// Asked to end, still there.
    Stopping {
        /// Pid of the process, while it is known.
        pid: Option<u32>,
    },
    /// Ended; the process manager will start it again by itself.
    Backoff {
        /// Exit status.
        exit: ExitStatus,
    },
    /// Ended, or was never started, and stays so.
    Down {
        /// Exit status, if the process ever ran and the process manager knows.
        exit: Option<ExitStatus>,
    },
    /// The program could not be executed.
    SpawnFailed,
}

impl ProcessState {
    /// Returns the exit status of a process that has ended; unknown for any other one.
    pub fn exit_status(self) -> ExitStatus {
        match self {
            Self::Backoff { exit } | Self::Down { exit: Some(exit) } => exit,
            Self::Down { exit: None }
            | Self::Waiting
            | Self::Starting { .. }
            | Self::Running { .. }
            | Self::Stopping { .. }
            | Self::SpawnFailed => ExitStatus::Unknown,
        }
    }

    /// The pid, while there is a process.
    pub fn pid(self) -> Option<u32> {
        match self {
            Self::Running { pid } => Some(pid),
            Self::Starting { pid } | Self::Stopping { pid } => pid,
            Self::Waiting | Self::Backoff { .. } | Self::Down { .. } | Self::SpawnFailed => None,
        }
    }
}

/// One process as the process manager sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// The name it was defined under.
    pub name: String,
    /// State of the process.
    pub state: ProcessState,
    /// Start time of the process, if there is one and it is known.
    pub started_at: Option<SystemTime>,
    /// The process manager's own words on it; empty when there are none.
    pub detail: String,
    /// The last failure of the health check; None after one that has passed, and where none was noted.
    pub failed_check: Option<FailedCheck>,
    /// True for a process of somebody else: it does not bear the marks of an actor of this name ([`ACTOR_MARK`]) of
    /// these records ([`REALM_MARK`]). An actor of the same name does not take it for its own.
    pub foreign: bool,
}

/// Failures of the health check of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCheck {
    /// Last failure: `ended with exit code 1 and wrote: no route to host`.
    pub last: String,
    /// True if the process was killed for it.
    pub killed: bool,
}

/// One line that a process wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Time of the line, if the process manager notes it.
    pub at: Option<SystemTime>,
    /// Output of the line.
    pub stream: LogStream,
    /// The line without its end.
    pub text: String,
}

/// A place in the log of a process: behind one of its lines. What the numbers mean is up to the process manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Epoch of the log: another one means another log, or another part of it.
    pub epoch: u64,
    /// Number of the line in the epoch.
    pub number: u64,
    /// Mark by which the line is recognised.
    pub mark: u64,
}

/// A line and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLine {
    /// The place behind it.
    pub position: LogPosition,
    /// The line.
    pub line: LogLine,
}

/// Lines that were read in one go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogBatch {
    /// Oldest first.
    pub lines: Vec<PlacedLine>,
    /// Lines that were written before these and are no longer kept; at least so many where nobody counts.
    pub lost: u64,
}

/// Name and version of the process manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessManagerInfo {
    /// Name for people, e.g. `zinit 0.3.9 (GEN3)` or `local runner`.
    pub name: String,
    /// Time that its answer took.
    pub latency: Duration,
    /// Limits that an operator has to know, a sentence each.
    pub limits: &'static [&'static str],
}

/// Error of a call to the process manager.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The process manager cannot be reached.
    #[error("the process manager is unavailable")]
    Unavailable(#[source] Cause),
    /// The process manager did not answer in time; the call may or may not have had its effect.
    #[error("the process manager did not answer within {after:?}")]
    TimedOut {
        /// The deadline that passed.
        after: Duration,
    },
    /// The process manager knows no process of this name.
    #[error("no process {name:?}")]
    NotFound {
        /// The name asked for.
        name: String,
    },
    /// The process manager refused.
    #[error("{reason}")]
    Rejected {
        /// Reason, in one sentence.
        reason: String,
    },
    /// The process manager cannot be worked with.
    #[error("{reason}")]
    Unsupported {
        /// Found and supported versions.
        reason: String,
    },
    /// The answer could not be understood.
    #[error("the process manager's answer could not be read")]
    Corrupt(#[source] Cause),
}

/// Runs named processes.
#[async_trait]
pub trait ProcessManager: Send + Sync {
    /// Asks for name and version; fails within 2 s when nothing answers. This is the liveness probe as well.
    async fn probe(&self) -> Result<ProcessManagerInfo, ProcessError>;

    /// Sets the realm of the records for which processes are made from now on. A process that bears the mark of other
    /// records is foreign; what was set earlier still counts as ours.
    fn set_realm(&self, _realm: &str) {}

    /// Makes sure that a process of this definition is started, and returns once the process manager has accepted
    /// that. A process that runs by the same definition is left alone; one that runs by another is
    /// stopped first; one that is just stopping is waited for. A foreign process of this name is left alone and the
    /// start is `Rejected`, naming the owner.
    async fn start(&self, spec: &ProcessSpec) -> Result<(), ProcessError>;

    /// Ends the process: SIGTERM to its group, SIGKILL after `grace`, and no restart. Returns once it is gone.
    /// Unknown and stopped names are fine; a foreign process is left alone, as nothing of ours is there to be ended.
    async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError>;

    /// Forgets a stopped process. Unknown names are fine; one that runs is refused; a foreign one is left alone.
    async fn remove(&self, name: &str) -> Result<(), ProcessError>;

    /// Sends a signal to the process (its group, where the process manager makes one).
    async fn signal(&self, name: &str, signal: i32) -> Result<(), ProcessError>;

    /// Lists all processes of ours and, if the process manager is shared, of others too; in one call.
    async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError>;

    /// The environment that a process was defined with; empty for an unknown name, and where nobody can say.
    async fn environment(&self, _name: &str) -> Result<BTreeMap<String, String>, ProcessError> {
        Ok(BTreeMap::new())
    }

    /// Ends a living process of this name that is no longer managed: first by SIGTERM, and `grace` after the first call
    /// by SIGKILL. A process manager that was killed leaves its processes behind, and its successor starts others in
    /// their place. Returns true while the process lives, so callers ask again until the answer is false. Members of
    /// the group of a process that is gone are killed at once.
    async fn end_orphan(&self, _name: &str, _pid: u32, _grace: Duration) -> Result<bool, ProcessError> {
        Ok(false)
    }

    /// Processes of actors, of anybody's records, that an earlier process manager has left behind. Asked at every look,
    /// so it costs next to nothing while there are none.
    async fn orphans(&self) -> Result<Vec<Orphan>, ProcessError> {
        Ok(Vec::new())
    }

    /// The last lines that the process wrote, oldest first; none for an unknown name, and none of a foreign process.
    /// If the process manager distinguishes its lives, only lines of the last one are returned.
    async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ProcessError>;

    /// Reads all lines that are kept, oldest first, or those behind a place that an earlier call gave, through all
    /// restarts of the process. Waits up to `wait` for one when there is none; nothing is an answer, too. A place that
    /// is not known (any more) means the oldest line behind it that is kept. An unknown name has no lines yet.
    async fn logs(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError>;

    /// Lets go of connections and, if the processes are our own children, ends them.
    async fn close(&self);
}

//! Actors: what was asked for and what was seen.

mod config;
mod environment;
mod etag;
mod operation;

pub use config::{ActorConfig, MAX_CONFIG_BYTES, Readiness, RestartMode, RestartPolicy};
pub use environment::MAX_ITEMS;
pub use operation::{OperationLease, StopOptions, Verb};

use std::fmt;
use std::time::SystemTime;

use crate::domain::model::health::ActorHealth;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::usage::Usage;

/// State of an actor.
///
/// ```text
///  STOPPED ─start─► BLOCKED ─► STARTING ─► RUNNING ─stop─► DRAINING ─► STOPPING ─► STOPPED
///                                 │          │
///                                 ▼          ▼ process ended
///                              FAILED     BACKOFF ─► STARTING … or CRASH_LOOP
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorState {
    /// Down, as wanted.
    Stopped,
    /// Waits for a dependency.
    Blocked,
    /// Process spawned, not ready yet.
    Starting,
    /// Up; takes jobs.
    Running,
    /// Up; takes no new job and finishes what it has.
    Draining,
    /// Asked to end.
    Stopping,
    /// The process ended; it will be started again.
    Backoff,
    /// Given up after too many restarts; needs a start.
    CrashLoop,
    /// Could not be started, or ended and is not to be restarted.
    Failed,
    /// The process manager does not answer, or does not know it.
    Unknown,
}

impl ActorState {
    /// Every state.
    pub const ALL: [ActorState; 10] = [
        Self::Stopped,
        Self::Blocked,
        Self::Starting,
        Self::Running,
        Self::Draining,
        Self::Stopping,
        Self::Backoff,
        Self::CrashLoop,
        Self::Failed,
        Self::Unknown,
    ];

    /// The state with this word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == raw)
    }

    /// The word used in the CLI and in errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Blocked => "blocked",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::CrashLoop => "crash_loop",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ActorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Desired state of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Desired {
    /// The actor is to run.
    Up,
    /// The actor is to be down.
    Down,
}

/// The side that made an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagedBy {
    /// A caller, by name.
    User,
    /// Scaling, from its script type's template.
    Scaler,
}

/// Exit status of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// The process ended by itself, with this code.
    Code(i32),
    /// The process was ended by this signal.
    Signal(i32),
    /// The process is gone, and its process manager does not tell the status.
    Unknown,
}

impl ExitStatus {
    /// The exit code, if there is one.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) | Self::Unknown => None,
        }
    }

    /// The signal, if there is one.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signal(signal) => Some(signal),
            Self::Code(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("unknown exit status"),
        }
    }
}

/// The last end of an actor's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastExit {
    /// Exit status.
    pub status: ExitStatus,
    /// Time at which the exit was noticed.
    pub at: SystemTime,
    /// Pid of the process.
    pub pid: u32,
    /// True when somebody had asked for it.
    pub requested: bool,
    /// Reason, where it is known; empty otherwise.
    pub reason: String,
    /// Last lines that it wrote.
    pub log_tail: Vec<String>,
}

/// A pid that may not be there; shows as `-` then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pid(pub Option<u32>);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "{pid}"),
            None => f.write_str("-"),
        }
    }
}

/// Reason for which an actor was given up; cleared by the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Kind of the fault.
    pub kind: FaultKind,
    /// One sentence for people, with exit and last log lines.
    pub message: String,
}

/// Kind of a fault that made an actor be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The actor did not come up.
    StartFailed,
    /// The process ended too often.
    CrashLoop,
}

/// Record of an actor: its definition, its desired state, and the history that must outlive the supervisor.
#[derive(Debug, Clone, PartialEq)]
pub struct ActorRecord {
    /// Name of the actor.
    pub id: ActorId,
    /// The machine whose process manager runs it.
    pub node: NodeName,
    /// Definition of the actor.
    pub config: ActorConfig,
    /// Desired state.
    pub desired: Desired,
    /// The side that made the actor.
    pub managed_by: ManagedBy,
    /// Time of creation.
    pub created_at: SystemTime,
    /// Grows by one with every change of the record; a writer names the one it has read.
    pub generation: u64,
    /// Process ends that nobody had asked for, since it was made.
    pub restart_count: u32,
    /// The process seen last.
    pub last_pid: Option<u32>,
    /// The last end of its process.
    pub last_exit: Option<LastExit>,
    /// Reason for which the actor was given up, if it was.
    pub fault: Option<Fault>,
    /// True if the process was started by an earlier definition; the next start takes the new one.
    pub outdated: bool,
    /// Definition by which an outdated process was started. None if an earlier version of the supervisor has written the
    /// record in between.
    pub started_by: Option<Box<ActorConfig>>,
    /// Wishes of callers so far. Each forgives the ends of the process before it.
    pub requests_made: u64,
    /// Operation under way and the supervisor that does it; None when there is none.
    pub operation: Option<OperationLease>,
}

impl ActorRecord {
    /// Returns a text that changes whenever the definition or the desired state changes. The state of the process is not
    /// included.
    pub fn etag(&self) -> String {
        etag::etag(&self.config, self.desired)
    }

    /// Replaces the definition. A process goes on by the earlier one, unless it can take the new one as it runs.
    pub fn define(&mut self, config: ActorConfig, has_process: bool) {
        let earlier = std::mem::replace(&mut self.config, config);
        if self.outdated {
            // An operation under way decides at its end by which definition the process runs.
            let is_back = self.operation.is_none()
                && self.started_by.as_ref().is_some_and(|started| started.runs_like(&self.config));
            if is_back {
                self.is_run_by(None);
            }
        } else if has_process && !earlier.runs_like(&self.config) {
            self.is_run_by(Some(earlier));
        }
    }

    /// Notes the definition by which the process was started, if that is another one.
    pub fn is_run_by(&mut self, earlier: Option<ActorConfig>) {
        self.outdated = earlier.is_some();
        self.started_by = earlier.map(Box::new);
    }

    /// Returns true if this was written after `other`: a later change of it, or of an actor of the same name that was
    /// made later.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.created_at, self.generation) > (other.created_at, other.generation)
    }
}

/// Status of an actor.
#[derive(Debug, Clone, PartialEq)]
pub struct ActorStatus {
    /// The kept part.
    pub record: ActorRecord,
    /// State of the actor.
    pub state: ActorState,
    /// Pid of the process.
    pub pid: Pid,
    /// One sentence on why it is in this state; empty when there is nothing to say.
    pub message: String,
    /// Time since which the actor is in this state, if it is known.
    pub state_since: Option<SystemTime>,
    /// Start time of the process, as far as it is known.
    pub started_at: Option<SystemTime>,
    /// Jobs in flight, as its queue last reported.
    pub in_flight: u32,
    /// Time at which the actor last took or finished a job.
    pub last_job_at: Option<SystemTime>,
    /// Health by the pings.
    pub health: ActorHealth,
    /// Resources in use; None without a process, and where they are not known.
    pub usage: Option<Usage>,
}

impl ActorStatus {
    /// Returns the definition by which the process runs, if that is known and another one than the definition. A process
    /// that comes up is by the new one.
    pub fn running_config(&self) -> Option<ActorConfig> {
        use ActorState::{Draining, Running, Stopping};
        let ActorRecord { config, started_by, .. } = &self.record;
        let runs = matches!(self.state, Running | Draining | Stopping) && self.pid.0.is_some();
        let started_by = started_by.as_ref().filter(|_started| runs)?;
        (!started_by.runs_like(config)).then(|| started_by.running_under(config))
    }
}

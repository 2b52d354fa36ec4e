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

/// Where an actor is.
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
    /// Told to end.
    Stopping,
    /// Its process ended; it will be started again.
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

/// Whether an actor is meant to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Desired {
    /// It is to run.
    Up,
    /// It is to be down.
    Down,
}

/// Who made an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagedBy {
    /// A caller, by name.
    User,
    /// Scaling, from its script type's template.
    Scaler,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It is gone, and its process manager does not say how.
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
    /// How.
    pub status: ExitStatus,
    /// When it was noticed.
    pub at: SystemTime,
    /// Its pid.
    pub pid: u32,
    /// True when somebody had asked for it.
    pub requested: bool,
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

/// Why an actor was given up; cleared by the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which way.
    pub kind: FaultKind,
    /// One sentence for people, with exit and last log lines.
    pub message: String,
}

/// In which way an actor was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It did not come up.
    StartFailed,
    /// It ended too often.
    CrashLoop,
}

/// Record of an actor: its definition, its desired state, and the history that must outlive the supervisor.
#[derive(Debug, Clone, PartialEq)]
pub struct ActorRecord {
    /// Its name.
    pub id: ActorId,
    /// The machine whose process manager runs it.
    pub node: NodeName,
    /// Its definition.
    pub config: ActorConfig,
    /// Whether it is meant to run.
    pub desired: Desired,
    /// Who made it.
    pub managed_by: ManagedBy,
    /// When it was made.
    pub created_at: SystemTime,
    /// Grows by one with every change of the record; a writer names the one it has read.
    pub generation: u64,
    /// Process ends that nobody had asked for, since it was made.
    pub restart_count: u32,
    /// The process seen last.
    pub last_pid: Option<u32>,
    /// The last end of its process.
    pub last_exit: Option<LastExit>,
    /// Why it was given up, if it was.
    pub fault: Option<Fault>,
    /// Its process was started by an earlier definition; the next start takes the new one.
    pub outdated: bool,
    /// Wishes of callers so far. Each forgives the ends of the process before it.
    pub requests_made: u64,
    /// What is being done with its process, and by whom; None when nothing is.
    pub operation: Option<OperationLease>,
}

impl ActorRecord {
    /// Returns a text that is another one whenever the definition or the desired state is. What happens to the process
    /// does not count.
    pub fn etag(&self) -> String {
        etag::etag(&self.config, self.desired)
    }

    /// Whether this was written after `other`: a later change of it, or of an actor of the same name that was made later.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.created_at, self.generation) > (other.created_at, other.generation)
    }
}

/// What is known of an actor now.
#[derive(Debug, Clone, PartialEq)]
pub struct ActorStatus {
    /// The kept part.
    pub record: ActorRecord,
    /// Where it is.
    pub state: ActorState,
    /// Its process.
    pub pid: Pid,
    /// One sentence on why it is in this state; empty when there is nothing to say.
    pub message: String,
    /// Since when it is in this state.
    pub state_since: SystemTime,
    /// When its process was started, as far as we saw it.
    pub started_at: Option<SystemTime>,
    /// Jobs in its hands, as its queue last said.
    pub in_flight: u32,
    /// When it last took or finished a job.
    pub last_job_at: Option<SystemTime>,
    /// What the pings say.
    pub health: ActorHealth,
}

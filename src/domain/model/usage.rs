//! Resources that actors use.

use std::time::{Duration, SystemTime};

use crate::domain::model::id::ActorId;
use crate::domain::model::script_type::ScriptType;

/// Resources that the process of an actor and all processes below it use at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Time of the sample.
    pub at: SystemTime,
    /// Processor time per time since the sample before, in thousandths of a core; None in the first sample of a process.
    pub cpu_millicores: Option<u32>,
    /// Resident memory of all processes in bytes; what some of them share counts in each.
    pub memory_bytes: u64,
    /// Number of open files; None if they may not be counted.
    pub open_files: Option<u32>,
    /// Number of threads.
    pub threads: u32,
    /// Number of processes.
    pub processes: u32,
}

/// The usage of one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorUsage {
    /// Name of the actor.
    pub actor_id: ActorId,
    /// Script type of the actor.
    pub script_type: ScriptType,
    /// The latest sample.
    pub usage: Usage,
}

/// The sums of a tree of processes at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeReading {
    /// Start of the topmost process: another one means another process.
    pub started: u64,
    /// Processor time of all processes since their starts, that of ended children included.
    pub cpu: Duration,
    /// Resident memory of all processes in bytes.
    pub memory_bytes: u64,
    /// Number of open files; None if they may not be counted.
    pub open_files: Option<u32>,
    /// Number of threads.
    pub threads: u32,
    /// Number of processes.
    pub processes: u32,
}

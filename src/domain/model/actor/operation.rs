//! What is done with an actor's process, as every supervisor of its node can read it.

use std::time::Duration;

use super::Desired;

/// What somebody wants of one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Its process is to run.
    Start,
    /// Its process is to end.
    Stop {
        /// At once, without drain.
        force: bool,
    },
    /// Its process is to end, and another one to run.
    Restart,
    /// It is to be forgotten, its process having ended.
    Delete {
        /// At once, without drain.
        force: bool,
    },
}

impl Verb {
    /// For messages: "a stop is under way".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Start => "a start",
            Self::Stop { .. } => "a stop",
            Self::Restart => "a restart",
            Self::Delete { .. } => "a delete",
        }
    }

    /// What is wanted of the actor from then on.
    pub fn desired(self) -> Desired {
        match self {
            Self::Start | Self::Restart => Desired::Up,
            Self::Stop { .. } | Self::Delete { .. } => Desired::Down,
        }
    }

    /// Whether it ends the process that runs now, so that this end is no crash.
    pub fn ends_process(self) -> bool {
        match self {
            Self::Stop { .. } | Self::Restart | Self::Delete { .. } => true,
            Self::Start => false,
        }
    }
}

/// The right of one supervisor to change the process of an actor. It stands in the record, so every other supervisor of the
/// node leaves the process alone and takes its ends for what was asked for. It is given by compare-and-set; whoever writes
/// another one has taken the operation over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationLease {
    /// What is being done.
    pub verb: Verb,
    /// Tells this operation from every other one.
    pub id: String,
    /// Grows every second while the supervisor lives that does it.
    pub heartbeat: u64,
}

/// How to end a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopOptions {
    /// Time for running jobs to end; the actor's own `drain_timeout` by default.
    pub drain_timeout: Option<Duration>,
    /// Kill at once, without drain.
    pub force: bool,
}

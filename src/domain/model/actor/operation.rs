//! Operations on an actor's process, as every supervisor of its node can read them.

use std::time::Duration;

use super::Desired;

/// A command for one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Starts the process.
    Start,
    /// Ends the process.
    Stop {
        /// Stops at once, without drain.
        force: bool,
    },
    /// Ends the process and starts another one.
    Restart,
    /// Forgets the actor after the end of its process.
    Delete {
        /// Stops at once, without drain.
        force: bool,
    },
}

impl Verb {
    /// Returns a noun for messages: "a stop is under way".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Start => "a start",
            Self::Stop { .. } => "a stop",
            Self::Restart => "a restart",
            Self::Delete { .. } => "a delete",
        }
    }

    /// Returns the desired state from then on.
    pub fn desired(self) -> Desired {
        match self {
            Self::Start | Self::Restart => Desired::Up,
            Self::Stop { .. } | Self::Delete { .. } => Desired::Down,
        }
    }

    /// Returns true if the command ends the process that runs now, so that this end is no crash.
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
    /// The command under way.
    pub verb: Verb,
    /// Id that distinguishes this operation from every other one.
    pub id: String,
    /// Grows every second while the supervisor lives that does it.
    pub heartbeat: u64,
}

/// Options for the end of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopOptions {
    /// Time for running jobs to end; the actor's own `drain_timeout` by default.
    pub drain_timeout: Option<Duration>,
    /// Kill at once, without drain.
    pub force: bool,
}

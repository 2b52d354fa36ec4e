//! States of jobs.

use std::fmt;

/// State of a job.
///
/// ```text
///  BLOCKED ► SCHEDULED ──┐
///     └──────────────────┤
///                        ▼
///             submit ► QUEUED ──► RUNNING ──► SUCCEEDED | FAILED
///                        ▲           │
///                        └ RETRY_WAIT┘        CANCELLED from every state but the last three
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// Waits for the end of another job, which has its unique key.
    Blocked,
    /// Waits for its `run_at`.
    Scheduled,
    /// Waits for an actor.
    Queued,
    /// An actor has it.
    Running,
    /// Failed and waits for its next attempt.
    RetryWait,
    /// Ended with a result.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [JobState; 8] = [
        Self::Blocked,
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::RetryWait,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word used in records and in the CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::RetryWait => "retry_wait",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with this word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == raw)
    }

    /// True for the three states that a job never leaves.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
            Self::Blocked | Self::Scheduled | Self::Queued | Self::Running | Self::RetryWait => false,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

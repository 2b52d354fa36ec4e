//! The end of a job.

use std::time::SystemTime;

use super::{JobError, JobState, JobUsage, PastAttempt};
use crate::domain::model::id::ActorId;
use crate::domain::model::output::Progress;

/// Format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResultKind {
    /// The script had no value; the text is what it printed, perhaps nothing.
    #[default]
    None,
    /// A plain string.
    Text,
    /// Compact JSON.
    Json,
}

impl ResultKind {
    /// The word used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// The kind with this word.
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::None, Self::Text, Self::Json].into_iter().find(|kind| kind.as_str() == raw)
    }
}

/// Result of a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobResult {
    /// Strings verbatim, everything else compact JSON; without a value, the trimmed standard output.
    pub text: String,
    /// Format of the text.
    pub kind: ResultKind,
}

/// Outcome of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The script has a result.
    Succeeded(JobResult),
    /// The script failed with an error.
    Failed(JobError),
    /// The job was cancelled, for this reason.
    Cancelled(String),
}

impl Outcome {
    /// The terminal state that belongs to it.
    pub fn state(&self) -> JobState {
        match self {
            Self::Succeeded(_) => JobState::Succeeded,
            Self::Failed(_) => JobState::Failed,
            Self::Cancelled(_) => JobState::Cancelled,
        }
    }
}

/// The end of a job: all that changed in it since it was submitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Outcome of the job.
    pub outcome: Outcome,
    /// Attempts that were started.
    pub attempt: u32,
    /// The actor of the last attempt.
    pub actor_id: Option<ActorId>,
    /// Start of the last attempt.
    pub started_at: Option<SystemTime>,
    /// Time at which the terminal state was written.
    pub finished_at: SystemTime,
    /// Resources that the last attempt has used; None if they are not known.
    pub usage: Option<JobUsage>,
    /// Earlier attempts and progress, if there are any; boxed, because there mostly are none, and many may wait.
    pub history: Option<Box<History>>,
}

/// Earlier attempts and progress of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Last progress that the script reported.
    pub progress: Option<Progress>,
    /// The attempts before the latest one, oldest first.
    pub past_attempts: Vec<PastAttempt>,
}

impl History {
    /// Makes a history; None when there is nothing to tell.
    pub fn of(progress: Option<Progress>, past_attempts: Vec<PastAttempt>) -> Option<Box<Self>> {
        (progress.is_some() || !past_attempts.is_empty()).then(|| Box::new(Self { progress, past_attempts }))
    }
}

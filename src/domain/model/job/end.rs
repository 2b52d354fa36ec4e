//! How a job ended.

use std::time::SystemTime;

use super::{JobError, JobState, PastAttempt};
use crate::domain::model::id::ActorId;
use crate::domain::model::output::Progress;

/// How the text of a result is to be read.
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

/// What a script produced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobResult {
    /// Strings verbatim, everything else compact JSON; without a value, the trimmed standard output.
    pub text: String,
    /// How to read it.
    pub kind: ResultKind,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Succeeded(JobResult),
    /// With an error.
    Failed(JobError),
    /// On request, for this reason.
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
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts that were started.
    pub attempt: u32,
    /// The actor of the last attempt.
    pub actor_id: Option<ActorId>,
    /// When the last attempt started.
    pub started_at: Option<SystemTime>,
    /// When the terminal state was written.
    pub finished_at: SystemTime,
    /// What happened before, unless that is nothing; boxed, because it mostly is, and many may wait.
    pub history: Option<Box<History>>,
}

/// What was told of a job before its end.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// How far it was, as its script said last.
    pub progress: Option<Progress>,
    /// The attempts before the latest one, oldest first.
    pub past_attempts: Vec<PastAttempt>,
}

impl History {
    /// None when there is nothing to tell.
    pub fn of(progress: Option<Progress>, past_attempts: Vec<PastAttempt>) -> Option<Box<Self>> {
        (progress.is_some() || !past_attempts.is_empty()).then(|| Box::new(Self { progress, past_attempts }))
    }
}

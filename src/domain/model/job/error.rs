//! Errors of jobs.

use std::fmt;

/// Kind of the error of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobErrorKind {
    /// The script threw, or exited with a code that is not zero.
    ScriptError,
    /// The script does not parse or compile.
    ScriptInvalid,
    /// An attempt ran longer than `run_timeout`.
    RunTimeout,
    /// No actor took it within `queue_timeout`.
    QueueTimeout,
    /// Operations, memory, output or result went over a limit.
    LimitExceeded,
    /// The actor has no engine for this script (a missing compiler, for instance).
    EngineUnavailable,
    /// The engine's host process died under the script.
    EngineCrash,
    /// The actor's process died, or its lease ran out, while it had the job.
    ActorLost,
    /// A fault of ours.
    Internal,
}

impl JobErrorKind {
    /// Every kind.
    pub const ALL: [JobErrorKind; 9] = [
        Self::ScriptError,
        Self::ScriptInvalid,
        Self::RunTimeout,
        Self::QueueTimeout,
        Self::LimitExceeded,
        Self::EngineUnavailable,
        Self::EngineCrash,
        Self::ActorLost,
        Self::Internal,
    ];

    /// The word used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScriptError => "script_error",
            Self::ScriptInvalid => "script_invalid",
            Self::RunTimeout => "run_timeout",
            Self::QueueTimeout => "queue_timeout",
            Self::LimitExceeded => "limit_exceeded",
            Self::EngineUnavailable => "engine_unavailable",
            Self::EngineCrash => "engine_crash",
            Self::ActorLost => "actor_lost",
            Self::Internal => "internal",
        }
    }

    /// The kind with this word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == raw)
    }
}

/// Error of a job: its kind and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// The class, for programs.
    pub kind: JobErrorKind,
    /// One sentence for people.
    pub message: String,
    /// 1-based line of the script, if the engine knows it.
    pub line: Option<u32>,
    /// 1-based column of the script, if the engine knows it.
    pub column: Option<u32>,
    /// Exit code of the script or of the lost actor.
    pub exit_code: Option<i32>,
    /// Signal that killed the script's host or the lost actor.
    pub signal: Option<i32>,
    /// Last lines that the script, its host or the lost actor wrote.
    pub log_tail: Vec<String>,
}

impl JobError {
    /// An error without position, exit or log.
    pub fn new(kind: JobErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            line: None,
            column: None,
            exit_code: None,
            signal: None,
            log_tail: Vec::new(),
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, " (line {line}, column {column})"),
            (Some(line), None) => write!(f, " (line {line})"),
            (None, _) => Ok(()),
        }
    }
}

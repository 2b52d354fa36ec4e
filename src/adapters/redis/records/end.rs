//! Ends of jobs in records, and errors in them.

use serde::{Deserialize, Serialize};

use crate::domain::model::job::{Finished, History, Job, JobError, JobErrorKind, Outcome};

#[derive(Serialize, Deserialize)]
pub(super) struct ErrorRecord {
    kind: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    log_tail: Vec<String>,
}

/// Encodes an error.
pub(in super::super) fn encode_error(error: &JobError) -> String {
    let JobError { kind, message, line, column, exit_code, signal, log_tail } = error.clone();
    let kind = kind.as_str().to_owned();
    let record = ErrorRecord { kind, message, line, column, exit_code, signal, log_tail };
    // Text and numbers: serde_json cannot fail on it.
    serde_json::to_string(&record).unwrap_or_default()
}

/// Decodes an error; a text says why that fails.
pub(in super::super) fn decode_error(json: &str) -> Result<JobError, String> {
    let record: ErrorRecord = serde_json::from_str(json).map_err(|error| error.to_string())?;
    record.into_error()
}

impl ErrorRecord {
    /// The error; a text says why its kind is unknown.
    pub(super) fn into_error(self) -> Result<JobError, String> {
        let Self { kind, message, line, column, exit_code, signal, log_tail } = self;
        let kind = JobErrorKind::parse(&kind).ok_or_else(|| format!("{kind:?} is not a kind of error"))?;
        Ok(JobError { kind, message, line, column, exit_code, signal, log_tail })
    }
}

/// The end of a job from its record; None when it has not ended.
pub(in super::super) fn finished_of(job: Job) -> Option<Finished> {
    let Job { attempt, actor_id, started_at, finished_at, result, error, cancel_reason, .. } = job;
    let (progress, past_attempts, usage) = (job.progress, job.past_attempts, job.usage);
    let finished_at = finished_at?;
    let outcome = match (result, error, cancel_reason) {
        (Some(result), _, _) => Outcome::Succeeded(result),
        (None, Some(error), _) => Outcome::Failed(error),
        (None, None, reason) => Outcome::Cancelled(reason?),
    };
    let history = History::of(progress, past_attempts);
    Some(Finished { outcome, attempt, actor_id, started_at, finished_at, usage, history })
}

//! Replies about ended jobs, and errors in records.

use serde::{Deserialize, Serialize};

use super::time_of;
use crate::domain::model::id::ActorId;
use crate::domain::model::job::{
    Finished, History, Job, JobError, JobErrorKind, JobResult, Outcome, ResultKind,
};

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

/// A reply about an ended job.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Reply {
    /// The end of the job.
    Ended(Finished),
    /// The end has no room in a reply and is read from the record.
    ReadRecord,
}

/// Decodes a reply: `state attempt started finished actor word`, a line feed, and the body.
pub(in super::super) fn decode_reply(text: &str) -> Option<Reply> {
    let (head, body) = text.split_once('\n')?;
    let mut words = head.split(' ');
    let _state = words.next()?;
    let attempt = words.next()?.parse().ok()?;
    let started_at = match words.next()? {
        "-" => None,
        number => Some(time_of(number.parse().ok()?)),
    };
    let finished_at = time_of(words.next()?.parse().ok()?);
    let actor_id = match words.next()? {
        "-" => None,
        name => Some(ActorId::parse(name).ok()?),
    };
    let outcome = match words.next()? {
        "see" => return Some(Reply::ReadRecord),
        "error" => Outcome::Failed(decode_error(body).ok()?),
        "reason" => Outcome::Cancelled(body.to_owned()),
        word => Outcome::Succeeded(JobResult { text: body.to_owned(), kind: ResultKind::parse(word)? }),
    };
    // The reply of a job with a history has the word `see`.
    Some(Reply::Ended(Finished { outcome, attempt, actor_id, started_at, finished_at, history: None }))
}

/// The end of a job from its record; None when it has not ended.
pub(in super::super) fn finished_of(job: Job) -> Option<Finished> {
    let Job { attempt, actor_id, started_at, finished_at, result, error, cancel_reason, .. } = job;
    let (progress, past_attempts) = (job.progress, job.past_attempts);
    let finished_at = finished_at?;
    let outcome = match (result, error, cancel_reason) {
        (Some(result), _, _) => Outcome::Succeeded(result),
        (None, Some(error), _) => Outcome::Failed(error),
        (None, None, reason) => Outcome::Cancelled(reason?),
    };
    let history = History::of(progress, past_attempts);
    Some(Finished { outcome, attempt, actor_id, started_at, finished_at, history })
}

//! One job in the words of `hero_submit`, and what it answers.

use std::time::SystemTime;

use redis::Value;

use crate::adapters::redis::connection::unexpected;
use crate::adapters::redis::queue::{job_of, number};
use crate::adapters::redis::records::{encode_spec, millis, time_of, travels_inline};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobKind};
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::{QueueError, Submission};

/// What Redis says to one job.
pub(super) enum SubmitAnswer {
    Accepted(SystemTime),
    /// The flag says that the call was repeated after a lost connection, so it may be the same job.
    Known(Box<Job>, bool),
    /// The same flag.
    Exists(bool),
    Reused(SystemTime),
    Gone(JobId),
    Full(u64),
    Stray,
}

/// Adds one job to a call of `hero_submit`.
pub(super) fn write(command: &mut redis::Cmd, submission: &Submission) {
    let Submission { id, spec, request, wanted, stray } = submission;
    let fields = encode_spec(id, spec);
    let mut flags = String::with_capacity(4);
    if *wanted {
        flags.push('w');
    }
    if spec.kind == JobKind::Ping {
        flags.push('p');
    }
    // Ids that were made here are not in any other queue.
    if id.minted_at().is_none() {
        flags.push('x');
    }
    if travels_inline(&fields) {
        flags.push('i');
    }
    if *stray {
        flags.push('u');
    }
    let (request_id, fingerprint) = match request {
        Some(request) => (request.id.as_str(), request.fingerprint.as_str()),
        None => ("", ""),
    };
    command
        .arg(id.as_str())
        .arg(flags)
        .arg(spec.run_at.map_or(0, millis))
        .arg(spec.target_actor.as_ref().map_or("", |actor| actor.as_str()))
        .arg(request_id)
        .arg(fingerprint)
        .arg(spec.queue_timeout.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
        .arg(fields.len() * 2);
    for (name, value) in &fields {
        command.arg(*name).arg(value.as_bytes());
    }
}

/// What Redis says to one job; `repeated` when the call was made once more after a lost connection.
pub(super) fn read(
    script_type: ScriptType,
    item: Value,
    now: SystemTime,
    repeated: bool,
) -> Result<SubmitAnswer, QueueError> {
    let parts = match item {
        Value::Int(_) => return Ok(SubmitAnswer::Accepted(now)),
        Value::Array(parts) => parts,
        other => return Err(unexpected("a submit", &other)),
    };
    let mut parts = parts.into_iter();
    let word = parts.next().unwrap_or_default();
    let Value::BulkString(word) = word else { return Err(unexpected("a submit", &word)) };
    let detail = parts.next().unwrap_or_default();
    match word.as_slice() {
        b"exists" => Ok(SubmitAnswer::Exists(repeated)),
        b"stray" => Ok(SubmitAnswer::Stray),
        b"full" => Ok(SubmitAnswer::Full(number(&detail).and_then(|n| u64::try_from(n).ok()).unwrap_or(0))),
        b"reused" => Ok(SubmitAnswer::Reused(time_of(number(&detail).unwrap_or(0)))),
        b"gone" => Ok(SubmitAnswer::Gone(job_id(detail)?)),
        b"dup" => {
            let id = job_id(detail)?;
            let job = job_of(&id, script_type, parts.next().unwrap_or_default())?;
            Ok(SubmitAnswer::Known(Box::new(job), repeated))
        }
        _other => Err(unexpected("a submit", &Value::BulkString(word))),
    }
}

fn job_id(value: Value) -> Result<JobId, QueueError> {
    let id = match &value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| JobId::parse(text).ok()),
        _other => None,
    };
    id.ok_or_else(|| unexpected("a job id", &value))
}

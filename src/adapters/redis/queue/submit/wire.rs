//! One job as arguments of `hero_submit`, and the answers.

use std::time::SystemTime;

use redis::{FromRedisValue, ParsingError, Value};

use crate::adapters::redis::queue::jobs::job_of;
use crate::adapters::redis::queue::span_millis;
use crate::adapters::redis::records::{encode_spec, millis, time_of, travels_inline};
use crate::adapters::redis::reply::{self, Parts};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobKind};
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::{QueueError, Submission};

/// Name of the answer in errors.
pub(super) const SUBMIT: &str = "a submit";

/// The answer to one job.
pub(super) enum SubmitAnswer {
    Accepted(SystemTime),
    /// True if the call was repeated after a lost connection, so it may be the same job.
    Known(Box<Job>, bool),
    /// True in the same case.
    Exists(bool),
    Reused(SystemTime),
    Gone(JobId),
    Full(u64),
    Unroutable,
}

/// Adds one job to a call of `hero_submit`.
pub(super) fn write(command: &mut redis::Cmd, submission: &Submission) {
    let Submission { id, spec, request, wanted, unroutable } = submission;
    let fields = encode_spec(id, spec);
    let mut flags = String::with_capacity(4);
    if *wanted {
        flags.push('w');
    }
    if spec.kind == JobKind::Ping {
        flags.push('p');
    }
    // Minted ids are in no other queue.
    if id.minted_at().is_none() {
        flags.push('x');
    }
    if travels_inline(&fields) {
        flags.push('i');
    }
    if *unroutable {
        flags.push('u');
    }
    let (request_id, fingerprint) = match request {
        Some(request) => (request.text(), request.fingerprint.as_str()),
        None => ("".into(), ""),
    };
    command
        .arg(id.as_str())
        .arg(flags)
        .arg(spec.run_at.map_or(0, millis))
        .arg(spec.target_actor.as_ref().map_or("", |actor| actor.as_str()))
        .arg(request_id.as_ref())
        .arg(fingerprint)
        .arg(spec.queue_timeout.map_or(0, span_millis))
        .arg(fields.len() * 2);
    for (name, value) in &fields {
        command.arg(*name).arg(value.as_bytes());
    }
}

/// The answer of `hero_submit`: its time, and one answer a job.
pub(super) struct Accepted {
    now: SystemTime,
    answers: Vec<Value>,
}

impl FromRedisValue for Accepted {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        Ok(Self { now: time_of(parts.next()?), answers: parts.rest()? })
    }
}

impl Accepted {
    /// Reads the answers; `repeated` if the call was made once more after a lost connection.
    pub(super) fn read(
        self,
        script_type: ScriptType,
        repeated: bool,
    ) -> Result<Vec<SubmitAnswer>, QueueError> {
        self.answers.into_iter().map(|answer| read_one(script_type, answer, self.now, repeated)).collect()
    }
}

fn read_one(
    script_type: ScriptType,
    answer: Value,
    now: SystemTime,
    repeated: bool,
) -> Result<SubmitAnswer, QueueError> {
    if let Value::Int(_) = answer {
        return Ok(SubmitAnswer::Accepted(now));
    }
    let mut parts: Parts = reply::read(SUBMIT, answer)?;
    let unreadable = |error: ParsingError| reply::corrupt(SUBMIT, &error.to_string());
    let word: String = parts.next().map_err(unreadable)?;
    match word.as_str() {
        "exists" => Ok(SubmitAnswer::Exists(repeated)),
        "stray" => Ok(SubmitAnswer::Unroutable),
        "full" => Ok(SubmitAnswer::Full(parts.next().map_err(unreadable)?)),
        "reused" => Ok(SubmitAnswer::Reused(time_of(parts.next().map_err(unreadable)?))),
        "gone" => Ok(SubmitAnswer::Gone(job_id(parts.next().map_err(unreadable)?)?)),
        "dup" => {
            let id = job_id(parts.next().map_err(unreadable)?)?;
            let job = job_of(&id, script_type, parts.next().map_err(unreadable)?)?;
            Ok(SubmitAnswer::Known(Box::new(job), repeated))
        }
        _other => Err(reply::corrupt(SUBMIT, &word)),
    }
}

fn job_id(text: String) -> Result<JobId, QueueError> {
    JobId::parse(&text).map_err(|error| reply::corrupt(SUBMIT, &error))
}

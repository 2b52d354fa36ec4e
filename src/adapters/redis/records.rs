//! Records in Redis. Those of jobs are flat fields with Hero's names and some more; all others are JSON.

mod actor;
mod attempts;
mod confinement;
mod end;
mod event;
mod fields;
mod flow;
mod job_usage;
mod json;
mod output;
mod queue;
mod shared;
mod shares;
mod size;
mod unique;
mod usage;
mod words;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

pub(super) use actor::{decode_actor, decode_config, encode_actor, encode_config};
pub(super) use end::{decode_error, encode_error, finished_of};
pub(super) use event::{decode_event, decode_job_event, encode_event};
pub(super) use fields::Fields;
pub(super) use flow::encode_flow;
pub(super) use job_usage::{decode_job_usage, encode_job_usage};
pub(super) use output::{decode_output, decode_record_output, encode_output, seen_in_record};
pub(super) use queue::{decode_queue, encode_queue};
pub(super) use shared::{
    decode_decision, decode_health, decode_settings, encode_decision, encode_health, encode_settings,
};
pub(super) use unique::{decode_unique, encode_unique};
pub(super) use usage::{decode_usage, decode_usages, encode_usage, encode_usages};

use crate::domain::model::backoff::Backoff;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{
    Job, JobKind, JobResult, JobSpec, JobState, Priority, ResultKind, RetryPolicy,
};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::store_fault::StoreFault;

/// Fields of a record without the script and its input, in the order of the functions' answers.
pub(super) const BASIC: [&str; 35] = [
    "id",
    "script_type",
    "status",
    "caller_id",
    "context_id",
    "env_vars",
    "labels",
    "timeout",
    "retries",
    "backoff",
    "queue_timeout",
    "result_ttl",
    "run_at",
    "target_actor",
    "kind",
    "attempt",
    "actor_id",
    "created_at",
    "started_at",
    "finished_at",
    "due_at",
    "output",
    "result_kind",
    "error",
    "error_detail",
    "cancel_reason",
    "progress",
    "attempts",
    "submitted_by",
    "retry_of",
    "usage",
    "priority",
    "unique",
    "blocked_by",
    "flow_key",
];

/// Fields that an actor needs of a job whose entry does not carry them.
pub(super) const TASK: [&str; 21] = [
    "id",
    "script_type",
    "script",
    "input",
    "caller_id",
    "context_id",
    "env_vars",
    "labels",
    "timeout",
    "retries",
    "backoff",
    "queue_timeout",
    "result_ttl",
    "run_at",
    "target_actor",
    "kind",
    "traceparent",
    "retry_of",
    "priority",
    "unique",
    "flow_key",
];

/// Bytes of the largest script and of the largest input in a queue entry; a larger one is read from the record.
const INLINE_TEXT: usize = 4096;
/// Bytes of all other fields that a queue entry has room for.
const INLINE_REST: usize = 1024;

/// Encodes the spec of a job as names and values, for its record and for a small entry.
pub(super) fn encode_spec<'a>(id: &'a JobId, spec: &'a JobSpec) -> Vec<(&'static str, Cow<'a, str>)> {
    let mut fields: Vec<(&'static str, Cow<'a, str>)> = Vec::with_capacity(16);
    fields.push(("id", id.as_str().into()));
    fields.push(("script_type", spec.script_type.as_str().into()));
    fields.push(("script", spec.script.as_str().into()));
    fields.push(("caller_id", spec.caller_id.as_str().into()));
    fields.push(("context_id", spec.context_id.as_str().into()));
    fields.push(("timeout", seconds(spec.run_timeout).into()));
    fields.push(("retries", spec.retry.max_attempts.saturating_sub(1).to_string().into()));
    if let Some(input) = &spec.input {
        fields.push(("input", input.as_str().into()));
    }
    if !spec.env.is_empty() {
        fields.push(("env_vars", pairs(&spec.env).into()));
    }
    if !spec.labels.is_empty() {
        fields.push(("labels", pairs(&spec.labels).into()));
    }
    let defaults = RetryPolicy::default();
    if spec.retry.backoff != defaults.backoff {
        let (initial, max) = (spec.retry.backoff.initial(), spec.retry.backoff.max());
        fields.push(("backoff", format!("{} {}", initial.as_millis(), max.as_millis()).into()));
    }
    if let Some(queue_timeout) = spec.queue_timeout {
        fields.push(("queue_timeout", queue_timeout.as_millis().to_string().into()));
    }
    if spec.result_ttl != DEFAULT_TTL {
        fields.push(("result_ttl", spec.result_ttl.as_millis().to_string().into()));
    }
    if let Some(run_at) = spec.run_at {
        fields.push(("run_at", millis(run_at).to_string().into()));
    }
    if let Some(actor) = &spec.target_actor {
        fields.push(("target_actor", actor.as_str().into()));
    }
    if let Some(traceparent) = &spec.traceparent {
        fields.push(("traceparent", traceparent.as_str().into()));
    }
    if spec.priority != Priority::default() {
        fields.push(("priority", spec.priority.to_string().into()));
    }
    if let Some(unique) = &spec.unique {
        fields.push(("unique", encode_unique(unique).into()));
    }
    if let Some(key) = &spec.flow_key {
        fields.push(("flow_key", key.as_str().into()));
    }
    if let Some(job) = &spec.retry_of {
        fields.push(("retry_of", job.as_str().into()));
    }
    match spec.kind {
        JobKind::Script => {}
        JobKind::Ping => fields.push(("kind", "ping".into())),
    }
    // The last one: `hero_submit` looks for it there.
    if let Some(identity) = &spec.submitted_by {
        fields.push(("submitted_by", identity.as_str().into()));
    }
    fields
}

/// True if these fields fit into the queue entry, so that an actor need not read the record.
pub(super) fn travels_inline(fields: &[(&'static str, Cow<'_, str>)]) -> bool {
    let (mut longest, mut rest) = (0, 0);
    for (name, value) in fields {
        match *name {
            "script" | "input" => longest = longest.max(value.len()),
            _other => rest += value.len(),
        }
    }
    longest <= INLINE_TEXT && rest <= INLINE_REST
}

const DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);

/// Decodes the spec of a job.
pub(super) fn decode_spec(fields: &Fields, queue: QueueName) -> Result<JobSpec, StoreFault> {
    let named = || fields.get("script_type").and_then(|word| ScriptType::parse(word).ok());
    let script_type = queue.default_type().or_else(named);
    let script_type = script_type.ok_or_else(|| fields.corrupt("script_type", "is not one of ours"))?;
    let defaults = RetryPolicy::default();
    let backoff = match fields.get("backoff") {
        None => defaults.backoff,
        Some(text) => {
            let (initial, max) =
                text.split_once(' ').ok_or_else(|| fields.corrupt("backoff", "is not two numbers"))?;
            let number =
                |text: &str| text.parse().map_err(|_| fields.corrupt("backoff", "is not two numbers"));
            Backoff::capped(Duration::from_millis(number(initial)?), Duration::from_millis(number(max)?))
        }
    };
    let retries: u32 = fields.number("retries")?.unwrap_or(0);
    let kind = match fields.get("kind") {
        None => JobKind::Script,
        Some("ping") => JobKind::Ping,
        Some(_) => return Err(fields.corrupt("kind", "is not a word of ours")),
    };
    Ok(JobSpec {
        queue: Some(queue).filter(|_queue| queue.default_type().is_none()),
        input: fields.get("input").map(str::to_owned),
        caller_id: fields.get("caller_id").unwrap_or_default().to_owned(),
        context_id: fields.get("context_id").unwrap_or_default().to_owned(),
        env: decode_pairs(fields, "env_vars")?,
        labels: decode_pairs(fields, "labels")?,
        run_timeout: decode_seconds(fields, "timeout")?.unwrap_or(Duration::from_secs(300)),
        queue_timeout: fields.number("queue_timeout")?.map(Duration::from_millis),
        retry: RetryPolicy { max_attempts: retries.saturating_add(1), backoff },
        result_ttl: fields.number("result_ttl")?.map_or(DEFAULT_TTL, Duration::from_millis),
        run_at: fields.time("run_at")?,
        target_actor: fields.actor("target_actor")?,
        traceparent: fields.get("traceparent").map(str::to_owned),
        submitted_by: fields.get("submitted_by").map(str::to_owned),
        priority: match fields.number("priority")? {
            None => Priority::default(),
            Some(level) => Priority::new(level).map_err(|error| fields.corrupt("priority", &error))?,
        },
        flow_key: fields.get("flow_key").filter(|key| !key.is_empty()).map(str::to_owned),
        retry_of: fields.job("retry_of")?,
        unique: match fields.get("unique") {
            None | Some("") => None,
            Some(text) => {
                Some(Box::new(decode_unique(text).map_err(|error| fields.corrupt("unique", &error))?))
            }
        },
        kind,
        ..JobSpec::new(script_type, fields.get("script").unwrap_or_default())
    })
}

/// Decodes a job. Its script is empty, and it has no input, when `fields` has none.
pub(super) fn decode_job(id: &JobId, queue: QueueName, fields: &Fields) -> Result<Job, StoreFault> {
    let spec = decode_spec(fields, queue)?;
    let state = decode_state(fields)?;
    let created_at = fields.time("created_at")?.ok_or_else(|| fields.corrupt("created_at", "is missing"))?;
    let mut job = Job {
        id: id.clone(),
        spec,
        state,
        attempt: fields.number("attempt")?.unwrap_or(0),
        actor_id: fields.actor("actor_id")?,
        created_at,
        started_at: fields.time("started_at")?,
        finished_at: None,
        due_at: None,
        result: None,
        error: None,
        cancel_reason: None,
        progress: output::decode_progress(fields)?,
        past_attempts: attempts::decode(fields)?,
        usage: fields.get("usage").and_then(decode_job_usage),
        blocked_by: None,
    };
    match state {
        JobState::Queued | JobState::Running => {}
        JobState::Blocked => job.blocked_by = fields.job("blocked_by")?,
        JobState::Scheduled => job.due_at = fields.time("due_at")?,
        JobState::RetryWait => {
            job.due_at = fields.time("due_at")?;
            job.error = Some(decode_error_fields(fields)?);
        }
        JobState::Succeeded => {
            job.finished_at = fields.time("finished_at")?;
            job.result = Some(decode_result(fields)?);
        }
        JobState::Failed => {
            job.finished_at = fields.time("finished_at")?;
            job.error = Some(decode_error_fields(fields)?);
        }
        JobState::Cancelled => {
            job.finished_at = fields.time("finished_at")?;
            job.cancel_reason = Some(fields.get("cancel_reason").unwrap_or_default().to_owned());
        }
    }
    size::bounded(job, fields)
}

/// Decodes the state of a job.
fn decode_state(fields: &Fields) -> Result<JobState, StoreFault> {
    let word = fields.get("status").ok_or_else(|| fields.corrupt("status", "is missing"))?;
    parse_state(fields.key(), word)
}

/// Parses the state of a job; `key` is that of its record.
pub(super) fn parse_state(key: &str, word: &str) -> Result<JobState, StoreFault> {
    JobState::parse(word).ok_or_else(|| StoreFault::Corrupt {
        what: format!("status of {key}"),
        source: format!("{word:?} is not a state of a job").into(),
    })
}

fn decode_result(fields: &Fields) -> Result<JobResult, StoreFault> {
    let word = fields.get("result_kind").unwrap_or("text");
    let kind =
        ResultKind::parse(word).ok_or_else(|| fields.corrupt("result_kind", "is not a word of ours"))?;
    Ok(JobResult { text: fields.get("output").unwrap_or_default().to_owned(), kind })
}

fn decode_error_fields(fields: &Fields) -> Result<crate::domain::model::job::JobError, StoreFault> {
    let message = fields.get("error").unwrap_or_default();
    match fields.get("error_detail") {
        Some(detail) => decode_error(detail).map_err(|cause| fields.corrupt("error_detail", &cause)),
        None => Ok(crate::domain::model::job::JobError::new(
            crate::domain::model::job::JobErrorKind::ScriptError,
            message.to_owned(),
        )),
    }
}

/// Milliseconds since 1970; 0 for earlier times.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The end of the year 9999, the last time that an answer to a caller can hold.
const LAST_MILLI: i64 = 253_402_300_799_999;

/// The time so many milliseconds after 1970, limited to [`LAST_MILLI`].
pub(super) fn time_of(millis: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(millis.min(LAST_MILLI)).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Seconds with up to three decimals, as Hero writes timeouts.
fn seconds(span: Duration) -> String {
    match span.subsec_millis() {
        0 => span.as_secs().to_string(),
        millis => format!("{}.{millis:03}", span.as_secs()),
    }
}

fn decode_seconds(fields: &Fields, name: &'static str) -> Result<Option<Duration>, StoreFault> {
    let Some(seconds) = fields.number::<f64>(name)? else { return Ok(None) };
    let span = Duration::try_from_secs_f64(seconds)
        .map_err(|_| fields.corrupt(name, "is not a number of seconds"))?;
    // A decimal fraction is not exact in binary: back to the whole milliseconds that were meant.
    Ok(Some(Duration::from_millis(
        u64::try_from((span + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX),
    )))
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    // Strings to strings: serde_json cannot fail on it.
    serde_json::to_string(map).unwrap_or_default()
}

fn decode_pairs(fields: &Fields, name: &'static str) -> Result<BTreeMap<String, String>, StoreFault> {
    match fields.get(name) {
        None | Some("") => Ok(BTreeMap::new()),
        Some(json) => serde_json::from_str(json).map_err(|error| fields.corrupt(name, &error.to_string())),
    }
}

impl Fields {
    fn time(&self, name: &'static str) -> Result<Option<SystemTime>, StoreFault> {
        match self.number(name)? {
            Some(far) if far > LAST_MILLI => Err(self.corrupt(name, "is a time after the year 9999")),
            time => Ok(time.map(time_of)),
        }
    }

    fn job(&self, name: &'static str) -> Result<Option<JobId>, StoreFault> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(id) => JobId::parse(id).map(Some).map_err(|error| self.corrupt(name, &error)),
        }
    }

    fn actor(&self, name: &'static str) -> Result<Option<ActorId>, StoreFault> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => ActorId::parse(text).map(Some).map_err(|error| self.corrupt(name, &error)),
        }
    }
}

#[cfg(test)]
mod tests;

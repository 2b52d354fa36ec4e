//! Requests about jobs.

use std::time::{Duration, SystemTime};

use prost::Message;
use sha2::{Digest, Sha256};

use crate::domain::jobs::JobRequest;
use crate::domain::model::id::{ActorId, JobId, RequestId};
use crate::domain::model::job::{
    JobErrorKind, JobQuota, JobSpec, JobState, JobView, MAX_INPUT_BYTES, Priority, RetryPolicy,
};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::UnsetFields;
use crate::domain::model::text::quoted;
use crate::domain::model::violation::Violations;
use crate::grpc::mask::Mask;
use crate::grpc::parse::selector;
use crate::grpc::parse::unique::unique;
use crate::grpc::parse::value::{
    ListRequest, backoff, check_reason, count, duration, each, given, optional, page_size, script_type,
    timestamp, unknown,
};
use crate::hex;
use crate::ports::job_queue::JobFilter;
use crate::ports::job_submission::RequestKey;
use crate::proto as pb;

/// A parsed RunJob request.
#[derive(Debug)]
pub(crate) struct Run {
    /// The job.
    pub(crate) job: JobRequest,
    /// Longest wait, if the caller gives one.
    pub(crate) max_wait: Option<Duration>,
    /// Cancels the job if the wait ends first.
    pub(crate) cancel: bool,
}

/// Parses a SubmitJob request.
pub(crate) fn submit_job(request: pb::SubmitJobRequest, now: SystemTime) -> Result<JobRequest, Violations> {
    let mut violations = Violations::new();
    let job = job_request(request, now, &mut violations);
    violations.into_result()?;
    Ok(job)
}

/// Parses a RunJob request.
pub(crate) fn run_job(request: pb::RunJobRequest, now: SystemTime) -> Result<Run, Violations> {
    let mut violations = Violations::new();
    let pb::RunJobRequest { job, job_id, request_id, max_wait, on_wait_end } = request;
    let job = job_request(pb::SubmitJobRequest { job, job_id, request_id }, now, &mut violations);
    let max_wait = optional(&mut violations, "max_wait", max_wait, duration);
    let cancel = violations.keep("on_wait_end", cancels(on_wait_end)).unwrap_or_default();
    violations.into_result()?;
    Ok(Run { job, max_wait, cancel })
}

/// Parses an AwaitJob request: id and longest wait.
pub(crate) fn await_job(request: pb::AwaitJobRequest) -> Result<(JobId, Option<Duration>), Violations> {
    let mut violations = Violations::new();
    let id = violations.keep("job_id", JobId::parse(&request.job_id));
    let max_wait = optional(&mut violations, "max_wait", request.max_wait, duration);
    complete(id, violations).map(|id| (id, max_wait))
}

/// Parses the id of a job.
pub(crate) fn job_id(raw: &str) -> Result<JobId, Violations> {
    JobId::parse(raw).map_err(|description| Violations::one("job_id", description))
}

/// Parses a CancelJob request: id and reason.
pub(crate) fn cancel_job(request: pb::CancelJobRequest) -> Result<(JobId, String), Violations> {
    let mut violations = Violations::new();
    let id = violations.keep("job_id", JobId::parse(&request.job_id));
    check_reason(&request.reason, &mut violations);
    complete(id, violations).map(|id| (id, request.reason))
}

/// A parsed RetryJob request.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The job.
    pub(crate) id: JobId,
    /// Attempts count from 0.
    pub(crate) reset_attempts: bool,
    /// Changes that make it a new job; None queues the job itself.
    pub(crate) changed: Option<Changed>,
}

/// Changes to a job that is run again, and the request that asks for them.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The new input; None for no input.
    pub(crate) input: Option<String>,
    /// The request.
    pub(crate) request: Option<RequestKey>,
}

/// Parses a RetryJob request.
pub(crate) fn retry_job(request: pb::RetryJobRequest) -> Result<Retry, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let fingerprint = retry_fingerprint(&request);
    let id = v.keep("job_id", JobId::parse(&request.job_id));
    let request_id = optional(v, "request_id", given(request.request_id), |raw| RequestId::parse(&raw));
    if request_id.is_some() && request.input.is_none() {
        v.add("request_id", "is set without input: leave it out, since a plain retry can be repeated");
    }
    let changed = request.input.map(|text| Changed {
        input: optional(v, "input", given(text), json),
        request: request_id.map(|id| RequestKey { id, fingerprint, owner: None }),
    });
    let reset_attempts = request.reset_attempts;
    complete(id, violations).map(|id| Retry { id, reset_attempts, changed })
}

/// Returns a digest of what makes two retries with another input the same. No submission has the same one.
fn retry_fingerprint(request: &pb::RetryJobRequest) -> String {
    let mut hash = Sha256::new();
    hash.update("retry");
    hash.update([0]);
    hash.update(&request.job_id);
    hash.update([0]);
    hash.update(request.input.as_deref().unwrap_or_default());
    hex::encode(&hash.finalize())
}

/// Parses an UpdateJob request: id and new priority.
pub(crate) fn update_job(request: pb::UpdateJobRequest) -> Result<(JobId, Priority), Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let id = v.keep("job_id", JobId::parse(&request.job_id));
    let paths = request.update_mask.unwrap_or_default().paths;
    if paths.is_empty() {
        v.add("update_mask.paths", "is empty: name what to change, which is \"priority\"");
    }
    if let Err(found) = Mask::parse::<pb::JobSpec>(&paths, "job") {
        v.append(found);
    } else {
        for (index, path) in paths.iter().enumerate().filter(|(_index, path)| *path != "priority") {
            let told = format!("is {}, which cannot be changed: use \"priority\"", quoted(path));
            v.add(format!("update_mask.paths[{index}]"), told);
        }
    }
    let given = match request.job {
        Some(job) => optional(v, "job.priority", job.priority, priority),
        None => {
            v.add("job", "is missing: give the new priority in job.priority");
            None
        }
    };
    complete(id, violations).map(|id| (id, given.unwrap_or_default()))
}

/// Parses a GetJob request: id and view.
pub(crate) fn get_job(request: &pb::GetJobRequest) -> Result<(JobId, JobView), Violations> {
    let mut violations = Violations::new();
    let id = violations.keep("job_id", JobId::parse(&request.job_id));
    let view = violations.keep("view", view(request.view)).unwrap_or_default();
    complete(id, violations).map(|id| (id, view))
}

/// Parses an ExplainJob request.
pub(crate) fn explain_job(request: &pb::ExplainJobRequest) -> Result<JobId, Violations> {
    let mut violations = Violations::new();
    let id = violations.keep("job_id", JobId::parse(&request.job_id));
    complete(id, violations)
}

/// Parses a ListJobs request.
pub(crate) fn list_jobs(request: pb::ListJobsRequest) -> Result<ListRequest<JobFilter>, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let filter = JobFilter {
        queues: selector::queues(v, "queues", request.queues),
        script_types: each(v, "script_types", request.script_types, script_type),
        states: each(v, "states", request.states, state),
        caller_id: given(request.caller_id),
        context_id: given(request.context_id),
        actor_id: optional(v, "actor_id", given(request.actor_id), |raw| ActorId::parse(&raw)),
        labels: selector::labels(v, "labels", request.labels),
        priorities: each(v, "priorities", request.priorities, priority),
        unique_keys: Vec::new(),
        error_kinds: each(v, "error_kinds", request.error_kinds, error_kind),
        error_message: optional(v, "error_message", given(request.error_message), message_part),
        id_prefix: optional(v, "job_id_prefix", given(request.job_id_prefix), id_prefix),
        created_after: optional(v, "create_time_after", request.create_time_after, timestamp),
        created_before: optional(v, "create_time_before", request.create_time_before, timestamp),
        permit: None,
    };
    let limit = v.keep("page_size", page_size(request.page_size));
    complete(limit, violations).map(|limit| ListRequest { filter, limit })
}

/// Parses a text that is looked for in the messages of errors.
fn message_part(raw: String) -> Result<String, String> {
    const LONGEST: usize = 256;
    match raw.len() > LONGEST {
        true => Err(format!("has {} bytes, more than {LONGEST}", raw.len())),
        false => Ok(raw),
    }
}

/// Parses the kind of an error.
fn error_kind(raw: i32) -> Result<JobErrorKind, String> {
    use pb::job_error::Kind;
    match Kind::try_from(raw) {
        Ok(Kind::ScriptError) => Ok(JobErrorKind::ScriptError),
        Ok(Kind::ScriptInvalid) => Ok(JobErrorKind::ScriptInvalid),
        Ok(Kind::RunTimeout) => Ok(JobErrorKind::RunTimeout),
        Ok(Kind::QueueTimeout) => Ok(JobErrorKind::QueueTimeout),
        Ok(Kind::LimitExceeded) => Ok(JobErrorKind::LimitExceeded),
        Ok(Kind::EngineUnavailable) => Ok(JobErrorKind::EngineUnavailable),
        Ok(Kind::EngineCrash) => Ok(JobErrorKind::EngineCrash),
        Ok(Kind::ActorLost) => Ok(JobErrorKind::ActorLost),
        Ok(Kind::Internal) => Ok(JobErrorKind::Internal),
        Ok(Kind::Unspecified) => Err("is not set: use one of the kinds of JobError.Kind".to_owned()),
        Err(_) => Err(unknown(raw, "one of the kinds of JobError.Kind")),
    }
}

/// Parses the beginning of an id.
fn id_prefix(raw: String) -> Result<String, String> {
    const LONGEST: usize = 64;
    if raw.len() > LONGEST {
        return Err(format!("has {} bytes, more than {LONGEST}", raw.len()));
    }
    Ok(raw)
}

/// Returns the value unless there are violations. A missing value always has a violation.
fn complete<T>(value: Option<T>, violations: Violations) -> Result<T, Violations> {
    match value {
        Some(value) if violations.is_empty() => Ok(value),
        Some(_) | None => Err(violations),
    }
}

/// Parses a job, its id and its request id, and records violations. The result is useless if there are any.
fn job_request(request: pb::SubmitJobRequest, now: SystemTime, violations: &mut Violations) -> JobRequest {
    let fingerprint = if request.request_id.is_empty() { String::new() } else { fingerprint(&request) };
    let job_id = optional(violations, "job_id", given(request.job_id), |raw| JobId::parse(&raw));
    let request_id =
        optional(violations, "request_id", given(request.request_id), |raw| RequestId::parse(&raw));
    let open = request.job.as_ref().map(left_open).unwrap_or_default();
    let spec = match request.job {
        Some(job) => {
            let mut part = Violations::new();
            let spec = spec(job, now, &mut part);
            violations.nest("job", part);
            spec
        }
        None => {
            violations.add("job", "is missing: say what to run");
            JobSpec::new(ScriptType::OSIS, "")
        }
    };
    JobRequest {
        spec,
        job_id,
        request: request_id.map(|id| RequestKey { id, fingerprint, owner: None }),
        open,
        quota: JobQuota::default(),
        own_keys: false,
    }
}

/// Returns the fields that the caller has left unset.
fn left_open(job: &pb::JobSpec) -> UnsetFields {
    UnsetFields {
        run_timeout: job.run_timeout.is_none(),
        queue_timeout: job.queue_timeout.is_none(),
        result_ttl: job.result_ttl.is_none(),
        retry: job.retry_policy.is_none(),
    }
}

/// Returns a digest of the parts that make two requests the same: the job and its id, but not the wait. Maps are
/// encoded in the order of their keys, so the digest does not depend on the language of the caller.
fn fingerprint(request: &pb::SubmitJobRequest) -> String {
    let mut hash = Sha256::new();
    hash.update(&request.job_id);
    hash.update([0]);
    hash.update(request.job.as_ref().map(Message::encode_to_vec).unwrap_or_default());
    hex::encode(&hash.finalize())
}

/// Parses a job, checks its limits and records violations.
fn spec(job: pb::JobSpec, now: SystemTime, violations: &mut Violations) -> JobSpec {
    let v = violations;
    let known = v.keep("script_type", script_type(job.script_type));
    let mut spec = JobSpec::new(known.unwrap_or(ScriptType::OSIS), job.script);
    // A default queue is that of its script type, however it is said.
    let queue = optional(v, "queue", given(job.queue), |raw| QueueName::parse(&raw));
    spec.queue = queue.filter(|queue| Some(*queue) != known.map(QueueName::default_of));
    let input = given(job.input);
    spec.input = optional(v, "input", input, json);
    spec.caller_id = job.caller_id;
    spec.context_id = job.context_id;
    spec.env = job.env;
    spec.labels = job.labels;
    if let Some(timeout) = optional(v, "run_timeout", job.run_timeout, duration) {
        spec.run_timeout = timeout;
    }
    spec.queue_timeout = optional(v, "queue_timeout", job.queue_timeout, duration);
    if let Some(policy) = job.retry_policy {
        let mut part = Violations::new();
        spec.retry = retry_policy(policy, &mut part);
        v.nest("retry_policy", part);
    }
    if let Some(ttl) = optional(v, "result_ttl", job.result_ttl, duration) {
        spec.result_ttl = ttl;
    }
    spec.run_at = optional(v, "schedule_time", job.schedule_time, timestamp);
    if let Some(priority) = optional(v, "priority", job.priority, priority) {
        spec.priority = priority;
    }
    spec.unique = job.unique.map(|given| {
        let mut part = Violations::new();
        let unique = unique(given, &mut part);
        v.nest("unique", part);
        Box::new(unique)
    });
    spec.flow_key = given(job.flow_key);
    let target = given(job.target_actor_id);
    spec.target_actor = optional(v, "target_actor_id", target, |raw| ActorId::parse(&raw));
    for checked in [spec.validate(), spec.validate_run_at(now)] {
        v.append(checked.err().unwrap_or_default());
    }
    spec
}

/// Parses a priority.
fn priority(level: i32) -> Result<Priority, String> {
    Priority::new(level.into())
}

/// Parses JSON that every engine can hold; it is passed on as it stands.
fn json(text: String) -> Result<String, String> {
    // A longer one is refused by its length, without a look into it.
    if text.len() > MAX_INPUT_BYTES {
        return Ok(text);
    }
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(_value) => Ok(text),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

pub(super) fn retry_policy(policy: pb::RetryPolicy, violations: &mut Violations) -> RetryPolicy {
    let v = violations;
    let mut retry = RetryPolicy::default();
    if let Some(attempts) = optional(v, "max_attempts", policy.max_attempts, count) {
        retry.max_attempts = attempts;
    }
    retry.backoff = backoff(v, retry.backoff, policy.initial_backoff, policy.max_backoff);
    retry
}

/// Parses a view.
fn view(raw: i32) -> Result<JobView, String> {
    match pb::JobView::try_from(raw) {
        Ok(pb::JobView::Unspecified | pb::JobView::Basic) => Ok(JobView::Basic),
        Ok(pb::JobView::Full) => Ok(JobView::Full),
        Err(_) => Err(unknown(raw, "JOB_VIEW_BASIC or JOB_VIEW_FULL")),
    }
}

/// Parses the fate of a job after the wait; true means cancel.
fn cancels(raw: i32) -> Result<bool, String> {
    use pb::run_job_request::OnWaitEnd;
    match OnWaitEnd::try_from(raw) {
        Ok(OnWaitEnd::Unspecified | OnWaitEnd::KeepRunning) => Ok(false),
        Ok(OnWaitEnd::Cancel) => Ok(true),
        Err(_) => Err(unknown(raw, "ON_WAIT_END_KEEP_RUNNING or ON_WAIT_END_CANCEL")),
    }
}

/// Parses a state of a filter.
pub(super) fn state(raw: i32) -> Result<JobState, String> {
    use pb::job::State;
    match State::try_from(raw) {
        Ok(State::Blocked) => Ok(JobState::Blocked),
        Ok(State::Scheduled) => Ok(JobState::Scheduled),
        Ok(State::Queued) => Ok(JobState::Queued),
        Ok(State::Running) => Ok(JobState::Running),
        Ok(State::RetryWait) => Ok(JobState::RetryWait),
        Ok(State::Succeeded) => Ok(JobState::Succeeded),
        Ok(State::Failed) => Ok(JobState::Failed),
        Ok(State::Cancelled) => Ok(JobState::Cancelled),
        Ok(State::Unspecified) => Err("is not set: use one of the states of Job.State".to_owned()),
        Err(_) => Err(unknown(raw, "one of the states of Job.State")),
    }
}

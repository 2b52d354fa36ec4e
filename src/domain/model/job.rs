//! Jobs: what a caller asks for, what is known of it, and how it ended.

mod attempt;
mod checks;
mod end;
mod error;
mod flow_key;
mod priority;
mod quota;
mod state;
mod unique;
mod usage;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::domain::model::backoff::Backoff;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::output::Progress;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::text::has_hidden;
use crate::domain::model::violation::Violations;

use checks::check_span;
pub(crate) use checks::{check_env, check_labels};
use flow_key::check_flow_key;

pub use attempt::{MAX_PAST_ATTEMPTS, PastAttempt};
pub use end::{Finished, History, JobResult, Outcome, ResultKind};
pub use error::{JobError, JobErrorKind};
pub use flow_key::MAX_FLOW_KEY_BYTES;
pub use priority::{DEFAULT_AGEING, MIN_AGEING, Priority, check_ageing};
pub use quota::{IdentityQuota, JobQuota, QuotaReached, UnfinishedJobs};
pub use state::JobState;
pub use unique::{
    Conflict, HeldWhile, KeyHolder, MAX_KEY_BYTES, OnConflict, Reservation, Unique, decide as decide_conflict,
};
pub use usage::JobUsage;

/// Longest accepted script, in bytes.
pub const MAX_SCRIPT_BYTES: usize = 1024 * 1024;
/// Largest stored result, in bytes; an actor refuses a larger one with [`JobErrorKind::LimitExceeded`].
pub const MAX_RESULT_BYTES: usize = 1024 * 1024;
/// Most jobs in one SubmitJobs call.
pub const MAX_BATCH: usize = 1000;
/// Most environment variables of a job, and most labels.
pub const MAX_PAIRS: usize = 64;
/// Longest `run_timeout`, `queue_timeout` and `result_ttl`, and furthest `run_at`.
pub const MAX_SPAN: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most attempts of a job.
pub const MAX_ATTEMPTS: u32 = 100;
/// Longest `caller_id` and `context_id`, and longest value of a label, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest value of a job's environment variable, in bytes.
pub const MAX_ENV_VALUE_BYTES: usize = 32 * 1024;
/// Most bytes of all names and values of a job's environment: with script and result at their limits the job still fits
/// into one answer.
pub const MAX_ENV_BYTES: usize = 1024 * 1024;
/// Longest input, in bytes.
pub const MAX_INPUT_BYTES: usize = 1024 * 1024;
/// Most bytes of environment and input together, for the same reason.
pub const MAX_ENV_AND_INPUT_BYTES: usize = 1280 * 1024;

/// Purpose of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobKind {
    /// A caller's script.
    #[default]
    Script,
    /// A trivial script that proves that an actor's engine answers; not listed and not counted.
    Ping,
}

/// Number of attempts of a job, and the delays between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Starts allowed in all, 1 to 100. 1 is at most once; more is at least once. An attempt whose actor died counts.
    pub max_attempts: u32,
    /// Wait between attempts.
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 1, backoff: Backoff::of_millis(1_000, 60_000) }
    }
}

/// Specification of a job, as its caller gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// The language, and with it the kind of actor.
    pub script_type: ScriptType,
    /// The queue that the job waits in; None for the default queue of its script type.
    pub queue: Option<QueueName>,
    /// The text to run, 1 byte to 1 MiB.
    pub script: String,
    /// JSON text that the script sees as `INPUT`, parsed; None for no input. Callers of the API are refused another text. Here
    /// the text is not looked into, and a script that uses one that is not JSON fails; HeroScript fails in any case.
    pub input: Option<String>,
    /// Caller; the script sees it as `CALLER_ID`.
    pub caller_id: String,
    /// Context; the script sees it as `CONTEXT_ID`.
    pub context_id: String,
    /// Environment of the script; names are `[A-Za-z_][A-Za-z0-9_]*` and none that steers the loader or the interpreter.
    pub env: BTreeMap<String, String>,
    /// Free marks for lists and dashboards.
    pub labels: BTreeMap<String, String>,
    /// Limit of one attempt, 1 ms to 30 days, 5 minutes by default.
    pub run_timeout: Duration,
    /// The job fails with [`JobErrorKind::QueueTimeout`] if no actor took it within this time.
    pub queue_timeout: Option<Duration>,
    /// Attempts and the wait between them.
    pub retry: RetryPolicy,
    /// Time for which the record is kept after the end, 24 hours by default.
    pub result_ttl: Duration,
    /// Earliest time of the start.
    pub run_at: Option<SystemTime>,
    /// Only this actor may take it.
    pub target_actor: Option<ActorId>,
    /// Script or ping.
    pub kind: JobKind,
    /// The trace that the job belongs to, as a W3C `traceparent`; not shown to readers of the job.
    pub traceparent: Option<String>,
    /// The identity that submits it, `token:k3v9q2m7xa1c` for instance; None where nobody has to show who it is.
    pub submitted_by: Option<String>,
    /// The job that this one runs again with another input.
    pub retry_of: Option<JobId>,
    /// Place in the order of its queue.
    pub priority: Priority,
    /// The key of which there is one job at a time in its queue. In a box, since few jobs have one.
    pub unique: Option<Box<Unique>>,
    /// The key by which the job is under the flow rules of its queue; None for its caller.
    pub flow_key: Option<String>,
}

impl JobSpec {
    /// A job with all defaults.
    pub fn new(script_type: ScriptType, script: impl Into<String>) -> Self {
        Self {
            script_type,
            queue: None,
            script: script.into(),
            input: None,
            caller_id: String::new(),
            context_id: String::new(),
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            run_timeout: Duration::from_secs(300),
            queue_timeout: None,
            retry: RetryPolicy::default(),
            result_ttl: Duration::from_secs(24 * 3600),
            run_at: None,
            target_actor: None,
            traceparent: None,
            submitted_by: None,
            retry_of: None,
            priority: Priority::default(),
            unique: None,
            flow_key: None,
            kind: JobKind::Script,
        }
    }

    /// Returns the queue that the job waits in, with its script type.
    pub fn typed_queue(&self) -> TypedQueue {
        TypedQueue { name: self.queue(), script_type: self.script_type }
    }

    /// Returns the queue that the job waits in.
    pub fn queue(&self) -> QueueName {
        self.queue.unwrap_or_else(|| self.script_type.into())
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// All violations at once, with field names as in the proto message `JobSpec`.
    pub fn validate(&self) -> Result<(), Violations> {
        let mut violations = Violations::new();
        if self.script.trim().is_empty() {
            violations.add("script", "is empty: send the text to run");
        } else if self.script.len() > MAX_SCRIPT_BYTES {
            violations.add(
                "script",
                format!("has {} bytes, more than the {MAX_SCRIPT_BYTES} that are allowed", self.script.len()),
            );
        }
        for (field, text) in [("caller_id", &self.caller_id), ("context_id", &self.context_id)] {
            if text.len() > MAX_NAME_BYTES {
                violations.add(field, format!("has {} bytes, more than {MAX_NAME_BYTES}", text.len()));
            } else if has_hidden(text) {
                violations.add(field, "has a control character, or another one that does not show");
            }
        }
        if let Some(serves) = self.queue().default_type().filter(|serves| *serves != self.script_type) {
            let (queue, own) = (self.queue(), self.script_type);
            violations
                .add("queue", format!("is {queue}, which takes {serves} jobs, and the job is for {own}"));
        }
        check_env("env", &self.env, &mut violations);
        self.check_input(&mut violations);
        check_labels(&self.labels, &mut violations);
        check_span("run_timeout", self.run_timeout, Duration::from_millis(1), &mut violations);
        if let Some(queue_timeout) = self.queue_timeout {
            check_span("queue_timeout", queue_timeout, Duration::from_millis(1), &mut violations);
        }
        check_span("result_ttl", self.result_ttl, Duration::from_secs(1), &mut violations);
        if !(1..=MAX_ATTEMPTS).contains(&self.retry.max_attempts) {
            violations.add(
                "retry_policy.max_attempts",
                format!("is {}: use 1 to {MAX_ATTEMPTS}", self.retry.max_attempts),
            );
        }
        check_span("retry_policy.max_backoff", self.retry.backoff.max(), Duration::ZERO, &mut violations);
        if let Some(key) = &self.flow_key {
            check_flow_key(key, &mut violations);
        }
        if let Some(unique) = &self.unique {
            unique.check(self.result_ttl, &mut violations);
        }
        violations.into_result()
    }

    fn check_input(&self, violations: &mut Violations) {
        let Some(input) = self.input.as_ref().map(String::len) else { return };
        let env: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        if input > MAX_INPUT_BYTES {
            violations
                .add("input", format!("has {input} bytes, more than the {MAX_INPUT_BYTES} that are allowed"));
        } else if input + env > MAX_ENV_AND_INPUT_BYTES {
            let bytes = input + env;
            let message = format!("has {bytes} bytes together with env, more than {MAX_ENV_AND_INPUT_BYTES}");
            violations.add("input", message);
        }
    }

    /// Cuts all times to whole milliseconds, which is what is kept: what a caller is told is what he finds later.
    pub fn cut_to_millis(&mut self) {
        let whole =
            |span: Duration| Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        self.run_timeout = whole(self.run_timeout);
        self.queue_timeout = self.queue_timeout.map(whole);
        self.result_ttl = whole(self.result_ttl);
        if let Some(unique) = &mut self.unique {
            unique.held_after_end = whole(unique.held_after_end);
        }
        let backoff = self.retry.backoff;
        self.retry.backoff = Backoff::capped(whole(backoff.initial()), whole(backoff.max()));
        self.run_at = self.run_at.map(|at| match at.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => SystemTime::UNIX_EPOCH + whole(since),
            Err(_before) => at,
        });
    }

    /// Checks that `run_at` is not too far ahead of `now`.
    ///
    /// # Errors
    /// The violation, with the field name of the proto message `JobSpec`.
    pub fn validate_run_at(&self, now: SystemTime) -> Result<(), Violations> {
        match self.run_at.and_then(|run_at| run_at.duration_since(now).ok()) {
            Some(ahead) if ahead > MAX_SPAN => {
                Err(Violations::one("schedule_time", "is more than 30 days ahead: submit the job later"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A job: its specification, its state and its attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Id of the job.
    pub id: JobId,
    /// Specification of the job. `script` is empty and `input` is None when it was read without ([`JobView::Basic`]).
    pub spec: JobSpec,
    /// State of the job.
    pub state: JobState,
    /// Attempts started so far; 0 before the first.
    pub attempt: u32,
    /// The actor that has or had it last.
    pub actor_id: Option<ActorId>,
    /// Time of the submission.
    pub created_at: SystemTime,
    /// Start of the latest attempt.
    pub started_at: Option<SystemTime>,
    /// Time at which the job reached its terminal state.
    pub finished_at: Option<SystemTime>,
    /// Time of the next attempt, in SCHEDULED and RETRY_WAIT.
    pub due_at: Option<SystemTime>,
    /// Result, in SUCCEEDED.
    pub result: Option<JobResult>,
    /// Error, in FAILED, and of the latest attempt in RETRY_WAIT.
    pub error: Option<JobError>,
    /// Reason of the cancel, in CANCELLED.
    pub cancel_reason: Option<String>,
    /// Last progress that the script reported.
    pub progress: Option<Progress>,
    /// The attempts before the latest one, oldest first, the last [`MAX_PAST_ATTEMPTS`] of them.
    pub past_attempts: Vec<PastAttempt>,
    /// Resources that the latest attempt has used, once the job has ended; None if they are not known.
    pub usage: Option<JobUsage>,
    /// The job for whose end this one waits, in BLOCKED.
    pub blocked_by: Option<JobId>,
}

impl Job {
    /// A job that was accepted just now.
    pub fn accepted(id: JobId, spec: JobSpec, now: SystemTime) -> Self {
        let due_at = spec.run_at.filter(|run_at| *run_at > now);
        let state = if due_at.is_some() { JobState::Scheduled } else { JobState::Queued };
        Self {
            id,
            spec,
            state,
            attempt: 0,
            actor_id: None,
            created_at: now,
            started_at: None,
            finished_at: None,
            due_at,
            result: None,
            error: None,
            cancel_reason: None,
            progress: None,
            past_attempts: Vec::new(),
            usage: None,
            blocked_by: None,
        }
    }

    /// The same job while it waits for the end of another one.
    #[must_use]
    pub fn blocked_by(self, holder: JobId) -> Self {
        Self { state: JobState::Blocked, due_at: None, blocked_by: Some(holder), ..self }
    }

    /// The same job after its end.
    pub fn finish(mut self, end: Finished) -> Self {
        self.state = end.outcome.state();
        self.attempt = end.attempt;
        self.actor_id = end.actor_id;
        self.started_at = end.started_at;
        self.finished_at = Some(end.finished_at);
        self.due_at = None;
        self.blocked_by = None;
        self.error = None;
        self.usage = end.usage;
        if let Some(history) = end.history {
            (self.progress, self.past_attempts) = (history.progress, history.past_attempts);
        }
        match end.outcome {
            Outcome::Succeeded(result) => self.result = Some(result),
            Outcome::Failed(error) => self.error = Some(error),
            Outcome::Cancelled(reason) => self.cancel_reason = Some(reason),
        }
        self
    }
}

/// Parts of a job to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobView {
    /// All parts but the script and its input.
    #[default]
    Basic,
    /// All parts, with the script and its input.
    Full,
}

//! Jobs as callers see them: submit, run, await, look, cancel.

pub mod follow;
mod job_builder;
mod pinned;
mod run;

pub use job_builder::JobBuilder;
pub use run::{Awaited, Begun};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobSpec, JobView};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::{ScriptTypeSettings, UnsetFields};

use crate::domain::scaling::trigger::ScaleTrigger;
use crate::domain::script_types::settings_cache::SettingsCache;
use crate::error::SupervisorError;
use crate::ports::actor_store::ActorStore;
use crate::ports::clock::Clock;
use crate::ports::job_queue::{
    Cancelled, Deleted, JobCursor, JobFilter, JobPage, RequestKey, Retried, Submission, SubmitRefused,
    Submitted,
};
use crate::ports::queue::Queue;
use crate::ports::queue_admin::QueueDepth;
use run::{MOST_FOLLOWED, SUBMITS_AT_A_TIME};

/// A record is kept at least this long by default; an older unknown id is reported as expired.
const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Hands jobs to actors. A cheap clone; all clones are one supervisor.
#[derive(Clone)]
pub struct Supervisor {
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    defaults: Arc<JobDefaults>,
    store: Arc<dyn ActorStore>,
    turns: Arc<Semaphore>,
    follow_places: Arc<Semaphore>,
    settings: SettingsCache,
    scale_trigger: ScaleTrigger,
}

/// What a job gets when its caller does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobDefaults {
    /// `caller_id` of jobs that have none.
    pub caller_id: String,
    /// `context_id` of jobs that have none.
    pub context_id: String,
}

/// One job to submit, with its names.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// What to run.
    pub spec: JobSpec,
    /// The caller's id for the job; a fresh one by default.
    pub job_id: Option<JobId>,
    /// Makes repeats harmless.
    pub request: Option<RequestKey>,
    /// What the caller did not say, for the rules of the script type to fill in.
    pub open: UnsetFields,
}

impl JobRequest {
    /// A job with a fresh id that may be submitted twice.
    pub fn new(spec: JobSpec) -> Self {
        Self { spec, job_id: None, request: None, open: UnsetFields::default() }
    }
}

/// An accepted job.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The job, without its script.
    pub job: Job,
    /// True when an earlier request with the same id had made it.
    pub deduplicated: bool,
}

impl Supervisor {
    /// Makes a supervisor on a queue and the store of actors beside it.
    pub fn new(
        queue: Arc<dyn Queue>,
        store: Arc<dyn ActorStore>,
        clock: Arc<dyn Clock>,
        defaults: JobDefaults,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(SUBMITS_AT_A_TIME));
        let follow_places = Arc::new(Semaphore::new(MOST_FOLLOWED));
        let (defaults, settings) = (Arc::new(defaults), SettingsCache::default());
        let scale_trigger = ScaleTrigger::default();
        Self { queue, clock, defaults, store, turns, follow_places, settings, scale_trigger }
    }

    /// Returns the store of actors, by which jobs for one named actor are checked.
    pub fn store(&self) -> &Arc<dyn ActorStore> {
        &self.store
    }

    /// The rules of script types, as far as they are known here: they are read by the manager of actors.
    pub fn settings(&self) -> &SettingsCache {
        &self.settings
    }

    /// Takes over rules that somebody has made.
    pub(crate) fn apply_settings(&self, settings: ScriptTypeSettings) {
        let (script_type, depth) = (settings.script_type, settings.max_queue_depth);
        if self.settings.store(settings) {
            let any = |depth: u32| if depth == 0 { u64::MAX } else { u64::from(depth) };
            self.queue.limit_depth(script_type, depth.map(any));
        }
    }

    /// Tells the loop that scales of jobs for script types that have no actor.
    pub(crate) fn scale_trigger(&self) -> &ScaleTrigger {
        &self.scale_trigger
    }

    /// Starts to describe a job.
    pub fn new_job(&self) -> JobBuilder {
        JobBuilder {
            script_type: None,
            spec: JobSpec {
                caller_id: self.defaults.caller_id.clone(),
                context_id: self.defaults.context_id.clone(),
                ..JobSpec::new(ScriptType::OSIS, "")
            },
        }
    }

    /// Runs a job and answers with the text of its result, however long it takes (its `run_timeout` bounds each attempt).
    ///
    /// # Errors
    /// `JobFailed` and `JobCancelled` when it ends so; those of [`Supervisor::submit`].
    pub async fn run_job_and_await_result(&self, job: &JobSpec) -> Result<String, SupervisorError> {
        let mut awaited = self.run(JobRequest::new(job.clone()), LONGEST_WAIT).await?;
        while !awaited.done {
            awaited = self.await_end(&awaited.job.id, LONGEST_WAIT).await?;
        }
        let job = awaited.job;
        if let Some(result) = job.result {
            return Ok(result.text);
        }
        match (job.error, job.cancel_reason) {
            (Some(error), _) => Err(SupervisorError::JobFailed { id: job.id, error }),
            (None, reason) => {
                Err(SupervisorError::JobCancelled { id: job.id, reason: reason.unwrap_or_default() })
            }
        }
    }

    /// Puts a job into its queue.
    ///
    /// # Errors
    /// `Invalid`, `QueueFull`, `JobExists`, `RequestIdReused`, `QueueUnavailable`, `QueueRefused`, `SubmitUncertain`.
    pub async fn submit(&self, request: JobRequest) -> Result<Accepted, SupervisorError> {
        let submission = self.admit(request, false)?;
        let submitted = self.submit_one(submission).await?;
        Ok(Accepted { job: submitted.job, deduplicated: submitted.deduplicated })
    }

    /// Puts many jobs into their queues; one answer each, in order. Valid ones are submitted whatever the others are.
    ///
    /// # Errors
    /// `QueueUnavailable` when nothing is known of any of them.
    pub async fn submit_many(
        &self,
        requests: Vec<JobRequest>,
    ) -> Result<Vec<Result<Accepted, SupervisorError>>, SupervisorError> {
        let mut answers: Vec<Option<SupervisorError>> = Vec::with_capacity(requests.len());
        let mut submissions = Vec::with_capacity(requests.len());
        for request in requests {
            match self.admit(request, false) {
                Ok(submission) => {
                    submissions.push(submission);
                    answers.push(None);
                }
                Err(error) => answers.push(Some(error)),
            }
        }
        let targets = self.mark_unroutable(&mut submissions).await?;
        let mut submitted = self.queue.submit(submissions).await?.into_iter();
        let answer = |refused: Option<SupervisorError>| match refused {
            Some(error) => Err(error),
            None => match submitted.next() {
                Some(Ok(done)) => {
                    self.scale_trigger.submitted(done.job.spec.script_type);
                    Ok(Accepted { job: done.job, deduplicated: done.deduplicated })
                }
                Some(Err(refused)) => Err(refused.into()),
                None => Err(missing_answer()),
            },
        };
        let answers = answers.into_iter().map(answer).collect();
        for spec in targets {
            self.fail_unroutable(&spec).await;
        }
        Ok(answers)
    }

    /// Reads a job.
    ///
    /// # Errors
    /// `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn job(&self, id: &JobId, view: JobView) -> Result<Job, SupervisorError> {
        self.queue.get(id, view).await?.ok_or_else(|| self.unknown(id))
    }

    /// Lists jobs, newest first.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn jobs(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, SupervisorError> {
        Ok(self.queue.list(filter, after, limit).await?)
    }

    /// Cancels a job; one that has ended is left as it is and answered with `changed: false`.
    ///
    /// # Errors
    /// `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn cancel(&self, id: &JobId, reason: &str) -> Result<Cancelled, SupervisorError> {
        self.queue.cancel(id, reason).await?.ok_or_else(|| self.unknown(id))
    }

    /// Puts a job that failed or was cancelled into its queue once more; its attempts count from 0 again, or it gets one
    /// more than it was allowed.
    ///
    /// # Errors
    /// `JobState` unless it failed or was cancelled, `ActorNotFound` if it is for one that is gone, `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn retry(&self, id: &JobId, reset_attempts: bool) -> Result<Job, SupervisorError> {
        let job = self.queue.get(id, JobView::Basic).await?;
        if let Some(job) = job.filter(|job| job.spec.target_actor.is_some())
            && let Some(error) = self.unroutable(&job.spec).await?
        {
            return Err(error);
        }
        match self.queue.retry(id, reset_attempts).await? {
            Retried::Queued(job) => {
                self.scale_trigger.submitted(job.spec.script_type);
                self.fail_unroutable(&job.spec).await;
                Ok(*job)
            }
            Retried::Unknown => Err(self.unknown(id)),
            Retried::NotPossible(state) => {
                let hint = "only a job that failed or was cancelled can be tried again";
                Err(SupervisorError::JobState { id: id.clone(), state, hint })
            }
        }
    }

    /// Removes the record of an ended job; false when there was none and `allow_missing` is said.
    ///
    /// # Errors
    /// `JobState` while it has not ended, `JobNotFound`, `QueueUnavailable`.
    pub async fn delete(&self, id: &JobId, allow_missing: bool) -> Result<bool, SupervisorError> {
        match self.queue.delete(id).await? {
            Deleted::Gone => Ok(true),
            Deleted::Unknown if allow_missing => Ok(false),
            Deleted::Unknown => Err(self.unknown(id)),
            Deleted::NotFinished(state) => {
                let hint = "cancel it first, or wait for its end";
                Err(SupervisorError::JobState { id: id.clone(), state, hint })
            }
        }
    }

    /// How much the queue of a script type holds.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn depth(&self, script_type: ScriptType) -> Result<QueueDepth, SupervisorError> {
        Ok(self.queue.depth(script_type).await?)
    }

    /// Whether the queue answers, and how fast.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn probe(&self) -> Result<Duration, SupervisorError> {
        Ok(self.queue.probe().await?)
    }

    /// The queue itself, for the lifecycle of actors.
    pub(crate) fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    /// The clock that this supervisor goes by.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Checks a request and fills in what the caller left out.
    fn admit(&self, request: JobRequest, wanted: bool) -> Result<Submission, SupervisorError> {
        let mut spec = request.spec;
        if spec.caller_id.is_empty() {
            spec.caller_id.clone_from(&self.defaults.caller_id);
        }
        if spec.context_id.is_empty() {
            spec.context_id.clone_from(&self.defaults.context_id);
        }
        if request.open != UnsetFields::default() {
            self.settings.of(spec.script_type).job_defaults.fill(&mut spec, request.open);
        }
        spec.validate()?;
        spec.validate_run_at(self.clock.now())?;
        let id = request.job_id.unwrap_or_else(JobId::mint);
        spec.cut_to_millis();
        Ok(Submission { id, spec, request: request.request, wanted, unroutable: false })
    }

    async fn submit_one(&self, mut submission: Submission) -> Result<Submitted, SupervisorError> {
        let unroutable = match submission.spec.target_actor {
            Some(_) => Box::pin(self.unroutable(&submission.spec)).await?,
            None => None,
        };
        submission.unroutable = unroutable.is_some();
        let mut answers = self.queue.submit(vec![submission]).await?;
        match answers.pop() {
            Some(Ok(submitted)) => {
                self.scale_trigger.submitted(submitted.job.spec.script_type);
                if submitted.job.spec.target_actor.is_some() {
                    Box::pin(self.fail_unroutable(&submitted.job.spec)).await;
                }
                Ok(submitted)
            }
            Some(Err(refused @ SubmitRefused::Unroutable { .. })) => {
                Err(unroutable.unwrap_or_else(|| refused.into()))
            }
            Some(Err(refused)) => Err(refused.into()),
            None => Err(missing_answer()),
        }
    }

    /// Whether an id that is not there was there once.
    pub(crate) fn unknown(&self, id: &JobId) -> SupervisorError {
        let age = id.minted_at().and_then(|at| self.clock.now().duration_since(at).ok());
        match age {
            Some(age) if age > DEFAULT_RETENTION => SupervisorError::JobExpired(id.clone()),
            Some(_) | None => SupervisorError::JobNotFound(id.clone()),
        }
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("defaults", &self.defaults).finish_non_exhaustive()
    }
}

/// One wait of [`Supervisor::run_job_and_await_result`]; it waits again as long as the job lives.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

fn missing_answer() -> SupervisorError {
    SupervisorError::Internal { what: "submit a job".to_owned(), source: "no answer for it".into() }
}

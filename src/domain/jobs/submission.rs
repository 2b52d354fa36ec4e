//! A request becomes a job in its queue: it is checked, filled in, and submitted.

use super::Supervisor;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobKind, JobQuota, JobSpec, OnConflict, Unique};
use crate::domain::model::settings::UnsetFields;
use crate::error::SupervisorError;
use crate::ports::job_submission::{RequestKey, Submission, SubmitRefused, Submitted};

/// One job to submit, with its names.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// The job to run.
    pub spec: JobSpec,
    /// The caller's id for the job; a fresh one by default.
    pub job_id: Option<JobId>,
    /// Makes repeats harmless.
    pub request: Option<RequestKey>,
    /// Fields that the caller left open, for the settings of the script type to fill in.
    pub open: UnsetFields,
    /// Most unfinished jobs of the caller.
    pub quota: JobQuota,
    /// The caller sees only the jobs of its scopes, and so has unique keys of its own.
    pub own_keys: bool,
}

impl JobRequest {
    /// A job with a fresh id that may be submitted twice.
    pub fn new(spec: JobSpec) -> Self {
        let (open, quota) = (UnsetFields::default(), JobQuota::default());
        Self { spec, job_id: None, request: None, open, quota, own_keys: false }
    }

    /// Makes a new job of one that has ended, read in full, with another input. It starts at once.
    ///
    /// # Errors
    /// `JobState` for a job that has not ended, or that is a ping.
    pub fn again(old: Job, input: Option<String>) -> Result<Self, SupervisorError> {
        let Job { id, state, spec, .. } = old;
        if !state.is_terminal() || spec.kind == JobKind::Ping {
            let hint = "only a job that has ended can be run again with another input: wait for its end, or cancel it";
            return Err(SupervisorError::JobState { id, state, hint });
        }
        // To be told of another job is not to have run this one again.
        let unique =
            spec.unique.map(|unique| Box::new(Unique { on_conflict: OnConflict::Reject, ..*unique }));
        Ok(Self::new(JobSpec { input, run_at: None, retry_of: Some(id), unique, ..spec }))
    }
}

/// An accepted job.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The job, without its script.
    pub job: Job,
    /// True when an earlier request with the same id had made it.
    pub deduplicated: bool,
    /// True when the job was there before and has the unique key of the one that was submitted.
    pub existing: bool,
}

impl From<Submitted> for Accepted {
    fn from(submitted: Submitted) -> Self {
        let Submitted { job, deduplicated, existing, completion: _ } = submitted;
        Self { job, deduplicated, existing }
    }
}

impl Supervisor {
    /// Puts a job into its queue.
    ///
    /// # Errors
    /// `Invalid`, `QueueFull`, `QuotaReached`, `JobExists`, `UniqueKeyHeld`, `RequestIdReused`, `QueueUnavailable`, `QueueRefused`, `SubmitUncertain`.
    pub async fn submit(&self, request: JobRequest) -> Result<Accepted, SupervisorError> {
        let submission = self.admit(request, false)?;
        let submitted = self.submit_one(submission).await?;
        Ok(submitted.into())
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
                    self.scale_trigger.submitted(done.job.spec.queue());
                    Ok(done.into())
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

    /// Checks a request and fills in what the caller left out.
    pub(super) fn admit(&self, request: JobRequest, wanted: bool) -> Result<Submission, SupervisorError> {
        let mut spec = request.spec;
        if spec.caller_id.is_empty() {
            spec.caller_id.clone_from(&self.defaults.caller_id);
        }
        if spec.context_id.is_empty() {
            spec.context_id.clone_from(&self.defaults.context_id);
        }
        if request.open != UnsetFields::default() {
            self.settings.of(spec.typed_queue()).job_defaults.fill(&mut spec, request.open);
        }
        if let Some(unique) = &mut spec.unique {
            let owner = || Unique::owner_of(&spec.caller_id, &spec.context_id);
            unique.owner = if request.own_keys { owner() } else { String::new() };
        }
        spec.validate()?;
        spec.validate_run_at(self.clock.now())?;
        let id = request.job_id.unwrap_or_else(|| JobId::mint_for(spec.queue()));
        spec.cut_to_millis();
        let quota = request.quota;
        Ok(Submission { id, spec, request: request.request, wanted, unroutable: false, quota })
    }

    /// Hands a submission to the queue, and wakes the scaler.
    pub(super) async fn submit_one(&self, mut submission: Submission) -> Result<Submitted, SupervisorError> {
        let unroutable = match submission.spec.target_actor {
            Some(_) => Box::pin(self.unroutable(&submission.spec)).await?,
            None => None,
        };
        submission.unroutable = unroutable.is_some();
        let mut answers = self.queue.submit(vec![submission]).await?;
        match answers.pop() {
            Some(Ok(submitted)) => {
                self.scale_trigger.submitted(submitted.job.spec.queue());
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
}

fn missing_answer() -> SupervisorError {
    SupervisorError::Internal { what: "submit a job".to_owned(), source: "no answer for it".into() }
}

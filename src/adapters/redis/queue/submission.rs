//! Submits jobs to their queues and awaits their ends.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::future::join_all;
use redis::Value;

use super::batches::SubmitAnswer;
use super::jobs::{self, job_of};
use super::{RedisQueue, Shared, known_queues, sweep};
use crate::adapters::redis::call::Failed;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::records::encode_spec;
use crate::adapters::redis::reply;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobSpec, JobView};
use crate::domain::model::queue_name::QueueName;
use crate::error::chain;
use crate::ports::job_queue::QueueError;
use crate::ports::job_submission::{
    Attached, Completion, JobSubmission, Submission, SubmitRefused, Submitted,
};
use crate::ports::store_fault::StoreFault;

type Results = Vec<Result<Submitted, SubmitRefused>>;

#[async_trait]
impl JobSubmission for RedisQueue {
    async fn submit(&self, mut submissions: Vec<Submission>) -> Result<Results, QueueError> {
        let wanted = submissions.iter().filter(|submission| submission.wanted);
        let wanted: BTreeSet<QueueName> = wanted.map(|submission| submission.spec.queue()).collect();
        for queue in wanted {
            if known_queues::exists(&self.shared, queue).await? {
                self.start_waiting(queue).await?;
            }
        }
        for submission in &mut submissions {
            submission.spec.cut_to_millis();
        }
        // Most calls submit one job and need no sorting.
        match &submissions[..] {
            [only] => Ok(self.submit_group(only.spec.queue(), submissions).await?),
            _many => Ok(Box::pin(self.submit_sorted(submissions)).await?),
        }
    }

    async fn attach(&self, id: &JobId) -> Result<Option<Attached>, QueueError> {
        // Of a queue that is away here the job cannot be read below either.
        let started = join_all(QueueName::DEFAULTS.map(|queue| self.start_waiting(queue))).await;
        if let (true, Some(error)) =
            (started.iter().all(Result::is_err), started.into_iter().find_map(Result::err))
        {
            return Err(error.into());
        }
        // The end of the job can be told before this call is answered, so the registration comes first.
        let completion = self.shared.awaiters.add(id);
        let args = [id.as_str(), &self.shared.config.instance];
        let found =
            match self.call_its_queue::<Vec<Value>>(id, Function::Attach, &args, "an attached job").await {
                Ok(Some((queue, fields))) => job_of(id, queue, fields).map(Some),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
        match found {
            Ok(Some(job)) if job.state.is_terminal() => {
                drop(completion);
                self.shared.awaiters.prune(id);
                Ok(Some(Attached { job, completion: None }))
            }
            Ok(Some(job)) => {
                if let Err(error) = self.start_waiting(job.spec.queue()).await {
                    tracing::debug!(job.id = %id, %error, "job {id}: left to the sweep");
                }
                self.shared.awaiters.confirm(id, job.spec.queue());
                Ok(Some(Attached { job, completion: Some(completion) }))
            }
            other => {
                drop(completion);
                self.shared.awaiters.prune(id);
                Ok(other.map(|_| None)?)
            }
        }
    }
}

impl RedisQueue {
    /// Submits jobs of several queues. Queues behind one that failed are not tried.
    async fn submit_sorted(&self, submissions: Vec<Submission>) -> Result<Results, StoreFault> {
        let count = submissions.len();
        let mut by_queue: BTreeMap<QueueName, Vec<(usize, Submission)>> = BTreeMap::new();
        for (index, submission) in submissions.into_iter().enumerate() {
            by_queue.entry(submission.spec.queue()).or_default().push((index, submission));
        }
        let mut answers: Vec<Option<Result<Submitted, SubmitRefused>>> = (0..count).map(|_| None).collect();
        let (mut answered, mut failure) = (0, None);
        for (queue, jobs) in by_queue {
            let (indexes, submissions): (Vec<usize>, Vec<Submission>) = jobs.into_iter().unzip();
            let submitted = match self.submit_group(queue, submissions).await {
                Ok(submitted) => submitted,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            };
            answered += submitted.len();
            for (index, answer) in indexes.into_iter().zip(submitted) {
                answers[index] = Some(answer);
            }
        }
        match failure {
            None if answered == count => Ok(answers.into_iter().flatten().collect()),
            None => Err(reply::corrupt("a submit", &format!("{answered} answers to {count} jobs"))),
            Some(error) if answered == 0 => Err(error),
            Some(error) => Ok(answers
                .into_iter()
                .map(|answer| answer.unwrap_or_else(|| Err(not_accepted(&error))))
                .collect()),
        }
    }

    /// Submits jobs of one queue.
    async fn submit_group(
        &self,
        queue: QueueName,
        submissions: Vec<Submission>,
    ) -> Result<Results, StoreFault> {
        if !known_queues::exists(&self.shared, queue).await? {
            return Ok(submissions.iter().map(|_| Err(SubmitRefused::NoQueue { queue })).collect());
        }
        // A reply can come before the answer to the submit, so the registrations come first.
        let registrations = Registrations::take(&self.shared, &submissions);
        let ids: Vec<JobId> = submissions.iter().map(|submission| submission.id.clone()).collect();
        match self.batchers.submit(queue, submissions).await {
            Ok((submissions, answers)) => {
                Ok(self.finish_group(queue, submissions, answers, registrations).await)
            }
            Err(Failed { error, sent: false }) => Err(error),
            Err(Failed { error, sent: true }) => {
                Ok(ids.into_iter().map(|id| Err(uncertain(id, &error))).collect())
            }
        }
    }

    /// Turns the answers of the queue into results.
    async fn finish_group(
        &self,
        queue: QueueName,
        submissions: Vec<Submission>,
        answers: Vec<SubmitAnswer>,
        mut registrations: Registrations<'_>,
    ) -> Results {
        let mut submitted = Vec::with_capacity(submissions.len());
        for (index, (submission, answer)) in submissions.into_iter().zip(answers).enumerate() {
            let answer = match answer {
                // Boxed: it is rare, and every submit would hold its room.
                SubmitAnswer::Exists(true) => {
                    Box::pin(self.resolve(&submission.id, &submission.spec)).await.map_err(Box::new)
                }
                answer => Ok(accepted_before(answer, &submission.id)),
            };
            submitted.push(match answer {
                Ok(answer) => {
                    let registration = (&mut registrations, index);
                    self.result_of(queue, submission, answer, registration).await
                }
                Err(error) => Err(uncertain(submission.id, &error)),
            });
        }
        submitted
    }

    /// Turns the answer to one job into a result. The registration is that of the job, if its end is waited for.
    async fn result_of(
        &self,
        queue: QueueName,
        submission: Submission,
        answer: SubmitAnswer,
        (registrations, index): (&mut Registrations<'_>, usize),
    ) -> Result<Submitted, SubmitRefused> {
        let Submission { id, mut spec, request, wanted, unroutable: _, quota: _ } = submission;
        let (deduplicated, existing) = match &answer {
            SubmitAnswer::Known(..) => (true, false),
            SubmitAnswer::Existing(_) => (false, true),
            _other => (false, false),
        };
        let job = match answer {
            SubmitAnswer::Accepted(created_at) => {
                (spec.script, spec.input) = (String::new(), None);
                Job::accepted(id, spec, created_at)
            }
            SubmitAnswer::Blocked(created_at, behind) => {
                (spec.script, spec.input) = (String::new(), None);
                Job::accepted(id, spec, created_at).blocked_by(behind)
            }
            SubmitAnswer::Known(job, _) | SubmitAnswer::Existing(job) => {
                let waits = wanted && !job.state.is_terminal();
                let completion = if waits { Some(Box::pin(self.join(&job.id, queue)).await) } else { None };
                return Ok(Submitted { job: *job, deduplicated, existing, completion });
            }
            SubmitAnswer::KeyHeld(holder, state) => return Err(SubmitRefused::KeyHeld { holder, state }),
            SubmitAnswer::Exists(_repeated) => return Err(taken(id)),
            SubmitAnswer::Gone(job_id) => return Err(SubmitRefused::JobExpired { job_id }),
            SubmitAnswer::Unroutable => {
                let target = spec.target_actor;
                return Err(
                    target.map_or_else(|| taken(id), |actor_id| SubmitRefused::Unroutable { actor_id })
                );
            }
            SubmitAnswer::NoQueue => return Err(SubmitRefused::NoQueue { queue }),
            SubmitAnswer::Serves(serves) => return Err(SubmitRefused::WrongQueue { queue, serves }),
            SubmitAnswer::Damaged(error) => return Err(damaged(&error)),
            SubmitAnswer::Full(queued) => {
                return Err(SubmitRefused::QueueFull { queue, queued, limit: self.shared.limit(queue) });
            }
            SubmitAnswer::FlowKeyFull(full) => return Err(SubmitRefused::FlowKeyFull(full)),
            SubmitAnswer::QuotaReached(reached) => return Err(SubmitRefused::QuotaReached(reached)),
            SubmitAnswer::Reused(first_use) => {
                return Err(match request {
                    Some(request) => SubmitRefused::RequestIdReused { request_id: request.id, first_use },
                    None => taken(id),
                });
            }
        };
        let completion = registrations.keep(index, &job.id, queue);
        Ok(Submitted { job, deduplicated, existing, completion })
    }

    /// Awaits a job whose id became known with the answer. A reply may have come before this registration, so the record is
    /// read once.
    async fn join(&self, id: &JobId, queue: QueueName) -> Completion {
        let completion = self.shared.awaiters.add(id);
        self.shared.awaiters.confirm(id, queue);
        if let Err(error) = sweep::catch_up(&self.shared, id, queue).await {
            tracing::debug!(job.id = %id, %error, "job {id}: left to the sweep");
        }
        completion
    }

    /// Finds out whether the first one of two calls has accepted a job: a stored job of this id with the same content was accepted
    /// by it. The stored fields are compared.
    async fn resolve(&self, id: &JobId, spec: &JobSpec) -> Result<SubmitAnswer, StoreFault> {
        let stored = jobs::read(&self.shared, id, JobView::Full).await?;
        // Readers of a job do not get its trace.
        let asked = JobSpec { traceparent: None, ..spec.clone() };
        let ours = stored.filter(|job| encode_spec(id, &job.spec) == encode_spec(id, &asked));
        Ok(match ours {
            None => SubmitAnswer::Exists(false),
            Some(Job { blocked_by: Some(behind), created_at, .. }) => {
                SubmitAnswer::Blocked(created_at, behind)
            }
            Some(job) => SubmitAnswer::Accepted(job.created_at),
        })
    }
}

/// Registrations of the jobs of a group that are waited for; those that are not kept are removed on drop.
struct Registrations<'a> {
    shared: &'a Shared,
    waiting: Vec<Option<(JobId, Completion)>>,
}

impl<'a> Registrations<'a> {
    fn take(shared: &'a Shared, submissions: &[Submission]) -> Self {
        let place = |job: &Submission| job.wanted.then(|| (job.id.clone(), shared.awaiters.add(&job.id)));
        Self { shared, waiting: submissions.iter().map(place).collect() }
    }

    fn keep(&mut self, index: usize, id: &JobId, queue: QueueName) -> Option<Completion> {
        let (_id, completion) = self.waiting.get_mut(index)?.take()?;
        self.shared.awaiters.confirm(id, queue);
        Some(completion)
    }
}

impl Drop for Registrations<'_> {
    fn drop(&mut self) {
        for (id, completion) in self.waiting.drain(..).flatten() {
            drop(completion);
            self.shared.awaiters.prune(&id);
        }
    }
}

/// Turns the answer to a repeated call about its own job into an acceptance.
fn accepted_before(answer: SubmitAnswer, id: &JobId) -> SubmitAnswer {
    match &answer {
        SubmitAnswer::Known(job, true) if job.id == *id => SubmitAnswer::Accepted(job.created_at),
        SubmitAnswer::Accepted(_)
        | SubmitAnswer::Blocked(..)
        | SubmitAnswer::Existing(_)
        | SubmitAnswer::KeyHeld(..)
        | SubmitAnswer::FlowKeyFull(..)
        | SubmitAnswer::Known(..)
        | SubmitAnswer::Exists(_)
        | SubmitAnswer::Gone(_)
        | SubmitAnswer::Full(_)
        | SubmitAnswer::NoQueue
        | SubmitAnswer::Serves(_)
        | SubmitAnswer::QuotaReached(_)
        | SubmitAnswer::Unroutable
        | SubmitAnswer::Damaged(_)
        | SubmitAnswer::Reused(_) => answer,
    }
}

fn taken(job_id: JobId) -> SubmitRefused {
    SubmitRefused::JobExists { job_id }
}

fn damaged(error: &StoreFault) -> SubmitRefused {
    SubmitRefused::Damaged {
        what: match error {
            StoreFault::Corrupt { what, .. } => what.clone(),
            other => other.to_string(),
        },
        reason: chain(error),
    }
}

fn uncertain(job_id: JobId, error: &StoreFault) -> SubmitRefused {
    SubmitRefused::Uncertain { job_id, reason: chain(error) }
}

fn not_accepted(error: &StoreFault) -> SubmitRefused {
    match error {
        StoreFault::Refused { refusal, reason } => {
            SubmitRefused::NotAccepted { refusal: Some(*refusal), reason: reason.clone() }
        }
        StoreFault::Corrupt { .. } => damaged(error),
        StoreFault::Unavailable(_) | StoreFault::TimedOut { .. } | StoreFault::Rejected { .. } => {
            SubmitRefused::NotAccepted { refusal: None, reason: chain(error) }
        }
    }
}

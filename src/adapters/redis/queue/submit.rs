//! Puts jobs into their queues, in one call for all that wait at that moment.

mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Shared, jobs, replies};
use crate::adapters::redis::call::Failed;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::records::encode_spec;
use crate::adapters::redis::reply;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobSpec, JobView};
use crate::domain::model::script_type::{PerScriptType, ScriptType};
use crate::error::chain;
use crate::ports::job_queue::{Completion, QueueError, Submission, SubmitRefused, Submitted};
use wire::{Accepted, SUBMIT, SubmitAnswer, write};

/// Most jobs in one call. More jobs gain nothing and make others wait.
const BATCH: usize = 64;
/// Submits that may wait for a batcher. The caller of a further one waits for room.
const WAITING: usize = 1024;
/// Deadline of a submit.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(2);

type Answered = (Vec<Submission>, Result<Vec<SubmitAnswer>, Failed>);
type Results = Vec<Result<Submitted, SubmitRefused>>;

/// Jobs of one script type that are submitted together.
struct SubmitGroup {
    submissions: Vec<Submission>,
    answer: oneshot::Sender<Answered>,
    /// Set before the group may be sent. Until then nobody has seen the jobs.
    sent: Arc<AtomicBool>,
}

/// One batching task for each script type, started with its first job.
pub(super) struct Batchers {
    shared: Arc<Shared>,
    groups: PerScriptType<OnceLock<mpsc::Sender<SubmitGroup>>>,
}

impl Batchers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, groups: PerScriptType::default() }
    }

    /// Submits jobs. An error means that none was accepted; script types behind one that failed are not tried.
    pub(super) async fn submit(&self, mut submissions: Vec<Submission>) -> Result<Results, QueueError> {
        for submission in &mut submissions {
            submission.spec.cut_to_millis();
        }
        // Most calls submit one job and need no sorting.
        if let [only] = &submissions[..] {
            return self.submit_group(only.spec.script_type, submissions).await;
        }
        let count = submissions.len();
        let mut by_type: PerScriptType<Vec<(usize, Submission)>> = PerScriptType::default();
        for (index, submission) in submissions.into_iter().enumerate() {
            by_type[submission.spec.script_type].push((index, submission));
        }
        let mut answers: Vec<Option<Result<Submitted, SubmitRefused>>> = (0..count).map(|_| None).collect();
        let (mut answered, mut failure) = (0, None);
        for (script_type, jobs) in by_type {
            if jobs.is_empty() {
                continue;
            }
            let (indexes, submissions): (Vec<usize>, Vec<Submission>) = jobs.into_iter().unzip();
            let submitted = match self.submit_group(script_type, submissions).await {
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
            None => Err(reply::corrupt(SUBMIT, &format!("{answered} answers to {count} jobs"))),
            Some(error) if answered == 0 => Err(error),
            Some(error) => Ok(answers
                .into_iter()
                .map(|answer| answer.unwrap_or_else(|| Err(not_accepted(&error))))
                .collect()),
        }
    }

    async fn submit_group(
        &self,
        script_type: ScriptType,
        submissions: Vec<Submission>,
    ) -> Result<Results, QueueError> {
        // A reply can come before the answer to the submit, so the registrations come first.
        let registrations = Registrations::take(&self.shared, &submissions);
        let ids: Vec<JobId> = submissions.iter().map(|submission| submission.id.clone()).collect();
        let sent = Arc::new(AtomicBool::new(false));
        let (sender, mut receiver) = oneshot::channel();
        let group = SubmitGroup { submissions, answer: sender, sent: Arc::clone(&sent) };
        let exchange = async {
            self.batcher(script_type).send(group).await.ok()?;
            (&mut receiver).await.ok()
        };
        let answered = timeout(SUBMIT_TIMEOUT, exchange).await;
        let (submissions, answers) = match answered {
            Ok(Some(answered)) => answered,
            Ok(None) | Err(_) => {
                // From here on the group is not sent any more; an answer of this very moment counts.
                receiver.close();
                match receiver.try_recv() {
                    Ok(answered) => answered,
                    Err(_nothing) => {
                        let error = match answered {
                            Err(_elapsed) => QueueError::TimedOut { after: SUBMIT_TIMEOUT },
                            Ok(_closed) => QueueError::Unavailable("the queue was closed".into()),
                        };
                        return failed(ids, Failed { error, sent: sent.load(Ordering::SeqCst) });
                    }
                }
            }
        };
        match answers {
            Ok(answers) => Ok(self.finish_group(script_type, submissions, answers, registrations).await),
            Err(failure) => failed(ids, failure),
        }
    }

    async fn finish_group(
        &self,
        script_type: ScriptType,
        submissions: Vec<Submission>,
        answers: Vec<SubmitAnswer>,
        mut registrations: Registrations<'_>,
    ) -> Results {
        let limit = self.shared.limit(script_type);
        let mut submitted = Vec::with_capacity(submissions.len());
        for (index, (submission, answer)) in submissions.into_iter().zip(answers).enumerate() {
            let Submission { id, mut spec, request, wanted, unroutable: _ } = submission;
            let answer = match answer {
                // Boxed: it is rare, and every submit would hold its room.
                SubmitAnswer::Exists(true) => match Box::pin(self.resolve(&id, &spec)).await {
                    Ok(answer) => answer,
                    Err(error) => {
                        submitted.push(Err(uncertain(id, &error)));
                        continue;
                    }
                },
                SubmitAnswer::Known(job, true) if job.id == id => SubmitAnswer::Accepted(job.created_at),
                SubmitAnswer::Accepted(_)
                | SubmitAnswer::Known(..)
                | SubmitAnswer::Exists(false)
                | SubmitAnswer::Gone(_)
                | SubmitAnswer::Full(_)
                | SubmitAnswer::Unroutable
                | SubmitAnswer::Reused(_) => answer,
            };
            match answer {
                SubmitAnswer::Accepted(created_at) => {
                    spec.script = String::new();
                    let job = Job::accepted(id, spec, created_at);
                    let completion = registrations.keep(index, &job.id, script_type);
                    submitted.push(Ok(Submitted { job, deduplicated: false, completion }));
                }
                SubmitAnswer::Known(job, _repeated) => {
                    let waits = wanted && !job.state.is_terminal();
                    let completion =
                        if waits { Some(Box::pin(self.join(&job.id, script_type)).await) } else { None };
                    submitted.push(Ok(Submitted { job: *job, deduplicated: true, completion }));
                }
                SubmitAnswer::Exists(_repeated) => submitted.push(Err(taken(id))),
                SubmitAnswer::Gone(job_id) => submitted.push(Err(SubmitRefused::JobExpired { job_id })),
                SubmitAnswer::Unroutable => submitted.push(Err(match spec.target_actor {
                    Some(actor_id) => SubmitRefused::Unroutable { actor_id },
                    None => taken(id),
                })),
                SubmitAnswer::Full(queued) => {
                    submitted.push(Err(SubmitRefused::QueueFull { script_type, queued, limit }));
                }
                SubmitAnswer::Reused(first_use) => submitted.push(Err(match request {
                    Some(request) => SubmitRefused::RequestIdReused { request_id: request.id, first_use },
                    None => taken(id),
                })),
            }
        }
        submitted
    }

    /// Awaits a job whose id became known with the answer. A reply may have come before this registration, so the record is
    /// read once.
    async fn join(&self, id: &JobId, script_type: ScriptType) -> Completion {
        let completion = self.shared.awaiters.add(id);
        self.shared.awaiters.confirm(id, script_type);
        if let Err(error) = replies::catch_up(&self.shared, id, script_type).await {
            tracing::debug!(job.id = %id, %error, "job {id}: left to the sweep");
        }
        completion
    }

    /// Finds out whether the first one of two calls has accepted a job: a stored job of this id with the same content was accepted
    /// by it. The stored fields are compared.
    async fn resolve(&self, id: &JobId, spec: &JobSpec) -> Result<SubmitAnswer, QueueError> {
        let stored = jobs::read(&self.shared.connection, id, JobView::Full).await?;
        // Readers of a job do not get its trace.
        let asked = JobSpec { traceparent: None, ..spec.clone() };
        let ours = stored.filter(|job| encode_spec(id, &job.spec) == encode_spec(id, &asked));
        Ok(ours.map_or(SubmitAnswer::Exists(false), |job| SubmitAnswer::Accepted(job.created_at)))
    }

    fn batcher(&self, script_type: ScriptType) -> &mpsc::Sender<SubmitGroup> {
        self.groups[script_type].get_or_init(|| {
            let (sender, receiver) = mpsc::channel(WAITING);
            let shared = self.shared.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(batch(&shared, script_type, receiver)).await;
            });
            sender
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

    fn keep(&mut self, index: usize, id: &JobId, script_type: ScriptType) -> Option<Completion> {
        let (_id, completion) = self.waiting.get_mut(index)?.take()?;
        self.shared.awaiters.confirm(id, script_type);
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

/// Makes one call of all waiting groups, and the next call after its answer.
async fn batch(shared: &Shared, script_type: ScriptType, mut receiver: mpsc::Receiver<SubmitGroup>) {
    let mut groups = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut groups, BATCH).await > 0 {
        // Groups whose caller has gone are never sent. The caller closes first and then reads the mark, so one of both sees the
        // other.
        groups.retain(|group| {
            group.sent.store(true, Ordering::SeqCst);
            !group.answer.is_closed()
        });
        let mut batch = Vec::new();
        let mut size = 0;
        for group in groups.drain(..) {
            size += group.submissions.len();
            batch.push(group);
            if size >= BATCH {
                send(shared, script_type, std::mem::take(&mut batch)).await;
                size = 0;
            }
        }
        send(shared, script_type, batch).await;
    }
}

async fn send(shared: &Shared, script_type: ScriptType, groups: Vec<SubmitGroup>) {
    if groups.is_empty() {
        return;
    }
    let asked = ask(shared, script_type, &groups).await;
    match asked {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for SubmitGroup { submissions, answer, .. } in groups {
                let part = answers.by_ref().take(submissions.len()).collect();
                // A caller that has gone needs no answer.
                drop(answer.send((submissions, Ok(part))));
            }
        }
        Err(Failed { error, sent }) => {
            for SubmitGroup { submissions, answer, .. } in groups {
                drop(answer.send((submissions, Err(Failed { error: error.echo(), sent }))));
            }
        }
    }
}

async fn ask(
    shared: &Shared,
    script_type: ScriptType,
    groups: &[SubmitGroup],
) -> Result<Vec<SubmitAnswer>, Failed> {
    let mut command = Function::Submit.on_queue(script_type);
    let config = &shared.config;
    command.arg(script_type.as_str()).arg(shared.limit(script_type)).arg(&config.instance).arg("1");
    for submission in groups.iter().flat_map(|group| &group.submissions) {
        write(&mut command, submission);
    }
    let (answer, repeated): (Accepted, bool) = match shared.connection.call_once(&command, SUBMIT).await {
        // The ids of the jobs tell whether the first call had its effect.
        Err(Failed { error: QueueError::Unavailable(_), sent }) => {
            match shared.connection.call_once(&command, SUBMIT).await {
                Ok(answer) => (answer, sent),
                Err(again) => return Err(Failed { sent: sent || again.sent, ..again }),
            }
        }
        other => (other?, false),
    };
    answer.read(script_type, repeated).map_err(|error| Failed { error, sent: true })
}

/// The answers to the jobs of a failed call.
fn failed(ids: Vec<JobId>, failure: Failed) -> Result<Results, QueueError> {
    match failure {
        Failed { error, sent: false } => Err(error),
        Failed { error, sent: true } => Ok(ids.into_iter().map(|id| Err(uncertain(id, &error))).collect()),
    }
}

fn taken(job_id: JobId) -> SubmitRefused {
    SubmitRefused::JobExists { job_id }
}

fn uncertain(job_id: JobId, error: &QueueError) -> SubmitRefused {
    SubmitRefused::Uncertain { job_id, reason: chain(error) }
}

fn not_accepted(error: &QueueError) -> SubmitRefused {
    match error {
        QueueError::Refused { refusal, reason } => {
            SubmitRefused::NotAccepted { refusal: Some(*refusal), reason: reason.clone() }
        }
        QueueError::Unavailable(_)
        | QueueError::TimedOut { .. }
        | QueueError::Rejected { .. }
        | QueueError::Corrupt { .. } => SubmitRefused::NotAccepted { refusal: None, reason: chain(error) },
    }
}

//! Puts jobs into their queues, in one call for all that wait at that moment.

mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::connection::{Failed, unexpected};
use super::super::records::{encode_spec, time_of};
use super::{Shared, fcall, number, read_job, replies};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobSpec, JobView};
use crate::domain::model::script_type::ScriptType;
use crate::error::chain;
use crate::ports::job_queue::{Completion, QueueError, Submission, SubmitRefused, Submitted};
use wire::{SubmitAnswer, read, write};

/// Jobs in one call; more gain nothing and make others wait.
const BATCH: usize = 64;
/// Submits that may wait for a batcher; the caller of one more waits for a place.
const WAITING: usize = 1024;
/// A submit that takes longer has failed.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(2);

type Answered = (Vec<Submission>, Result<Vec<SubmitAnswer>, Failed>);
type Results = Vec<Result<Submitted, SubmitRefused>>;

/// Jobs of one script type that go together.
struct SubmitGroup {
    submissions: Vec<Submission>,
    answer: oneshot::Sender<Answered>,
    /// Set before the group may be sent; while it is not, nobody has seen the jobs.
    sent: Arc<AtomicBool>,
}

/// One task a script type, started with its first job.
pub(super) struct Batchers {
    shared: Arc<Shared>,
    groups: [OnceLock<mpsc::Sender<SubmitGroup>>; 4],
}

impl Batchers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, groups: Default::default() }
    }

    /// An error means that none was accepted. Of several script types those behind one that failed are not tried.
    pub(super) async fn submit(&self, mut submissions: Vec<Submission>) -> Result<Results, QueueError> {
        for submission in &mut submissions {
            submission.spec.cut_to_millis();
        }
        // By far the most calls submit one job; they need no sorting and no room for it.
        if let [only] = &submissions[..] {
            return self.submit_group(only.spec.script_type, submissions).await;
        }
        let count = submissions.len();
        let mut by_type: [Vec<(usize, Submission)>; 4] = Default::default();
        for (index, submission) in submissions.into_iter().enumerate() {
            by_type[submission.spec.script_type.index()].push((index, submission));
        }
        let mut answers: Vec<Option<Result<Submitted, SubmitRefused>>> = (0..count).map(|_| None).collect();
        let (mut answered, mut failure) = (0, None);
        for (script_type, jobs) in ScriptType::ALL.into_iter().zip(by_type) {
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
            None => Err(unexpected("a submit", &Value::Int(i64::try_from(answered).unwrap_or(-1)))),
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
        // The end of a job can be told before its submit is answered, so the registrations come first.
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
                // From here on it is not sent any more; what was answered in this very moment counts.
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
            let Submission { id, mut spec, request, wanted, stray: _ } = submission;
            let answer = match answer {
                // In a box: it is rare, and its room would be held by every submit.
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
                | SubmitAnswer::Stray
                | SubmitAnswer::Reused(_) => answer,
            };
            let refused = match answer {
                SubmitAnswer::Accepted(created_at) => {
                    spec.script = String::new();
                    let job = Job::accepted(id, spec, created_at);
                    let completion = registrations.keep(index, &job.id, script_type);
                    submitted.push(Ok(Submitted { job, deduplicated: false, completion }));
                    continue;
                }
                SubmitAnswer::Known(job, _repeated) => {
                    let completion = match wanted && !job.state.is_terminal() {
                        true => Some(Box::pin(self.join(&job.id, script_type)).await),
                        false => None,
                    };
                    submitted.push(Ok(Submitted { job: *job, deduplicated: true, completion }));
                    continue;
                }
                SubmitAnswer::Exists(_repeated) => SubmitRefused::JobExists { job_id: id },
                SubmitAnswer::Gone(job_id) => SubmitRefused::JobExpired { job_id },
                SubmitAnswer::Stray => match spec.target_actor {
                    Some(actor_id) => SubmitRefused::Stray { actor_id },
                    None => SubmitRefused::JobExists { job_id: id },
                },
                SubmitAnswer::Full(queued) => SubmitRefused::QueueFull { script_type, queued, limit },
                SubmitAnswer::Reused(first_use) => match request {
                    Some(request) => SubmitRefused::RequestIdReused { request_id: request.id, first_use },
                    None => SubmitRefused::JobExists { job_id: id },
                },
            };
            submitted.push(Err(refused));
        }
        submitted
    }

    /// A place among those who wait for a job whose id nobody knew before the answer came. Its end may have been told
    /// since then, with nobody here to hear it; so one look follows.
    async fn join(&self, id: &JobId, script_type: ScriptType) -> Completion {
        let completion = self.shared.awaiters.add(id);
        self.shared.awaiters.confirm(id, script_type);
        if let Err(error) = replies::catch_up(&self.shared, id, script_type).await {
            tracing::debug!(job.id = %id, %error, "a sweep will look at job {id}");
        }
        completion
    }

    /// After a repeated call, a job of our id and content is the one that the first call made. What is the same is what
    /// Redis keeps of both.
    async fn resolve(&self, id: &JobId, spec: &JobSpec) -> Result<SubmitAnswer, QueueError> {
        let stored = read_job(&self.shared.connection, id, JobView::Full).await?;
        // Readers of a job are not told of its trace.
        let asked = JobSpec { traceparent: None, ..spec.clone() };
        let ours = stored.filter(|job| encode_spec(id, &job.spec) == encode_spec(id, &asked));
        Ok(ours.map_or(SubmitAnswer::Exists(false), |job| SubmitAnswer::Accepted(job.created_at)))
    }

    fn batcher(&self, script_type: ScriptType) -> &mpsc::Sender<SubmitGroup> {
        self.groups[script_type.index()].get_or_init(|| {
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

/// Registrations of a group among those who wait; what is not kept is given up on drop.
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

/// Makes one call of all that waits, and the next when it was answered.
async fn batch(shared: &Shared, script_type: ScriptType, mut receiver: mpsc::Receiver<SubmitGroup>) {
    let mut groups = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut groups, BATCH).await > 0 {
        // Nobody waits for these any more: they were not sent, so they never will be. Who closes looks at the mark after
        // that, so one of both sees the other.
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
                // Who does not wait any more does not mind.
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
    let mut command = fcall("hero_submit", script_type);
    let config = &shared.config;
    command.arg(script_type.as_str()).arg(shared.limit(script_type)).arg(&config.instance).arg("1");
    for submission in groups.iter().flat_map(|group| &group.submissions) {
        write(&mut command, submission);
    }
    let (answer, repeated) = match shared.connection.call_once(&command).await {
        // Whether it had its effect is found out by the ids of the jobs.
        Err(Failed { error: QueueError::Unavailable(_), sent }) => {
            match shared.connection.call_once(&command).await {
                Ok(answer) => (answer, sent),
                Err(again) => return Err(Failed { sent: sent || again.sent, ..again }),
            }
        }
        other => (other?, false),
    };
    let answered = || -> Result<Vec<SubmitAnswer>, QueueError> {
        let Value::Array(items) = answer else { return Err(unexpected("a submit", &answer)) };
        let mut items = items.into_iter();
        let now = items.next().as_ref().and_then(number).map(time_of);
        let now = now.ok_or_else(|| unexpected("a submit", &Value::Nil))?;
        items.map(|item| read(script_type, item, now, repeated)).collect()
    };
    answered().map_err(|error| Failed { error, sent: true })
}

/// The answer to each job of a call that failed.
fn failed(ids: Vec<JobId>, failure: Failed) -> Result<Results, QueueError> {
    match failure {
        Failed { error, sent: false } => Err(error),
        Failed { error, sent: true } => Ok(ids.into_iter().map(|id| Err(uncertain(id, &error))).collect()),
    }
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

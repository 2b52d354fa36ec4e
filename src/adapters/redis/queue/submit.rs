//! Puts jobs into their queues, in one call for all that wait at that moment.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use redis::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::connection::unexpected;
use super::super::records::{encode_spec, millis, time_of, travels_inline};
use super::{Shared, fcall, job_of, number, read_job};
use crate::domain::id::JobId;
use crate::domain::job::{Job, JobKind, JobSpec, JobView};
use crate::domain::script_type::ScriptType;
use crate::ports::job_queue::{Completion, QueueError, Submission, SubmitRefused, Submitted};

/// Jobs in one call; more gain nothing and make others wait.
const BATCH: usize = 64;
/// Submits that may wait for a batcher; the caller of one more waits for a place.
const WAITING: usize = 1024;
/// A submit that takes longer has failed.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(2);

type Answered = (Vec<Submission>, Result<Vec<Answer>, QueueError>);

/// Jobs of one script type that go together.
struct Group {
    submissions: Vec<Submission>,
    answer: oneshot::Sender<Answered>,
}

/// What Redis says to one job.
enum Answer {
    Accepted(SystemTime),
    Known(Box<Job>),
    /// The flag says that the call was repeated after a lost connection, so it may be the same job.
    Exists(bool),
    Reused(SystemTime),
    Gone(JobId),
    Full(u64),
}

/// One task a script type, started with its first job.
pub(super) struct Batchers {
    shared: Arc<Shared>,
    groups: [OnceLock<mpsc::Sender<Group>>; 4],
}

impl Batchers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, groups: Default::default() }
    }

    pub(super) async fn submit(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError> {
        let mut submissions = submissions;
        for submission in &mut submissions {
            // Redis keeps whole milliseconds, so that is what is answered too.
            submission.spec.run_at = submission.spec.run_at.map(|run_at| time_of(millis(run_at)));
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
        for (script_type, jobs) in ScriptType::ALL.into_iter().zip(by_type) {
            if jobs.is_empty() {
                continue;
            }
            let (indexes, submissions): (Vec<usize>, Vec<Submission>) = jobs.into_iter().unzip();
            let submitted = self.submit_group(script_type, submissions).await?;
            for (index, answer) in indexes.into_iter().zip(submitted) {
                answers[index] = Some(answer);
            }
        }
        let answered: Vec<_> = answers.into_iter().flatten().collect();
        if answered.len() != count {
            return Err(unexpected("a submit", &Value::Int(i64::try_from(answered.len()).unwrap_or(-1))));
        }
        Ok(answered)
    }

    async fn submit_group(
        &self,
        script_type: ScriptType,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError> {
        // The end of a job can be told before its submit is answered, so the places come first.
        let places = Places::take(&self.shared, &submissions);
        let (sender, receiver) = oneshot::channel();
        let group = Group { submissions, answer: sender };
        let exchange = async {
            self.batcher(script_type).send(group).await.ok()?;
            receiver.await.ok()
        };
        let (submissions, answers) = match timeout(SUBMIT_TIMEOUT, exchange).await {
            Ok(Some(answered)) => answered,
            Ok(None) => return Err(QueueError::Unavailable("the queue was closed".into())),
            Err(_elapsed) => return Err(QueueError::TimedOut { after: SUBMIT_TIMEOUT }),
        };
        self.finish_group(script_type, submissions, answers?, places).await
    }

    async fn finish_group(
        &self,
        script_type: ScriptType,
        submissions: Vec<Submission>,
        answers: Vec<Answer>,
        mut places: Places<'_>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError> {
        let limit = self.shared.limit(script_type);
        let mut submitted = Vec::with_capacity(submissions.len());
        for (index, (submission, answer)) in submissions.into_iter().zip(answers).enumerate() {
            let Submission { id, mut spec, request, wanted } = submission;
            let answer = match answer {
                // In a box: it is rare, and its room would be held by every submit.
                Answer::Exists(true) => Box::pin(self.resolve(&id, &spec)).await?,
                Answer::Accepted(_)
                | Answer::Known(_)
                | Answer::Exists(false)
                | Answer::Gone(_)
                | Answer::Full(_)
                | Answer::Reused(_) => answer,
            };
            let refused = match answer {
                Answer::Accepted(created_at) => {
                    spec.script = String::new();
                    let job = Job::accepted(id, spec, created_at);
                    let completion = places.keep(index, &job.id, script_type);
                    submitted.push(Ok(Submitted { job, deduplicated: false, completion }));
                    continue;
                }
                Answer::Known(job) => {
                    let completion = (wanted && !job.state.is_terminal()).then(|| {
                        let completion = self.shared.awaiters.add(&job.id);
                        self.shared.awaiters.confirm(&job.id, script_type);
                        completion
                    });
                    submitted.push(Ok(Submitted { job: *job, deduplicated: true, completion }));
                    continue;
                }
                Answer::Exists(_repeated) => SubmitRefused::JobExists { job_id: id },
                Answer::Gone(job_id) => SubmitRefused::JobExpired { job_id },
                Answer::Full(queued) => SubmitRefused::QueueFull { script_type, queued, limit },
                Answer::Reused(first_use) => match request {
                    Some(request) => SubmitRefused::RequestIdReused { request_id: request.id, first_use },
                    None => SubmitRefused::JobExists { job_id: id },
                },
            };
            submitted.push(Err(refused));
        }
        Ok(submitted)
    }

    /// After a repeated call, a job of our id and content is the one that the first call made.
    async fn resolve(&self, id: &JobId, spec: &JobSpec) -> Result<Answer, QueueError> {
        let stored = read_job(&self.shared.link, id, JobView::Full).await?;
        let ours = stored.filter(|job| job.spec == *spec);
        Ok(ours.map_or(Answer::Exists(false), |job| Answer::Accepted(job.created_at)))
    }

    fn batcher(&self, script_type: ScriptType) -> &mpsc::Sender<Group> {
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

/// Places of a group among those who wait; what is not kept is given up on drop.
struct Places<'a> {
    shared: &'a Shared,
    waiting: Vec<Option<(JobId, Completion)>>,
}

impl<'a> Places<'a> {
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

impl Drop for Places<'_> {
    fn drop(&mut self) {
        for (id, completion) in self.waiting.drain(..).flatten() {
            drop(completion);
            self.shared.awaiters.prune(&id);
        }
    }
}

/// Makes one call of all that waits, and the next when it was answered.
async fn batch(shared: &Shared, script_type: ScriptType, mut receiver: mpsc::Receiver<Group>) {
    let mut groups = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut groups, BATCH).await > 0 {
        // Nobody waits for these any more: they were not sent, so they never will be.
        groups.retain(|group| !group.answer.is_closed());
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

async fn send(shared: &Shared, script_type: ScriptType, groups: Vec<Group>) {
    if groups.is_empty() {
        return;
    }
    let asked = ask(shared, script_type, &groups).await;
    match asked {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for Group { submissions, answer } in groups {
                let part = answers.by_ref().take(submissions.len()).collect();
                // Who does not wait any more does not mind.
                drop(answer.send((submissions, Ok(part))));
            }
        }
        Err(error) => {
            for Group { submissions, answer } in groups {
                drop(answer.send((submissions, Err(copy_of(&error)))));
            }
        }
    }
}

async fn ask(shared: &Shared, script_type: ScriptType, groups: &[Group]) -> Result<Vec<Answer>, QueueError> {
    let mut command = fcall("hero_submit", script_type);
    let config = &shared.config;
    command.arg(script_type.as_str()).arg(shared.limit(script_type)).arg(&config.instance).arg("1");
    for submission in groups.iter().flat_map(|group| &group.submissions) {
        write(&mut command, submission);
    }
    let (answer, repeated) = match shared.link.call_once(&command).await {
        // Whether it had its effect is found out by the ids of the jobs.
        Err(QueueError::Unavailable(_)) => (shared.link.call_once(&command).await?, true),
        other => (other?, false),
    };
    let Value::Array(items) = answer else { return Err(unexpected("a submit", &answer)) };
    let mut items = items.into_iter();
    let now = items.next().as_ref().and_then(number).map(time_of);
    let now = now.ok_or_else(|| unexpected("a submit", &Value::Nil))?;
    items.map(|item| read(script_type, item, now, repeated)).collect()
}

fn write(command: &mut redis::Cmd, submission: &Submission) {
    let Submission { id, spec, request, wanted } = submission;
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

fn read(script_type: ScriptType, item: Value, now: SystemTime, repeated: bool) -> Result<Answer, QueueError> {
    let parts = match item {
        Value::Int(_) => return Ok(Answer::Accepted(now)),
        Value::Array(parts) => parts,
        other => return Err(unexpected("a submit", &other)),
    };
    let mut parts = parts.into_iter();
    let word = parts.next().unwrap_or_default();
    let Value::BulkString(word) = word else { return Err(unexpected("a submit", &word)) };
    let detail = parts.next().unwrap_or_default();
    match word.as_slice() {
        b"exists" => Ok(Answer::Exists(repeated)),
        b"full" => Ok(Answer::Full(number(&detail).and_then(|n| u64::try_from(n).ok()).unwrap_or(0))),
        b"reused" => Ok(Answer::Reused(time_of(number(&detail).unwrap_or(0)))),
        b"gone" => Ok(Answer::Gone(job_id(detail)?)),
        b"dup" => {
            let id = job_id(detail)?;
            let job = job_of(&id, script_type, parts.next().unwrap_or_default())?;
            Ok(Answer::Known(Box::new(job)))
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

/// The same error for each of those who shared a call.
fn copy_of(error: &QueueError) -> QueueError {
    match error {
        QueueError::Unavailable(cause) => QueueError::Unavailable(cause.to_string().into()),
        QueueError::TimedOut { after } => QueueError::TimedOut { after: *after },
        QueueError::Rejected { reason } => QueueError::Rejected { reason: reason.clone() },
        QueueError::Corrupt { what, source } => {
            QueueError::Corrupt { what: what.clone(), source: source.to_string().into() }
        }
    }
}

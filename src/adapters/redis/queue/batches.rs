//! Puts jobs into their queue, in one call of `hero_submit` for all that wait at that moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use redis::{FromRedisValue, ParsingError, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::elsewhere::{self, Elsewhere};
use super::jobs::job_of;
use super::quotas::{limit_text, quota_reached};
use super::{PerQueue, Shared, span_millis};
use super::{claims, used_queues};
use crate::adapters::redis::call::Failed;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{encode_spec, millis, parse_state, time_of, travels_inline};
use crate::adapters::redis::reply::{self, Parts};
use crate::domain::model::flow::FlowKeyFull;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobKind, JobState, Priority, QuotaReached};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_submission::Submission;
use crate::ports::store_fault::StoreFault;

/// Most jobs in one call. More jobs gain nothing and make others wait.
const BATCH: usize = 64;
/// Submits that may wait for a batcher. The caller of a further one waits for room.
const WAITING: usize = 1024;
/// Deadline of a submit.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Name of the answer in errors.
const SUBMIT: &str = "a submit";

/// The answer to one job.
pub(super) enum SubmitAnswer {
    Accepted(SystemTime),
    /// The job waits for the end of this one.
    Blocked(SystemTime, JobId),
    /// This job has the unique key.
    Existing(Box<Job>),
    /// This job holds the unique key, and the new one is refused.
    KeyHeld(JobId, JobState),
    /// True if the call was repeated after a lost connection, so it may be the same job.
    Known(Box<Job>, bool),
    /// True in the same case.
    Exists(bool),
    Reused(SystemTime),
    Gone(JobId),
    Full(u64),
    /// The queue does not exist.
    NoQueue,
    /// The queue takes jobs of this script type only.
    Serves(ScriptType),
    QuotaReached(QuotaReached),
    FlowKeyFull(FlowKeyFull),
    Unroutable,
    /// A key that only this job needs cannot be read.
    Damaged(StoreFault),
}

impl SubmitAnswer {
    /// True if the caller is told of a job that the queue has.
    fn is_of_a_job(&self) -> bool {
        matches!(
            self,
            Self::Accepted(_) | Self::Blocked(..) | Self::Existing(_) | Self::Known(..) | Self::Exists(_)
        )
    }
}

/// Jobs and their answers.
type Answered = (Vec<Submission>, Result<Vec<SubmitAnswer>, Failed>);

/// Jobs of one queue that are submitted together.
struct SubmitGroup {
    submissions: Vec<Submission>,
    answer: oneshot::Sender<Answered>,
    /// Set before the group may be sent. Until then nobody has seen the jobs.
    sent: Arc<AtomicBool>,
}

/// One batching task for each queue, started with its first job.
pub(super) struct Batchers {
    shared: Arc<Shared>,
    groups: PerQueue<OnceLock<mpsc::Sender<SubmitGroup>>>,
}

impl Batchers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, groups: PerQueue::default() }
    }

    /// Submits jobs of one queue; returns them with one answer each.
    pub(super) async fn submit(
        &self,
        queue: QueueName,
        submissions: Vec<Submission>,
    ) -> Result<(Vec<Submission>, Vec<SubmitAnswer>), Failed> {
        let sent = Arc::new(AtomicBool::new(false));
        let (sender, mut receiver) = oneshot::channel();
        let group = SubmitGroup { submissions, answer: sender, sent: Arc::clone(&sent) };
        let exchange = async {
            self.batcher(queue).send(group).await.ok()?;
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
                            Err(_elapsed) => StoreFault::TimedOut { after: SUBMIT_TIMEOUT },
                            Ok(_closed) => StoreFault::Unavailable("the queue was closed".into()),
                        };
                        return Err(Failed { error, sent: sent.load(Ordering::SeqCst) });
                    }
                }
            }
        };
        Ok((submissions, answers?))
    }

    fn batcher(&self, queue: QueueName) -> mpsc::Sender<SubmitGroup> {
        let start = || {
            let (sender, receiver) = mpsc::channel(WAITING);
            let shared = self.shared.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(batch(&shared, queue, receiver)).await;
            });
            sender
        };
        self.groups.of(queue).get_or_init(start).clone()
    }
}

/// Makes one call of all waiting groups, and the next call after its answer.
async fn batch(shared: &Shared, queue: QueueName, mut receiver: mpsc::Receiver<SubmitGroup>) {
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
                send(shared, queue, std::mem::take(&mut batch)).await;
                size = 0;
            }
        }
        send(shared, queue, batch).await;
    }
}

async fn send(shared: &Shared, queue: QueueName, groups: Vec<SubmitGroup>) {
    if groups.is_empty() {
        return;
    }
    let asked = ask(shared, queue, &groups).await;
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

async fn ask(shared: &Shared, queue: QueueName, groups: &[SubmitGroup]) -> Result<Vec<SubmitAnswer>, Failed> {
    let config = &shared.config;
    let submissions: Vec<&Submission> = groups.iter().flat_map(|group| &group.submissions).collect();
    let unsent = |error: StoreFault| Failed { error, sent: false };
    used_queues::note(shared, queue).await;
    let mut known = claims::claim(shared, queue, &submissions).await.map_err(unsent)?;
    let asks_function = !shared.connection.servers().are_many();
    let others = elsewhere::queues_to_ask(shared, queue, &submissions).await;
    elsewhere::ask(&shared.connection, &others, &submissions, &mut known).await;
    let command = command_of(shared, queue, &submissions, &known, asks_function);
    let stream = keys::queue(queue);
    let before = shared.connection.before(config.durability, &stream).await;
    let generation = before.map_err(|error| Failed { error, sent: false })?;
    let (answer, repeated): (Accepted, bool) = match shared.connection.call_once(&command, SUBMIT).await {
        // The ids of the jobs tell whether the first call had its effect.
        Err(Failed { error: StoreFault::Unavailable(_), sent }) => {
            match shared.connection.call_once(&command, SUBMIT).await {
                Ok(answer) => (answer, sent),
                Err(again) => return Err(Failed { sent: sent || again.sent, ..again }),
            }
        }
        other => (other?, false),
    };
    let answers = answer.read(queue, repeated).map_err(|error| Failed { error, sent: true })?;
    if let Some(generation) = generation.filter(|_generation| answers.iter().any(SubmitAnswer::is_of_a_job)) {
        let acknowledged = shared.replicas.acknowledge(&shared.connection, &stream, generation).await;
        acknowledged.map_err(|error| Failed { error, sent: true })?;
    }
    Ok(answers)
}

/// The call of `hero_submit` for these jobs, with what other queues know of them. With `looks` the function looks into the default
/// queues itself.
fn command_of(
    shared: &Shared,
    queue: QueueName,
    submissions: &[&Submission],
    elsewhere: &[Elsewhere],
    looks: bool,
) -> redis::Cmd {
    let mut command = Function::Submit.on_queue(queue);
    command.arg(queue.as_str()).arg(shared.limit(queue)).arg(&shared.config.instance);
    command.arg(u8::from(looks));
    let ageing = shared.ageing(queue);
    for (index, submission) in submissions.iter().enumerate() {
        write(&mut command, submission, ageing, elsewhere.get(index));
    }
    command
}

/// Adds one job to a call of `hero_submit`.
fn write(command: &mut redis::Cmd, submission: &Submission, ageing: Duration, elsewhere: Option<&Elsewhere>) {
    let Submission { id, spec, request, wanted, unroutable, quota } = submission;
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
    if spec.unique.is_some() {
        flags.push('k');
    }
    if spec.submitted_by.is_some() {
        flags.push('b');
    }
    if spec.priority != Priority::default() {
        flags.push_str(&format!("y{}", spec.priority.shift(ageing)));
    }
    if quota.is_some() {
        flags.push_str(&format!("l{},{}", limit_text(quota.max_queued), limit_text(quota.max_running)));
    }
    if let Some(elsewhere) = elsewhere {
        elsewhere.add_flags(&mut flags);
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
struct Accepted {
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
    fn read(self, queue: QueueName, repeated: bool) -> Result<Vec<SubmitAnswer>, StoreFault> {
        self.answers.into_iter().map(|answer| read_one(queue, answer, self.now, repeated)).collect()
    }
}

fn read_one(
    queue: QueueName,
    answer: Value,
    now: SystemTime,
    repeated: bool,
) -> Result<SubmitAnswer, StoreFault> {
    if let Value::Int(_) = answer {
        return Ok(SubmitAnswer::Accepted(now));
    }
    let mut parts: Parts = reply::read(SUBMIT, answer)?;
    let unreadable = |error: ParsingError| reply::corrupt(SUBMIT, &error.to_string());
    let word: String = parts.next().map_err(unreadable)?;
    match word.as_str() {
        "behind" => Ok(SubmitAnswer::Blocked(now, job_id(parts.next().map_err(unreadable)?)?)),
        "existing" => {
            let id = job_id(parts.next().map_err(unreadable)?)?;
            let job = job_of(&id, queue, parts.next().map_err(unreadable)?)?;
            Ok(SubmitAnswer::Existing(Box::new(job)))
        }
        "held" => {
            let id = job_id(parts.next().map_err(unreadable)?)?;
            let state: String = parts.next().map_err(unreadable)?;
            Ok(SubmitAnswer::KeyHeld(id, parse_state(SUBMIT, &state)?))
        }
        "exists" => Ok(SubmitAnswer::Exists(repeated)),
        "stray" => Ok(SubmitAnswer::Unroutable),
        "quota" => quota_reached(&mut parts).map(SubmitAnswer::QuotaReached).map_err(unreadable),
        "key_full" => {
            let key = parts.next().map_err(unreadable)?;
            let (queued, limit) = (parts.next().map_err(unreadable)?, parts.next().map_err(unreadable)?);
            Ok(SubmitAnswer::FlowKeyFull(FlowKeyFull { key, queued, limit }))
        }
        "no_queue" => Ok(SubmitAnswer::NoQueue),
        "serves" => {
            let word: String = parts.next().map_err(unreadable)?;
            ScriptType::parse(&word).map(SubmitAnswer::Serves).map_err(|error| reply::corrupt(SUBMIT, &error))
        }
        "full" => Ok(SubmitAnswer::Full(parts.next().map_err(unreadable)?)),
        "reused" => Ok(SubmitAnswer::Reused(time_of(parts.next().map_err(unreadable)?))),
        "damaged" => {
            let (key, why): (String, String) =
                (parts.next().map_err(unreadable)?, parts.next().map_err(unreadable)?);
            Ok(SubmitAnswer::Damaged(reply::corrupt(&key, &why)))
        }
        "gone" => Ok(SubmitAnswer::Gone(job_id(parts.next().map_err(unreadable)?)?)),
        "dup" => {
            let id = job_id(parts.next().map_err(unreadable)?)?;
            let job = job_of(&id, queue, parts.next().map_err(unreadable)?)?;
            Ok(SubmitAnswer::Known(Box::new(job), repeated))
        }
        _other => Err(reply::corrupt(SUBMIT, &word)),
    }
}

fn job_id(text: String) -> Result<JobId, StoreFault> {
    JobId::parse(&text).map_err(|error| reply::corrupt(SUBMIT, &error))
}

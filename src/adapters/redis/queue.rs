//! The supervisor's side of the queue.

mod admin;
mod awaiters;
mod change_feed;
mod list;
mod output;
mod replies;
mod submit;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::awaiters::Awaiters;
use self::change_feed::{ChangeFeed, Followers};
use self::replies::Replies;
use self::submit::Batchers;
use super::RedisConfig;
use super::connection::{Connection, unexpected};
use super::damaged_records::{RecordKind, keep};
use super::functions;
use super::keys;
use super::records::{BASIC, Fields, decode_job, encode_error, time_of};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Job, JobError, JobState, JobView};
use crate::domain::model::output::{Kept, OutputMark};
use crate::domain::model::script_type::ScriptType;
use crate::ports::actor_presence::{ActorPresence, Presence, Reclaimed};
use crate::ports::job_queue::{
    Attached, Cancelled, Changes, Deleted, JobCursor, JobFilter, JobPage, JobQueue, QueueError, Retried,
    Submission, SubmitRefused, Submitted,
};
use crate::ports::queue_admin::{QueueAdmin, QueueDepth, QueueState};
use crate::ports::queue_maintenance::QueueMaintenance;

/// Jobs that one call of an upkeep function may touch; a few milliseconds of Redis' time.
const ROUND: usize = 500;
/// Calls of one upkeep function in one round of upkeep; what is left waits for the next.
const ROUNDS: usize = 100;
/// How often consumers of dead processes are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// A consumer that was silent for this long and holds nothing is dropped.
const CONSUMER_IDLE: Duration = Duration::from_secs(3600);

/// The job queue of one supervisor.
pub struct RedisQueue {
    shared: Arc<Shared>,
    batchers: Batchers,
    replies: Replies,
    change_feed: ChangeFeed,
    swept_at: Mutex<Option<Instant>>,
}

/// What the tasks of a queue share.
struct Shared {
    config: RedisConfig,
    connection: Arc<Connection>,
    awaiters: Awaiters,
    followers: Followers,
    /// Jobs of each type that may wait.
    limits: [AtomicU64; 4],
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Shared {
    /// Jobs of this type that may wait.
    fn limit(&self, script_type: ScriptType) -> u64 {
        self.limits[script_type.index()].load(Ordering::Relaxed)
    }
}

impl RedisQueue {
    /// Reads the URL; connects with the first call.
    ///
    /// # Errors
    /// `Rejected` for a URL, a lease or an instance name that cannot be used.
    pub fn new(config: RedisConfig) -> Result<Self, QueueError> {
        config.check()?;
        let limit = config.queue_limit;
        let shared = Arc::new(Shared {
            connection: Arc::new(Connection::new(&config.url)?),
            config,
            awaiters: Awaiters::default(),
            followers: Followers::default(),
            limits: std::array::from_fn(|_type| AtomicU64::new(limit)),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        Ok(Self {
            batchers: Batchers::new(shared.clone()),
            replies: Replies::new(shared.clone()),
            change_feed: ChangeFeed::new(shared.clone()),
            shared,
            swept_at: Mutex::default(),
        })
    }

    pub(super) fn connection(&self) -> Arc<Connection> {
        self.shared.connection.clone()
    }

    /// Asks all four queues at once by one function; the one that knows the job answers.
    async fn call_all_queues(
        &self,
        function: &str,
        args: &[&str],
    ) -> Result<Option<(ScriptType, Value)>, QueueError> {
        let mut pipeline = redis::pipe();
        for script_type in ScriptType::ALL {
            pipeline.add_command(fcall(function, script_type)).arg(args);
        }
        let answers = self.shared.connection.pipe(&pipeline).await?;
        Ok(ScriptType::ALL.into_iter().zip(answers).find(|(_, answer)| *answer != Value::Nil))
    }

    async fn ask(&self, command: &Cmd, what: &str) -> Result<Vec<i64>, QueueError> {
        let answer = self.shared.connection.call(command).await?;
        let numbers = match &answer {
            Value::Array(values) => values.iter().map(number).collect(),
            single => number(single).map(|number| vec![number]),
        };
        numbers.ok_or_else(|| unexpected(what, &answer))
    }

    /// Calls an upkeep function until it says that there is no more to do.
    async fn repeat_until_done(&self, command: &Cmd, what: &str) -> Result<(), QueueError> {
        for _round in 0..ROUNDS {
            if self.ask(command, what).await?.first() != Some(&1) {
                break;
            }
        }
        Ok(())
    }

    fn sweep_is_due(&self) -> bool {
        let mut swept_at = self.swept_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY);
        if due {
            *swept_at = Some(Instant::now());
        }
        due
    }
}

#[async_trait]
impl JobQueue for RedisQueue {
    async fn submit(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError> {
        if submissions.iter().any(|submission| submission.wanted) {
            self.replies.open().await?;
        }
        self.batchers.submit(submissions).await
    }

    async fn attach(&self, id: &JobId) -> Result<Option<Attached>, QueueError> {
        self.replies.open().await?;
        // Its end can be told before this call is answered, so the place for it comes first.
        let completion = self.shared.awaiters.add(id);
        let asked = self.call_all_queues("hero_attach", &[id.as_str(), &self.shared.config.instance]).await;
        let found = match asked {
            Ok(Some((script_type, answer))) => job_of(id, script_type, answer).map(Some),
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
                self.shared.awaiters.confirm(id, job.spec.script_type);
                Ok(Some(Attached { job, completion: Some(completion) }))
            }
            other => {
                drop(completion);
                self.shared.awaiters.prune(id);
                other.map(|_| None)
            }
        }
    }

    async fn get(&self, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError> {
        read_job(&self.shared.connection, id, view).await
    }

    async fn output(
        &self,
        script_type: ScriptType,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Result<Vec<Kept>, QueueError> {
        output::read(&self.shared.connection, script_type, id, after, limit).await
    }

    fn changes(&self, id: &JobId) -> Changes {
        self.change_feed.follow(id)
    }

    async fn list(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, QueueError> {
        list::page(&self.shared.connection, filter, after, limit).await
    }

    async fn cancel(&self, id: &JobId, reason: &str) -> Result<Option<Cancelled>, QueueError> {
        let Some((script_type, answer)) = self.call_all_queues("hero_cancel", &[id.as_str(), reason]).await?
        else {
            return Ok(None);
        };
        let Value::Array(parts) = answer else { return Err(unexpected("a cancel", &answer)) };
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next()) {
            (Some(Value::Int(changed)), Some(fields)) => {
                Ok(Some(Cancelled { job: job_of(id, script_type, fields)?, changed: changed == 1 }))
            }
            (other, _) => Err(unexpected("a cancel", &other.unwrap_or_default())),
        }
    }

    async fn delete(&self, id: &JobId) -> Result<Deleted, QueueError> {
        let Some((script_type, answer)) = self.call_all_queues("hero_delete", &[id.as_str()]).await? else {
            return Ok(Deleted::Unknown);
        };
        let flat = vec![Value::SimpleString("status".to_owned()), answer];
        let fields = Fields::from_flat(keys::job(script_type, id), flat)?;
        match fields.get("status") {
            Some("gone") => Ok(Deleted::Gone),
            _state => super::records::decode_state(&fields).map(Deleted::NotFinished),
        }
    }

    async fn retry(&self, id: &JobId, reset_attempts: bool) -> Result<Retried, QueueError> {
        self.retry_job(id, reset_attempts).await
    }
}

#[async_trait]
impl QueueAdmin for RedisQueue {
    async fn depth(&self, script_type: ScriptType) -> Result<QueueDepth, QueueError> {
        let answer = self.ask(&fcall("hero_depth", script_type), "the depth of a queue").await?;
        let count = |index: usize| answer.get(index).and_then(|n| u64::try_from(*n).ok()).unwrap_or(0);
        Ok(QueueDepth { queued: count(0), running: count(1), delayed: count(2) })
    }

    async fn state(&self, script_type: ScriptType) -> Result<QueueState, QueueError> {
        self.read_state(script_type).await
    }

    async fn pause(&self, script_type: ScriptType, reason: &str) -> Result<bool, QueueError> {
        self.set_paused(script_type, Some(reason)).await
    }

    async fn resume(&self, script_type: ScriptType) -> Result<bool, QueueError> {
        self.set_paused(script_type, None).await
    }

    async fn count(&self, script_type: ScriptType, states: &[JobState]) -> Result<u64, QueueError> {
        self.scan_jobs(script_type, states, None).await
    }

    async fn purge(
        &self,
        script_type: ScriptType,
        states: &[JobState],
        reason: &str,
        most: u64,
    ) -> Result<u64, QueueError> {
        self.scan_jobs(script_type, states, Some((reason, most))).await
    }

    fn limit_depth(&self, script_type: ScriptType, limit: Option<u64>) {
        let limit = limit.unwrap_or(self.shared.config.queue_limit);
        self.shared.limits[script_type.index()].store(limit, Ordering::Relaxed);
    }
}

#[async_trait]
impl ActorPresence for RedisQueue {
    async fn reclaim(
        &self,
        script_type: ScriptType,
        actor: &ActorId,
        pid: u32,
        error: &JobError,
    ) -> Result<Reclaimed, QueueError> {
        let mut command = fcall("hero_reclaim", script_type);
        command.arg(actor.as_str()).arg(pid).arg(&error.message).arg(encode_error(error)).arg(ROUND);
        let mut reclaimed = Reclaimed::default();
        for _round in 0..ROUNDS {
            let answer = self.ask(&command, "a reclaim").await?;
            let [retried, failed, more] = answer[..] else { break };
            reclaimed.retried += u32::try_from(retried).unwrap_or(0);
            reclaimed.failed += u32::try_from(failed).unwrap_or(0);
            if more == 0 {
                break;
            }
        }
        Ok(reclaimed)
    }

    async fn presences(&self, script_type: ScriptType) -> Result<Vec<Presence>, QueueError> {
        let answer = self.shared.connection.call(&fcall("hero_presences", script_type)).await?;
        let Value::Array(values) = answer else { return Err(unexpected("the presences", &answer)) };
        let mut presences = Vec::with_capacity(values.len() / 3);
        for actor in values.chunks_exact(3) {
            presences.extend(keep(RecordKind::Presence, presence_of(actor)));
        }
        Ok(presences)
    }

    async fn forget_actor(&self, script_type: ScriptType, actor: &ActorId) -> Result<(), QueueError> {
        // First what waits for its time: what of it becomes due meanwhile comes into the inbox.
        let mut cursor = "0".to_owned();
        loop {
            let mut delayed = fcall("hero_forget_delayed", script_type);
            delayed.arg(actor.as_str()).arg(&cursor).arg(ROUND);
            let answer = self.shared.connection.call(&delayed).await?;
            let Value::BulkString(next) = &answer else { return Err(unexpected("a cursor", &answer)) };
            cursor = String::from_utf8_lossy(next).into_owned();
            if cursor == "0" {
                break;
            }
        }
        let mut command = fcall("hero_forget", script_type);
        command.arg(actor.as_str()).arg(ROUND);
        self.repeat_until_done(&command, "forgetting an actor").await
    }

    async fn request_drain(
        &self,
        script_type: ScriptType,
        actor: &ActorId,
        resume_after: Duration,
    ) -> Result<(), QueueError> {
        let mut command = fcall("hero_drain", script_type);
        command.arg(actor.as_str()).arg(u64::try_from(resume_after.as_millis()).unwrap_or(u64::MAX));
        self.ask(&command, "a drain").await.map(drop)
    }
}

#[async_trait]
impl QueueMaintenance for RedisQueue {
    async fn probe(&self) -> Result<Duration, QueueError> {
        let asked = Instant::now();
        let mut probe = redis::cmd("FCALL");
        probe.arg(functions::PROBE).arg(1).arg(keys::PROBE);
        self.shared.connection.call(&probe).await?;
        Ok(asked.elapsed())
    }

    async fn maintain(&self) -> Result<(), QueueError> {
        let config = &self.shared.config;
        let tidy = self.sweep_is_due();
        for script_type in ScriptType::ALL {
            let mut tick = fcall("hero_tick", script_type);
            tick.arg(u64::try_from(config.lease.as_millis()).unwrap_or(u64::MAX)).arg(ROUND);
            self.repeat_until_done(&tick, "a round of upkeep").await?;
            let mut trim = fcall("hero_trim", script_type);
            trim.arg(config.finished_limit).arg(ROUND);
            self.repeat_until_done(&trim, "a round of retention").await?;
            if tidy {
                let mut tidy = fcall("hero_tidy", script_type);
                tidy.arg(u64::try_from(CONSUMER_IDLE.as_millis()).unwrap_or(u64::MAX));
                self.ask(&tidy, "tidying consumers").await?;
            }
        }
        Ok(())
    }

    fn lease(&self) -> Duration {
        self.shared.config.lease
    }

    async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.awaiters.clear();
        self.shared.connection.close();
    }
}

/// A call of one of our functions on the queue of a script type.
pub(super) fn fcall(function: &str, script_type: ScriptType) -> Cmd {
    let mut command = redis::cmd("FCALL");
    command.arg(function).arg(1).arg(keys::queue(script_type));
    command
}

/// Reads a job from whichever queue has it.
async fn read_job(connection: &Connection, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError> {
    let mut names = BASIC.to_vec();
    match view {
        JobView::Basic => {}
        JobView::Full => names.push("script"),
    }
    let mut pipeline = redis::pipe();
    for script_type in ScriptType::ALL {
        pipeline.cmd("HMGET").arg(keys::job(script_type, id)).arg(&names);
    }
    let answers = connection.pipe(&pipeline).await?;
    for (script_type, answer) in ScriptType::ALL.into_iter().zip(answers) {
        let Value::Array(values) = answer else { return Err(unexpected("a job", &answer)) };
        if let Some(fields) = Fields::from_known(keys::job(script_type, id), &names, values)? {
            return decode_job(id, script_type, &fields).map(Some);
        }
    }
    Ok(None)
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _other => None,
    }
}

/// A job from the flat list that a function answers with.
fn job_of(id: &JobId, script_type: ScriptType, answer: Value) -> Result<Job, QueueError> {
    let Value::Array(flat) = answer else { return Err(unexpected("a job", &answer)) };
    decode_job(id, script_type, &Fields::from_flat(keys::job(script_type, id), flat)?)
}

#[derive(serde::Deserialize)]
struct PresenceRecord {
    pid: u32,
    #[serde(default)]
    draining: bool,
    beat_ms: i64,
    last_job_ms: Option<i64>,
    #[serde(default)]
    pending_ends: u64,
    #[serde(default)]
    refused_ends: u64,
}

fn presence_of(actor: &[Value]) -> Result<Presence, QueueError> {
    let [Value::BulkString(id), Value::BulkString(json), held] = actor else {
        return Err(unexpected("the presences", &Value::Array(actor.to_vec())));
    };
    let id = String::from_utf8_lossy(id);
    let corrupt = |source: crate::ports::Cause| QueueError::Corrupt {
        what: format!("the announcement of actor {id}"),
        source,
    };
    let actor_id = ActorId::parse(&id).map_err(|error| corrupt(error.into()))?;
    let record: PresenceRecord = serde_json::from_slice(json).map_err(|error| corrupt(error.into()))?;
    Ok(Presence {
        actor_id,
        pid: record.pid,
        draining: record.draining,
        in_flight: number(held).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        beat_at: time_of(record.beat_ms),
        last_job_at: record.last_job_ms.map(time_of),
        pending_ends: record.pending_ends,
        refused_ends: record.refused_ends,
    })
}

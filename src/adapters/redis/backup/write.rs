//! Writes the records of a backup. Each is one atomic step of a function in the slot of its key, and what is there is left as it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{FromRedisValue, ParsingError, Value};

use super::BackupFault;
use super::outage::through_outages;
use super::read::key_of;
use super::record::{HashName, Record, SavedJob, SavedObject, SavedQueue, SavedRequest, Text};
use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::queue::ID_KEPT;
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;

/// Numbers of what a call has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Records that were not there.
    pub new: u64,
    /// Records that were there, or were restored before.
    pub known: u64,
    /// Jobs among the new ones that an actor had when the backup was made.
    pub lost: u64,
}

impl Written {
    /// Adds those of another call.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.known += other.known;
        self.lost += other.lost;
    }

    fn count(&mut self, is_new: bool) {
        *if is_new { &mut self.new } else { &mut self.known } += 1;
    }
}

pub(super) async fn all(
    connection: &Connection,
    backup: &str,
    lines: &[(u64, Record)],
) -> Result<Written, BackupFault> {
    let mut written = Written::default();
    let mut left = lines;
    while let Some((line, record)) = left.first() {
        let mut taken = 1;
        match record {
            Record::Field { hash, name, value } => {
                written.count(field(connection, *hash, name, value).await?);
            }
            Record::Queue(saved) => written.count(queue(connection, saved).await?),
            Record::Request(saved) => written.count(request(connection, *line, saved).await?),
            Record::Object(saved) => written.count(object(connection, *line, saved).await?),
            Record::Job(first) => {
                let of_one_queue: Vec<(u64, &SavedJob)> =
                    left.iter().map_while(|line| of(line, first)).collect();
                taken = of_one_queue.len();
                jobs(connection, backup, first, &of_one_queue, &mut written).await?;
            }
        }
        left = &left[taken..];
    }
    Ok(written)
}

/// The job of a line if it is one of the same queue.
fn of<'a>((line, record): &'a (u64, Record), first: &SavedJob) -> Option<(u64, &'a SavedJob)> {
    match record {
        Record::Job(job) if job.queue == first.queue => Some((*line, job)),
        Record::Field { .. } | Record::Queue(_) | Record::Job(_) | Record::Request(_) | Record::Object(_) => {
            None
        }
    }
}

fn unfit(what: String, why: impl Into<String>) -> BackupFault {
    BackupFault::Unfit { what, why: why.into() }
}

fn queue_name(line: u64, name: &Text) -> Result<QueueName, BackupFault> {
    QueueName::parse(&name.shown()).map_err(|why| unfit(format!("line {line}"), why))
}

async fn field(
    connection: &Connection,
    hash: HashName,
    name: &Text,
    value: &Text,
) -> Result<bool, BackupFault> {
    let key = key_of(hash);
    let mut set = Function::Set.on(key);
    set.arg(name).arg(value).arg(1);
    let is_new = through_outages(async || connection.call::<i64>(&set, "a field").await).await? == 1;
    if hash == HashName::QueueSettings {
        changed(connection, key).await?;
    }
    Ok(is_new)
}

/// Tells supervisors that a hash has changed that they read only then.
async fn changed(connection: &Connection, hash: &str) -> Result<(), BackupFault> {
    let mut count = redis::cmd("HINCRBY");
    count.arg(hash).arg(keys::CHANGES_OF_QUEUES).arg(1);
    through_outages(async || connection.call::<i64>(&count, "the number of changes").await).await?;
    Ok(())
}

async fn queue(connection: &Connection, saved: &SavedQueue) -> Result<bool, BackupFault> {
    let shown = saved.name.shown();
    let name = QueueName::parse(&shown).map_err(|why| unfit(format!("queue {shown}"), why))?;
    let mut restore = Function::RestoreQueue.on_queue(name);
    restore.arg(saved.script_type.clone().unwrap_or_default());
    restore.arg(saved.created_at.clone().unwrap_or_default());
    restore.arg(u8::from(saved.paused)).arg(&saved.reason).arg(&saved.who);
    let serves: Text = through_outages(async || connection.call(&restore, "a queue").await).await?;
    let Some(script_type) = &saved.script_type else { return Ok(saved.paused) };
    if serves != *script_type {
        let why = match serves.shown().as_str() {
            "" => "it is being deleted here: try again when it has gone".to_owned(),
            other => format!("it takes {other} jobs here and {} jobs in the backup", script_type.shown()),
        };
        return Err(unfit(format!("queue {name}"), why));
    }
    let Some(record) = &saved.record else { return Ok(false) };
    let mut set = Function::Set.on(keys::QUEUES);
    set.arg(name.as_str()).arg(record).arg(1);
    let is_new = through_outages(async || connection.call::<i64>(&set, "a queue").await).await? == 1;
    changed(connection, keys::QUEUES).await?;
    // Its maintenance begins at once.
    let mut due = redis::cmd("ZADD");
    due.arg(keys::DUE_QUEUES).arg(now_ms()).arg(name.as_str());
    through_outages(async || connection.call::<i64>(&due, "a used queue").await).await?;
    Ok(is_new)
}

#[expect(clippy::disallowed_methods, reason = "supervisors compare it with their wall clocks")]
fn now_ms() -> u64 {
    span_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

fn span_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

async fn jobs(
    connection: &Connection,
    backup: &str,
    first: &SavedJob,
    jobs: &[(u64, &SavedJob)],
    written: &mut Written,
) -> Result<(), BackupFault> {
    let queue = queue_name(jobs.first().map_or(0, |(line, _job)| *line), &first.queue)?;
    let mut restore = Function::RestoreJobs.on_queue(queue);
    restore.arg(backup);
    let mut claims = redis::pipe();
    for (line, job) in jobs {
        let id = check(*line, job)?;
        // Who asks for the job finds it by its id.
        if queue.default_type().is_none() && !id.is_made_for(queue) {
            let claim = claims.cmd("SET").arg(keys::queue_of_id(&id)).arg(queue.as_str());
            claim.arg("PX").arg(span_millis(ID_KEPT)).arg("NX");
        }
        restore.arg(line).arg(&job.id).arg(&job.accepted).arg(&job.kept).arg(&job.attempt).arg(&job.actor);
        restore.arg(&job.rank).arg(&job.begun).arg(&job.read_at).arg(2 * job.fields.len());
        for (name, value) in &job.fields {
            restore.arg(name).arg(value);
        }
    }
    if !claims.is_empty() {
        through_outages(async || connection.pipe::<Value>(&claims, "the queue of a job").await).await?;
    }
    match through_outages(async || connection.call(&restore, "restored jobs").await).await? {
        Restored::NoQueue => {
            Err(unfit(format!("queue {queue}"), "there is no such queue, and the backup has jobs of it"))
        }
        Restored::Each(each) => {
            for (is_new, (_line, job)) in each.into_iter().map(|answer| answer == 1).zip(jobs) {
                written.count(is_new);
                written.lost += u64::from(is_new && !job.attempt.0.is_empty());
            }
            Ok(())
        }
    }
}

/// Checks what the function takes for granted.
fn check(line: u64, job: &SavedJob) -> Result<JobId, BackupFault> {
    let what = || format!("line {line}, job {}", job.id.shown());
    let number =
        |text: &Text| text.as_str().is_some_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    for (name, text, required) in [
        ("accepted", &job.accepted, true),
        ("read_at", &job.read_at, true),
        ("kept", &job.kept, false),
        ("attempt", &job.attempt, false),
        ("rank", &job.rank, false),
    ] {
        if !(number(text) || (!required && text.0.is_empty())) {
            return Err(unfit(what(), format!("{name}: {:?} is no number", text.shown())));
        }
    }
    JobId::parse(&job.id.shown()).map_err(|why| unfit(what(), why))
}

/// The answer of `hero_restore_jobs`.
enum Restored {
    NoQueue,
    Each(Vec<i64>),
}

impl FromRedisValue for Restored {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::Array(each) => {
                each.into_iter().map(i64::from_redis_value).collect::<Result<_, _>>().map(Self::Each)
            }
            _word => Ok(Self::NoQueue),
        }
    }
}

async fn request(connection: &Connection, line: u64, saved: &SavedRequest) -> Result<bool, BackupFault> {
    let queue = queue_name(line, &saved.queue)?;
    let id = saved.request.shown();
    let kept = saved.kept.max(1);
    let mut set = redis::pipe();
    if queue.default_type().is_none() {
        set.cmd("SET").arg(keys::queue_of_request(&id)).arg(queue.as_str()).arg("PX").arg(kept).arg("NX");
    }
    set.cmd("SET").arg(keys::request(queue, &id)).arg(&saved.value).arg("PX").arg(kept).arg("NX");
    let answers: Vec<Value> = through_outages(async || connection.pipe(&set, "a request").await).await?;
    Ok(answers.last().is_some_and(|answer| *answer != Value::Nil))
}

async fn object(connection: &Connection, line: u64, saved: &SavedObject) -> Result<bool, BackupFault> {
    let shelf = saved.shelf.shown();
    let key = keys::objects_of(&shelf)
        .ok_or_else(|| unfit(format!("line {line}"), format!("{shelf:?} is no shelf of objects")))?;
    let mut restore = Function::RestoreObject.on(key);
    restore.arg(&saved.id).arg(&saved.value).arg(&saved.indexes[..]);
    Ok(through_outages(async || connection.call::<i64>(&restore, "a restored object").await).await? == 1)
}

//! Reads definitions, settings and queues, and the jobs of each queue in the order of their acceptance.

use redis::{FromRedisValue, ParsingError, Value};
use tokio::sync::mpsc::Sender;

use super::BackupFault;
use super::outage::through_outages;
use super::record::{HashName, Record, SavedJob, SavedQueue, Text};
use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::Parts;
use crate::domain::model::queue_name::QueueName;
use crate::ports::store_fault::StoreFault;

/// Fields of a hash in one answer, about.
const FIELDS: usize = 50;
/// Jobs in one answer, and bytes after which no further one is added.
const JOBS: usize = 200;
const JOBS_BYTES: usize = 1024 * 1024;
/// Rounds through all hashes.
const ROUNDS: usize = 5;

/// The key of a hash.
pub(super) fn key_of(hash: HashName) -> &'static str {
    match hash {
        HashName::Actors => keys::ACTORS,
        HashName::Templates => keys::TEMPLATES,
        HashName::Settings => keys::SETTINGS,
        HashName::QueueSettings => keys::QUEUE_SETTINGS,
    }
}

pub(super) async fn send(out: &Sender<Record>, record: Record) -> Result<(), BackupFault> {
    out.send(record).await.map_err(|_closed| BackupFault::Stopped)
}

/// Hands the fields of all hashes over, then the queues; returns their names.
pub(super) async fn hashes_and_queues(
    connection: &Connection,
    out: &Sender<Record>,
) -> Result<Vec<QueueName>, BackupFault> {
    for hash in HashName::ALL {
        for (name, value) in fields(connection, key_of(hash)).await? {
            send(out, Record::Field { hash, name, value }).await?;
        }
    }
    let mut queues = QueueName::DEFAULTS.to_vec();
    for queue in QueueName::DEFAULTS {
        // It is there always, so only its pause is something to restore.
        if let Some(saved) = read_queue(connection, queue, None).await?.filter(|saved| saved.paused) {
            send(out, Record::Queue(saved)).await?;
        }
    }
    for (name, record) in fields(connection, keys::QUEUES).await? {
        let Some(queue) = name.as_str().and_then(|name| QueueName::parse(name).ok()) else { continue };
        // One that is being deleted has no jobs and no future.
        if let Some(saved) = read_queue(connection, queue, Some(record)).await? {
            send(out, Record::Queue(saved)).await?;
            queues.push(queue);
        }
    }
    Ok(queues)
}

/// The fields of a hash, but the number of its changes. They are read anew if the server has changed meanwhile, since a cursor means
/// nothing to another server.
async fn fields(connection: &Connection, key: &str) -> Result<Vec<(Text, Text)>, BackupFault> {
    for _round in 0..ROUNDS {
        let (mut all, mut cursor) = (Vec::new(), "0".to_owned());
        through_outages(async || connection.call::<i64>(redis::cmd("HLEN").arg(key), key).await).await?;
        let server = connection.generation(key);
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(key).arg(&cursor).arg("COUNT").arg(FIELDS);
            let (next, page): (String, Vec<(Text, Text)>) =
                through_outages(async || connection.call(&scan, key).await).await?;
            all.extend(
                page.into_iter().filter(|(name, _value)| name.0 != keys::CHANGES_OF_QUEUES.as_bytes()),
            );
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        if connection.generation(key) == server {
            // While a hash grows, a field may come twice.
            all.sort();
            all.dedup_by(|later, first| later.0 == first.0);
            return Ok(all);
        }
    }
    Err(BackupFault::Unsteady)
}

/// One queue; None for one that is being deleted.
async fn read_queue(
    connection: &Connection,
    queue: QueueName,
    record: Option<Text>,
) -> Result<Option<SavedQueue>, StoreFault> {
    let mut ask = redis::pipe();
    ask.cmd("HMGET").arg(keys::pause(queue)).arg(&["n", "reason", "who"]);
    ask.cmd("HMGET").arg(keys::meta(queue)).arg(&["script_type", "created_at", "deleting"]);
    let answers: Vec<Vec<Option<Text>>> =
        through_outages(async || connection.pipe(&ask, "a queue").await).await?;
    let value = |answer: usize, field: usize| answers.get(answer)?.get(field)?.clone();
    if value(1, 2).is_some() || (record.is_some() && value(1, 0).is_none()) {
        return Ok(None);
    }
    let number = value(0, 0).and_then(|number| number.as_str()?.parse::<u64>().ok());
    Ok(Some(SavedQueue {
        name: queue.as_str().into(),
        script_type: value(1, 0),
        created_at: value(1, 1),
        record,
        paused: number.is_some_and(|number| number % 2 == 1),
        reason: value(0, 1).unwrap_or_default(),
        who: value(0, 2).unwrap_or_default(),
    }))
}

/// A place in the index of acceptance.
#[derive(Debug, Clone, Default, PartialEq, PartialOrd)]
struct Position {
    score: f64,
    id: Vec<u8>,
}

impl Position {
    fn of(score: &Text, id: &Text) -> Self {
        let score = score.as_str().and_then(|score| score.parse().ok()).unwrap_or(f64::MAX);
        Self { score, id: id.0.clone() }
    }
}

/// Hands the jobs of a queue over that are there now, as far as they are still there when they are read.
pub(super) async fn jobs(
    connection: &Connection,
    queue: QueueName,
    out: &Sender<Record>,
) -> Result<(), BackupFault> {
    let extent = Function::BackupExtent.on_queue(queue);
    let (last, score): (Text, Text) =
        through_outages(async || connection.call(&extent, "the index of jobs").await).await?;
    let end = Position::of(&score, &last);
    let (mut after, mut score) = (Text::default(), Text::from("0"));
    let mut seen: Option<Position> = None;
    while !last.0.is_empty() && seen.as_ref().is_none_or(|seen| *seen < end) {
        let mut read = Function::BackupJobs.on_queue(queue);
        read.arg(&after).arg(&score).arg(JOBS).arg(JOBS_BYTES);
        let page: Page = through_outages(async || connection.call(&read, "jobs").await).await?;
        if page.last.0.is_empty() {
            break;
        }
        for job in page.jobs {
            let at = Position::of(&job.accepted, &job.id);
            // Behind a job that has gone, those of its moment come again.
            if seen.as_ref().is_some_and(|seen| at <= *seen) || at > end {
                continue;
            }
            seen = Some(at);
            send(out, Record::Job(job.saved(queue, &page.read_at))).await?;
        }
        let reached = Position::of(&page.score, &page.last);
        seen = seen.filter(|seen| *seen >= reached).or(Some(reached));
        (after, score) = (page.last, page.score);
    }
    Ok(())
}

/// The answer of `hero_backup_jobs`.
struct Page {
    read_at: Text,
    last: Text,
    score: Text,
    jobs: Vec<ReadJob>,
}

impl FromRedisValue for Page {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        Ok(Self { read_at: parts.next()?, last: parts.next()?, score: parts.next()?, jobs: parts.rest()? })
    }
}

/// One job of it.
struct ReadJob {
    id: Text,
    accepted: Text,
    kept: Text,
    attempt: Text,
    actor: Text,
    rank: Text,
    begun: Text,
    fields: Vec<(Text, Text)>,
}

impl FromRedisValue for ReadJob {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        Ok(Self {
            id: parts.next()?,
            accepted: parts.next()?,
            kept: parts.next()?,
            attempt: parts.next()?,
            actor: parts.next()?,
            rank: parts.next()?,
            begun: parts.next()?,
            fields: parts.next()?,
        })
    }
}

impl ReadJob {
    fn saved(self, queue: QueueName, read_at: &Text) -> SavedJob {
        let Self { id, accepted, kept, attempt, actor, rank, begun, fields } = self;
        let (queue, read_at) = (Text::from(queue.as_str()), read_at.clone());
        SavedJob { queue, id, accepted, read_at, kept, attempt, actor, rank, begun, fields }
    }
}

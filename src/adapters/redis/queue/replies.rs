//! Calls that wait for the ends of jobs, and the task that reads the replies by which the ends come.
//!
//! The function that ends a job adds a reply to the stream of each supervisor that waits for it. A reply that is lost is found by
//! `sweep`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use redis::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::{Shared, span_millis};
use crate::adapters::redis::connection::OwnConnection;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{
    BASIC, Fields, decode_error, decode_job, decode_job_usage, finished_of, time_of,
};
use crate::adapters::redis::reply::{self, Streams};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Finished, JobResult, Outcome, ResultKind};
use crate::domain::model::queue_name::QueueName;
use crate::lock::Lock;
use crate::ports::job_submission::Completion;
use crate::ports::store_fault::StoreFault;

/// Entries of one read; each can hold up to 500 replies.
const READ_COUNT: usize = 100;
/// Wait of a read in Redis, and time after which a read that does not return is given up.
const READ_BLOCK: Duration = Duration::from_secs(5);
const READ_WATCHDOG: Duration = Duration::from_secs(15);
/// Time by which a reply stream outlives its supervisor; refreshed much more often.
const STREAM_TTL: Duration = Duration::from_secs(3600);
const REFRESH_EVERY: Duration = Duration::from_secs(10);
/// Time between two trims of the reply streams.
const TRIM_EVERY: Duration = Duration::from_secs(1);
/// Delay after a failed read, which keeps the loop from spinning; the connection has a backoff of its own.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// Whole records in one pipeline, with results of up to 1 MiB each.
const RECORDS_AT_ONCE: usize = 16;

/// Id of the last entry read of each reply stream.
pub(super) type Positions = BTreeMap<QueueName, String>;

/// The position before the first entry.
const START: &str = "0-0";

/// Keys of the reply streams of one supervisor, by the queues of one reader.
type Keys = BTreeMap<QueueName, String>;

/// Creates missing reply streams of these queues, keeps them from expiring, and returns their last ids.
pub(super) async fn refresh(shared: &Shared, queues: &[QueueName]) -> Result<Positions, StoreFault> {
    let mut pipeline = redis::pipe();
    for queue in queues {
        pipeline
            .add_command(Function::OpenReplies.on_queue(*queue))
            .arg(&shared.config.instance)
            .arg(span_millis(STREAM_TTL))
            .arg(span_millis(shared.config.older_supervisors));
    }
    let mut ids = shared.connection.pipe(&pipeline, "a reply stream").await?.into_iter();
    let mut positions = Positions::default();
    for queue in queues {
        positions.insert(*queue, ids.next().unwrap_or_default());
    }
    Ok(positions)
}

/// The last entry read of a queue's stream.
fn position_in<'a>(positions: &'a Positions, queue: &QueueName) -> &'a str {
    positions.get(queue).map_or(START, String::as_str)
}

/// Reads replies until it is cancelled. A lost connection is opened again, and reading goes on behind the last entry read.
pub(super) async fn read(shared: &Shared, queues: &[QueueName], mut positions: Positions) {
    loop {
        if let Err(error) = read_until_failure(shared, queues, &mut positions).await {
            tracing::debug!(%error, "replies: reader starts again");
            sleep(RETRY_DELAY).await;
        }
        if let Ok(last_ids) = refresh(shared, queues).await {
            for queue in queues {
                // A stream that was created again may count from an earlier time.
                if number_of(position_in(&last_ids, queue)) < number_of(position_in(&positions, queue)) {
                    positions.insert(*queue, START.to_owned());
                }
            }
        }
    }
}

/// Reads until it fails, or until the shared connection is a new one.
async fn read_until_failure(
    shared: &Shared,
    queues: &[QueueName],
    positions: &mut Positions,
) -> Result<(), StoreFault> {
    let keys: Keys =
        queues.iter().map(|queue| (*queue, keys::replies(*queue, &shared.config.instance))).collect();
    let Some(first) = keys.first_key_value().map(|(_queue, key)| key.clone()) else { return Ok(()) };
    let mut connection = shared.connection.blocking(&first).await?;
    let generation = shared.connection.generation(&first);
    let mut refreshed = Instant::now();
    let mut trimmed = Instant::now();
    while shared.connection.generation(&first) == generation {
        let streams = read_once(&mut connection, &keys, positions).await?;
        if !streams.is_empty() {
            process(shared, &keys, positions, streams).await?;
            if trimmed.elapsed() >= TRIM_EVERY {
                trimmed = Instant::now();
                trim(shared, &keys, positions).await?;
            }
        }
        if refreshed.elapsed() >= REFRESH_EVERY {
            refreshed = Instant::now();
            refresh(shared, queues).await?;
        }
    }
    Ok(())
}

async fn read_once(
    connection: &mut OwnConnection,
    keys: &Keys,
    positions: &Positions,
) -> Result<Streams, StoreFault> {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(READ_COUNT).arg("BLOCK").arg(span_millis(READ_BLOCK));
    read.arg("STREAMS");
    for key in keys.values() {
        read.arg(key);
    }
    for queue in keys.keys() {
        read.arg(position_in(positions, queue));
    }
    reply::read("replies", connection.query(&read, READ_WATCHDOG).await?)
}

/// Resolves the awaiters of the jobs that replies name.
async fn process(
    shared: &Shared,
    keys: &Keys,
    positions: &mut Positions,
    streams: Streams,
) -> Result<(), StoreFault> {
    let mut unresolved = Vec::new();
    for (key, entries) in streams {
        let Some((queue, _key)) = keys.iter().find(|(_script_type, known)| **known == key) else {
            continue;
        };
        let queue = *queue;
        for entry in entries {
            positions.insert(queue, entry.id);
            let fields = Fields::from_flat(key.clone(), entry.fields.unwrap_or_default())?;
            for (job, text) in fields.iter() {
                let Ok(job) = JobId::parse(job) else { continue };
                match decode_reply(text) {
                    Some(Reply::Ended(end)) => shared.awaiters.resolve(&job, &end),
                    Some(Reply::ReadRecord) | None => {
                        if shared.awaiters.has(&job) {
                            unresolved.push((job, queue));
                        }
                    }
                }
            }
        }
    }
    resolve_from_records(shared, &unresolved).await
}

/// Removes the entries that were read.
async fn trim(shared: &Shared, keys: &Keys, positions: &Positions) -> Result<(), StoreFault> {
    let mut pipeline = redis::pipe();
    for (queue, key) in keys.iter() {
        pipeline.cmd("XTRIM").arg(key).arg("MINID").arg("~").arg(position_in(positions, queue));
    }
    shared.connection.pipe::<()>(&pipeline, "a trim").await.map(drop)
}

/// Reads the records of ended jobs and resolves their awaiters.
pub(super) async fn resolve_from_records(
    shared: &Shared,
    jobs: &[(JobId, QueueName)],
) -> Result<(), StoreFault> {
    for chunk in jobs.chunks(RECORDS_AT_ONCE) {
        resolve_chunk(shared, chunk).await?;
    }
    Ok(())
}

async fn resolve_chunk(shared: &Shared, jobs: &[(JobId, QueueName)]) -> Result<(), StoreFault> {
    let mut pipeline = redis::pipe();
    for (id, queue) in jobs {
        pipeline.cmd("HMGET").arg(keys::job(*queue, id)).arg(&BASIC);
    }
    let answers = shared.connection.pipe_each::<Vec<Value>>(pipeline, "a job").await?;
    for ((id, queue), values) in jobs.iter().zip(answers) {
        let fields = values.and_then(|values| Fields::from_known(keys::job(*queue, id), &BASIC, values));
        let job = fields.and_then(|fields| fields.map(|fields| decode_job(id, *queue, &fields)).transpose());
        match job {
            Ok(Some(job)) => {
                if let Some(end) = finished_of(job) {
                    shared.awaiters.resolve(id, &end);
                }
            }
            Ok(None) => shared.awaiters.abandon(id),
            Err(error) => {
                // The waiters read the record themselves and get this error.
                tracing::warn!(job.id = %id, %error, "job {id}: its record cannot be read");
                shared.awaiters.abandon(id);
            }
        }
    }
    Ok(())
}

/// The awaited jobs, sorted so that a sweep can go on where the last one stopped.
#[derive(Default)]
pub(super) struct Awaiters {
    awaited: Lock<BTreeMap<JobId, Awaiting>>,
}

/// One awaited job.
struct Awaiting {
    since: Instant,
    /// The queue that has the job; None until the submit was answered.
    queue: Option<QueueName>,
    senders: Vec<oneshot::Sender<Finished>>,
}

impl Awaiters {
    /// Registers one more waiter.
    pub(super) fn add(&self, id: &JobId) -> Completion {
        let (sender, completion) = Completion::pair();
        self.with(|awaited| {
            let awaiting = awaited.entry(id.clone()).or_insert_with(|| Awaiting {
                since: Instant::now(),
                queue: None,
                senders: Vec::with_capacity(1),
            });
            awaiting.senders.push(sender);
        });
        completion
    }

    /// Notes that the job is in this queue; from now on the sweep reads its record.
    pub(super) fn confirm(&self, id: &JobId, queue: QueueName) {
        self.with(|awaited| {
            if let Some(awaiting) = awaited.get_mut(id) {
                awaiting.queue = Some(queue);
            }
        });
    }

    /// Removes the waiters of a job whose completions were dropped.
    pub(super) fn prune(&self, id: &JobId) {
        self.with(|awaited| {
            if let Some(awaiting) = awaited.get_mut(id) {
                awaiting.senders.retain(|sender| !sender.is_closed());
                if awaiting.senders.is_empty() {
                    awaited.remove(id);
                }
            }
        });
    }

    /// Resolves all completions of a job.
    pub(super) fn resolve(&self, id: &JobId, end: &Finished) {
        let awaiting = self.with(|awaited| awaited.remove(id));
        for sender in awaiting.into_iter().flat_map(|awaiting| awaiting.senders) {
            // A waiter that has gone needs no answer.
            drop(sender.send(end.clone()));
        }
    }

    /// Breaks the completions of a job whose record has gone.
    pub(super) fn abandon(&self, id: &JobId) {
        self.with(|awaited| awaited.remove(id));
    }

    /// True if a call waits for a job of one of these queues.
    pub(super) fn has_any_of(&self, queues: &[QueueName]) -> bool {
        self.with(|awaited| {
            awaited.values().any(|job| job.queue.is_some_and(|queue| queues.contains(&queue)))
        })
    }

    /// True if a call waits for this job.
    pub(super) fn has(&self, id: &JobId) -> bool {
        self.with(|awaited| awaited.contains_key(id))
    }

    /// Breaks all completions.
    pub(super) fn clear(&self) {
        self.with(BTreeMap::clear);
    }

    /// Finds the next jobs behind `after` that have been awaited for at least `age`, among at most `limit` ones, and drops
    /// those whose waiters have gone. The second part is where the next call goes on; None at the end.
    pub(super) fn next(
        &self,
        after: Option<&JobId>,
        age: Duration,
        limit: usize,
    ) -> (Vec<(JobId, QueueName)>, Option<JobId>) {
        self.with(|awaited| {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut due = Vec::new();
            let mut deserted = Vec::new();
            let mut last = None;
            let mut seen = 0;
            for (id, awaiting) in awaited.range::<JobId, _>((start, Bound::Unbounded)).take(limit) {
                seen += 1;
                if awaiting.senders.iter().all(oneshot::Sender::is_closed) {
                    deserted.push(id.clone());
                } else if let Some(queue) = awaiting.queue
                    && awaiting.since.elapsed() >= age
                {
                    due.push((id.clone(), queue));
                }
                last = Some(id.clone());
            }
            for id in deserted {
                awaited.remove(&id);
            }
            (due, last.filter(|_| seen == limit))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<JobId, Awaiting>) -> T) -> T {
        act(&mut self.awaited.lock())
    }
}

/// A reply about an ended job.
#[derive(Debug, PartialEq)]
enum Reply {
    /// The end of the job.
    Ended(Finished),
    /// The end has no room in a reply and is read from the record.
    ReadRecord,
}

/// Decodes a reply: `state attempt started finished actor word`, perhaps a space and the usage, a line feed, and the body.
fn decode_reply(text: &str) -> Option<Reply> {
    let (head, body) = text.split_once('\n')?;
    let mut words = head.splitn(7, ' ');
    let _state = words.next()?;
    let attempt = words.next()?.parse().ok()?;
    let started_at = match words.next()? {
        "-" => None,
        number => Some(time_of(number.parse().ok()?)),
    };
    let finished_at = time_of(words.next()?.parse().ok()?);
    let actor_id = match words.next()? {
        "-" => None,
        name => Some(ActorId::parse(name).ok()?),
    };
    let outcome = match words.next()? {
        "see" => return Some(Reply::ReadRecord),
        "error" => Outcome::Failed(decode_error(body).ok()?),
        "reason" => Outcome::Cancelled(body.to_owned()),
        word => Outcome::Succeeded(JobResult { text: body.to_owned(), kind: ResultKind::parse(word)? }),
    };
    let usage = words.next().and_then(decode_job_usage);
    // The reply of a job with a history has the word `see`.
    let history = None;
    Some(Reply::Ended(Finished { outcome, attempt, actor_id, started_at, finished_at, usage, history }))
}

/// The two numbers of an entry id.
fn number_of(entry: &str) -> (u64, u64) {
    let (millis, sequence) = entry.split_once('-').unwrap_or((entry, "0"));
    (millis.parse().unwrap_or(0), sequence.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::decode_reply;

    proptest::proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn no_reply_makes_the_reader_panic(text in "[a-z0-9 \n{}\":]{0,60}") {
            drop(decode_reply(&text));
        }
    }
}

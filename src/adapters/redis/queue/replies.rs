//! Hears of ended jobs: one task reads the reply streams, one looks after what may have been missed.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::OnceCell;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::super::connection::{queue_error, unexpected};
use super::super::keys;
use super::super::records::{BASIC, Fields, Reply, decode_job, decode_reply, finished_of};
use super::{Shared, fcall};
use crate::domain::model::id::JobId;
use crate::domain::model::job::JobState;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;

/// Entries of one read; each can hold up to 500 ends.
const READ_COUNT: usize = 100;
/// How long a read waits in Redis, and how long until a read that does not come back is given up.
const READ_BLOCK: Duration = Duration::from_secs(5);
const READ_WATCHDOG: Duration = Duration::from_secs(15);
/// A reply stream outlives its supervisor by this long; refreshed much more often.
const STREAM_TTL: Duration = Duration::from_secs(3600);
const REFRESH_EVERY: Duration = Duration::from_secs(10);
/// Pause after a failed read. The connection has its own backoff, this only keeps a loop from spinning.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How often records are looked at, and how long a job must have been waited for until its record is.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
const SWEEP_AGE: Duration = Duration::from_millis(400);
/// Records in one pipeline, and pipelines in one sweep; the next sweep goes on behind them.
const SWEEP_CHUNK: usize = 500;
const SWEEP_CHUNKS: usize = 2;

/// Last entry seen of each reply stream, in the order of [`ScriptType::ALL`].
type Positions = [String; 4];

/// Starts the tasks with the first who waits.
pub(super) struct Replies {
    shared: Arc<Shared>,
    opened: OnceCell<()>,
}

impl Replies {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, opened: OnceCell::new() }
    }

    /// Makes sure that the reply streams are there and read.
    pub(super) async fn open(&self) -> Result<(), QueueError> {
        let open = async || {
            let positions = refresh(&self.shared).await?;
            let shared = self.shared.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(read_replies(&shared, positions)).await;
            });
            let shared = self.shared.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(sweep(&shared)).await;
            });
            Ok(())
        };
        self.opened.get_or_try_init(open).await.copied()
    }
}

/// Creates reply streams that are not there, keeps them from expiring, and answers with their last ids.
async fn refresh(shared: &Shared) -> Result<Positions, QueueError> {
    let mut pipeline = redis::pipe();
    for script_type in ScriptType::ALL {
        pipeline
            .add_command(fcall("hero_reply", script_type))
            .arg(&shared.config.instance)
            .arg(u64::try_from(STREAM_TTL.as_millis()).unwrap_or(u64::MAX));
    }
    let answers = shared.connection.pipe(&pipeline).await?;
    let mut positions = Positions::default();
    for (position, answer) in positions.iter_mut().zip(answers) {
        let Value::BulkString(id) = answer else { return Err(unexpected("a reply stream", &answer)) };
        *position = String::from_utf8_lossy(&id).into_owned();
    }
    Ok(positions)
}

/// Reads for ever; a lost connection is opened again, and reading goes on behind the last entry seen.
async fn read_replies(shared: &Shared, mut positions: Positions) {
    loop {
        if let Err(error) = read_from(shared, &mut positions).await {
            tracing::debug!(%error, "the reader of ended jobs starts again");
            sleep(RETRY_PAUSE).await;
        }
        if let Ok(ends) = refresh(shared).await {
            for (position, end) in positions.iter_mut().zip(ends) {
                // A stream that was made anew may count from an earlier time.
                if id_of(&end) < id_of(position) {
                    *position = "0-0".to_owned();
                }
            }
        }
    }
}

/// Reads until it fails, or until the shared connection is another one than at first.
async fn read_from(shared: &Shared, positions: &mut Positions) -> Result<(), QueueError> {
    let mut connection = shared.connection.blocking().await?;
    let generation = shared.connection.generation();
    let streams = ScriptType::ALL.map(|script_type| keys::replies(script_type, &shared.config.instance));
    let mut refreshed = Instant::now();
    let mut trimmed = Instant::now();
    while shared.connection.generation() == generation {
        let answer = read_once(&mut connection, &streams, positions).await?;
        let heard = process(shared, &streams, positions, answer).await?;
        if heard && trimmed.elapsed() >= Duration::from_secs(1) {
            trimmed = Instant::now();
            trim(shared, &streams, positions).await?;
        }
        if refreshed.elapsed() >= REFRESH_EVERY {
            refreshed = Instant::now();
            refresh(shared).await?;
        }
    }
    Ok(())
}

async fn read_once(
    connection: &mut MultiplexedConnection,
    streams: &[String; 4],
    positions: &Positions,
) -> Result<Value, QueueError> {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(READ_COUNT).arg("BLOCK").arg(u64::try_from(READ_BLOCK.as_millis()).unwrap_or(0));
    read.arg("STREAMS").arg(streams).arg(positions);
    match timeout(READ_WATCHDOG, read.query_async(connection)).await {
        Ok(answer) => answer.map_err(|error| queue_error(&error)),
        Err(_elapsed) => Err(QueueError::TimedOut { after: READ_WATCHDOG }),
    }
}

/// Tells those who wait; true when there was anything.
async fn process(
    shared: &Shared,
    streams: &[String; 4],
    positions: &mut Positions,
    answer: Value,
) -> Result<bool, QueueError> {
    let answer = match answer {
        Value::Nil => return Ok(false),
        Value::Array(read) => read,
        other => return Err(unexpected("replies", &other)),
    };
    let mut unresolved = Vec::new();
    for stream in answer {
        let (name, entries) = stream_of(stream)?;
        let Some(index) = streams.iter().position(|stream| *stream == name) else { continue };
        for entry in entries {
            let (id, flat) = entry_of(entry)?;
            positions[index] = id;
            let fields = Fields::from_flat(name.clone(), flat)?;
            for (job, text) in fields.iter() {
                let Ok(job) = JobId::parse(job) else { continue };
                match decode_reply(text) {
                    Some(Reply::Ended(end)) => shared.awaiters.resolve(&job, &end),
                    Some(Reply::ReadRecord) | None => {
                        if shared.awaiters.has(&job) {
                            unresolved.push((job, ScriptType::ALL[index]));
                        }
                    }
                }
            }
        }
    }
    for chunk in unresolved.chunks(RECORDS_AT_ONCE) {
        resolve_from_records(shared, chunk).await?;
    }
    Ok(true)
}

/// Long results that are read at once: up to 1 MiB each.
const RECORDS_AT_ONCE: usize = 16;

/// Keeps the reply streams as short as what is still to be read.
async fn trim(shared: &Shared, streams: &[String; 4], positions: &Positions) -> Result<(), QueueError> {
    let mut pipeline = redis::pipe();
    for (stream, position) in streams.iter().zip(positions) {
        pipeline.cmd("XTRIM").arg(stream).arg("MINID").arg("~").arg(position);
    }
    shared.connection.pipe(&pipeline).await.map(drop)
}

/// Looks at the records of jobs that are waited for, in case the notice of their end was lost.
async fn sweep(shared: &Shared) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut losses = shared.connection.losses();
    let mut after = None;
    loop {
        let everything = tokio::select! {
            _instant = ticks.tick() => false,
            changed = losses.changed() => changed.is_ok(),
        };
        let (age, chunks) = if everything { (Duration::ZERO, usize::MAX) } else { (SWEEP_AGE, SWEEP_CHUNKS) };
        if everything {
            after = None;
        }
        for _chunk in 0..chunks {
            let (due, next) = shared.awaiters.next(after.as_ref(), age, SWEEP_CHUNK);
            after = next;
            if !due.is_empty()
                && let Err(error) = check(shared, &due).await
            {
                tracing::debug!(%error, "a sweep over awaited jobs failed");
                break;
            }
            if after.is_none() {
                break;
            }
        }
    }
}

/// Tells those who wait for this job of its end, if it has ended already.
pub(super) async fn catch_up(shared: &Shared, id: &JobId, script_type: ScriptType) -> Result<(), QueueError> {
    let mut ask = redis::cmd("HGET");
    ask.arg(keys::job(script_type, id)).arg("status");
    let answer = shared.connection.call(&ask).await?;
    if is_ended(&answer) { resolve_from_records(shared, &[(id.clone(), script_type)]).await } else { Ok(()) }
}

fn is_ended(status: &Value) -> bool {
    let Value::BulkString(word) = status else { return false };
    let state = std::str::from_utf8(word).ok().and_then(JobState::parse);
    state.is_some_and(JobState::is_terminal)
}

/// Resolves those that have ended, and breaks those that are no more.
async fn check(shared: &Shared, jobs: &[(JobId, ScriptType)]) -> Result<(), QueueError> {
    let mut pipeline = redis::pipe();
    for (id, script_type) in jobs {
        pipeline.cmd("HGET").arg(keys::job(*script_type, id)).arg("status");
    }
    let answers = shared.connection.pipe(&pipeline).await?;
    let mut ended = Vec::new();
    for (job, answer) in jobs.iter().zip(answers) {
        match answer {
            Value::Nil => {
                tracing::warn!(job.id = %job.0, "job {} is awaited, but Redis no longer knows it", job.0);
                shared.awaiters.abandon(&job.0);
            }
            Value::BulkString(_) => {
                if is_ended(&answer) {
                    ended.push(job.clone());
                }
            }
            other => return Err(unexpected("the status of a job", &other)),
        }
    }
    for chunk in ended.chunks(RECORDS_AT_ONCE) {
        resolve_from_records(shared, chunk).await?;
    }
    if !ended.is_empty() {
        // Their replies did not come: perhaps the stream was removed.
        refresh(shared).await?;
    }
    Ok(())
}

/// Reads the records of ended jobs and tells those who wait.
async fn resolve_from_records(shared: &Shared, jobs: &[(JobId, ScriptType)]) -> Result<(), QueueError> {
    let mut pipeline = redis::pipe();
    for (id, script_type) in jobs {
        pipeline.cmd("HMGET").arg(keys::job(*script_type, id)).arg(&BASIC);
    }
    let answers = shared.connection.pipe(&pipeline).await?;
    for ((id, script_type), answer) in jobs.iter().zip(answers) {
        let Value::Array(values) = answer else { return Err(unexpected("a job", &answer)) };
        let job = match Fields::from_known(keys::job(*script_type, id), &BASIC, values) {
            Ok(None) => None,
            Ok(Some(fields)) => match decode_job(id, *script_type, &fields) {
                Ok(job) => Some(job),
                Err(error) => {
                    // Whoever waits reads it for himself and is told what is wrong with it.
                    tracing::warn!(job.id = %id, %error, "the record of job {id} cannot be read");
                    None
                }
            },
            Err(error) => {
                tracing::warn!(job.id = %id, %error, "the record of job {id} cannot be read");
                None
            }
        };
        match job {
            None => shared.awaiters.abandon(id),
            Some(job) => {
                if let Some(end) = finished_of(job) {
                    shared.awaiters.resolve(id, &end);
                }
            }
        }
    }
    Ok(())
}

fn stream_of(value: Value) -> Result<(String, Vec<Value>), QueueError> {
    let Value::Array(parts) = value else { return Err(unexpected("a stream", &value)) };
    match <[Value; 2]>::try_from(parts) {
        Ok([Value::BulkString(name), Value::Array(entries)]) => {
            Ok((String::from_utf8_lossy(&name).into_owned(), entries))
        }
        Ok(other) => Err(unexpected("a stream", &Value::Array(other.to_vec()))),
        Err(other) => Err(unexpected("a stream", &Value::Array(other))),
    }
}

fn entry_of(value: Value) -> Result<(String, Vec<Value>), QueueError> {
    stream_of(value)
}

fn id_of(text: &str) -> (u64, u64) {
    let (millis, sequence) = text.split_once('-').unwrap_or((text, "0"));
    (millis.parse().unwrap_or(0), sequence.parse().unwrap_or(0))
}

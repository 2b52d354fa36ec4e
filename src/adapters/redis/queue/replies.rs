//! Replies about ended jobs: one task reads the reply streams, another one sweeps the records of awaited jobs for lost replies.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::OnceCell;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::{Shared, span_millis};
use crate::adapters::redis::connection::queue_error;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{BASIC, Fields, Reply, decode_job, decode_reply, finished_of};
use crate::adapters::redis::reply::{self, Streams};
use crate::domain::model::id::JobId;
use crate::domain::model::job::JobState;
use crate::domain::model::script_type::{PerScriptType, ScriptType};
use crate::ports::job_queue::QueueError;

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
/// Time between two sweeps, and time for which a job must have been awaited until its record is read.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
const SWEEP_AGE: Duration = Duration::from_millis(400);
/// Records in one pipeline, and pipelines in one sweep; the next sweep goes on behind them.
const SWEEP_CHUNK: usize = 500;
const SWEEP_CHUNKS: usize = 2;
/// Whole records in one pipeline, with results of up to 1 MiB each.
const RECORDS_AT_ONCE: usize = 16;

/// Id of the last entry read of each reply stream.
type Positions = PerScriptType<String>;

/// Keys of the reply streams of one supervisor.
type Keys = PerScriptType<String>;

/// Starts the tasks with the first call that waits.
pub(super) struct Replies {
    shared: Arc<Shared>,
    opened: OnceCell<()>,
}

impl Replies {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, opened: OnceCell::new() }
    }

    /// Makes sure that the reply streams exist and are read.
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

/// Creates missing reply streams, keeps them from expiring, and answers with their last ids.
async fn refresh(shared: &Shared) -> Result<Positions, QueueError> {
    let mut pipeline = redis::pipe();
    for script_type in ScriptType::ALL {
        pipeline
            .add_command(Function::OpenReplies.on_queue(script_type))
            .arg(&shared.config.instance)
            .arg(span_millis(STREAM_TTL));
    }
    let mut ids = shared.connection.pipe(&pipeline, "a reply stream").await?.into_iter();
    Ok(Positions::from_fn(|_script_type| ids.next().unwrap_or_default()))
}

/// Reads until it is cancelled. A lost connection is opened again, and reading goes on behind the last entry read.
async fn read_replies(shared: &Shared, mut positions: Positions) {
    loop {
        if let Err(error) = read_until_failure(shared, &mut positions).await {
            tracing::debug!(%error, "replies: reader starts again");
            sleep(RETRY_DELAY).await;
        }
        if let Ok(last_ids) = refresh(shared).await {
            for (script_type, last) in last_ids {
                // A stream that was created again may count from an earlier time.
                if number_of(&last) < number_of(&positions[script_type]) {
                    positions[script_type] = "0-0".to_owned();
                }
            }
        }
    }
}

/// Reads until it fails, or until the shared connection is a new one.
async fn read_until_failure(shared: &Shared, positions: &mut Positions) -> Result<(), QueueError> {
    let mut connection = shared.connection.blocking().await?;
    let generation = shared.connection.generation();
    let keys = Keys::from_fn(|script_type| keys::replies(script_type, &shared.config.instance));
    let mut refreshed = Instant::now();
    let mut trimmed = Instant::now();
    while shared.connection.generation() == generation {
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
            refresh(shared).await?;
        }
    }
    Ok(())
}

async fn read_once(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    positions: &Positions,
) -> Result<Streams, QueueError> {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(READ_COUNT).arg("BLOCK").arg(span_millis(READ_BLOCK));
    read.arg("STREAMS").arg(keys.values()).arg(positions.values());
    match timeout(READ_WATCHDOG, read.query_async(connection)).await {
        Ok(answer) => reply::read("replies", answer.map_err(|error| queue_error(&error))?),
        Err(_elapsed) => Err(QueueError::TimedOut { after: READ_WATCHDOG }),
    }
}

/// Resolves the awaiters of the jobs that replies tell of.
async fn process(
    shared: &Shared,
    keys: &Keys,
    positions: &mut Positions,
    streams: Streams,
) -> Result<(), QueueError> {
    let mut unresolved = Vec::new();
    for (key, entries) in streams {
        let Some((script_type, _key)) = keys.iter().find(|(_script_type, known)| **known == key) else {
            continue;
        };
        for entry in entries {
            positions[script_type] = entry.id;
            let fields = Fields::from_flat(key.clone(), entry.fields.unwrap_or_default())?;
            for (job, text) in fields.iter() {
                let Ok(job) = JobId::parse(job) else { continue };
                match decode_reply(text) {
                    Some(Reply::Ended(end)) => shared.awaiters.resolve(&job, &end),
                    Some(Reply::ReadRecord) | None => {
                        if shared.awaiters.has(&job) {
                            unresolved.push((job, script_type));
                        }
                    }
                }
            }
        }
    }
    for chunk in unresolved.chunks(RECORDS_AT_ONCE) {
        resolve_from_records(shared, chunk).await?;
    }
    Ok(())
}

/// Removes the entries that were read.
async fn trim(shared: &Shared, keys: &Keys, positions: &Positions) -> Result<(), QueueError> {
    let mut pipeline = redis::pipe();
    for (script_type, key) in keys.iter() {
        pipeline.cmd("XTRIM").arg(key).arg("MINID").arg("~").arg(&positions[script_type]);
    }
    shared.connection.pipe::<()>(&pipeline, "a trim").await.map(drop)
}

/// Reads the records of awaited jobs, in case a reply was lost.
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
                tracing::debug!(%error, "awaited jobs: sweep failed");
                break;
            }
            if after.is_none() {
                break;
            }
        }
    }
}

/// Resolves the awaiters of a job that may have ended before they were registered.
pub(super) async fn catch_up(shared: &Shared, id: &JobId, script_type: ScriptType) -> Result<(), QueueError> {
    let mut ask = redis::cmd("HGET");
    ask.arg(keys::job(script_type, id)).arg("status");
    let status: Option<String> = shared.connection.call(&ask, "the status of a job").await?;
    match status.is_some_and(|status| is_terminal(&status)) {
        true => resolve_from_records(shared, &[(id.clone(), script_type)]).await,
        false => Ok(()),
    }
}

fn is_terminal(status: &str) -> bool {
    JobState::parse(status).is_some_and(JobState::is_terminal)
}

/// Resolves the awaiters of jobs that have ended, and breaks those of jobs whose record has gone.
async fn check(shared: &Shared, jobs: &[(JobId, ScriptType)]) -> Result<(), QueueError> {
    let mut pipeline = redis::pipe();
    for (id, script_type) in jobs {
        pipeline.cmd("HGET").arg(keys::job(*script_type, id)).arg("status");
    }
    let statuses: Vec<Option<String>> = shared.connection.pipe(&pipeline, "the status of a job").await?;
    let mut ended = Vec::new();
    for (job, status) in jobs.iter().zip(statuses) {
        match status {
            None => {
                tracing::warn!(job.id = %job.0, "job {}: awaited, but its record has gone", job.0);
                shared.awaiters.abandon(&job.0);
            }
            Some(status) if is_terminal(&status) => ended.push(job.clone()),
            Some(_other) => {}
        }
    }
    for chunk in ended.chunks(RECORDS_AT_ONCE) {
        resolve_from_records(shared, chunk).await?;
    }
    if !ended.is_empty() {
        // Replies were lost: the stream may have been removed.
        refresh(shared).await?;
    }
    Ok(())
}

/// Reads the records of ended jobs and resolves their awaiters.
async fn resolve_from_records(shared: &Shared, jobs: &[(JobId, ScriptType)]) -> Result<(), QueueError> {
    let mut pipeline = redis::pipe();
    for (id, script_type) in jobs {
        pipeline.cmd("HMGET").arg(keys::job(*script_type, id)).arg(&BASIC);
    }
    let answers: Vec<Vec<Value>> = shared.connection.pipe(&pipeline, "a job").await?;
    for ((id, script_type), values) in jobs.iter().zip(answers) {
        let fields = Fields::from_known(keys::job(*script_type, id), &BASIC, values);
        let job =
            fields.and_then(|fields| fields.map(|fields| decode_job(id, *script_type, &fields)).transpose());
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

/// The two numbers of an entry id.
fn number_of(entry: &str) -> (u64, u64) {
    let (millis, sequence) = entry.split_once('-').unwrap_or((entry, "0"));
    (millis.parse().unwrap_or(0), sequence.parse().unwrap_or(0))
}

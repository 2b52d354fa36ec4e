//! The actor's side of the queue.

mod deliveries;
mod take;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::time::Instant;

use super::RedisConfig;
use super::connection::{Connection, unexpected};
use super::keys::{self, GROUP, Lane, Place};
use super::queue::fcall;
use super::records::{encode_error, encode_output, millis};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::id::ActorId;
use crate::domain::model::output::OutputChunk;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{AttemptEnd, Lease, LeaseOutput, Work, WorkQueue};

/// One blocking read waits this long in Redis; longer waits are made of several.
const READ_BLOCK: Duration = Duration::from_secs(5);
/// Leases in one command.
const LEASES: usize = 500;
/// Ends in one call, and bytes after which a call is sent before it is full.
const ENDS: usize = 64;
const END_BYTES: usize = 4 * 1024 * 1024;
/// Entries that `recover` reads at once.
const RECOVERED: usize = 500;

/// The queue of one actor process.
pub struct RedisWorkQueue {
    connection: Connection,
    config: RedisConfig,
    script_type: ScriptType,
    actor: ActorId,
    pid: u32,
    consumer: String,
    streams: Streams,
    reader: Mutex<Option<MultiplexedConnection>>,
    held: Mutex<HashMap<String, HeldJob>>,
    draining: AtomicBool,
    taking: AtomicBool,
    /// The front had more than was asked for, so it is emptied before the queue is looked at.
    front_first: AtomicBool,
    /// The highest number of a pause that was heard; odd while the queue is paused.
    pause: AtomicU64,
    last_job: Mutex<Option<Instant>>,
    /// Ends that could not be written yet, and calls with ends that were refused.
    pending_ends: AtomicU64,
    refused_ends: AtomicU64,
}

/// Keys of the streams that an actor reads.
struct Streams {
    front: String,
    inbox: String,
    queue: String,
    control: String,
}

impl Streams {
    fn lane(&self, lane: Lane) -> &str {
        match lane {
            Lane::Front => &self.front,
            Lane::Inbox => &self.inbox,
            Lane::Queue => &self.queue,
        }
    }
}

/// What must be remembered of a job until its attempt ends.
#[derive(Clone)]
struct HeldJob {
    attempt: u32,
    backoff: Backoff,
    ping: bool,
}

impl RedisWorkQueue {
    /// Reads the URL; connects with the first call. `pid` is the process that does the work.
    ///
    /// # Errors
    /// `Rejected` for a URL or a lease that cannot be used.
    pub fn new(
        config: RedisConfig,
        script_type: ScriptType,
        actor: ActorId,
        pid: u32,
    ) -> Result<Self, QueueError> {
        config.check()?;
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self {
            connection: Connection::new(&config.url)?,
            consumer: format!("{actor}.{pid}.{}", &nonce[..8]),
            streams: Streams {
                front: keys::front(script_type),
                inbox: keys::inbox(script_type, &actor),
                queue: keys::queue(script_type),
                control: keys::control(script_type, &actor),
            },
            config,
            script_type,
            actor,
            pid,
            reader: Mutex::default(),
            held: Mutex::default(),
            draining: AtomicBool::new(false),
            taking: AtomicBool::new(false),
            front_first: AtomicBool::new(false),
            pause: AtomicU64::new(0),
            last_job: Mutex::default(),
            pending_ends: AtomicU64::new(0),
            refused_ends: AtomicU64::new(0),
        })
    }

    fn fcall(&self, function: &str) -> Cmd {
        let mut command = fcall(function, self.script_type);
        command.arg(self.actor.as_str());
        command
    }

    fn group_read(&self, count: usize) -> Cmd {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(count);
        read
    }

    /// Calls a function that answers with 1 or 0 for each lease.
    async fn ask_each(&self, command: &Cmd, what: &str) -> Result<Vec<bool>, QueueError> {
        match self.connection.call(command).await? {
            Value::Array(values) => Ok(values.iter().map(|value| *value == Value::Int(1)).collect()),
            other => Err(unexpected(what, &other)),
        }
    }

    async fn send_ends(&self, ends: &[(Place, HeldJob, &AttemptEnd)]) -> Result<Vec<bool>, QueueError> {
        let mut finish = self.fcall("hero_finish");
        for (place, held, end) in ends {
            if !end.output.is_empty() {
                finish.arg("log");
                add_output(&mut finish, *place, held.attempt, &end.lease, &end.output);
            }
            finish
                .arg(place.lane.letter())
                .arg(place.entry())
                .arg(end.lease.job_id.as_str())
                .arg(held.attempt);
            finish.arg(millis(end.started_at));
            match &end.outcome {
                Ok(result) => {
                    finish.arg("ok").arg(&result.text).arg(result.kind.as_str()).arg(0);
                }
                Err(failed) => {
                    let verdict = match (failed.retryable, failed.counts) {
                        (false, _) => "error",
                        (true, true) => "retry",
                        (true, false) => "free",
                    };
                    let delay = held.backoff.delay(held.attempt, fastrand::f64());
                    finish.arg(verdict).arg(&failed.error.message).arg(encode_error(&failed.error));
                    finish.arg(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                }
            }
        }
        match self.connection.call(&finish).await? {
            Value::Array(answers) => answers.iter().map(accepted).collect(),
            other => Err(unexpected("the end of attempts", &other)),
        }
    }
}

#[async_trait]
impl WorkQueue for RedisWorkQueue {
    async fn announce(&self, draining: bool) -> Result<(), QueueError> {
        self.draining.store(draining, Ordering::Relaxed);
        let idle = lock(&self.last_job).map(|at| at.elapsed().as_millis());
        let mut announce = self.fcall("hero_announce");
        announce.arg(&self.consumer).arg(self.pid).arg(u8::from(draining));
        announce.arg(idle.map(|idle| idle.to_string()).unwrap_or_default()).arg(env!("CARGO_PKG_VERSION"));
        announce
            .arg(self.pending_ends.load(Ordering::Relaxed))
            .arg(self.refused_ends.load(Ordering::Relaxed));
        let answer = self.connection.call(&announce).await?;
        if let Value::Int(number) = answer {
            self.note_pause(u64::try_from(number).unwrap_or(0));
        }
        Ok(())
    }

    fn note_pending_ends(&self, pending: u64, refused: u64) {
        self.pending_ends.store(pending, Ordering::Relaxed);
        self.refused_ends.store(refused, Ordering::Relaxed);
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Work>, QueueError> {
        let deadline = Instant::now() + wait;
        let _taking = TakeGuard::start(&self.taking);
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let front_first = max > 0 && !self.is_paused() && self.front_first.load(Ordering::Relaxed);
            let block = if front_first { Duration::ZERO } else { remaining.min(READ_BLOCK) };
            let delivered = self.read_work(max, front_first, block).await?;
            if delivered.is_empty() {
                if front_first {
                    self.front_first.store(false, Ordering::Relaxed);
                } else if remaining.is_zero() {
                    return Ok(Vec::new());
                }
                continue;
            }
            let delivered = self.release_paused(delivered).await?;
            let interrupted = delivered.messages.iter().any(|message| message.is_wake());
            let work = self.deliver(max, delivered).await?;
            if !work.is_empty() || interrupted {
                return Ok(work);
            }
        }
    }

    async fn interrupt_take(&self) -> Result<(), QueueError> {
        if !self.taking.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut wake = self.fcall("hero_wake");
        wake.arg(&self.consumer);
        self.connection.call(&wake).await.map(drop)
    }

    async fn recover(&self, known: &[Lease]) -> Result<Vec<Work>, QueueError> {
        let mut work = Vec::new();
        for lane in Lane::ALL {
            let mut after = "0".to_owned();
            loop {
                let mut command = self.group_read(RECOVERED);
                command.arg("STREAMS").arg(self.streams.lane(lane)).arg(&after);
                let answer = match self.connection.call(&command).await {
                    Err(QueueError::Rejected { reason }) if reason.contains("NOGROUP") => break,
                    other => other?,
                };
                let page = deliveries::read_pending(answer, lane)?;
                let Some(last) = page.last else { break };
                after = last;
                for place in page.deleted {
                    self.discard(place).await?;
                }
                self.reject(&page.malformed).await?;
                let mut jobs = page.jobs;
                jobs.retain(|(place, _)| !known.iter().any(|lease| Place::of(lease) == Some(*place)));
                work.extend(self.open_jobs(jobs).await?.into_iter().map(|job| Work::Job(Box::new(job))));
            }
        }
        Ok(work)
    }

    async fn heartbeat(&self, leases: &[Lease]) -> Result<Vec<Lease>, QueueError> {
        let mut void = Vec::new();
        let mut by_lane: [Vec<(Place, &Lease)>; 3] = Default::default();
        for lease in leases {
            match Place::of(lease) {
                Some(place) => by_lane[place.lane as usize].push((place, lease)),
                None => void.push(lease.clone()),
            }
        }
        for (lane, held) in Lane::ALL.into_iter().zip(by_lane) {
            for chunk in held.chunks(LEASES) {
                let mut claim = redis::cmd("XCLAIM");
                claim.arg(self.streams.lane(lane)).arg(GROUP).arg(&self.consumer).arg(0);
                for (place, _lease) in chunk {
                    claim.arg(place.entry());
                }
                claim.arg("JUSTID");
                let kept = match self.connection.call(&claim).await {
                    // The group is gone, and all that was pending in it.
                    Err(QueueError::Rejected { reason }) if reason.contains("NOGROUP") => Vec::new(),
                    other => deliveries::entry_ids(other?)?,
                };
                for (place, lease) in chunk {
                    if !kept.contains(&place.entry()) {
                        void.push((*lease).clone());
                    }
                }
            }
        }
        self.forget(&void);
        Ok(void)
    }

    async fn start(&self, started: &[(Lease, SystemTime)]) -> Result<Vec<Lease>, QueueError> {
        let mut void = Vec::new();
        for chunk in started.chunks(LEASES) {
            let mut command = self.fcall("hero_start");
            let mut asked = Vec::with_capacity(chunk.len());
            for (lease, at) in chunk {
                let held = lock(&self.held).get(&lease.token).cloned();
                match (Place::of(lease), held) {
                    (Some(place), Some(held)) => {
                        command.arg(place.lane.letter()).arg(place.entry()).arg(lease.job_id.as_str());
                        command.arg(held.attempt).arg(millis(*at));
                        asked.push(lease);
                    }
                    (None, _) | (Some(_), None) => void.push(lease.clone()),
                }
            }
            if asked.is_empty() {
                continue;
            }
            let answers = self.ask_each(&command, "a start").await?;
            void.extend(
                asked.into_iter().zip(answers).filter(|(_, held)| !held).map(|(lease, _)| lease.clone()),
            );
        }
        self.forget(&void);
        Ok(void)
    }

    async fn report_output(&self, output: &[LeaseOutput]) -> Result<Vec<Lease>, QueueError> {
        let mut void = Vec::new();
        let mut reported = output.iter().peekable();
        while reported.peek().is_some() {
            let mut command = self.fcall("hero_log");
            let (mut asked, mut bytes) = (Vec::new(), 0);
            while bytes < END_BYTES
                && let Some(LeaseOutput { lease, chunks }) = reported.next()
            {
                let held = lock(&self.held).get(&lease.token).cloned();
                let (Some(place), Some(held)) = (Place::of(lease), held) else {
                    void.push(lease.clone());
                    continue;
                };
                add_output(&mut command, place, held.attempt, lease, chunks);
                bytes += chunks.iter().map(|chunk| chunk.item.len()).sum::<usize>();
                asked.push(lease);
            }
            if asked.is_empty() {
                continue;
            }
            let answers = self.ask_each(&command, "the output of jobs").await?;
            void.extend(
                asked.into_iter().zip(answers).filter(|(_, held)| !held).map(|(lease, _)| lease.clone()),
            );
        }
        self.forget(&void);
        Ok(void)
    }

    async fn finish(&self, ends: Vec<AttemptEnd>) -> Result<Vec<bool>, QueueError> {
        let mut accepted = vec![false; ends.len()];
        let mut batch: Vec<(Place, HeldJob, &AttemptEnd)> = Vec::with_capacity(ENDS);
        let mut indexes = Vec::with_capacity(ENDS);
        let mut bytes = 0;
        for (index, end) in ends.iter().enumerate() {
            let held = lock(&self.held).get(&end.lease.token).cloned();
            // What is not held any more was void already.
            let (Some(place), Some(held)) = (Place::of(&end.lease), held) else { continue };
            bytes += match &end.outcome {
                Ok(result) => result.text.len(),
                Err(_failed) => 0,
            };
            bytes += end.output.iter().map(|chunk| chunk.item.len()).sum::<usize>();
            batch.push((place, held, end));
            indexes.push(index);
            if batch.len() == ENDS || bytes >= END_BYTES {
                note(&mut accepted, &indexes, self.send_ends(&batch).await?);
                batch.clear();
                indexes.clear();
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            note(&mut accepted, &indexes, self.send_ends(&batch).await?);
        }
        let mut held = lock(&self.held);
        for end in &ends {
            if let Some(gone) = held.remove(&end.lease.token) {
                self.note_job(gone.ping);
            }
        }
        drop(held);
        Ok(accepted)
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), QueueError> {
        let mut places: Vec<(Place, String)> = leases
            .iter()
            .filter_map(|lease| Place::of(lease).map(|place| (place, lease.job_id.as_str().to_owned())))
            .collect();
        places.sort_unstable();
        self.release_places(&places).await?;
        self.forget(leases);
        Ok(())
    }

    fn lease(&self) -> Duration {
        self.config.lease
    }

    async fn close(&self) {
        let mut leave = self.fcall("hero_leave");
        leave.arg(&self.consumer);
        if let Err(error) = self.connection.call(&leave).await {
            tracing::debug!(%error, "the announcement could not be taken back");
        }
        *lock(&self.reader) = None;
        self.connection.close();
    }
}

impl RedisWorkQueue {
    fn forget(&self, leases: &[Lease]) {
        let mut held = lock(&self.held);
        for lease in leases {
            held.remove(&lease.token);
        }
    }
}

/// What a script said, as one job of `hero_log`.
fn add_output(command: &mut Cmd, place: Place, attempt: u32, lease: &Lease, chunks: &[OutputChunk]) {
    command.arg(place.lane.letter()).arg(place.entry()).arg(lease.job_id.as_str()).arg(attempt);
    command.arg(chunks.len());
    for chunk in chunks {
        let (kind, text) = encode_output(&chunk.item);
        command.arg(chunk.number).arg(millis(chunk.at)).arg(kind).arg(text);
    }
}

/// Says that a take is under way, for as long as it lives.
struct TakeGuard<'a>(&'a AtomicBool);

impl<'a> TakeGuard<'a> {
    fn start(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(flag)
    }
}

impl Drop for TakeGuard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What Redis says of one end: 1, 0, or why it could not be written.
fn accepted(answer: &Value) -> Result<bool, QueueError> {
    match answer {
        Value::Int(number) => Ok(*number == 1),
        Value::BulkString(why) => {
            Err(QueueError::Rejected { reason: String::from_utf8_lossy(why).into_owned() })
        }
        other => Err(unexpected("the end of an attempt", other)),
    }
}

fn note(accepted: &mut [bool], indexes: &[usize], answers: Vec<bool>) {
    for (index, answer) in indexes.iter().zip(answers) {
        accepted[*index] = answer;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

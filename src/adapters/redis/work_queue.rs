//! The actor's side of the queue.

mod deliveries;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::time::{Instant, timeout};

use self::deliveries::{Delivered, Message, read_streams};
use super::RedisConfig;
use super::connection::{Link, queue_error, unexpected};
use super::keys::{self, GROUP, Lane, Place};
use super::queue::fcall;
use super::records::{Fields, TASK, decode_spec, encode_error, millis};
use crate::domain::backoff::Backoff;
use crate::domain::id::{ActorId, JobId};
use crate::domain::job::{JobError, JobErrorKind, JobKind, JobSpec};
use crate::domain::script_type::ScriptType;
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{AttemptEnd, Lease, TakenJob, Work, WorkQueue};

/// One blocking read waits this long in Redis; longer waits are made of several.
const READ_BLOCK: Duration = Duration::from_secs(5);
/// A read that does not come back by then (beyond its wait) is given up with its connection.
const READ_GRACE: Duration = Duration::from_secs(10);
/// Leases in one command.
const LEASES: usize = 500;
/// Ends in one call, and bytes after which a call is sent before it is full.
const ENDS: usize = 64;
const END_BYTES: usize = 4 * 1024 * 1024;
/// Entries that `recover` reads at once.
const RECOVERED: usize = 500;

/// The queue of one actor process.
pub struct RedisWorkQueue {
    link: Link,
    config: RedisConfig,
    script_type: ScriptType,
    actor: ActorId,
    pid: u32,
    consumer: String,
    streams: Streams,
    reader: Mutex<Option<MultiplexedConnection>>,
    held: Mutex<HashMap<String, Held>>,
    draining: AtomicBool,
    taking: AtomicBool,
    /// The front had more than was asked for, so it is emptied before the queue is looked at.
    front_first: AtomicBool,
    last_job: Mutex<Option<Instant>>,
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
struct Held {
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
            link: Link::new(&config.url)?,
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
            last_job: Mutex::default(),
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

    /// One blocking read on the connection that is kept for it.
    async fn read(&self, command: &Cmd, block: Duration) -> Result<Value, QueueError> {
        let kept = lock(&self.reader).clone();
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let connection = self.link.blocking().await?;
                *lock(&self.reader) = Some(connection.clone());
                connection
            }
        };
        let limit = block + READ_GRACE;
        let answer = match timeout(limit, command.query_async::<Value>(&mut connection)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_no_group(&error) => {
                self.announce(self.draining.load(Ordering::Relaxed)).await?;
                return Ok(Value::Nil);
            }
            Ok(Err(error)) => Err(queue_error(&error)),
            Err(_elapsed) => Err(QueueError::TimedOut { after: limit }),
        };
        *lock(&self.reader) = None;
        answer
    }

    /// Jobs and messages that are there, or come within `block`.
    async fn read_work(
        &self,
        max: usize,
        front_first: bool,
        block: Duration,
    ) -> Result<Delivered, QueueError> {
        let mut command = self.group_read(max.max(1));
        if !block.is_zero() {
            // 0 would wait for ever.
            command.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        command.arg("STREAMS");
        let Streams { front, inbox, queue, control } = &self.streams;
        if max == 0 {
            command.arg(control).arg(">");
        } else if front_first {
            command.arg(&[front, inbox, control]).arg(&[">"; 3]);
        } else {
            command.arg(&[front, inbox, control, queue]).arg(&[">"; 4]);
        }
        let answer = self.read(&command, block).await?;
        read_streams(answer, |key| self.lane_of(key))
    }

    fn lane_of(&self, key: &str) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| self.streams.lane(*lane) == key)
    }

    /// Turns entries into jobs, in their order.
    async fn open_jobs(&self, entries: Vec<(Place, Fields)>) -> Result<Vec<TakenJob>, QueueError> {
        let mut jobs = Vec::with_capacity(entries.len());
        let records = self.missing_records(&entries).await?;
        for ((place, fields), record) in entries.into_iter().zip(records) {
            let Some(id) = fields.get("id").and_then(|id| JobId::parse(id).ok()) else {
                self.discard(place).await?;
                continue;
            };
            let lease = Lease { token: place.token(), job_id: id };
            let attempt = fields.number("attempt").ok().flatten().unwrap_or(1);
            let source = match &record {
                Record::Inline => &fields,
                Record::Read(record) => record,
                Record::Gone => {
                    self.discard(place).await?;
                    continue;
                }
            };
            match decode_spec(source, self.script_type) {
                Ok(spec) => {
                    self.hold(&lease, attempt, &spec);
                    jobs.push(TakenJob { lease, spec, attempt });
                }
                Err(error) => {
                    tracing::warn!(job.id = %lease.job_id, %error, "job {} cannot be read", lease.job_id);
                    self.hold(&lease, attempt, &JobSpec::new(self.script_type, ""));
                    self.refuse(lease, &error).await?;
                }
            }
        }
        Ok(jobs)
    }

    /// Reads what large jobs do not carry with them.
    async fn missing_records(&self, entries: &[(Place, Fields)]) -> Result<Vec<Record>, QueueError> {
        let mut pipeline = redis::pipe();
        let mut records: Vec<Record> = entries.iter().map(|_| Record::Inline).collect();
        let mut asked = Vec::new();
        for (index, (_place, fields)) in entries.iter().enumerate() {
            if fields.get("script").is_none()
                && let Some(id) = fields.get("id").and_then(|id| JobId::parse(id).ok())
            {
                let key = keys::job(self.script_type, &id);
                pipeline.cmd("HMGET").arg(&key).arg(&TASK);
                asked.push((index, key));
            }
        }
        if asked.is_empty() {
            return Ok(records);
        }
        for ((index, key), answer) in asked.into_iter().zip(self.link.pipe(&pipeline).await?) {
            let Value::Array(values) = answer else { return Err(unexpected("a job", &answer)) };
            records[index] = match Fields::from_known(key, &TASK, values)? {
                Some(fields) => Record::Read(fields),
                None => Record::Gone,
            };
        }
        Ok(records)
    }

    /// Removes an entry that no longer stands for a job.
    async fn discard(&self, place: Place) -> Result<(), QueueError> {
        let mut pipeline = redis::pipe();
        let key = self.streams.lane(place.lane);
        pipeline.cmd("XACK").arg(key).arg(GROUP).arg(place.entry()).cmd("XDEL").arg(key).arg(place.entry());
        self.link.pipe(&pipeline).await.map(drop)
    }

    /// Fails a job that nobody can run.
    async fn refuse(&self, lease: Lease, error: &QueueError) -> Result<(), QueueError> {
        let message = match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let error = JobError::new(JobErrorKind::Internal, message);
        let outcome = Err(crate::ports::work_queue::AttemptError { error, retryable: false, counts: true });
        self.finish(vec![AttemptEnd { lease, started_at: SystemTime::UNIX_EPOCH, outcome }]).await.map(drop)
    }

    /// Drops messages that were read, and answers with those that are for this process.
    async fn heed(&self, messages: Vec<Message>) -> Result<Vec<Work>, QueueError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let control = &self.streams.control;
        let mut pipeline = redis::pipe();
        let ids: Vec<&str> = messages.iter().map(|message| message.entry.as_str()).collect();
        pipeline.cmd("XACK").arg(control).arg(GROUP).arg(&ids).cmd("XDEL").arg(control).arg(&ids).cmd("TIME");
        let answers = self.link.pipe(&pipeline).await?;
        let now = answers.last().and_then(deliveries::time_ms).unwrap_or(0);
        let mut work = Vec::new();
        for message in &messages {
            if let Some(heeded) = message.work(&self.consumer, now) {
                if let Work::Cancelled { lease } = &heeded {
                    lock(&self.held).remove(&lease.token);
                }
                work.push(heeded);
            }
        }
        Ok(work)
    }

    fn hold(&self, lease: &Lease, attempt: u32, spec: &JobSpec) {
        let ping = spec.kind == JobKind::Ping;
        let held = Held { attempt, backoff: spec.retry.backoff, ping };
        lock(&self.held).insert(lease.token.clone(), held);
        self.note_job(ping);
    }

    fn note_job(&self, ping: bool) {
        if !ping {
            *lock(&self.last_job) = Some(Instant::now());
        }
    }

    async fn deliver(&self, max: usize, delivered: Delivered) -> Result<Vec<Work>, QueueError> {
        let Delivered { mut jobs, messages } = delivered;
        // The read asks each stream for `max`; what is too much goes back where it was.
        let excess = jobs.split_off(jobs.len().min(max));
        let crowded = !excess.is_empty()
            || jobs.iter().filter(|(place, _)| place.lane == Lane::Front).count() >= max.max(1);
        if crowded {
            self.front_first.store(true, Ordering::Relaxed);
        }
        if !excess.is_empty() {
            let places: Vec<(Place, String)> = excess
                .iter()
                .map(|(place, fields)| (*place, fields.get("id").unwrap_or_default().to_owned()))
                .collect();
            self.give_back(&places).await?;
        }
        let mut work = self.heed(messages).await?;
        work.extend(self.open_jobs(jobs).await?.into_iter().map(|job| Work::Job(Box::new(job))));
        Ok(work)
    }

    async fn give_back(&self, places: &[(Place, String)]) -> Result<(), QueueError> {
        for chunk in places.chunks(LEASES) {
            let mut release = self.fcall("hero_release");
            for (place, id) in chunk {
                release.arg(place.lane.letter()).arg(place.entry()).arg(id);
            }
            self.link.call(&release).await?;
        }
        Ok(())
    }

    /// Calls a function that answers with 1 or 0 for each lease.
    async fn ask_each(&self, command: &Cmd, what: &str) -> Result<Vec<bool>, QueueError> {
        match self.link.call(command).await? {
            Value::Array(values) => Ok(values.iter().map(|value| *value == Value::Int(1)).collect()),
            other => Err(unexpected(what, &other)),
        }
    }

    async fn send_ends(&self, ends: &[(Place, Held, &AttemptEnd)]) -> Result<Vec<bool>, QueueError> {
        let mut finish = self.fcall("hero_finish");
        for (place, held, end) in ends {
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
        self.ask_each(&finish, "the end of attempts").await
    }
}

enum Record {
    Inline,
    Read(Fields),
    Gone,
}

#[async_trait]
impl WorkQueue for RedisWorkQueue {
    async fn announce(&self, draining: bool) -> Result<(), QueueError> {
        self.draining.store(draining, Ordering::Relaxed);
        let idle = lock(&self.last_job).map(|at| at.elapsed().as_millis());
        let mut announce = self.fcall("hero_announce");
        announce.arg(&self.consumer).arg(self.pid).arg(u8::from(draining));
        announce.arg(idle.map(|idle| idle.to_string()).unwrap_or_default()).arg(env!("CARGO_PKG_VERSION"));
        self.link.call(&announce).await.map(drop)
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Work>, QueueError> {
        let deadline = Instant::now() + wait;
        let _taking = Taking::start(&self.taking);
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let front_first = max > 0 && self.front_first.load(Ordering::Relaxed);
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
        self.link.call(&wake).await.map(drop)
    }

    async fn recover(&self, known: &[Lease]) -> Result<Vec<Work>, QueueError> {
        let mut work = Vec::new();
        for lane in Lane::ALL {
            let mut after = "0".to_owned();
            loop {
                let mut command = self.group_read(RECOVERED);
                command.arg("STREAMS").arg(self.streams.lane(lane)).arg(&after);
                let answer = match self.link.call(&command).await {
                    Err(QueueError::Rejected { reason }) if reason.contains("NOGROUP") => break,
                    other => other?,
                };
                let page = deliveries::read_pending(answer, lane)?;
                let Some(last) = page.last else { break };
                after = last;
                for place in page.deleted {
                    self.discard(place).await?;
                }
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
                let kept = match self.link.call(&claim).await {
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

    async fn finish(&self, ends: Vec<AttemptEnd>) -> Result<Vec<bool>, QueueError> {
        let mut accepted = vec![false; ends.len()];
        let mut batch: Vec<(Place, Held, &AttemptEnd)> = Vec::with_capacity(ENDS);
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
        self.give_back(&places).await?;
        self.forget(leases);
        Ok(())
    }

    fn lease(&self) -> Duration {
        self.config.lease
    }

    async fn close(&self) {
        let mut leave = self.fcall("hero_leave");
        leave.arg(&self.consumer);
        if let Err(error) = self.link.call(&leave).await {
            tracing::debug!(%error, "the announcement could not be taken back");
        }
        *lock(&self.reader) = None;
        self.link.close();
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

/// Says that a take is under way, for as long as it lives.
struct Taking<'a>(&'a AtomicBool);

impl<'a> Taking<'a> {
    fn start(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(flag)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn note(accepted: &mut [bool], indexes: &[usize], answers: Vec<bool>) {
    for (index, answer) in indexes.iter().zip(answers) {
        accepted[*index] = answer;
    }
}

fn is_no_group(error: &redis::RedisError) -> bool {
    error.code() == Some("NOGROUP") || error.code() == Some("UNBLOCKED")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

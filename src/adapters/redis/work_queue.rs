//! The actor's side of the queue.

mod deliveries;
mod ends;
mod leases;
mod take;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use redis::Cmd;
use tokio::time::Instant;

use super::RedisConfig;
use super::connection::{Connection, OwnConnection};
use super::durability::Replicas;
use super::functions::Function;
use super::keys::{self, GROUP, Lane, Place};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::lock::Lock;
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{AttemptEnd, Lease, LeaseOutput, Work, WorkQueue};

/// Longest wait of one blocking read; longer waits are made of several reads.
const READ_BLOCK: Duration = Duration::from_secs(5);
/// Most leases in one command.
const LEASES: usize = 500;
/// Bytes of results and output after which a call is sent before it has all that it could have.
const CALL_BYTES: usize = 4 * 1024 * 1024;

/// The queue of one actor process.
pub struct RedisWorkQueue {
    connection: Connection,
    config: RedisConfig,
    queue: QueueName,
    /// None where the actor runs whatever it gets.
    script_type: Option<ScriptType>,
    /// Since the start of the machine.
    started: Option<Duration>,
    actor: ActorId,
    pid: u32,
    consumer: String,
    streams: Streams,
    reader: Lock<Option<OwnConnection>>,
    replicas: Replicas,
    held: Lock<HashMap<String, HeldJob>>,
    draining: AtomicBool,
    taking: AtomicBool,
    /// True while the front may hold more than a read asked for; it is emptied before the queue is read.
    front_first: AtomicBool,
    /// Highest number of a pause that is known; odd while the queue is paused.
    pause: AtomicU64,
    last_job: Lock<Option<Instant>>,
    /// Ends that could not be written yet.
    pending_ends: AtomicU64,
    /// Refused calls with ends.
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

/// State of a held job, kept until its attempt ends.
#[derive(Clone)]
struct HeldJob {
    attempt: u32,
    backoff: Backoff,
    ping: bool,
}

impl RedisWorkQueue {
    /// Reads the URL. The first call connects. `pid` is the process that does the work.
    ///
    /// # Errors
    /// `Rejected` for a URL or a lease that cannot be used.
    pub fn new(config: RedisConfig, queue: QueueName, actor: ActorId, pid: u32) -> Result<Self, QueueError> {
        config.check()?;
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self {
            connection: Connection::new(&config.url, &config.access)?,
            consumer: format!("{actor}.{pid}.{}", &nonce[..8]),
            streams: Streams {
                front: keys::front(queue),
                inbox: keys::inbox(queue, &actor),
                queue: keys::queue(queue),
                control: keys::control(queue, &actor),
            },
            config,
            queue,
            script_type: queue.default_type(),
            started: None,
            actor,
            pid,
            reader: Lock::default(),
            replicas: Replicas::default(),
            held: Lock::default(),
            draining: AtomicBool::new(false),
            taking: AtomicBool::new(false),
            front_first: AtomicBool::new(false),
            pause: AtomicU64::new(0),
            last_job: Lock::default(),
            pending_ends: AtomicU64::new(0),
            refused_ends: AtomicU64::new(0),
        })
    }

    /// Tells the queue which scripts the actor runs, so that it is refused at a queue of another script type.
    #[must_use]
    pub fn of_type(self, script_type: ScriptType) -> Self {
        Self { script_type: Some(script_type), ..self }
    }

    /// Tells the queue how long after its machine the process started, beside which scripts it runs. An older process of the
    /// same actor that still lives does not take the place of a younger one then.
    #[must_use]
    pub fn started(self, since_boot: Option<Duration>) -> Self {
        Self { started: since_boot, ..self }
    }

    /// A call of a function on behalf of this actor.
    fn function(&self, function: Function) -> Cmd {
        let mut command = function.on_queue(self.queue);
        command.arg(self.actor.as_str());
        command
    }

    fn group_read(&self, count: usize) -> Cmd {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(count);
        read
    }
}

#[async_trait]
impl WorkQueue for RedisWorkQueue {
    async fn announce(&self, draining: bool) -> Result<(), QueueError> {
        self.draining.store(draining, Ordering::Relaxed);
        let idle = self.last_job.lock().map(|at| at.elapsed().as_millis());
        let mut announce = self.function(Function::Announce);
        announce.arg(&self.consumer).arg(self.pid).arg(u8::from(draining));
        announce.arg(idle.map(|idle| idle.to_string()).unwrap_or_default()).arg(env!("CARGO_PKG_VERSION"));
        announce
            .arg(self.pending_ends.load(Ordering::Relaxed))
            .arg(self.refused_ends.load(Ordering::Relaxed));
        if let Some(script_type) = self.script_type {
            announce
                .arg(script_type.as_str())
                .arg(self.started.map(|started| started.as_millis().to_string()));
        }
        let pause: Option<u64> = self.connection.call(&announce, "the number of a pause").await?;
        self.note_pause(pause.unwrap_or(0));
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
        let mut wake = self.function(Function::Wake);
        wake.arg(&self.consumer);
        Ok(self.connection.call(&wake, "a wake").await?)
    }

    async fn recover(&self, known: &[Lease]) -> Result<Vec<Work>, QueueError> {
        Ok(self.recover_jobs(known).await?)
    }

    async fn heartbeat(&self, leases: &[Lease]) -> Result<Vec<Lease>, QueueError> {
        Ok(self.renew(leases).await?)
    }

    async fn start(&self, started: &[(Lease, SystemTime)]) -> Result<Vec<Lease>, QueueError> {
        Ok(self.send_starts(started).await?)
    }

    async fn report_output(&self, output: &[LeaseOutput]) -> Result<Vec<Lease>, QueueError> {
        Ok(self.send_output(output).await?)
    }

    async fn finish(&self, ends: Vec<AttemptEnd>) -> Result<Vec<bool>, QueueError> {
        Ok(self.finish_attempts(&ends).await?)
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

    async fn let_go(&self, leases: &[Lease]) -> Result<(), QueueError> {
        let mut let_go = self.function(Function::LetGo);
        for (place, lease) in leases.iter().filter_map(|lease| Some((Place::of(lease)?, lease))) {
            let_go.arg(place.lane.letter()).arg(place.entry()).arg(lease.job_id.as_str());
        }
        Ok(self.connection.call::<()>(&let_go, "the end of cancelled jobs").await?)
    }

    fn lease(&self) -> Duration {
        self.config.lease
    }

    async fn close(&self) {
        let mut leave = self.function(Function::Leave);
        leave.arg(&self.consumer);
        if let Err(error) = self.connection.call::<()>(&leave, "a leave").await {
            tracing::debug!(%error, "announcement: not removed");
        }
        *self.reader.lock() = None;
        self.connection.close();
    }
}

/// Marks a take as under way until it is dropped.
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

//! The supervisor's side of the queue: one file implements each port, or what several of them need.
//!
//! | file | subject |
//! |---|---|
//! | `submission`, `batches`, `quotas`, `elsewhere` | jobs get into their queues, many in one call, as far as quotas allow |
//! | `replies`, `sweep` | the ends of awaited jobs, by reply or, if that was lost, by their records |
//! | `jobs`, `list`, `change_feed` | single jobs, pages of jobs, hints at changes |
//! | `admin`, `presence`, `maintenance` | a queue as a whole, its actors, its housekeeping |

mod admin;
mod batches;
mod change_feed;
mod elsewhere;
mod jobs;
mod list;
mod maintenance;
mod presence;
mod quotas;
mod replies;
mod submission;
mod sweep;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::batches::Batchers;
use self::change_feed::{ChangeFeed, Followers};
use self::replies::Awaiters;
use super::RedisConfig;
use super::connection::Connection;
use super::durability::Replicas;
use crate::domain::model::script_type::{PerScriptType, ScriptType};
use crate::lock::Lock;
use crate::ports::job_queue::QueueError;
use crate::ports::store_fault::StoreFault;

/// Jobs that one call of a function may touch; a few milliseconds of Redis' time.
const ROUND: usize = 500;
/// Calls of one function in one round of maintenance; the next round goes on.
const ROUNDS: usize = 100;

/// The job queue of one supervisor.
pub struct RedisQueue {
    shared: Arc<Shared>,
    batchers: Batchers,
    /// Each set once the task runs that reads the replies of these queues.
    reading: PerScriptType<OnceCell<()>>,
    /// Set once the task runs that finds the ends whose replies were lost.
    sweeping: Once,
    change_feed: ChangeFeed,
    swept_at: Lock<Option<Instant>>,
}

/// State that the tasks of a queue share.
struct Shared {
    config: RedisConfig,
    connection: Arc<Connection>,
    awaiters: Awaiters,
    followers: Followers,
    /// Jobs of each type that may wait.
    limits: PerScriptType<AtomicU64>,
    replicas: Replicas,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Shared {
    /// Jobs of this type that may wait.
    fn limit(&self, script_type: ScriptType) -> u64 {
        self.limits[script_type].load(Ordering::Relaxed)
    }

    /// The queues whose streams one read can have: all of them, but in a Cluster each has a slot of its own.
    fn read_together_with(&self, script_type: ScriptType) -> Vec<ScriptType> {
        match self.connection.servers().are_many() {
            true => vec![script_type],
            false => ScriptType::ALL.to_vec(),
        }
    }
}

impl RedisQueue {
    /// Reads the URL. The first call connects.
    ///
    /// # Errors
    /// `Rejected` for a URL, a lease or an instance name that cannot be used.
    pub fn new(config: RedisConfig) -> Result<Self, QueueError> {
        config.check()?;
        let limit = config.queue_limit;
        let shared = Arc::new(Shared {
            connection: Arc::new(Connection::new(&config.url, &config.access)?),
            config,
            awaiters: Awaiters::default(),
            followers: Followers::default(),
            limits: PerScriptType::from_fn(|_type| AtomicU64::new(limit)),
            replicas: Replicas::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        Ok(Self {
            batchers: Batchers::new(shared.clone()),
            reading: PerScriptType::default(),
            sweeping: Once::new(),
            change_feed: ChangeFeed::new(shared.clone()),
            shared,
            swept_at: Lock::default(),
        })
    }

    /// Starts the tasks that find the ends of awaited jobs of a type, with the first call that waits.
    async fn start_waiting(&self, script_type: ScriptType) -> Result<(), StoreFault> {
        let queues = self.shared.read_together_with(script_type);
        let Some(first) = queues.first() else { return Ok(()) };
        let start = async || {
            let positions = replies::refresh(&self.shared, &queues).await?;
            let (shared, queues) = (self.shared.clone(), queues.clone());
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(replies::read(&shared, &queues, positions)).await;
            });
            Ok::<_, StoreFault>(())
        };
        self.reading[*first].get_or_try_init(start).await?;
        self.sweeping.call_once(|| {
            let shared = self.shared.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(sweep::run(&shared)).await;
            });
        });
        Ok(())
    }

    pub(super) fn connection(&self) -> Arc<Connection> {
        self.shared.connection.clone()
    }
}

/// Whole milliseconds of a time span, as functions get them.
fn span_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

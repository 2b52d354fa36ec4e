//! The supervisor's side of the queue: one file implements each port, or what several of them need.
//!
//! | file | subject |
//! |---|---|
//! | `submission`, `batches`, `quotas`, `elsewhere`, `claims` | jobs get into their queues, many in one call, as far as quotas allow |
//! | `replies`, `sweep` | the ends of awaited jobs, by reply or, if that was lost, by their records |
//! | `jobs`, `list`, `change_feed` | single jobs, pages of jobs, hints at changes |
//! | `admin`, `presence`, `maintenance` | a queue as a whole, its actors, its housekeeping |
//! | `flow`, `openings` | rules of flow by key, and the jobs of a key; when keys give jobs again |
//! | `registry`, `known_queues`, `used_queues` | queues that were created by name: which there are, which are used |

mod admin;
mod batches;
mod change_feed;
mod claims;
mod elsewhere;
mod flow;
mod jobs;
mod known_queues;
mod list;
mod maintenance;
mod openings;
mod positions;
mod presence;
mod quotas;
mod registry;
mod replies;
mod submission;
mod sweep;
mod used_queues;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use self::claims::ID_KEPT;

use self::batches::Batchers;
use self::change_feed::{ChangeFeed, Followers};
use self::flow::KnownFlow;
use self::known_queues::KnownQueues;
use self::openings::Openings;
use self::replies::Awaiters;
use super::RedisConfig;
use super::connection::Connection;
use super::durability::Replicas;
use crate::domain::model::job::DEFAULT_AGEING;
use crate::domain::model::queue_name::QueueName;
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
    reading: PerQueue<OnceCell<()>>,
    /// Set once the task runs that finds the ends whose replies were lost.
    sweeping: Once,
    change_feed: ChangeFeed,
    swept_at: Lock<Option<Instant>>,
}

/// One value for each queue that was used.
struct PerQueue<T>(Arc<Lock<BTreeMap<QueueName, Arc<T>>>>);

impl<T> Default for PerQueue<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for PerQueue<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Default> PerQueue<T> {
    /// Drops the values of these queues; those who have one keep it.
    fn forget(&self, queues: &[QueueName]) {
        self.0.lock().retain(|queue, _value| !queues.contains(queue));
    }

    /// The value of a queue, made with its first use.
    fn of(&self, queue: QueueName) -> Arc<T> {
        self.0.lock().entry(queue).or_default().clone()
    }
}

/// State that the tasks of a queue share.
struct Shared {
    config: RedisConfig,
    connection: Arc<Connection>,
    awaiters: Awaiters,
    followers: Followers,
    /// Jobs of a queue that may wait, where that is not the usual number.
    limits: Lock<BTreeMap<QueueName, u64>>,
    /// Time by which a waiting job of a queue gains a level of priority, where that is not the usual one; zero is never.
    ageings: Lock<BTreeMap<QueueName, Duration>>,
    /// The flow rules of a queue, where some were set.
    flows: Lock<BTreeMap<QueueName, KnownFlow>>,
    openings: Openings,
    replicas: Replicas,
    known: KnownQueues,
    /// Named queues that this supervisor has used, and when last.
    recent: Lock<BTreeMap<QueueName, Instant>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Shared {
    /// Jobs of this queue that may wait.
    fn limit(&self, queue: QueueName) -> u64 {
        self.limits.lock().get(&queue).copied().unwrap_or(self.config.queue_limit)
    }

    fn ageing(&self, queue: QueueName) -> Duration {
        self.ageings.lock().get(&queue).copied().unwrap_or(DEFAULT_AGEING)
    }

    /// The queues whose streams one read can have: the default ones, but in a Cluster each has a slot of its own.
    fn read_together_with(&self, queue: QueueName) -> Vec<QueueName> {
        match self.connection.servers().are_many() || queue.default_type().is_none() {
            true => vec![queue],
            false => QueueName::DEFAULTS.to_vec(),
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
        let shared = Arc::new(Shared {
            connection: Arc::new(Connection::new(&config.url, &config.access)?),
            config,
            awaiters: Awaiters::default(),
            followers: Followers::default(),
            limits: Lock::default(),
            ageings: Lock::default(),
            flows: Lock::default(),
            openings: Openings::default(),
            replicas: Replicas::default(),
            known: KnownQueues::default(),
            recent: Lock::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        Ok(Self {
            batchers: Batchers::new(shared.clone()),
            reading: PerQueue::default(),
            sweeping: Once::new(),
            change_feed: ChangeFeed::new(shared.clone()),
            shared,
            swept_at: Lock::default(),
        })
    }

    /// Starts the tasks that find the ends of awaited jobs of a queue, with the first call that waits.
    async fn start_waiting(&self, queue: QueueName) -> Result<(), StoreFault> {
        let queues = self.shared.read_together_with(queue);
        let Some(first) = queues.first() else { return Ok(()) };
        let start = async || {
            let positions = replies::refresh(&self.shared, &queues).await?;
            let (shared, queues) = (self.shared.clone(), queues.clone());
            let reading = self.reading.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                let read = replies::read(&shared, &queues, positions);
                let idle = used_queues::until_idle(&shared, &queues, || reading.forget(&queues));
                closing.run_until_cancelled(futures::future::select(pin!(read), pin!(idle))).await;
            });
            Ok::<_, StoreFault>(())
        };
        self.reading.of(*first).get_or_try_init(start).await?;
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

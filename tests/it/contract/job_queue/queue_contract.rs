//! A queue to test, with supervisors and actors on it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hero_supervisor::ScriptType;
use hero_supervisor::adapters::memory::broker::{MemoryBroker, MemoryConfig};
use hero_supervisor::adapters::redis::{
    RedisAccess, RedisActorStore, RedisConfig, RedisQueue, RedisWorkQueue,
};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::model::backoff::Backoff;
use hero_supervisor::domain::model::id::{ActorId, JobId};
use hero_supervisor::domain::model::job::{
    Job, JobError, JobErrorKind, JobQuota, JobResult, JobSpec, JobState, JobView, ResultKind, RetryPolicy,
};
use hero_supervisor::domain::model::queue_name::QueueName;
use hero_supervisor::ports::actor_store::ActorStore;
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::ports::job_submission::{Completion, Submission, SubmitRefused, Submitted};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{
    AttemptEnd, AttemptError, Lease, Retryability, TakenJob, Work, WorkQueue,
};

use crate::support::lent_cluster::LentCluster;
use crate::support::redis::PrivateRedis;
use crate::support::wait::eventually;

/// How long a test waits for a fact; generous, since the machine may be busy.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// The type of most tests.
pub(super) const OSIS: ScriptType = ScriptType::OSIS;

/// Which adapter is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The table in memory, with paused time.
    Memory,
    /// A private redis-server.
    Redis,
    /// A Redis Cluster of three primaries.
    Cluster,
}

/// What a test may set.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) lease: Duration,
    pub(super) queue_limit: u64,
    pub(super) named_queue_limit: u64,
    pub(super) finished_limit: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            queue_limit: 1000,
            named_queue_limit: 1000,
            finished_limit: 1000,
        }
    }
}

/// One queue, and what makes supervisors and actors on it.
pub(super) struct QueueContract {
    settings: Settings,
    place: Place,
    /// Supervisors and actors have the rights of the pages, and no more.
    users: bool,
}

enum Place {
    Memory(MemoryBroker),
    Redis(PrivateRedis),
    Cluster(LentCluster),
}

impl Kind {
    pub(super) async fn bench(self) -> QueueContract {
        self.bench_with(Settings::default()).await
    }

    pub(super) async fn bench_with(self, settings: Settings) -> QueueContract {
        let place = match self {
            Self::Memory => {
                let Settings { lease, queue_limit, named_queue_limit, finished_limit } = settings;
                let finished_limit = usize::try_from(finished_limit).unwrap();
                let config = MemoryConfig { lease, queue_limit, named_queue_limit, finished_limit };
                Place::Memory(MemoryBroker::new(config))
            }
            Self::Redis => Place::Redis(PrivateRedis::start().await),
            Self::Cluster => Place::Cluster(LentCluster::take().await),
        };
        let contract = QueueContract { settings, place, users: true };
        if let Place::Redis(redis) = &contract.place {
            redis.load_functions().await;
        }
        contract
    }
}

impl QueueContract {
    /// On a server that the test has started.
    pub(super) fn on(redis: PrivateRedis, settings: Settings) -> Self {
        Self { settings, place: Place::Redis(redis), users: false }
    }

    /// The server, for tests that break it.
    pub(super) fn redis(&mut self) -> &mut PrivateRedis {
        match &mut self.place {
            Place::Memory(_) | Place::Cluster(_) => panic!("this test needs a Redis"),
            Place::Redis(redis) => redis,
        }
    }

    /// How a supervisor connects; None for the queue in memory.
    fn supervisors(&self) -> Option<RedisConfig> {
        match &self.place {
            Place::Memory(_) => None,
            Place::Redis(redis) => Some(self.config(redis.url(), redis.supervisors())),
            Place::Cluster(cluster) => Some(self.config(cluster.url(), cluster.supervisors())),
        }
    }

    /// How those connect who make and restore backups.
    pub(super) fn backups(&self) -> RedisConfig {
        match &self.place {
            Place::Memory(_) => panic!("memory has no backups"),
            Place::Redis(redis) => self.config(redis.url(), redis.backups()),
            Place::Cluster(cluster) => self.config(cluster.url(), cluster.backups()),
        }
    }

    fn config(&self, url: String, access: RedisAccess) -> RedisConfig {
        RedisConfig {
            url,
            access: if self.users { access } else { RedisAccess::default() },
            lease: self.settings.lease,
            queue_limit: self.settings.queue_limit,
            named_queue_limit: self.settings.named_queue_limit,
            finished_limit: self.settings.finished_limit,
            older_supervisors: Duration::ZERO,
            ..RedisConfig::default()
        }
    }

    /// A supervisor.
    pub(super) fn supervisor(&self) -> Arc<dyn Queue> {
        match &self.place {
            Place::Memory(broker) => Arc::new(broker.job_queue()),
            Place::Redis(_) | Place::Cluster(_) => Arc::new(self.redis_queue()),
        }
    }

    /// The store of actors.
    pub(super) fn store(&self) -> Arc<dyn ActorStore> {
        match &self.place {
            Place::Memory(broker) => Arc::new(broker.actor_store()),
            Place::Redis(_) | Place::Cluster(_) => Arc::new(RedisActorStore::new(&self.redis_queue())),
        }
    }

    /// The store of settings on Redis.
    pub(super) fn settings(&self) -> RedisActorStore {
        RedisActorStore::new(&self.redis_queue())
    }

    fn redis_queue(&self) -> RedisQueue {
        RedisQueue::new(self.supervisors().unwrap()).unwrap()
    }

    /// A process of an actor of [`OSIS`], announced.
    pub(super) async fn actor(&self, name: &str, pid: u32) -> Arc<dyn WorkQueue> {
        let actor = self.silent_actor(name, pid);
        actor.announce(false).await.unwrap();
        actor
    }

    /// The same, not announced.
    pub(super) fn silent_actor(&self, name: &str, pid: u32) -> Arc<dyn WorkQueue> {
        let config = match &self.place {
            Place::Memory(broker) => return Arc::new(broker.work_queue(OSIS.into(), actor_id(name), pid)),
            Place::Redis(redis) => self.config(redis.url(), redis.actors(OSIS)),
            Place::Cluster(cluster) => self.config(cluster.url(), cluster.actors(OSIS)),
        };
        Arc::new(RedisWorkQueue::new(config, OSIS.into(), actor_id(name), pid).unwrap())
    }

    /// A process of an actor of [`OSIS`] at a queue that was created by name. Its user may do everything.
    pub(super) fn actor_at(&self, queue: QueueName, name: &str, pid: u32) -> Arc<dyn WorkQueue> {
        let config = match &self.place {
            Place::Memory(broker) => return Arc::new(broker.work_queue(queue, actor_id(name), pid)),
            Place::Redis(redis) => self.config(redis.url(), RedisAccess::default()),
            Place::Cluster(cluster) => self.config(cluster.url(), RedisAccess::default()),
        };
        Arc::new(RedisWorkQueue::new(config, queue, actor_id(name), pid).unwrap().of_type(OSIS))
    }

    /// The date as the queue sees it.
    pub(super) fn now(&self) -> SystemTime {
        match &self.place {
            Place::Memory(broker) => broker.clock().now(),
            Place::Redis(_) | Place::Cluster(_) => SystemClock.now(),
        }
    }
}

/// Nobody has wanted to do what it may not.
impl Drop for QueueContract {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let refused = match &self.place {
            Place::Memory(_) => Vec::new(),
            Place::Redis(redis) => redis.refused_to_users(),
            Place::Cluster(cluster) => cluster.refused_to_users(),
        };
        assert_eq!(refused, Vec::<String>::new());
    }
}

pub(super) fn actor_id(name: &str) -> ActorId {
    ActorId::parse(name).unwrap()
}

/// A plain job.
pub(super) fn spec(script: &str) -> JobSpec {
    JobSpec { caller_id: "alice".to_owned(), context_id: "test".to_owned(), ..JobSpec::new(OSIS, script) }
}

pub(super) fn submission(spec: JobSpec) -> Submission {
    Submission {
        id: JobId::mint(),
        spec,
        request: None,
        wanted: false,
        unroutable: false,
        quota: JobQuota::default(),
    }
}

/// Submits one job whose end nobody waits for.
pub(super) async fn submit(queue: &Arc<dyn Queue>, spec: JobSpec) -> Job {
    offer(queue, submission(spec)).await.unwrap().job
}

/// Submits one job and waits for its end by the completion.
pub(super) async fn submit_wanted(queue: &Arc<dyn Queue>, spec: JobSpec) -> (Job, Completion) {
    let submitted = offer(queue, Submission { wanted: true, ..submission(spec) }).await.unwrap();
    (submitted.job, submitted.completion.unwrap())
}

pub(super) async fn offer(
    queue: &Arc<dyn Queue>,
    submission: Submission,
) -> Result<Submitted, SubmitRefused> {
    let mut answers = queue.submit(vec![submission]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Takes until there are `count` jobs.
pub(super) async fn take(actor: &Arc<dyn WorkQueue>, count: usize) -> Vec<TakenJob> {
    let mut jobs = Vec::new();
    while jobs.len() < count {
        let work = actor.take(count - jobs.len(), LIMIT).await.unwrap();
        assert!(!work.is_empty(), "{} of {count} jobs came", jobs.len());
        jobs.extend(work.into_iter().map(|work| match work {
            Work::Job(job) => *job,
            Work::Drain { .. } | Work::Cancelled { .. } => panic!("a job was expected, not {work:?}"),
        }));
    }
    jobs
}

pub(super) async fn take_one(actor: &Arc<dyn WorkQueue>) -> TakenJob {
    take(actor, 1).await.remove(0)
}

/// Makes sure that there is nothing to take.
pub(super) async fn take_nothing(actor: &Arc<dyn WorkQueue>) {
    assert_eq!(actor.take(10, Duration::ZERO).await.unwrap(), Vec::new());
}

pub(super) fn text(text: &str) -> JobResult {
    JobResult { text: text.to_owned(), kind: ResultKind::Text }
}

pub(super) fn success(bench: &QueueContract, lease: &Lease, result: JobResult) -> AttemptEnd {
    AttemptEnd {
        lease: lease.clone(),
        started_at: bench.now(),
        outcome: Ok(result),
        usage: None,
        output: Vec::new(),
    }
}

pub(super) fn failure(bench: &QueueContract, lease: &Lease, message: &str) -> AttemptEnd {
    let error = JobError::new(JobErrorKind::ScriptError, message);
    let outcome = Err(AttemptError { error, retry: Retryability::Retry });
    AttemptEnd { lease: lease.clone(), started_at: bench.now(), outcome, usage: None, output: Vec::new() }
}

/// Ends one attempt; whether that was accepted.
pub(super) async fn finish(actor: &Arc<dyn WorkQueue>, end: AttemptEnd) -> bool {
    actor.finish(vec![end]).await.unwrap()[0]
}

pub(super) async fn read(queue: &Arc<dyn Queue>, id: &JobId) -> Job {
    queue.get(id, JobView::Basic).await.unwrap().unwrap()
}

/// Looks after the queue until the job is in this state.
pub(super) async fn until_state(queue: &Arc<dyn Queue>, id: &JobId, state: JobState) -> Job {
    eventually(&format!("job {id} is {state}"), LIMIT, || async {
        queue.maintain().await.unwrap();
        queue.get(id, JobView::Basic).await.unwrap().filter(|job| job.state == state)
    })
    .await
}

/// A job that may be started so often, with hardly a pause in between.
pub(super) fn with_attempts(script: &str, max_attempts: u32) -> JobSpec {
    let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(40)).unwrap();
    JobSpec { retry: RetryPolicy { max_attempts, backoff }, ..spec(script) }
}

/// Takes one job and says that it runs.
pub(super) async fn take_and_start(bench: &QueueContract, actor: &Arc<dyn WorkQueue>) -> TakenJob {
    let taken = take_one(actor).await;
    assert_eq!(actor.start(&[(taken.lease.clone(), bench.now())]).await.unwrap(), Vec::new());
    taken
}

/// What a supervisor says of a process that was killed.
pub(super) fn killed() -> JobError {
    let mut error = JobError::new(JobErrorKind::ActorLost, "the actor was killed");
    error.signal = Some(9);
    error.log_tail = vec!["last words".to_owned()];
    error
}

pub(super) fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id.clone()).collect()
}

pub(super) fn scripts(jobs: &[TakenJob]) -> Vec<&str> {
    jobs.iter().map(|job| job.spec.script.as_str()).collect()
}

//! The supervisor's side of the queue.

mod admin;
mod awaiters;
mod change_feed;
mod jobs;
mod list;
mod maintenance;
mod output;
mod presence;
mod replies;
mod submit;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::awaiters::Awaiters;
use self::change_feed::{ChangeFeed, Followers};
use self::replies::Replies;
use self::submit::Batchers;
use super::RedisConfig;
use super::connection::Connection;
use super::functions::Function;
use super::keys;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Job, JobError, JobState, JobView};
use crate::domain::model::output::{Kept, OutputMark};
use crate::domain::model::script_type::{PerScriptType, ScriptType};
use crate::ports::actor_presence::{ActorPresence, Presence, Reclaimed};
use crate::ports::job_queue::{
    Attached, Cancelled, Changes, Deleted, JobCursor, JobFilter, JobPage, JobQueue, QueueError, Retried,
    Submission, SubmitRefused, Submitted,
};
use crate::ports::queue_admin::{QueueAdmin, QueueDepth, QueueState};
use crate::ports::queue_maintenance::QueueMaintenance;

/// Jobs that one call of a function may touch; a few milliseconds of Redis' time.
const ROUND: usize = 500;
/// Calls of one function in one round of maintenance; the next round goes on.
const ROUNDS: usize = 100;

/// The job queue of one supervisor.
pub struct RedisQueue {
    shared: Arc<Shared>,
    batchers: Batchers,
    replies: Replies,
    change_feed: ChangeFeed,
    swept_at: Mutex<Option<Instant>>,
}

/// State that the tasks of a queue share.
struct Shared {
    config: RedisConfig,
    connection: Arc<Connection>,
    awaiters: Awaiters,
    followers: Followers,
    /// Jobs of each type that may wait.
    limits: PerScriptType<AtomicU64>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Shared {
    /// Jobs of this type that may wait.
    fn limit(&self, script_type: ScriptType) -> u64 {
        self.limits[script_type].load(Ordering::Relaxed)
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
            connection: Arc::new(Connection::new(&config.url)?),
            config,
            awaiters: Awaiters::default(),
            followers: Followers::default(),
            limits: PerScriptType::from_fn(|_type| AtomicU64::new(limit)),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        Ok(Self {
            batchers: Batchers::new(shared.clone()),
            replies: Replies::new(shared.clone()),
            change_feed: ChangeFeed::new(shared.clone()),
            shared,
            swept_at: Mutex::default(),
        })
    }

    pub(super) fn connection(&self) -> Arc<Connection> {
        self.shared.connection.clone()
    }
}

#[async_trait]
impl JobQueue for RedisQueue {
    async fn submit(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Submitted, SubmitRefused>>, QueueError> {
        if submissions.iter().any(|submission| submission.wanted) {
            self.replies.open().await?;
        }
        self.batchers.submit(submissions).await
    }

    async fn attach(&self, id: &JobId) -> Result<Option<Attached>, QueueError> {
        self.attach_to(id).await
    }

    async fn get(&self, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError> {
        jobs::read(&self.shared.connection, id, view).await
    }

    async fn output(
        &self,
        script_type: ScriptType,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Result<Vec<Kept>, QueueError> {
        output::read(&self.shared.connection, script_type, id, after, limit).await
    }

    fn changes(&self, id: &JobId) -> Changes {
        self.change_feed.follow(id)
    }

    async fn list(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, QueueError> {
        list::page(&self.shared.connection, filter, after, limit).await
    }

    async fn cancel(&self, id: &JobId, reason: &str) -> Result<Option<Cancelled>, QueueError> {
        self.cancel_job(id, reason).await
    }

    async fn delete(&self, id: &JobId) -> Result<Deleted, QueueError> {
        self.delete_job(id).await
    }

    async fn retry(&self, id: &JobId, reset_attempts: bool) -> Result<Retried, QueueError> {
        self.retry_job(id, reset_attempts).await
    }
}

#[async_trait]
impl QueueAdmin for RedisQueue {
    async fn depth(&self, script_type: ScriptType) -> Result<QueueDepth, QueueError> {
        self.read_depth(script_type).await
    }

    async fn state(&self, script_type: ScriptType) -> Result<QueueState, QueueError> {
        self.read_state(script_type).await
    }

    async fn pause(&self, script_type: ScriptType, reason: &str) -> Result<bool, QueueError> {
        self.set_paused(script_type, Some(reason)).await
    }

    async fn resume(&self, script_type: ScriptType) -> Result<bool, QueueError> {
        self.set_paused(script_type, None).await
    }

    async fn count(&self, script_type: ScriptType, states: &[JobState]) -> Result<u64, QueueError> {
        self.scan_jobs(script_type, states, None).await
    }

    async fn purge(
        &self,
        script_type: ScriptType,
        states: &[JobState],
        reason: &str,
        most: u64,
    ) -> Result<u64, QueueError> {
        self.scan_jobs(script_type, states, Some((reason, most))).await
    }

    fn limit_depth(&self, script_type: ScriptType, limit: Option<u64>) {
        let limit = limit.unwrap_or(self.shared.config.queue_limit);
        self.shared.limits[script_type].store(limit, Ordering::Relaxed);
    }
}

#[async_trait]
impl ActorPresence for RedisQueue {
    async fn presences(&self, script_type: ScriptType) -> Result<Vec<Presence>, QueueError> {
        self.read_presences(script_type).await
    }

    async fn forget_actor(&self, script_type: ScriptType, actor: &ActorId) -> Result<(), QueueError> {
        self.remove_actor(script_type, actor).await
    }

    async fn request_drain(
        &self,
        script_type: ScriptType,
        actor: &ActorId,
        resume_after: Duration,
    ) -> Result<(), QueueError> {
        self.send_drain(script_type, actor, resume_after).await
    }

    async fn reclaim(
        &self,
        script_type: ScriptType,
        actor: &ActorId,
        pid: u32,
        error: &JobError,
    ) -> Result<Reclaimed, QueueError> {
        self.reclaim_jobs(script_type, actor, pid, error).await
    }
}

#[async_trait]
impl QueueMaintenance for RedisQueue {
    async fn probe(&self) -> Result<Duration, QueueError> {
        let asked = Instant::now();
        self.shared.connection.call::<()>(&Function::Probe.on(keys::PROBE), "a probe").await?;
        Ok(asked.elapsed())
    }

    async fn maintain(&self) -> Result<(), QueueError> {
        self.maintain_queues().await
    }

    fn lease(&self) -> Duration {
        self.shared.config.lease
    }

    async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.awaiters.clear();
        self.shared.connection.close();
    }
}

/// Whole milliseconds of a time span, as functions get them.
fn span_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

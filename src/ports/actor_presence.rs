//! Actors as their queue knows them: presences, requests to drain, and the jobs of a process that is gone.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::domain::model::id::ActorId;
use crate::domain::model::job::JobError;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_queue::QueueError;

/// An actor as it announced itself at its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Name of the actor.
    pub actor_id: ActorId,
    /// Pid of the process.
    pub pid: u32,
    /// True once it takes no new jobs.
    pub draining: bool,
    /// Jobs that it holds, counted in the queue, not as it says.
    pub in_flight: u32,
    /// Time of the last heartbeat.
    pub heartbeat_at: SystemTime,
    /// Time at which the actor last took or finished a job.
    pub last_job_at: Option<SystemTime>,
    /// Ends of jobs that the actor could not write yet, at its last heartbeat.
    pub pending_ends: u64,
    /// Calls with ends that the queue has refused since the process was started.
    pub refused_ends: u64,
}

/// Result of a reclaim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reclaimed {
    /// Jobs that wait again.
    pub retried: u32,
    /// Jobs that failed, their attempts being used up.
    pub failed: u32,
}

/// The actors of a queue.
#[async_trait]
pub trait ActorPresence: Send + Sync {
    /// Takes back at once what the process `pid` of an actor had, and its announcement, because it is known to be gone;
    /// `error` becomes the error of jobs that have no attempt left.
    async fn reclaim(
        &self,
        queue: QueueName,
        actor: &ActorId,
        pid: u32,
        error: &JobError,
    ) -> Result<Reclaimed, QueueError>;

    /// Every actor of a queue that has announced itself and is not known to have gone since.
    async fn presences(&self, queue: QueueName) -> Result<Vec<Presence>, QueueError>;

    /// Forgets an actor that is gone for good: its presence and what is for it alone, also what waits for its time: that
    /// fails as ACTOR_LOST.
    async fn forget_actor(&self, queue: QueueName, actor: &ActorId) -> Result<(), QueueError>;

    /// Asks an actor to take no new job. It takes up work again by itself after `resume_after`, in case whoever
    /// asked is gone by then.
    async fn request_drain(
        &self,
        queue: QueueName,
        actor: &ActorId,
        resume_after: Duration,
    ) -> Result<(), QueueError>;
}

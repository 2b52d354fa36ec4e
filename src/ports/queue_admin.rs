//! A queue as a whole: its depth and state, pause and resume, purge, and its limit.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::domain::model::flow::FlowRules;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobErrorKind, JobState};
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_queue::QueueError;

/// Number of jobs in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// Jobs that wait for an actor.
    pub queued: u64,
    /// Jobs that actors have.
    pub running: u64,
    /// Jobs that wait for a time (SCHEDULED and RETRY_WAIT).
    pub delayed: u64,
}

/// A queue as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueState {
    /// Number of jobs in the queue.
    pub depth: QueueDepth,
    /// Waiting time of the oldest job.
    pub oldest_age: Option<Duration>,
    /// Waiting time of the oldest job that any actor of the queue may take.
    pub oldest_common_age: Option<Duration>,
    /// Jobs among those that wait for an actor which are for one that is not there.
    pub queued_for_absent: u64,
    /// Start and reason of a pause, if there is one.
    pub paused: Option<Paused>,
    /// Jobs accepted since the queue is there; pings are not counted.
    pub submitted: u64,
    /// Jobs ended since then.
    pub finished: u64,
    /// Entries that could not be read and were taken out.
    pub malformed: u64,
    /// Records that maintenance could not use.
    pub damaged: u64,
}

/// Number of jobs of a queue that have ended in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndCount {
    /// Their state.
    pub state: JobState,
    /// Kind of their error, if they failed.
    pub error_kind: Option<JobErrorKind>,
    /// Number of jobs.
    pub jobs: u64,
}

/// A queue that hands out nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Start of the pause.
    pub since: SystemTime,
    /// Reason, in the words of the caller.
    pub reason: String,
    /// Identity that has paused it. None where callers need no credentials.
    pub by: Option<String>,
}

/// The jobs of one flow key of a queue, with regard to one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowStanding {
    /// Jobs that actors have, or that are about to be handed out: as many as a limit counts.
    pub running: u64,
    /// Ids of some of these.
    pub jobs: Vec<JobId>,
    /// True if the job that is asked about is one of these.
    pub is_running: bool,
    /// Time at which the key gives its next job, while its rate keeps it from that.
    pub opens: Option<SystemTime>,
}

/// Jobs of a queue that wait while their flow keys give none, by what keeps the key from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowHeld {
    /// Jobs of paused keys.
    pub paused: u64,
    /// Jobs of keys of which as many run as may.
    pub at_limit: u64,
    /// Jobs of keys of which as many were handed out as their rates allow.
    pub over_rate: u64,
}

/// Administration of queues.
#[async_trait]
pub trait QueueAdmin: Send + Sync {
    /// Counts the jobs in a queue.
    async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError>;

    /// Reads the state of a queue.
    async fn state(&self, queue: QueueName) -> Result<QueueState, QueueError>;

    /// Counts the jobs that have ended since the queue is there, in each way in which some have; pings are not counted.
    async fn ends(&self, queue: QueueName) -> Result<Vec<EndCount>, QueueError>;

    /// Stops to hand out jobs of this queue, at once: what was submitted before and after waits, what actors have goes
    /// on. It holds until `resume`. False when it was so already.
    async fn pause(&self, queue: QueueName, reason: &str, by: Option<&str>) -> Result<bool, QueueError>;

    /// Hands out jobs again; actors that wait get them at once. False when it was not paused.
    async fn resume(&self, queue: QueueName) -> Result<bool, QueueError>;

    /// Counts jobs in these states that are not in flight.
    async fn count(&self, queue: QueueName, states: &[JobState]) -> Result<u64, QueueError>;

    /// Ends jobs in these states that no actor has in hand as CANCELLED, oldest first and at most `most`; answers with
    /// how many. Others may submit meanwhile: what they submit may be cancelled or not.
    async fn purge(
        &self,
        queue: QueueName,
        states: &[JobState],
        reason: &str,
        most: u64,
    ) -> Result<u64, QueueError>;

    /// Sets the number of jobs of this queue that may wait; None is the limit that the queue was made with.
    fn limit_depth(&self, queue: QueueName, limit: Option<u64>);

    /// Sets the time by which a waiting job of this queue gains a level of priority, for jobs from now on; zero is never.
    fn set_ageing(&self, queue: QueueName, ageing: Duration);

    /// Sets the rules of flow by key of this queue, those of settings of this generation. They hold for all jobs that wait, within
    /// a second, or once they are pushed.
    fn set_flow(&self, queue: QueueName, generation: u64, rules: &FlowRules);

    /// Brings the rules that were set into force now.
    async fn push_flow(&self, queue: QueueName) -> Result<(), QueueError>;

    /// Reads how many jobs of a flow key run, and whether this one is among them.
    async fn flow_standing(
        &self,
        queue: QueueName,
        key: &str,
        job: &JobId,
    ) -> Result<FlowStanding, QueueError>;

    /// Counts the jobs that flow rules hold back, in the first two thousand flow keys that have jobs.
    async fn flow_held(&self, queue: QueueName) -> Result<FlowHeld, QueueError>;

    /// Returns the number of jobs of this queue that may wait; `u64::MAX` is any number.
    fn depth_limit(&self, queue: QueueName) -> u64;
}

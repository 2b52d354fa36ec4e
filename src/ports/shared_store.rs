//! The store that supervisors on one queue share beside jobs and actors: settings, health verdicts, decisions, usage, and
//! leadership.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::domain::model::fleet::Fleet;
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::model::usage::{ActorUsage, Usage};
use crate::ports::store_fault::store_error;

store_error! {
    /// Error of a call to the store that supervisors share.
    SharedStoreError, "the shared store"
}

/// Number of points of five minutes that are kept of an actor: those of a day.
pub const USAGE_POINTS: u64 = 288;

/// Keeps what every supervisor of a queue goes by. None of it is read on the way of a job.
#[async_trait]
pub trait SharedStore: Send + Sync {
    /// The settings of those queues that have any. Those of named queues may be a moment older.
    async fn settings(&self) -> Result<Vec<ScriptTypeSettings>, SharedStoreError>;

    /// Writes the settings of a queue if the kept ones still have `settings.generation` (0: if there are none);
    /// they have one more then. False when somebody was faster.
    async fn put_settings(&self, settings: &ScriptTypeSettings) -> Result<bool, SharedStoreError>;

    /// Reads the health of every actor.
    async fn healths(&self) -> Result<Vec<HealthRecord>, SharedStoreError>;

    /// Writes down what is known of the health of an actor. It goes with the record of the actor.
    async fn put_health(&self, record: &HealthRecord) -> Result<(), SharedStoreError>;

    /// Removes settings, template and last decision of a named queue that is deleted.
    async fn forget_queue(&self, queue: QueueName) -> Result<(), SharedStoreError>;

    /// The last decision of scaling of each queue.
    async fn decisions(&self) -> Result<Vec<(QueueName, ScalingDecision)>, SharedStoreError>;

    /// Writes down the last decision of scaling of a queue.
    async fn put_decision(
        &self,
        queue: QueueName,
        decision: &ScalingDecision,
    ) -> Result<(), SharedStoreError>;

    /// Writes down the latest usage of all actors of a node, for `term`.
    async fn put_usage(
        &self,
        node: &NodeName,
        actors: &[ActorUsage],
        term: Duration,
    ) -> Result<(), SharedStoreError>;

    /// Reads the latest usage of the actors of a node; none where nobody has written any within its term.
    async fn usage(&self, node: &NodeName) -> Result<Vec<ActorUsage>, SharedStoreError>;

    /// Writes down a point of five minutes of an actor, over the one of the same time if there is one. Points are kept for
    /// a day.
    async fn put_usage_point(&self, actor: &ActorId, point: &Usage) -> Result<(), SharedStoreError>;

    /// Reads the points of an actor after a time, the oldest first; at most those of a day.
    async fn usage_points(&self, actor: &ActorId, after: SystemTime) -> Result<Vec<Usage>, SharedStoreError>;

    /// Asks for the turn to look after health and numbers of a node's actors, or to keep it; it lasts for `term`. False
    /// while another supervisor has it.
    async fn lead(&self, node: &NodeName, instance: &str, term: Duration) -> Result<bool, SharedStoreError>;

    /// Gives the turn back, if it is ours.
    async fn step_down(&self, node: &NodeName, instance: &str) -> Result<(), SharedStoreError>;

    /// Notes that the supervisor of a node is there, and asks for the leadership of the fleet for that node, or keeps it;
    /// it lasts for `term`. Machines are forgotten a week after they were seen last, and the oldest ones beyond
    /// [`MOST_NODES`](crate::domain::model::fleet::MOST_NODES).
    async fn join_fleet(&self, node: &NodeName, term: Duration) -> Result<Fleet, SharedStoreError>;

    /// Reads which machines there are.
    async fn fleet(&self) -> Result<Fleet, SharedStoreError>;

    /// Gives the leadership of the fleet back, if the node has it.
    async fn leave_fleet(&self, node: &NodeName) -> Result<(), SharedStoreError>;
}

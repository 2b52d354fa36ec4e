//! The ports of the job queue that a supervisor needs, for whoever joins the parts together.

use crate::ports::actor_presence::ActorPresence;
use crate::ports::job_queue::JobQueue;
use crate::ports::job_submission::JobSubmission;
use crate::ports::queue_admin::QueueAdmin;
use crate::ports::queue_maintenance::QueueMaintenance;
use crate::ports::queue_registry::QueueRegistry;

/// A job queue with everything that a supervisor asks of one. Each part of the domain names only the trait that it needs.
pub trait Queue:
    JobSubmission + JobQueue + QueueAdmin + QueueRegistry + ActorPresence + QueueMaintenance
{
}

impl<Q> Queue for Q where
    Q: JobSubmission + JobQueue + QueueAdmin + QueueRegistry + ActorPresence + QueueMaintenance
{
}

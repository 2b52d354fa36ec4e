//! Errors of calls about queues.

use tonic::Code;

use super::{Failure, RETRY_AFTER, Reason};
use crate::domain::model::flow::FlowKeyFull;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::queue_refusal::QueueRefusal;
use crate::domain::model::violation::Violations;

/// Returns the name of the metadata about a queue. What is about a default queue is told of its script type.
pub(super) fn key_of(queue: QueueName) -> &'static str {
    if queue.default_type().is_some() { "script_type" } else { "queue" }
}

impl From<FlowKeyFull> for Failure {
    fn from(full: FlowKeyFull) -> Self {
        let message = format!("{full}; wait until some have begun, or raise max_queued of its flow rule");
        Self::new(Code::ResourceExhausted, Reason::FlowKeyFull, message)
            .with("flow_key", full.key)
            .with("queued", full.queued)
            .with("limit", full.limit)
            .retry(RETRY_AFTER)
    }
}

impl From<QueueRefusal> for Failure {
    fn from(refusal: QueueRefusal) -> Self {
        match refusal {
            QueueRefusal::NotFound(name) => {
                let message = format!("{refusal}; ListQueues has them all, and CreateQueue makes one");
                Self::new(Code::NotFound, Reason::QueueNotFound, message).resource("queue", "queue", &name)
            }
            QueueRefusal::Exists { name, serves } => {
                let message = format!("{refusal}; choose another name, or delete that queue first");
                let failure = Self::new(Code::AlreadyExists, Reason::QueueExists, message);
                failure.resource("queue", "queue", &name).with("script_type", serves)
            }
            QueueRefusal::InUse { name, jobs, actors } => {
                let message = format!("{refusal}; wait for the jobs or cancel them, and stop the actors");
                Self::new(Code::FailedPrecondition, Reason::QueueInUse, message)
                    .precondition("queue", &name)
                    .with("jobs", jobs)
                    .with("actors", actors)
            }
            QueueRefusal::HasActors { name, actors, ref some } => {
                let message = format!("{refusal}; delete them first");
                Self::new(Code::FailedPrecondition, Reason::QueueInUse, message)
                    .precondition("queue", &name)
                    .with("jobs", 0)
                    .with("actors", actors)
                    .with("actor_ids", some)
            }
            QueueRefusal::TooMany { name, limit } => {
                let message =
                    format!("{refusal} (named_queue_limit); delete queues that nobody needs, or raise it");
                let failure = Self::new(Code::ResourceExhausted, Reason::TooManyQueues, message);
                failure.with("queue", name).with("limit", limit)
            }
            QueueRefusal::Default(name) => {
                let what = format!("is {name}, the default queue of a script type, which is always there");
                Violations::one("queue", what).into()
            }
        }
    }
}

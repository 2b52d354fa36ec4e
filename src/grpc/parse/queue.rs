//! Requests about queues.

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::script_type;
use crate::proto as pb;

/// Parses a CreateQueue request.
pub(crate) fn create_queue(request: &pb::CreateQueueRequest) -> Result<(QueueName, ScriptType), Violations> {
    let mut violations = Violations::new();
    let name = violations.keep("queue", QueueName::parse(&request.queue));
    let script_type = violations.keep("script_type", script_type(request.script_type));
    match (name, script_type) {
        (Some(name), Some(script_type)) => Ok((name, script_type)),
        _violated => Err(violations),
    }
}

/// Parses the name of a queue.
pub(crate) fn queue(name: &str) -> Result<QueueName, Violations> {
    QueueName::parse(name).map_err(|what| Violations::one("queue", what))
}

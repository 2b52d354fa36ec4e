//! Requests about queues.

use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{given, optional, script_type};
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

/// A queue of a request: by its name, or as the default queue of a script type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueChoice {
    /// The name, if one was given.
    pub(crate) name: Option<QueueName>,
    /// The script type, if one was given.
    pub(crate) script_type: Option<ScriptType>,
}

impl QueueChoice {
    /// Parses the two fields; one of them has to be set.
    pub(super) fn parse(raw: i32, queue: String, violations: &mut Violations) -> Self {
        let name = optional(violations, "queue", given(queue), |raw| QueueName::parse(&raw));
        let is_set = raw != 0 || name.is_none();
        let script_type = is_set.then(|| violations.keep("script_type", script_type(raw))).flatten();
        Self { name, script_type }
    }

    /// Returns the queue of a choice that names none but the script type.
    pub(crate) fn default_queue(self) -> Option<TypedQueue> {
        self.script_type.filter(|_type| self.name.is_none()).map(TypedQueue::from)
    }

    /// Checks that a queue that was found is the one that is meant.
    pub(crate) fn check(self, found: TypedQueue) -> Result<TypedQueue, Violations> {
        match self.script_type.filter(|meant| *meant != found.script_type) {
            None => Ok(found),
            Some(meant) => {
                let TypedQueue { name, script_type } = found;
                let description =
                    format!("is {name}, which takes {script_type} jobs, and script_type is {meant}");
                Err(Violations::one("queue", description))
            }
        }
    }
}

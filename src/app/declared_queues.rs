//! Creates the queues that the configuration file declares.

use std::fmt;

use crate::config::FileQueue;
use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::queue_refusal::QueueRefusal;
use crate::error::{SupervisorError, chain};

/// The outcome, by queue.
#[derive(Debug, Default)]
pub(super) struct CreatedQueues {
    /// Queues that are there now.
    pub(super) there: Vec<QueueName>,
    /// Queues that are not as the file declares them, each with the path of its table.
    pub(super) failed: Vec<(String, SupervisorError)>,
}

impl fmt::Display for CreatedQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} there, {} failed", self.there.len(), self.failed.len())
    }
}

/// Creates the queues that do not exist.
pub(super) async fn create(lifecycle: &ActorLifecycleManager, declared: &[FileQueue]) -> CreatedQueues {
    let mut created = CreatedQueues::default();
    for queue in declared {
        match lifecycle.create_queue(queue.name, queue.settings.script_type).await {
            Ok(_record) => created.there.push(queue.name),
            Err(error) => created.failed.push((queue.table.clone(), error)),
        }
    }
    created
}

/// Logs the outcome.
pub(super) fn report(created: &CreatedQueues) {
    for (table, error) in &created.failed {
        let why = fault(table, error);
        tracing::warn!(error = %why, "configuration file: {why}");
    }
    tracing::info!("configuration file: queues: {created}");
}

/// Returns the key that is wrong, what is wrong with it, and what to do.
fn fault(table: &str, error: &SupervisorError) -> String {
    let why = chain(error);
    let SupervisorError::Queue(refusal) = error else { return format!("{table}: {why}") };
    match refusal {
        QueueRefusal::Exists { .. } => format!(
            "{table}.script_type: {why}: a queue keeps its script type, so declare another name, or delete that queue first \
             (the settings of this table are not applied)"
        ),
        QueueRefusal::TooMany { .. } => {
            format!("{table}.name: {why}: raise named_queue_limit, or delete queues")
        }
        QueueRefusal::NotFound(_)
        | QueueRefusal::InUse { .. }
        | QueueRefusal::HasActors { .. }
        | QueueRefusal::Default(_) => format!("{table}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::script_type::ScriptType;

    #[test]
    fn a_fault_begins_with_its_key_and_ends_with_what_to_do() {
        let name = QueueName::parse("gpu").unwrap();
        let exists = QueueRefusal::Exists { name, serves: ScriptType::SAL };
        let told = fault("queue[1]", &exists.into());
        assert!(
            told.starts_with("queue[1].script_type: there is a queue gpu already, and it takes sal jobs: "),
            "{told}"
        );
        let told = fault("queue[0]", &QueueRefusal::TooMany { name, limit: 2 }.into());
        assert!(told.starts_with("queue[0].name: ") && told.ends_with("or delete queues"), "{told}");
    }
}

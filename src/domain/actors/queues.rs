//! Named queues as actors use them: a queue must be there for an actor, and stays as long as one is meant for it.

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::queue_refusal::QueueRefusal;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::ports::queue_registry::QueueRecord;

/// Most actors that a refusal names.
const MOST_NAMED: usize = 5;

impl ActorLifecycleManager {
    /// Checks that a queue takes what an actor runs.
    ///
    /// # Errors
    /// `Queue` when there is none; `Invalid` for a queue of another script type; `QueueUnavailable`.
    pub(super) async fn check_queue(
        &self,
        queue: QueueName,
        script_type: ScriptType,
    ) -> Result<(), SupervisorError> {
        let serves = self.supervisor().typed_queue(queue).await?.script_type;
        if serves == script_type {
            return Ok(());
        }
        let description = format!("is {queue}, which takes {serves} jobs, and the actor runs {script_type}");
        Err(Violations::one("config.queue", description).into())
    }

    /// Creates a queue. A repeat finds it there, which is no error.
    ///
    /// # Errors
    /// `Queue` for the name of a default queue, or of a queue of another script type; `QueueUnavailable`.
    pub async fn create_queue(
        &self,
        name: QueueName,
        script_type: ScriptType,
    ) -> Result<QueueRecord, SupervisorError> {
        let (record, is_new) = self.supervisor().create_queue(name, script_type).await?;
        if is_new {
            // A deletion that broke off may have left the settings of an earlier queue of this name.
            self.parts().store.forget_queue(name).await?;
            self.supervisor().forget_settings(name);
        }
        Ok(record)
    }

    /// Deletes a queue that nobody uses, with the records of its ended jobs. An actor that is created for it in the same
    /// moment finds no queue when it starts, and says so.
    ///
    /// # Errors
    /// `Queue` when there is none, when jobs or actors use it, also stopped ones, and for a default queue;
    /// `QueueUnavailable`.
    pub async fn delete_queue(&self, name: QueueName) -> Result<(), SupervisorError> {
        let records = self.parts().store.load().await?.records;
        let users = records.iter().filter(|record| record.config.queue == Some(name));
        let users: Vec<&str> = users.map(|record| record.id.as_str()).collect();
        if !users.is_empty() {
            let some = users.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
            return Err(QueueRefusal::HasActors { name, actors: users.len() as u64, some }.into());
        }
        self.supervisor().delete_queue(name).await?;
        self.core.queue_stats.forget(name);
        self.parts().store.forget_queue(name).await?;
        self.supervisor().forget_settings(name);
        Ok(())
    }
}

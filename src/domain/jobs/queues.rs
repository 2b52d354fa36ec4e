//! Queues that are created by name.

use super::Supervisor;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::queue_refusal::QueueRefusal;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::ports::queue_admin::QueueDepth;
use crate::ports::queue_registry::{QueueCreated, QueueDeleted, QueueRecord};

impl Supervisor {
    /// Creates a queue. A repeat finds it there, which is no error.
    ///
    /// # Errors
    /// `Queue` for the name of a default queue, or of a queue of another script type; `QueueUnavailable`.
    pub async fn create_queue(
        &self,
        name: QueueName,
        script_type: ScriptType,
    ) -> Result<QueueRecord, SupervisorError> {
        refuse_default(name)?;
        match self.queue.create_queue(name, script_type).await? {
            QueueCreated::Exists(record) if record.script_type != script_type => {
                Err(QueueRefusal::Exists { name, serves: record.script_type }.into())
            }
            QueueCreated::New(record) | QueueCreated::Exists(record) => Ok(record),
        }
    }

    /// Returns a queue that was created by name.
    ///
    /// # Errors
    /// `Queue` when there is none, and for a default queue; `QueueUnavailable`.
    pub async fn named_queue(&self, name: QueueName) -> Result<QueueRecord, SupervisorError> {
        refuse_default(name)?;
        Ok(self.queue.queue(name).await?.ok_or(QueueRefusal::NotFound(name))?)
    }

    /// Returns all queues that were created by name, by their names.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn named_queues(&self) -> Result<Vec<QueueRecord>, SupervisorError> {
        Ok(self.queue.queues().await?)
    }

    /// Counts the jobs of a queue and the actors that have announced themselves there.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn queue_numbers(&self, name: QueueName) -> Result<(QueueDepth, usize), SupervisorError> {
        let (depth, presences) = futures::try_join!(self.queue.depth(name), self.queue.presences(name))?;
        Ok((depth, presences.len()))
    }

    /// Deletes a queue that nobody uses, with the records of its ended jobs.
    ///
    /// # Errors
    /// `Queue` when there is none, when it is used, and for a default queue; `QueueUnavailable`.
    pub async fn delete_queue(&self, name: QueueName) -> Result<(), SupervisorError> {
        refuse_default(name)?;
        match self.queue.delete_queue(name).await? {
            QueueDeleted::Gone => Ok(()),
            QueueDeleted::Unknown => Err(QueueRefusal::NotFound(name).into()),
            QueueDeleted::InUse { jobs, actors } => Err(QueueRefusal::InUse { name, jobs, actors }.into()),
        }
    }
}

fn refuse_default(name: QueueName) -> Result<(), QueueRefusal> {
    match name.default_type() {
        Some(_script_type) => Err(QueueRefusal::Default(name)),
        None => Ok(()),
    }
}

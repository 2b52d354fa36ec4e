//! Queues that are created by name.

use super::Supervisor;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::queue_refusal::QueueRefusal;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::ports::queue_admin::QueueDepth;
use crate::ports::queue_registry::{QueueCreated, QueueDeleted, QueueRecord};

impl Supervisor {
    /// Creates a queue; the answer has true if it is new. A repeat finds it there, which is no error.
    ///
    /// # Errors
    /// `Queue` for the name of a default queue, or of a queue of another script type; `QueueUnavailable`.
    pub(crate) async fn create_queue(
        &self,
        name: QueueName,
        script_type: ScriptType,
    ) -> Result<(QueueRecord, bool), SupervisorError> {
        refuse_default(name)?;
        match self.queue.create_queue(name, script_type).await? {
            QueueCreated::Exists(record) if record.script_type != script_type => {
                Err(QueueRefusal::Exists { name, serves: record.script_type }.into())
            }
            QueueCreated::TooMany { limit } => Err(QueueRefusal::TooMany { name, limit }.into()),
            QueueCreated::New(record) => Ok((record, true)),
            QueueCreated::Exists(record) => Ok((record, false)),
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

    /// Returns a queue of whatever name with its script type.
    ///
    /// # Errors
    /// `Queue` when there is none; `QueueUnavailable`.
    pub async fn typed_queue(&self, name: QueueName) -> Result<TypedQueue, SupervisorError> {
        match name.default_type() {
            Some(script_type) => Ok(script_type.into()),
            None => Ok(TypedQueue { name, script_type: self.named_queue(name).await?.script_type }),
        }
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

    /// Deletes a queue in which no job is unfinished and at which no actor is, with the records of its ended jobs.
    ///
    /// # Errors
    /// `Queue` when there is none, when it is used, and for a default queue; `QueueUnavailable`.
    pub(crate) async fn delete_queue(&self, name: QueueName) -> Result<(), SupervisorError> {
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

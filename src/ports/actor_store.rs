//! Store of the definition and the desired state of each actor, which outlive the supervisor.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::ports::shared_store::SharedStore;
use crate::ports::store_fault::{StoreFault, store_error};

store_error! {
    /// Error of a call to the actor store.
    StoreError, "the actor store"
}

/// Result of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Written; the record carries this generation now.
    Written(u64),
    /// Not written: another record stands there. For an insert, the actor exists; for an update, somebody was faster.
    Conflict(Box<ActorRecord>),
    /// Not written: there is no such actor.
    Missing,
}

/// Every actor of every node, as far as their records can be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// Records that can be read.
    pub records: Vec<ActorRecord>,
    /// Names of the others, and why not. They are there all the same: nobody may take their processes for orphans.
    pub damaged: BTreeMap<String, String>,
}

impl Loaded {
    /// Names of all, readable or not.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let damaged = self.damaged.keys().map(String::as_str);
        self.records.iter().map(|record| record.id.as_str()).chain(damaged)
    }

    /// The record of an actor, if there is one.
    ///
    /// # Errors
    /// `Corrupt` when it cannot be read.
    pub fn find(self, id: &ActorId) -> Result<Option<ActorRecord>, StoreError> {
        if let Some(why) = self.damaged.get(id.as_str()) {
            let what = format!("the record of actor {id}");
            return Err(StoreFault::Corrupt { what, source: why.clone().into() }.into());
        }
        Ok(self.records.into_iter().find(|record| record.id == *id))
    }
}

/// Keeps actor records and the template of each queue.
#[async_trait]
pub trait ActorStore: SharedStore {
    /// Every actor of every node.
    async fn load(&self) -> Result<Loaded, StoreError>;

    /// One actor as it is stored now; None when there is no such actor.
    async fn get(&self, id: &ActorId) -> Result<Option<ActorRecord>, StoreError>;

    /// A text that was written once beside the records and goes with them: another one means other records. None where
    /// nobody can say.
    async fn epoch(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// Adds an actor; its generation becomes 1.
    async fn insert(&self, record: &ActorRecord) -> Result<Stored, StoreError>;

    /// Replaces the record if the stored one still has `record.generation`; the new one has one more.
    async fn update(&self, record: &ActorRecord) -> Result<Stored, StoreError>;

    /// Removes an actor, and what is known of its health; false when there was none.
    async fn remove(&self, id: &ActorId) -> Result<bool, StoreError>;

    /// The template from which scaling makes actors for this queue.
    async fn template(&self, queue: QueueName) -> Result<Option<ActorConfig>, StoreError>;

    /// Sets the template of its queue if there is none, or always when `replace` is set.
    async fn set_template(&self, template: &ActorConfig, replace: bool) -> Result<(), StoreError>;
}

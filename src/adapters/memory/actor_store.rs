//! The store of actors, in memory.

use std::collections::btree_map::Entry;

use async_trait::async_trait;

use crate::adapters::memory::broker::MemoryBroker;
use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::ports::actor_store::{ActorStore, Loaded, StoreError, Stored};

/// A view of a [`MemoryBroker`].
#[derive(Debug, Clone)]
pub struct MemoryActorStore {
    broker: MemoryBroker,
}

impl MemoryBroker {
    /// The store of actors.
    pub fn actor_store(&self) -> MemoryActorStore {
        MemoryActorStore { broker: self.clone() }
    }
}

impl MemoryActorStore {
    pub(super) fn broker(&self) -> &MemoryBroker {
        &self.broker
    }
}

#[async_trait]
impl ActorStore for MemoryActorStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.broker.with(|state| {
            let records = state.records.values().cloned().collect();
            Loaded { records, ..Loaded::default() }
        })
    }

    async fn get(&self, id: &ActorId) -> Result<Option<ActorRecord>, StoreError> {
        self.broker.with(|state| state.records.get(id).cloned())
    }

    async fn epoch(&self) -> Result<Option<String>, StoreError> {
        Ok(Some("memory".to_owned()))
    }

    async fn insert(&self, record: &ActorRecord) -> Result<Stored, StoreError> {
        self.broker.with(|state| match state.records.entry(record.id.clone()) {
            Entry::Occupied(there) => Stored::Conflict(Box::new(there.get().clone())),
            Entry::Vacant(place) => {
                place.insert(ActorRecord { generation: 1, ..record.clone() });
                Stored::Written(1)
            }
        })
    }

    async fn update(&self, record: &ActorRecord) -> Result<Stored, StoreError> {
        self.broker.with(|state| match state.records.get_mut(&record.id) {
            None => Stored::Missing,
            Some(there) if there.generation != record.generation => Stored::Conflict(Box::new(there.clone())),
            Some(there) => {
                *there = ActorRecord { generation: record.generation + 1, ..record.clone() };
                Stored::Written(there.generation)
            }
        })
    }

    async fn remove(&self, id: &ActorId) -> Result<bool, StoreError> {
        self.broker.with(|state| {
            state.healths.remove(id);
            state.records.remove(id).is_some()
        })
    }

    async fn template(&self, queue: QueueName) -> Result<Option<ActorConfig>, StoreError> {
        self.broker.with(|state| state.templates.get(&queue).cloned())
    }

    async fn set_template(&self, template: &ActorConfig, replace: bool) -> Result<(), StoreError> {
        self.broker.with(|state| {
            let there = state.templates.contains_key(&template.queue());
            if replace || !there {
                state.templates.insert(template.queue(), template.clone());
            }
        })
    }
}

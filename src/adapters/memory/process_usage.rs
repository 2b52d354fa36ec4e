//! Usage of processes that tests have set.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::model::usage::TreeReading;
use crate::lock::Lock;
use crate::ports::process_usage::{ProcessUsage, Root};

/// The readings of actors by name; none of those that were not set.
#[derive(Debug, Default)]
pub struct MemoryProcessUsage {
    readings: Lock<BTreeMap<String, TreeReading>>,
}

impl MemoryProcessUsage {
    /// Sets the reading of an actor.
    pub fn set(&self, actor: &str, reading: TreeReading) {
        self.readings.lock().insert(actor.to_owned(), reading);
    }
}

#[async_trait]
impl ProcessUsage for MemoryProcessUsage {
    async fn read(&self, roots: Vec<Root>) -> Vec<Option<TreeReading>> {
        let readings = self.readings.lock();
        roots.iter().map(|root| readings.get(&root.actor).copied()).collect()
    }
}

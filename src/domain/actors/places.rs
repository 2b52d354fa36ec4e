//! Finds the machines of actors.

use std::collections::BTreeMap;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::id::{ActorId, NodeName};
use crate::error::SupervisorError;

impl ActorLifecycleManager {
    /// Returns those of the actors that belong to other machines, by machine. Names without an actor are left out.
    ///
    /// # Errors
    /// `QueueUnavailable`, `RecordDamaged`, `ShuttingDown`.
    pub async fn elsewhere(
        &self,
        ids: &[ActorId],
    ) -> Result<BTreeMap<NodeName, Vec<ActorId>>, SupervisorError> {
        self.open().await?;
        let mut elsewhere: BTreeMap<NodeName, Vec<ActorId>> = BTreeMap::new();
        let unknown: Vec<&ActorId> =
            ids.iter().filter(|id| self.core.registry.get(id.as_str()).is_none()).collect();
        if unknown.is_empty() {
            return Ok(elsewhere);
        }
        let stored = self.parts().store.load().await?;
        // A damaged record is the business of the call itself.
        let others = stored.records.into_iter().filter(|record| record.node != self.parts().node);
        for record in others.filter(|record| unknown.contains(&&record.id)) {
            elsewhere.entry(record.node).or_default().push(record.id);
        }
        Ok(elsewhere)
    }
}

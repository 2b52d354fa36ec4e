//! Shared data of the supervisors of one queue, read anew by each: health verdicts, settings, and decisions of scaling.

use std::sync::Arc;

use crate::domain::actors::core::Core;
use crate::domain::health::tracker::HealthTracker;
use crate::domain::jobs::Supervisor;
use crate::domain::model::flow::FlowRules;
use crate::domain::scaling::queue_stats::QueueStats;
use crate::error::{SupervisorError, chain};
use crate::ports::shared_store::SharedStore;

/// The local copies of what supervisors share.
pub(super) struct SharedSync {
    store: Arc<dyn SharedStore>,
    tracker: HealthTracker,
    jobs: Supervisor,
    queue_stats: Arc<QueueStats>,
}

impl SharedSync {
    /// Returns the copies of a manager.
    pub(super) fn of(core: &Core) -> Self {
        Self {
            store: core.parts.store.clone(),
            tracker: core.tracker.clone(),
            jobs: core.parts.supervisor.clone(),
            queue_stats: Arc::clone(&core.queue_stats),
        }
    }

    /// Reads all that other supervisors have written; `exists` says which actors there are. What cannot be read stays as
    /// it was.
    pub(super) async fn read_all(&self, exists: impl Fn(&str) -> bool) {
        match self.store.healths().await {
            Ok(healths) => self.tracker.sync(healths, exists),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "health of actors: the old one holds (it cannot be read)")
            }
        }
        if let Err(error) = self.read_settings().await {
            tracing::debug!(error = %chain(&error), "settings of script types: the old ones hold (they cannot be read)");
        }
        match self.store.decisions().await {
            Ok(decisions) => {
                for (queue, decision) in decisions {
                    self.queue_stats.set_decision(queue, decision);
                }
            }
            Err(error) => {
                tracing::debug!(error = %chain(&error), "decisions of scaling: the old ones are shown (they cannot be read)")
            }
        }
    }

    /// Reads the settings of all queues.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub(super) async fn read_settings(&self) -> Result<(), SupervisorError> {
        let all = self.store.settings().await?;
        let named = all.iter().filter(|settings| settings.queue.default_type().is_none());
        self.jobs.retain_settings(&named.map(|settings| settings.queue).collect());
        for settings in all {
            let (queue, has_rules) = (settings.queue, settings.flow != FlowRules::default());
            // They are in force before the actors that this supervisor starts: the queue may come from a backup, or Redis has lost it.
            if self.jobs.apply_settings(settings)
                && has_rules
                && let Err(error) = self.jobs.queue().push_flow(queue).await
            {
                tracing::debug!(error = %chain(&error), %queue, "flow rules: not in force yet");
            }
        }
        Ok(())
    }
}

//! The maintenance loop, about once a second as long as a manager is open.

mod sweep_orphans;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sweep_orphans::OrphanSweep;

use crate::domain::actors::core::Core;
use crate::domain::actors::shared_sync::SharedSync;
use crate::domain::model::actor::ActorStatus;
use crate::error::chain;

/// Time between two rounds, give or take a quarter.
const INTERVAL: Duration = Duration::from_secs(1);

/// The maintenance of the actors of one node.
pub(super) struct Maintenance {
    core: Arc<Core>,
    orphans: OrphanSweep,
}

impl Maintenance {
    /// Makes the maintenance of a manager's parts.
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, orphans: OrphanSweep::default() }
    }

    /// Runs maintenance about once a second until the manager closes. One round:
    ///
    /// 1. the queues: due jobs, expired leases, old records;
    /// 2. the realm of the process manager, since Redis may have lost its data;
    /// 3. shared data of supervisors: health, settings, decisions, leadership;
    /// 4. actors whose record is gone, and processes without one;
    /// 5. the number of actors on other nodes;
    /// 6. actors that another supervisor of this node has made or changed.
    pub(super) async fn run(mut self) {
        let token = self.core.token.clone();
        let rounds = async {
            loop {
                tokio::time::sleep(INTERVAL.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
                self.round().await;
            }
        };
        let _ended: Option<()> = token.run_until_cancelled(rounds).await;
    }

    async fn round(&mut self) {
        let Self { core, orphans } = self;
        if let Err(error) = core.parts.supervisor.queue().maintain().await {
            tracing::debug!(error = %chain(&error), "queues: maintenance is put off (they do not answer)");
            return;
        }
        // A task comes after its record: one that was there before the records are read and is not among them has lost its own.
        let tasks = core.registry.handles();
        core.announce_realm().await;
        let Ok(loaded) = core.parts.store.load().await else { return };
        let existing: BTreeSet<&str> = loaded.names().collect();
        for (_name, task) in tasks.iter().filter(|(name, _)| !existing.contains(name.as_str())) {
            task.note_missing();
        }
        SharedSync::of(core).read_all(|name| existing.contains(name)).await;
        core.leadership.renew().await;
        orphans.sweep(&core.parts, &core.observer, &existing).await;
        let others = loaded.records.iter().filter(|record| record.node != core.parts.node).cloned();
        let others: Vec<ActorStatus> = others.map(|record| core.seen_from_afar(record)).collect();
        core.count_elsewhere(others);
        let had_task: BTreeSet<&str> = tasks.iter().map(|(name, _)| name.as_str()).collect();
        for record in &loaded.records {
            let name = record.id.as_str();
            // It was deleted since the records were read; a new task would bring it back to life.
            if had_task.contains(name) && core.registry.get(name).is_none() {
                continue;
            }
            if let Some(task) = core.adopt(record.clone()) {
                task.note_stored(record.clone());
            }
        }
    }
}

//! Maintenance: what a manager does once at its start, and about once a second as long as it is open.

mod shared_sync;
mod sweep_orphans;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::domain::actors::ActorLifecycleManager;
use shared_sync::SharedSync;
use sweep_orphans::OrphanSweep;

use crate::domain::actors::registry::ActorHandle;
use crate::domain::actors::task::ActorTask;
use crate::domain::model::actor::{ActorRecord, ActorStatus, ManagedBy};
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::Stored;

/// Time between two rounds, give or take a quarter.
const INTERVAL: Duration = Duration::from_secs(1);

impl ActorLifecycleManager {
    pub(super) async fn open_once(&self) -> Result<(), SupervisorError> {
        self.make_initial().await?;
        let records = self.parts().store.load().await?.records;
        self.shared_sync().read_settings().await?;
        self.shared_sync().read_all(|_name| true).await;
        self.shared.leadership.renew().await;
        self.announce_realm().await;
        let observer = self.shared.observer.clone();
        self.shared.tasks.spawn(observer.run(self.shared.token.clone()));
        for record in records {
            self.adopt(record);
        }
        self.shared.tasks.spawn(self.clone().run_maintenance());
        // In a box, because opening a manager begins the loop and the loop opens the manager.
        let scaler: BoxFuture<'static, ()> = Box::pin(self.scaler().run());
        let token = self.shared.token.clone();
        self.shared.tasks.spawn(async move {
            let _ended: Option<()> = token.run_until_cancelled(scaler).await;
        });
        Ok(())
    }

    fn shared_sync(&self) -> SharedSync {
        let parts = self.parts();
        SharedSync {
            store: parts.store.clone(),
            tracker: self.shared.tracker.clone(),
            jobs: parts.supervisor.clone(),
            queue_stats: Arc::clone(&self.shared.queue_stats),
        }
    }

    /// Names the records by which processes are made to the process manager. They are others once Redis has lost its data.
    async fn announce_realm(&self) {
        if let Ok(Some(realm)) = self.parts().store.epoch().await {
            self.parts().processes.set_realm(&realm);
        }
    }

    /// Adds initial actors. Those that exist keep their desired state and get a changed definition.
    async fn make_initial(&self) -> Result<(), SupervisorError> {
        for config in &self.parts().initial {
            config.validate()?;
            let record = self.fresh_record(config.clone(), ManagedBy::User)?;
            let mut stored = self.parts().store.insert(&record).await?;
            // Again and again, as long as another supervisor writes it, too.
            while let Stored::Conflict(existing) = stored {
                if existing.node != self.parts().node || existing.config == *config {
                    break;
                }
                let outdated = existing.outdated || !existing.config.runs_like(config);
                let changed = ActorRecord { config: config.clone(), outdated, ..*existing };
                stored = self.parts().store.update(&changed).await?;
            }
            self.parts().store.set_template(config, false).await?;
        }
        Ok(())
    }

    /// Gives an actor of this node its task; the one that it has, if so.
    pub(super) fn adopt(&self, record: ActorRecord) -> Option<ActorHandle> {
        if record.node != self.parts().node || self.shared.token.is_cancelled() {
            return None;
        }
        let name = record.id.to_string();
        if let Some(handle) = self.shared.registry.get(&name) {
            return Some(handle);
        }
        let (handle, end) = ActorHandle::pair(self.first_status(record));
        if !self.shared.registry.insert(&name, handle.clone()) {
            return self.shared.registry.get(&name);
        }
        let (observer, registry) = (self.shared.observer.clone(), self.shared.registry.clone());
        let task = ActorTask::new(
            Arc::clone(&self.shared.parts),
            observer,
            registry,
            self.shared.tracker.clone(),
            end,
        );
        let token = self.shared.token.child_token();
        self.shared.tasks.spawn(async move {
            let reason = task.run(token).await;
            tracing::debug!(actor.id = %name, ?reason, "actor {name}: its task ended ({reason:?})");
        });
        Some(handle)
    }

    /// Runs maintenance about once a second until the manager closes. One round:
    ///
    /// 1. the queues: due jobs, expired leases, old records;
    /// 2. the realm of the process manager, since Redis may have lost its data;
    /// 3. what supervisors share: health, settings, decisions, leadership;
    /// 4. actors whose record is gone, and processes without one;
    /// 5. the number of actors on other nodes;
    /// 6. actors that another supervisor of this node has made or changed.
    async fn run_maintenance(self) {
        let mut orphans = OrphanSweep::default();
        let rounds = async {
            loop {
                tokio::time::sleep(INTERVAL.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
                self.maintain_once(&mut orphans).await;
            }
        };
        let token = self.shared.token.clone();
        let _ended: Option<()> = token.run_until_cancelled(rounds).await;
    }

    async fn maintain_once(&self, orphans: &mut OrphanSweep) {
        if let Err(error) = self.parts().supervisor.queue().maintain().await {
            tracing::debug!(error = %chain(&error), "queues: maintenance is put off (they do not answer)");
            return;
        }
        // A task comes after its record: one that was there before the records are read and is not among them has lost its own.
        let tasks = self.shared.registry.handles();
        self.announce_realm().await;
        let Ok(loaded) = self.parts().store.load().await else { return };
        let existing: BTreeSet<&str> = loaded.names().collect();
        for (_name, task) in tasks.iter().filter(|(name, _)| !existing.contains(name.as_str())) {
            task.note_missing();
        }
        self.shared_sync().read_all(|name| existing.contains(name)).await;
        self.shared.leadership.renew().await;
        orphans.sweep(self.parts(), &self.shared.observer, &existing).await;
        let others = loaded.records.iter().filter(|record| record.node != *self.node()).cloned();
        let others: Vec<ActorStatus> = others.map(|record| self.seen_from_afar(record)).collect();
        self.count_elsewhere(&others);
        let had_task: BTreeSet<&str> = tasks.iter().map(|(name, _)| name.as_str()).collect();
        for record in &loaded.records {
            let name = record.id.as_str();
            // It was deleted since the records were read; a new task would bring it back to life.
            if had_task.contains(name) && self.shared.registry.get(name).is_none() {
                continue;
            }
            if let Some(task) = self.adopt(record.clone()) {
                task.note_stored(record.clone());
            }
        }
    }
}

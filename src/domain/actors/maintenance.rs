//! What goes on as long as a manager is open: actors get their drivers, queues are kept tidy, and what other supervisors
//! have made or deleted is noticed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::actors::orphans::Orphans;
use crate::domain::actors::registry::ActorHandle;
use crate::domain::actors::task::ActorTask;
use crate::domain::actors::{ActorLifecycleManager, scaler};
use crate::domain::model::actor::{ActorRecord, ManagedBy};
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::Stored;

/// How often queues are kept tidy, and actors that other supervisors made or deleted are noticed.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

impl ActorLifecycleManager {
    pub(super) async fn open_once(&self) -> Result<(), SupervisorError> {
        self.make_initial().await?;
        let records = self.parts().store.load().await?.records;
        self.load_settings().await?;
        self.keep_in_step(|_name| true).await;
        self.tell_realm().await;
        let observer = self.shared.observer.clone();
        self.shared.tasks.spawn(observer.run(self.shared.token.clone()));
        for record in records {
            self.adopt(record);
        }
        self.shared.tasks.spawn(self.clone().keep_up());
        let (scaler, token) = (scaler::run(self.clone()), self.shared.token.clone());
        self.shared.tasks.spawn(async move {
            let _ended: Option<()> = token.run_until_cancelled(scaler).await;
        });
        Ok(())
    }

    /// Tells the process manager by whose records processes are made, which changes when Redis has lost its data.
    async fn tell_realm(&self) {
        if let Ok(Some(realm)) = self.parts().store.epoch().await {
            self.parts().processes.set_realm(&realm);
        }
    }

    /// Adds initial actors that are not there; those that are keep their wish and get a changed definition.
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

    /// Gives an actor of this node its driver; the one that it has, if so.
    pub(super) fn adopt(&self, record: ActorRecord) -> Option<ActorHandle> {
        if record.node != self.parts().node || self.shared.token.is_cancelled() {
            return None;
        }
        let name = record.id.to_string();
        if let Some(handle) = self.shared.registry.get(&name) {
            return Some(handle);
        }
        let (handle, end) = ActorHandle::pair(self.first_status(record.clone()));
        if !self.shared.registry.insert(&name, handle.clone()) {
            return self.shared.registry.get(&name);
        }
        let (observer, registry) = (self.shared.observer.clone(), self.shared.registry.clone());
        let driver = ActorTask::new(
            record,
            Arc::clone(&self.shared.parts),
            observer,
            registry,
            self.shared.tracker.clone(),
            end,
        );
        let token = self.shared.token.child_token();
        self.shared.tasks.spawn(async move {
            let reason = driver.run(token).await;
            tracing::debug!(actor.id = %name, ?reason, "actor {name} is let go of");
        });
        Some(handle)
    }

    /// Keeps queues tidy and notices actors that another supervisor of this node has made or deleted.
    async fn keep_up(self) {
        let mut orphans = Orphans::default();
        let round = async {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
                if let Err(error) = self.parts().supervisor.queue().maintain().await {
                    tracing::debug!(error = %chain(&error), "queues could not be kept tidy");
                    continue;
                }
                // A driver comes after its record, so one that was there before this look has lost its own if it is not seen.
                let drivers = self.shared.registry.handles();
                self.tell_realm().await;
                if let Ok(loaded) = self.parts().store.load().await {
                    let there: BTreeSet<&str> = loaded.names().collect();
                    for (_name, driver) in drivers.iter().filter(|(name, _)| !there.contains(name.as_str())) {
                        driver.note_missing();
                    }
                    self.keep_in_step(|name| there.contains(name)).await;
                    orphans.look(self.parts(), &self.shared.observer, &there).await;
                    let records = &loaded.records;
                    let others = records.iter().filter(|record| record.node != *self.node()).cloned();
                    self.count_elsewhere(others.map(|record| self.seen_from_afar(record)).collect());
                    let had_driver: BTreeSet<&str> = drivers.iter().map(|(name, _)| name.as_str()).collect();
                    for record in records {
                        // It was deleted since this look; a new driver would bring it back to life.
                        let name = record.id.as_str();
                        if had_driver.contains(name) && self.shared.registry.get(name).is_none() {
                            continue;
                        }
                        if let Some(driver) = self.adopt(record.clone()) {
                            driver.note_stored(record.clone());
                        }
                    }
                }
            }
        };
        let token = self.shared.token.clone();
        let _ended: Option<()> = token.run_until_cancelled(round).await;
    }
}

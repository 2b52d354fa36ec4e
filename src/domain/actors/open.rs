//! The opening of a manager: loads the actors, makes the initial ones, and begins the loops.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::actors::maintenance::Maintenance;
use crate::domain::actors::sample_usage::UsageSampler;
use crate::domain::actors::shared_sync::SharedSync;
use crate::domain::model::actor::ManagedBy;
use crate::error::SupervisorError;
use crate::ports::actor_store::Stored;

impl ActorLifecycleManager {
    pub(super) async fn open_once(&self) -> Result<(), SupervisorError> {
        self.make_initial().await?;
        let records = self.parts().store.load().await?.records;
        let sync = SharedSync::of(&self.core);
        sync.read_settings().await?;
        sync.read_all(|_name| true).await;
        self.core.leadership.renew().await;
        self.core.announce_realm().await;
        let observer = self.core.observer.clone();
        self.core.tasks.spawn(observer.run(self.core.token.clone()));
        for record in records {
            self.core.adopt(record);
        }
        self.core.tasks.spawn(Maintenance::new(Arc::clone(&self.core)).run());
        self.core.tasks.spawn(UsageSampler::new(Arc::clone(&self.core)).run());
        // In a box, because opening a manager begins the loop and the loop opens the manager.
        let scaler: BoxFuture<'static, ()> = Box::pin(self.scaler().run());
        let token = self.core.token.clone();
        self.core.tasks.spawn(async move {
            let _ended: Option<()> = token.run_until_cancelled(scaler).await;
        });
        Ok(())
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
                let mut changed = *existing;
                changed.define(config.clone(), true);
                stored = self.parts().store.update(&changed).await?;
            }
            self.parts().store.set_template(config, false).await?;
        }
        Ok(())
    }
}

//! Health of actors: reports, checks on request, and the monitor that pings them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::domain::actors::{ActorLifecycleManager, ActorSelector};
use crate::domain::health::monitor::{Fleet, HealthMonitor};
use crate::domain::health::report::HealthReport;
use crate::domain::model::actor::{ActorStatus, StopOptions};
use crate::domain::model::event::Cause;
use crate::domain::model::health::Scope;
use crate::domain::model::id::ActorId;
use crate::error::SupervisorError;

impl ActorLifecycleManager {
    /// Reports the health of actors of all nodes as it is known now. Nobody is pinged.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn health_reports(
        &self,
        selector: &ActorSelector,
    ) -> Result<Vec<HealthReport>, SupervisorError> {
        let actors = self.actors().await?;
        Ok(actors.iter().filter(|actor| selector.matches(actor)).map(HealthReport::known).collect())
    }

    /// Pings those of this node's actors that `scope` means, and waits up to `wait` for the answers. An actor that has
    /// not answered by then is reported as it was known before; its ping goes on to the end.
    ///
    /// # Errors
    /// `ActorNotFound` for a name that is not there, `ActorOnOtherNode`, `QueueUnavailable`.
    pub async fn check_health(
        &self,
        selector: &ActorSelector,
        scope: Scope,
        wait: Duration,
    ) -> Result<Vec<HealthReport>, SupervisorError> {
        for id in &selector.ids {
            self.handle(id).await?;
        }
        let actors = self.actors().await?;
        let ours = |actor: &ActorStatus| actor.record.node == *self.node() && selector.matches(actor);
        let ours: Vec<ActorStatus> = actors.into_iter().filter(ours).collect();
        let (monitor, token, asked) = (self.health_monitor(), self.core.token.clone(), ours.clone());
        let round = self
            .core
            .tasks
            .spawn(async move { token.run_until_cancelled(monitor.check(asked, scope)).await });
        match tokio::time::timeout(wait, round).await {
            Ok(Ok(Some(reports))) => Ok(reports),
            Ok(Ok(None)) => Err(SupervisorError::ShuttingDown),
            Ok(Err(broken)) => Err(SupervisorError::Internal {
                what: "check the health of actors".to_owned(),
                source: broken.into(),
            }),
            Err(_elapsed) => {
                let unanswered = |actor: ActorStatus| {
                    let known = HealthReport::known(&self.with_latest(actor));
                    HealthReport { reason: "the wait was over before it answered".to_owned(), ..known }
                };
                Ok(ours.into_iter().map(unanswered).collect())
            }
        }
    }

    /// Makes the monitor of this node's actors.
    pub(super) fn health_monitor(&self) -> HealthMonitor {
        let parts = self.parts();
        HealthMonitor {
            fleet: Arc::new(self.clone()),
            tracker: self.core.tracker.clone(),
            jobs: parts.supervisor.clone(),
            presence: parts.supervisor.queue().clone(),
            store: parts.store.clone(),
            queue_stats: Arc::clone(&self.core.queue_stats),
            leadership: Arc::clone(&self.core.leadership),
            events: parts.events.clone(),
        }
    }

    /// Returns the wall time now.
    pub(crate) fn now(&self) -> SystemTime {
        self.parts().supervisor.clock().now()
    }

    /// Returns the same actor with what is known of its health and its usage now.
    pub(super) fn with_latest(&self, actor: ActorStatus) -> ActorStatus {
        self.core.with_latest(actor)
    }
}

#[async_trait]
impl Fleet for ActorLifecycleManager {
    fn own(&self) -> Vec<ActorStatus> {
        self.core.registry.statuses()
    }

    async fn actor(&self, id: &ActorId) -> Result<ActorStatus, SupervisorError> {
        Self::actor(self, id).await
    }

    async fn restart(
        &self,
        id: &ActorId,
        options: StopOptions,
        wait: Duration,
        cause: Cause,
    ) -> Result<(), SupervisorError> {
        Self::restart(&self.on_behalf_of(cause), id, options, wait).await.map(|_changed| ())
    }
}

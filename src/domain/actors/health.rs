//! What the health monitor needs of the manager, and what callers are told of health.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use crate::domain::health::tracker::HealthTracker;
use crate::domain::model::actor::ActorStatus;
use crate::domain::model::event::{Cause, Event, EventKind};
use crate::domain::model::health::{HealthPolicy, HealthRecord, HealthReport, Scope};

use crate::domain::actors::{ActorLifecycleManager, ActorSelector};
use crate::domain::health::monitor;
use crate::domain::model::script_type::ScriptType;
use crate::error::{SupervisorError, chain};

/// A supervisor that is gone is replaced after this; it asks again three times within it.
pub(super) const TERM: Duration = Duration::from_secs(3);

impl ActorLifecycleManager {
    /// The health of actors of all nodes as it is known now, nobody being pinged.
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

    /// Pings those of this node's actors that `scope` means, and waits up to `wait` for the answers. One that has not
    /// answered by then is reported as it was known before; its ping goes on to the end.
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
        let manager = self.clone();
        let asked = ours.clone();
        let round = self.shared.tasks.spawn(async move {
            let token = manager.shared.token.clone();
            token.run_until_cancelled(monitor::check(&manager, asked, scope)).await
        });
        match tokio::time::timeout(wait, round).await {
            Ok(Ok(Some(reports))) => Ok(reports),
            Ok(Ok(None)) => Err(SupervisorError::ShuttingDown),
            Ok(Err(broken)) => Err(SupervisorError::Internal {
                what: "check the health of actors".to_owned(),
                source: broken.into(),
            }),
            Err(_elapsed) => {
                let unanswered = |actor: ActorStatus| {
                    let known = HealthReport::known(&self.with_health(actor));
                    HealthReport { reason: "the wait was over before it answered".to_owned(), ..known }
                };
                Ok(ours.into_iter().map(unanswered).collect())
            }
        }
    }

    /// Those of this node as their drivers last saw them.
    pub(crate) fn own_actors(&self) -> Vec<ActorStatus> {
        self.shared.registry.statuses()
    }

    /// The memory of the monitor.
    pub(crate) fn tracker(&self) -> &HealthTracker {
        &self.shared.tracker
    }

    /// The wall time now.
    pub(crate) fn now(&self) -> SystemTime {
        self.parts().supervisor.clock().now()
    }

    /// Whether it is on us to look after this node's actors.
    pub(crate) fn leads(&self) -> bool {
        self.shared.leads.load(Ordering::SeqCst)
    }

    /// What holds for an actor: its own definition over that of its script type.
    pub(crate) fn health_policy(&self, actor: &ActorStatus) -> HealthPolicy {
        let config = &actor.record.config;
        config.health.over(self.supervisor().settings().of(config.script_type).health)
    }

    /// Whether the queue of a script type hands out nothing, as far as we know.
    pub(crate) fn is_paused(&self, script_type: ScriptType) -> bool {
        self.queue_stats().is_paused(script_type)
    }

    /// The same actor with what is known of its health now.
    pub(crate) fn with_health(&self, actor: ActorStatus) -> ActorStatus {
        let health = self.shared.tracker.health(&actor.record.id, actor.pid.0);
        ActorStatus { health, ..actor }
    }

    /// Remembers a verdict, here and for other supervisors.
    pub(crate) async fn keep_health(&self, record: HealthRecord) {
        self.shared.tracker.record(record.clone());
        if let Err(error) = self.parts().store.put_health(&record).await {
            tracing::debug!(actor.id = %record.actor_id, error = %chain(&error), "the health of actor {} could not be stored", record.actor_id);
        }
    }

    /// Tells of something that happened to an actor.
    pub(crate) fn emit_of(&self, actor: &ActorStatus, message: String, cause: Cause, kind: EventKind) {
        self.events().emit(Event::new(self.now(), cause, kind, message).of_actor(&actor.record));
    }

    /// Learns what other supervisors have written down, and asks for the turn to look after this node.
    pub(super) async fn keep_in_step(&self, exists: impl Fn(&str) -> bool) {
        let parts = self.parts();
        match parts.store.healths().await {
            Ok(healths) => self.shared.tracker.sync(healths, exists),
            Err(error) => tracing::debug!(error = %chain(&error), "the health of actors could not be read"),
        }
        if let Err(error) = self.load_settings().await {
            tracing::debug!(error = %chain(&error), "the rules of script types could not be read");
        }
        match parts.store.decisions().await {
            Ok(decisions) => {
                for (script_type, decision) in decisions {
                    self.queue_stats().set_decision(script_type, decision);
                }
            }
            Err(error) => tracing::debug!(error = %chain(&error), "decisions of scaling could not be read"),
        }
        self.ask_for_turn().await;
    }

    /// Reads the rules of all script types.
    pub(super) async fn load_settings(&self) -> Result<(), SupervisorError> {
        for settings in self.parts().store.settings().await? {
            self.supervisor().apply_settings(settings);
        }
        Ok(())
    }

    pub(super) async fn ask_for_turn(&self) {
        let leads = self.parts().store.lead(self.node(), &self.shared.instance, TERM).await;
        // Without an answer nobody knows whose turn it is; then nothing can be done either.
        self.shared.leads.store(leads.unwrap_or(false), Ordering::SeqCst);
    }
}

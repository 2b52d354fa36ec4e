//! The loop that pings idle actors, counts misses and restarts actors.
//!
//! The decisions are in `decide` (pure), the memory in the [`tracker`](super::tracker). Of the actors themselves the
//! monitor knows only what a `Fleet` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::events::Events;
use crate::domain::health::decide::{self, Next, PingInput};
use crate::domain::health::ping::{PingResult, ping};
use crate::domain::health::report::HealthReport;
use crate::domain::health::tracker::{HealthTracker, PingSlot};
use crate::domain::jobs::Supervisor;
use crate::domain::leadership::Leadership;
use crate::domain::model::actor::{ActorStatus, StopOptions};
use crate::domain::model::event::{Cause, Event, EventKind, Source};
use crate::domain::model::health::{
    ActorHealth, Health, HealthAction, HealthPolicy, HealthRecord, Ping, PingOutcome, Scope, UnhealthyAction,
};
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::domain::scaling::queue_stats::QueueStats;
use crate::error::{SupervisorError, chain};
use crate::ports::actor_presence::{ActorPresence, Presence};
use crate::ports::shared_store::SharedStore;

/// Time between two rounds; a round reads memory only.
const ROUND_INTERVAL: Duration = Duration::from_secs(1);
/// An actor that speaks the protocol answers a drain at once; one that does not within this time is deaf.
const DEAF_AFTER: Duration = Duration::from_secs(5);
/// Time between two reads of the answer to a drain.
const DRAIN_POLL: Duration = Duration::from_millis(100);
/// A drain that was requested by a monitor which then died ends by itself after this.
const RESUME_AFTER: Duration = Duration::from_secs(60);
/// Time that a restart may take beyond drain and start.
const RESTART_MARGIN: Duration = Duration::from_secs(30);

/// The actors that a monitor looks after.
#[async_trait]
pub(crate) trait Fleet: Send + Sync {
    /// Returns the actors of this node as they were last observed.
    fn own(&self) -> Vec<ActorStatus>;

    /// Returns one actor as it is known now.
    async fn actor(&self, id: &ActorId) -> Result<ActorStatus, SupervisorError>;

    /// Restarts an actor and waits for it.
    async fn restart(
        &self,
        id: &ActorId,
        options: StopOptions,
        wait: Duration,
        cause: Cause,
    ) -> Result<(), SupervisorError>;
}

/// Pings the actors of one node. A cheap clone.
#[derive(Clone)]
pub(crate) struct HealthMonitor {
    pub(crate) fleet: Arc<dyn Fleet>,
    pub(crate) tracker: HealthTracker,
    pub(crate) jobs: Supervisor,
    pub(crate) presence: Arc<dyn ActorPresence>,
    pub(crate) store: Arc<dyn SharedStore>,
    pub(crate) queue_stats: Arc<QueueStats>,
    pub(crate) leadership: Arc<Leadership>,
    pub(crate) events: Events,
}

impl HealthMonitor {
    /// Looks after health for ever. Of several supervisors on one node, one does it.
    pub(crate) async fn run(&self) {
        let mut checks = JoinSet::new();
        loop {
            while checks.try_join_next().is_some() {}
            if self.leadership.is_leader() {
                for actor in self.fleet.own() {
                    let next = self.next_step(&actor, Scope::Due).await;
                    if next != Next::Ping || self.is_newly_adopted(&actor) {
                        continue;
                    }
                    if let Some(slot) = self.tracker.try_begin_ping(&actor.record.id) {
                        let monitor = self.clone();
                        checks.spawn(async move { drop(monitor.check_one(slot, actor).await) });
                    }
                }
            }
            tokio::time::sleep(ROUND_INTERVAL).await;
        }
    }

    /// Checks these actors side by side. A check that is under way already is waited for, so no actor is pinged twice.
    pub(crate) async fn check(&self, actors: Vec<ActorStatus>, scope: Scope) -> Vec<HealthReport> {
        let actors = self.with_jobs_in_flight(actors).await;
        let each = actors.into_iter().map(|actor| async move {
            let next = self.next_step(&actor, scope).await;
            if next != Next::Ping {
                let known = HealthReport::known(&self.with_health(actor));
                let reason = if next == Next::NotRequested { known.reason } else { next.reason().to_owned() };
                // Who takes and ends jobs works; no ping has to say so.
                let health = match (next, known.health) {
                    (Next::Busy | Next::Recent, Health::Unknown) => Health::Healthy,
                    (_, verdict) => verdict,
                };
                return HealthReport { health, reason, ..known };
            }
            match self.tracker.try_begin_ping(&actor.record.id) {
                Some(slot) => self.check_one(slot, actor).await,
                None => {
                    self.tracker.until_idle(&actor.record.id).await;
                    HealthReport::known(&self.with_health(actor))
                }
            }
        });
        futures::future::join_all(each).await
    }

    /// The actors with the jobs that they have in hand now: what is shown of them may be a second old, and who asks for a
    /// round wants to know about this moment. What the queue does not tell stays as it was seen last.
    async fn with_jobs_in_flight(&self, mut actors: Vec<ActorStatus>) -> Vec<ActorStatus> {
        let queues: BTreeSet<QueueName> = actors.iter().map(|actor| actor.record.config.queue()).collect();
        let queue = &self.presence;
        let read = futures::future::join_all(queues.into_iter().map(|name| queue.presences(name))).await;
        let present: BTreeMap<_, _> = read
            .into_iter()
            .flatten()
            .flatten()
            .map(|presence| (presence.actor_id.clone(), presence))
            .collect();
        for actor in &mut actors {
            if let Some(presence) = present.get(&actor.record.id) {
                actor.in_flight = presence.in_flight;
                actor.last_job_at = presence.last_job_at.or(actor.last_job_at);
            }
        }
        actors
    }

    /// Decides on the next step for one actor, and records changes of health that need no ping.
    async fn next_step(&self, actor: &ActorStatus, scope: Scope) -> Next {
        let mut actor = self.with_health(actor.clone());
        let settled = decide::settled(&actor);
        if settled != actor.health {
            self.settle(&actor, settled.clone()).await;
            actor.health = settled;
        }
        let actor = &actor;
        let seen = PingInput {
            actor,
            now: self.now(),
            last_activity: self.tracker.last_activity(&actor.record.id),
            paused: self.queue_stats.is_paused(actor.record.config.queue()),
        };
        decide::next(&self.policy(actor), &seen, scope)
    }

    /// Returns true if the actor has given no sign yet, and this supervisor has not watched it for as long as an idle actor
    /// is left alone. A process manager may not know when a process was started that an earlier supervisor has started.
    fn is_newly_adopted(&self, actor: &ActorStatus) -> bool {
        let silent = actor.started_at.is_none()
            && actor.last_job_at.is_none()
            && self.with_health(actor.clone()).health.last_ping.is_none();
        silent && self.tracker.age() < self.policy(actor).idle_after
    }

    async fn check_one(&self, slot: PingSlot, actor: ActorStatus) -> HealthReport {
        let actor = self.with_health(actor);
        let policy = self.policy(&actor);
        let id = actor.record.id.clone();
        let sent_at = self.now();
        self.emit(&actor, format!("actor {id} is pinged"), EventKind::PingSent);
        let pinged = ping(&self.jobs, &actor, policy.ping_timeout, sent_at).await;
        let health = match pinged {
            Ok(PingResult::Conclusive(ping)) if ping.outcome == PingOutcome::Ok => {
                self.answered(&actor, ping)
            }
            Ok(PingResult::Conclusive(ping)) => self.missed(&actor, &policy, ping).await,
            Ok(PingResult::NoEngine(ping)) => {
                let reported = HealthPolicy { action: UnhealthyAction::ReportOnly, ..policy };
                self.missed(&actor, &reported, ping).await
            }
            Ok(PingResult::Nothing(reason)) => ActorHealth { reason, ..actor.health.clone() },
            // The queue is at fault, not the actor.
            Err(error) => ActorHealth { reason: chain(&error), ..actor.health.clone() },
        };
        let action = health.action;
        self.settle(&actor, health.clone()).await;
        drop(slot);
        let now = self.fleet.actor(&id).await.unwrap_or(actor);
        HealthReport {
            action,
            health: health.health,
            consecutive_failures: health.consecutive_failures,
            last_ping: health.last_ping,
            reason: health.reason,
            ..HealthReport::known(&now)
        }
    }

    fn answered(&self, actor: &ActorStatus, ping: Ping) -> ActorHealth {
        let id = &actor.record.id;
        let round_trip = ping.round_trip.unwrap_or_default();
        let message = format!("actor {id} answered a ping within {round_trip:.0?}");
        self.emit(actor, message, EventKind::PingOk { round_trip });
        ActorHealth {
            health: Health::Healthy,
            last_ping: Some(ping),
            consecutive_failures: 0,
            action: HealthAction::Pinged,
            reason: "answered a ping".to_owned(),
        }
    }

    /// A ping came to nothing. It counts only if the same process is still there, and not busy: that is judged by leases.
    async fn missed(&self, actor: &ActorStatus, policy: &HealthPolicy, ping: Ping) -> ActorHealth {
        let id = &actor.record.id;
        let known = actor.health.clone();
        let reason = ping.message.clone();
        match self.presence_of(actor).await {
            Err(error) => return ActorHealth { reason: chain(&error), ..known },
            Ok(Some(presence)) if presence.in_flight > 0 => {
                return ActorHealth { reason: "became busy before it came to its ping".to_owned(), ..known };
            }
            Ok(_idle) => {}
        }
        if !self.is_still_there(actor, false).await {
            return ActorHealth {
                reason: "its process ended before it came to its ping".to_owned(),
                ..known
            };
        }
        let misses = known.consecutive_failures.saturating_add(1);
        let message = format!("actor {id} missed a ping ({misses} in a row): {reason}");
        tracing::warn!(actor.id = %id, misses, "actor {id}: missed a ping ({misses} in a row; {reason})");
        let timed_out = ping.outcome == PingOutcome::TimedOut;
        self.emit(actor, message, EventKind::PingFailed { timed_out, reason: reason.clone() });
        let mut health = ActorHealth {
            health: decide::after_misses(policy, misses),
            last_ping: Some(ping),
            consecutive_failures: misses,
            action: HealthAction::Pinged,
            reason,
        };
        if health.health != Health::Unhealthy || policy.action == UnhealthyAction::ReportOnly {
            return health;
        }
        match self.restart(actor, misses).await {
            Ok(true) => {
                let message = format!("actor {id} was restarted because it missed {misses} pings in a row");
                self.emit(actor, message, EventKind::ActorRestarted);
                health.action = HealthAction::Restarted;
            }
            Ok(false) => health.reason.push_str("; it took up work again and was left alone"),
            Err(error) => health.reason.push_str(&format!("; its restart failed: {}", chain(&error))),
        }
        health
    }

    /// Restarts an actor that is to be given up, without ever taking work from it. It is asked to drain first: whoever heeds
    /// that takes no new job and is restarted softly, after its jobs. Whoever does not is deaf and takes nothing either; it
    /// is killed, unless the queue says that it still holds a job. False when it was left alone.
    async fn restart(&self, actor: &ActorStatus, misses: u32) -> Result<bool, SupervisorError> {
        let (id, config) = (&actor.record.id, &actor.record.config);
        self.presence.request_drain(config.queue(), id, RESUME_AFTER).await?;
        let deadline = Instant::now() + DEAF_AFTER;
        let heeded = loop {
            match self.presence_of(actor).await? {
                Some(presence) if presence.draining => break true,
                Some(presence) if Instant::now() >= deadline && presence.in_flight > 0 => return Ok(false),
                Some(_) | None if Instant::now() >= deadline => break false,
                Some(_) | None => tokio::time::sleep(DRAIN_POLL).await,
            }
        };
        if !self.is_still_there(actor, heeded).await {
            return Ok(false);
        }
        let options = StopOptions { drain_timeout: None, force: !heeded };
        let wait = config.drain_timeout.saturating_add(config.start_timeout).saturating_add(RESTART_MARGIN);
        let reason = format!("it missed its pings, {misses} in a row");
        let cause = Cause { reason, ..Cause::from(Source::Health) };
        self.fleet.restart(id, options, wait, cause).await.map(|()| true)
    }

    /// Reads the queue's present entry of the process that was observed.
    async fn presence_of(&self, actor: &ActorStatus) -> Result<Option<Presence>, SupervisorError> {
        let presences = self.presence.presences(actor.record.config.queue()).await?;
        Ok(presences.into_iter().find(|presence| presence.actor_id == actor.record.id))
    }

    /// Returns true if the process that was pinged still runs.
    async fn is_still_there(&self, pinged: &ActorStatus, drained: bool) -> bool {
        let now = self.fleet.actor(&pinged.record.id).await;
        now.is_ok_and(|now| decide::is_same_process(pinged, &now, drained))
    }

    /// Records the health of now, and emits an event if it is another one.
    async fn settle(&self, actor: &ActorStatus, health: ActorHealth) {
        let id = &actor.record.id;
        let old = actor.health.health;
        if health.health != old {
            let (from, to) = (old.as_str(), health.health.as_str());
            let message = format!("actor {id} was {from} and is {to} now: {}", health.reason);
            let kind = EventKind::HealthChanged {
                old,
                new: health.health,
                consecutive_failures: health.consecutive_failures,
                round_trip: health.last_ping.as_ref().and_then(|ping| ping.round_trip),
                action: health.action,
                reason: health.reason.clone(),
            };
            self.emit(actor, message, kind);
        }
        let restarted = health.action == HealthAction::Restarted;
        let record = HealthRecord {
            actor_id: id.clone(),
            // What was restarted begins anew: its misses are those of the process that is gone.
            pid: if restarted { None } else { actor.pid.0 },
            updated_at: self.now(),
            health: if restarted {
                ActorHealth { health: Health::Unknown, consecutive_failures: 0, ..health }
            } else {
                health
            },
        };
        self.store_verdict(record).await;
    }

    fn emit(&self, actor: &ActorStatus, message: String, kind: EventKind) {
        self.events.emit(Event::new(self.now(), Source::Health, kind, message).of_actor(&actor.record));
    }

    fn now(&self) -> SystemTime {
        self.jobs.clock().now()
    }

    /// Returns the policy of an actor: its own definition over that of its queue.
    fn policy(&self, actor: &ActorStatus) -> HealthPolicy {
        let config = &actor.record.config;
        config.health.over(self.jobs.settings().of(config.typed_queue()).health)
    }

    /// Returns an actor with what the tracker knows of its health.
    fn with_health(&self, actor: ActorStatus) -> ActorStatus {
        self.tracker.with_health(actor)
    }

    /// Records the health of an actor, here and for other supervisors.
    async fn store_verdict(&self, record: HealthRecord) {
        self.tracker.record(record.clone());
        if let Err(error) = self.store.put_health(&record).await {
            tracing::debug!(actor.id = %record.actor_id, error = %chain(&error), "health of actor {}: it is not stored (other supervisors do not know it)", record.actor_id);
        }
    }
}

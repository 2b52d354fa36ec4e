//! The loop that pings, counts and restarts. What it decides is decided in `decide`; what it remembers is in the
//! [`tracker`](super::book).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::actors::{ActorLifecycleManager, StopOptions};
use crate::domain::health::decide::{self, Next, PingInput};
use crate::domain::health::ping::{Pinged, ping};
use crate::domain::health::tracker::PingSlot;
use crate::domain::model::actor::ActorStatus;
use crate::domain::model::event::{Cause, EventKind, Source};
use crate::domain::model::health::{
    ActorHealth, Health, HealthAction, HealthPolicy, HealthRecord, HealthReport, Ping, PingOutcome, Scope,
    UnhealthyAction,
};
use crate::domain::model::script_type::ScriptType;
use crate::error::{SupervisorError, chain};
use crate::ports::actor_presence::Presence;

/// How often the loop looks who is due; a look is at memory only.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// An actor that speaks the protocol answers a drain at once; one that does not within this time is deaf.
const DEAF_AFTER: Duration = Duration::from_secs(5);
/// Between two looks for the answer to a drain.
const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// A drain that was asked for by a monitor which then died ends by itself after this.
const RESUME_AFTER: Duration = Duration::from_secs(60);
/// What a restart may take beyond drain and start.
const RESTART_MARGIN: Duration = Duration::from_secs(30);

/// Looks after health for ever. Of several supervisors on one node, one does it.
pub(crate) async fn run(manager: &ActorLifecycleManager) {
    let mut checks = JoinSet::new();
    loop {
        while checks.try_join_next().is_some() {}
        if manager.leads() {
            for actor in manager.own_actors() {
                let next = look(manager, &actor, Scope::Due).await;
                if next != Next::Ping {
                    continue;
                }
                if let Some(slot) = manager.tracker().try_begin_ping(&actor.record.id) {
                    let manager = manager.clone();
                    checks.spawn(async move { drop(check_one(&manager, slot, actor).await) });
                }
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// One round over these actors, side by side. Who is being checked already is waited for, not pinged twice.
pub(crate) async fn check(
    manager: &ActorLifecycleManager,
    actors: Vec<ActorStatus>,
    scope: Scope,
) -> Vec<HealthReport> {
    let actors = as_they_are_now(manager, actors).await;
    let each = actors.into_iter().map(|actor| async move {
        let next = look(manager, &actor, scope).await;
        if next != Next::Ping {
            let known = HealthReport::known(&manager.with_health(actor));
            let reason = if next == Next::NotRequested { known.reason } else { next.reason().to_owned() };
            // Who takes and ends jobs works; no ping has to say so.
            let health = match (next, known.health) {
                (Next::Busy | Next::Recent, Health::Unknown) => Health::Healthy,
                (_, verdict) => verdict,
            };
            return HealthReport { health, reason, ..known };
        }
        match manager.tracker().try_begin_ping(&actor.record.id) {
            Some(slot) => check_one(manager, slot, actor).await,
            None => {
                manager.tracker().until_idle(&actor.record.id).await;
                HealthReport::known(&manager.with_health(actor))
            }
        }
    });
    futures::future::join_all(each).await
}

/// The actors with the jobs that they have in hand now: what is shown of them may be a second old, and who asks for a
/// round wants to know about this moment. What the queue does not tell stays as it was seen last.
async fn as_they_are_now(manager: &ActorLifecycleManager, mut actors: Vec<ActorStatus>) -> Vec<ActorStatus> {
    let types: BTreeSet<ScriptType> = actors.iter().map(|actor| actor.record.config.script_type).collect();
    let queue = manager.supervisor().queue();
    let read =
        futures::future::join_all(types.into_iter().map(|script_type| queue.presences(script_type))).await;
    let present: BTreeMap<_, _> =
        read.into_iter().flatten().flatten().map(|presence| (presence.actor_id.clone(), presence)).collect();
    for actor in &mut actors {
        if let Some(presence) = present.get(&actor.record.id) {
            actor.in_flight = presence.in_flight;
            actor.last_job_at = presence.last_job_at.or(actor.last_job_at);
        }
    }
    actors
}

/// What to do about one actor; what has become of its health without a ping is written down on the way.
async fn look(manager: &ActorLifecycleManager, actor: &ActorStatus, scope: Scope) -> Next {
    let mut actor = manager.with_health(actor.clone());
    let settled = decide::settled(&actor);
    if settled != actor.health {
        settle(manager, &actor, settled.clone()).await;
        actor.health = settled;
    }
    let actor = &actor;
    let seen = PingInput {
        actor,
        now: manager.now(),
        last_activity: manager.tracker().last_activity(&actor.record.id),
        paused: manager.is_paused(actor.record.config.script_type),
    };
    decide::next(&manager.health_policy(actor), &seen, scope)
}

async fn check_one(manager: &ActorLifecycleManager, slot: PingSlot, actor: ActorStatus) -> HealthReport {
    let actor = manager.with_health(actor);
    let policy = manager.health_policy(&actor);
    let id = actor.record.id.clone();
    let sent_at = manager.now();
    emit(manager, &actor, format!("actor {id} is pinged"), EventKind::PingSent);
    let pinged = ping(manager.supervisor(), &actor, policy.ping_timeout, sent_at).await;
    let health = match pinged {
        Ok(Pinged::Told(ping)) if ping.outcome == PingOutcome::Ok => answered(manager, &actor, ping),
        Ok(Pinged::Told(ping)) => missed(manager, &actor, &policy, ping).await,
        Ok(Pinged::NoEngine(ping)) => {
            let reported = HealthPolicy { action: UnhealthyAction::ReportOnly, ..policy };
            missed(manager, &actor, &reported, ping).await
        }
        Ok(Pinged::Nothing(reason)) => ActorHealth { reason, ..actor.health.clone() },
        // The queue is at fault, not the actor.
        Err(error) => ActorHealth { reason: chain(&error), ..actor.health.clone() },
    };
    let action = health.action;
    settle(manager, &actor, health.clone()).await;
    drop(slot);
    let now = manager.actor(&id).await.unwrap_or(actor);
    HealthReport {
        action,
        health: health.health,
        consecutive_failures: health.consecutive_failures,
        last_ping: health.last_ping,
        reason: health.reason,
        ..HealthReport::known(&now)
    }
}

fn answered(manager: &ActorLifecycleManager, actor: &ActorStatus, ping: Ping) -> ActorHealth {
    let id = &actor.record.id;
    let round_trip = ping.round_trip.unwrap_or_default();
    let message = format!("actor {id} answered a ping within {round_trip:.0?}");
    emit(manager, actor, message, EventKind::PingOk { round_trip });
    ActorHealth {
        health: Health::Healthy,
        last_ping: Some(ping),
        consecutive_failures: 0,
        action: HealthAction::Pinged,
        reason: "answered a ping".to_owned(),
    }
}

/// A ping came to nothing. It counts only if the same process is still there, and not busy: that is judged by leases.
async fn missed(
    manager: &ActorLifecycleManager,
    actor: &ActorStatus,
    policy: &HealthPolicy,
    ping: Ping,
) -> ActorHealth {
    let id = &actor.record.id;
    let known = actor.health.clone();
    let reason = ping.message.clone();
    match presence(manager, actor).await {
        Err(error) => return ActorHealth { reason: chain(&error), ..known },
        Ok(Some(presence)) if presence.in_flight > 0 => {
            return ActorHealth { reason: "became busy before it came to its ping".to_owned(), ..known };
        }
        Ok(_idle) => {}
    }
    if !still_there(manager, actor, false).await {
        return ActorHealth { reason: "its process ended before it came to its ping".to_owned(), ..known };
    }
    let misses = known.consecutive_failures.saturating_add(1);
    let message = format!("actor {id} missed a ping ({misses} in a row): {reason}");
    tracing::warn!(actor.id = %id, misses, "{message}");
    let timed_out = ping.outcome == PingOutcome::TimedOut;
    emit(manager, actor, message, EventKind::PingFailed { timed_out, reason: reason.clone() });
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
    match restart(manager, actor, misses).await {
        Ok(true) => {
            let message = format!("actor {id} was restarted because it missed {misses} pings in a row");
            emit(manager, actor, message, EventKind::ActorRestarted);
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
async fn restart(
    manager: &ActorLifecycleManager,
    actor: &ActorStatus,
    misses: u32,
) -> Result<bool, SupervisorError> {
    let (id, config) = (&actor.record.id, &actor.record.config);
    manager.supervisor().queue().request_drain(config.script_type, id, RESUME_AFTER).await?;
    let deadline = Instant::now() + DEAF_AFTER;
    let heeded = loop {
        match presence(manager, actor).await? {
            Some(presence) if presence.draining => break true,
            Some(presence) if Instant::now() >= deadline && presence.in_flight > 0 => return Ok(false),
            Some(_) | None if Instant::now() >= deadline => break false,
            Some(_) | None => tokio::time::sleep(DRAIN_LOOK).await,
        }
    };
    if !still_there(manager, actor, heeded).await {
        return Ok(false);
    }
    let options = StopOptions { drain_timeout: None, force: !heeded };
    let wait = config.drain_timeout.saturating_add(config.start_timeout).saturating_add(RESTART_MARGIN);
    let reason = format!("it missed its pings, {misses} in a row");
    let cause = Cause { reason, ..Cause::from(Source::Health) };
    manager.on_behalf_of(cause).restart(id, options, wait).await.map(|_changed| true)
}

/// What the queue says of the process that was looked at, now.
async fn presence(
    manager: &ActorLifecycleManager,
    actor: &ActorStatus,
) -> Result<Option<Presence>, SupervisorError> {
    let presences = manager.supervisor().queue().presences(actor.record.config.script_type).await?;
    Ok(presences.into_iter().find(|presence| presence.actor_id == actor.record.id))
}

/// Whether the process that was pinged is still the one that runs.
async fn still_there(manager: &ActorLifecycleManager, pinged: &ActorStatus, drained: bool) -> bool {
    let now = manager.actor(&pinged.record.id).await;
    now.is_ok_and(|now| decide::is_same_process(pinged, &now, drained))
}

/// Writes down what is known now, and says so if the verdict is another one.
async fn settle(manager: &ActorLifecycleManager, actor: &ActorStatus, health: ActorHealth) {
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
        emit(manager, actor, message, kind);
    }
    let restarted = health.action == HealthAction::Restarted;
    let record = HealthRecord {
        actor_id: id.clone(),
        // What was restarted begins anew: its misses are those of the process that is gone.
        pid: if restarted { None } else { actor.pid.0 },
        updated_at: manager.now(),
        health: if restarted {
            ActorHealth { health: Health::Unknown, consecutive_failures: 0, ..health }
        } else {
            health
        },
    };
    manager.keep_health(record).await;
}

fn emit(manager: &ActorLifecycleManager, actor: &ActorStatus, message: String, kind: EventKind) {
    manager.emit_of(actor, message, Cause::from(Source::Health), kind);
}

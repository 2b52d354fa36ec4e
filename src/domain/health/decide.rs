//! Decides what to do about one actor, as a pure function of its observed state.

use std::time::{Duration, SystemTime};

use crate::domain::model::actor::{ActorState, ActorStatus, Desired, Readiness};
use crate::domain::model::health::{ActorHealth, Health, HealthPolicy, PingOutcome, Scope};

/// Inputs that bear on the decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct PingInput<'a> {
    pub(super) actor: &'a ActorStatus,
    pub(super) now: SystemTime,
    /// Time since a caller reported a job.
    pub(super) last_activity: Option<Duration>,
    /// True if the queue of the actor is paused: nobody takes a ping then.
    pub(super) paused: bool,
}

/// The next step for one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The actor does not run.
    NotRunning,
    /// The actor does not speak the protocol.
    CannotBePinged,
    /// The queue is paused.
    Paused,
    /// The actor holds jobs, so their leases show whether it lives.
    Busy,
    /// The actor had a job a short time ago.
    Recent,
    /// The actor missed a ping, and the next one is not due yet.
    Waiting,
    /// A ping was not requested.
    NotRequested,
    /// Ping it.
    Ping,
}

impl Next {
    /// One sentence on why nothing is done.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::NotRunning => "does not run",
            Self::CannotBePinged => "does not take jobs from a queue",
            Self::Paused => "its queue is paused",
            Self::Busy => "busy",
            Self::Recent => "had a job lately",
            Self::Waiting => "missed a ping; the next one follows",
            Self::NotRequested | Self::Ping => "",
        }
    }
}

/// Decides. After a miss the next ping does not wait for the idle time: a hung actor may have taken the ping and so look
/// as if it had had a job.
pub(super) fn next(policy: &HealthPolicy, seen: &PingInput<'_>, scope: Scope) -> Next {
    let actor = seen.actor;
    if actor.state != ActorState::Running {
        return Next::NotRunning;
    }
    if actor.record.config.readiness == Readiness::Process {
        return Next::CannotBePinged;
    }
    if seen.paused {
        return Next::Paused;
    }
    let busy = actor.in_flight > 0;
    match scope {
        Scope::None => return Next::NotRequested,
        Scope::All => return Next::Ping,
        Scope::Idle => return if busy { Next::Busy } else { Next::Ping },
        Scope::Due if busy => return Next::Busy,
        Scope::Due => {}
    }
    let age = |at: SystemTime| seen.now.duration_since(at).unwrap_or_default();
    let since_ping = actor.health.last_ping.as_ref().map(|ping| age(ping.at));
    if actor.health.consecutive_failures > 0 && !worked_since(actor) {
        // The time-out of the missed ping counts from its start, so the pause begins after it.
        let due = policy.retry_after.saturating_add(policy.ping_timeout);
        let failed_at_once =
            actor.health.last_ping.as_ref().is_some_and(|ping| ping.outcome == PingOutcome::Failed);
        let due = if failed_at_once { policy.retry_after } else { due };
        return if since_ping.is_none_or(|since| since >= due) { Next::Ping } else { Next::Waiting };
    }
    let signs = [actor.last_job_at.map(age), actor.started_at.map(age), seen.last_activity, since_ping];
    match signs.into_iter().flatten().min() {
        Some(idle) if idle < policy.idle_after => Next::Recent,
        Some(_) | None => Next::Ping,
    }
}

/// Returns true if an actor took or finished a job after its last ping: then it works, whatever the result of the ping.
pub(super) fn worked_since(actor: &ActorStatus) -> bool {
    let last_ping = actor.health.last_ping.as_ref().map(|ping| ping.at);
    matches!((actor.last_job_at, last_ping), (Some(job), Some(ping)) if job > ping)
}

/// Returns the health that is shown while no ping is under way.
pub(super) fn settled(actor: &ActorStatus) -> ActorHealth {
    let known = &actor.health;
    // Nobody knows about its process yet, or any more: a supervisor that has just started for instance. That is no news about
    // its health.
    if actor.state == ActorState::Unknown {
        return known.clone();
    }
    if actor.state != ActorState::Running {
        let health = if known.consecutive_failures > 0 { known.health } else { Health::Unknown };
        return ActorHealth { health, ..known.clone() };
    }
    if worked_since(actor) && known.consecutive_failures > 0 {
        return ActorHealth {
            health: Health::Healthy,
            consecutive_failures: 0,
            reason: "had a job after its last ping".to_owned(),
            ..known.clone()
        };
    }
    // A job of the process before says nothing about this one.
    let worked = actor.last_job_at.is_some_and(|job| actor.started_at.is_none_or(|start| job >= start));
    if known.health == Health::Unknown && known.consecutive_failures == 0 && worked {
        return ActorHealth { health: Health::Healthy, reason: "had a job".to_owned(), ..known.clone() };
    }
    known.clone()
}

/// Returns true if the process that was pinged still runs. A process that ended is not started by the health monitor, least
/// of all one that was given up as CRASH_LOOP. A process that drains because it was asked to is the same process. The
/// desired state is compared as well, since a drain may also be that of a stop.
pub(super) fn is_same_process(pinged: &ActorStatus, now: &ActorStatus, drained: bool) -> bool {
    let runs = match now.state {
        ActorState::Running => true,
        ActorState::Draining => drained,
        ActorState::Stopped
        | ActorState::Blocked
        | ActorState::Starting
        | ActorState::Stopping
        | ActorState::Backoff
        | ActorState::CrashLoop
        | ActorState::Failed
        | ActorState::Unknown => false,
    };
    runs && now.pid == pinged.pid && now.record.desired == Desired::Up
}

/// Returns the health after so many misses in a row.
pub(super) fn after_misses(policy: &HealthPolicy, misses: u32) -> Health {
    if misses >= policy.failure_threshold { Health::Unhealthy } else { Health::Degraded }
}

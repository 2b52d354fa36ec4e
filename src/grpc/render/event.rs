//! Events and bookmarks.

use std::time::SystemTime;

use crate::domain::model::event::{Cause, Event, EventKind, Severity, Source, Topic};
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::grpc::render::{count, duration, script_type, timestamp};
use crate::ports::event_log::Logged;
use crate::proto as pb;
use crate::proto::event as of_event;
use crate::proto::event::Detail;

/// Prefix of the cursors of a snapshot. A watch that resumes after such a cursor gets the whole snapshot again.
pub(crate) const SNAPSHOT_MARK: &str = "s";

/// Renders a bookmark.
pub(crate) fn bookmark(kind: pb::bookmark::Kind, now: SystemTime) -> pb::Bookmark {
    pb::Bookmark { kind: kind.into(), time: Some(timestamp(now)) }
}

/// Renders an event.
pub(crate) fn event(logged: &Logged) -> pb::Event {
    let event = &logged.event;
    pb::Event {
        event_id: logged.id(),
        time: Some(timestamp(event.at)),
        topic: topic(event.kind.topic()).into(),
        r#type: of_type(&event.kind).into(),
        severity: severity(event.severity).into(),
        message: event.message.clone(),
        actor_id: event.actor_id.as_ref().map(ActorId::to_string).unwrap_or_default(),
        job_id: event.job_id.as_ref().map(JobId::to_string).unwrap_or_default(),
        queue: event.queue.map(|queue| queue.to_string()).unwrap_or_default(),
        script_type: event.script_type.map(|of| script_type(of).into()).unwrap_or_default(),
        node: event.node.as_ref().map(NodeName::to_string).unwrap_or_default(),
        cause: Some(cause(&event.cause)),
        detail: detail(event),
    }
}

fn detail(event: &Event) -> Option<Detail> {
    use pb::ping::Outcome;
    let ping = |outcome: Outcome| pb::Ping {
        time: Some(timestamp(event.at)),
        outcome: outcome.into(),
        ..Default::default()
    };
    let dependency = |name: &str, state: pb::dependency::State, message: &str| pb::Dependency {
        name: name.to_owned(),
        state: state.into(),
        message: message.to_owned(),
        latency: None,
        check_time: Some(timestamp(event.at)),
    };
    Some(match &event.kind {
        EventKind::ActorStateChanged { old, new, desired, pid } => {
            Detail::ActorStateChange(pb::ActorStateChange {
                old_state: super::actor_state::state(*old).into(),
                new_state: super::actor_state::state(*new).into(),
                desired_state: super::actor_state::desired(*desired).into(),
                pid: pid.map(count),
            })
        }
        EventKind::ActorExited(exit) => Detail::ActorExit(super::actor::last_exit(exit.clone())),
        EventKind::PingSent => Detail::Ping(ping(Outcome::Unspecified)),
        EventKind::PingOk { round_trip } => {
            Detail::Ping(pb::Ping { round_trip: Some(duration(*round_trip)), ..ping(Outcome::Ok) })
        }
        EventKind::PingFailed { timed_out, reason } => {
            let outcome = if *timed_out { Outcome::TimedOut } else { Outcome::Failed };
            Detail::Ping(pb::Ping { message: reason.clone(), ..ping(outcome) })
        }
        EventKind::HealthChanged { .. } => Detail::Health(health_event(event)?),
        EventKind::JobStateChanged { old, new, attempt, error } => {
            Detail::JobStateChange(pb::JobStateChange {
                old_state: old.map(|old| super::job::state(old).into()).unwrap_or_default(),
                new_state: super::job::state(*new).into(),
                attempt: count(*attempt),
                error: error.clone().map(super::job::error),
            })
        }
        EventKind::ScalingDecided(decision) => {
            Detail::ScalingDecision(super::script_types::scaling_decision(decision.clone()))
        }
        EventKind::DependencyDown { name, reason } => {
            Detail::Dependency(dependency(name, pb::dependency::State::Down, reason))
        }
        EventKind::DependencyUp { name, who, latency } => Detail::Dependency(pb::Dependency {
            latency: Some(duration(*latency)),
            ..dependency(name, pb::dependency::State::Up, who)
        }),
        EventKind::JobUpdated { old, new } => Detail::JobUpdate(pb::JobUpdate {
            old_priority: old.level().into(),
            new_priority: new.level().into(),
        }),
        EventKind::ServerReloaded { subject } => {
            Detail::Reload(pb::Reload { subject: subject.clone(), ..Default::default() })
        }
        EventKind::ServerReloadFailed { subject, reason } => {
            Detail::Reload(pb::Reload { subject: subject.clone(), error: reason.clone() })
        }
        EventKind::ActorCreated
        | EventKind::ActorUpdated
        | EventKind::ActorDeleted
        | EventKind::ActorRestarted
        | EventKind::JobDeleted
        | EventKind::QueuePaused
        | EventKind::QueueResumed
        | EventKind::QueuePurged { .. }
        | EventKind::ServerStarted
        | EventKind::ServerDraining => return None,
    })
}

/// Renders an event as a health event; None if it is about something else.
pub(crate) fn health_event(event: &Event) -> Option<pb::HealthEvent> {
    let EventKind::HealthChanged { old, new, consecutive_failures, round_trip, action, reason } = &event.kind
    else {
        return None;
    };
    Some(pb::HealthEvent {
        actor_id: event.actor_id.as_ref().map(ActorId::to_string).unwrap_or_default(),
        old_health: super::health::health(*old).into(),
        new_health: super::health::health(*new).into(),
        consecutive_failures: count(*consecutive_failures),
        ping_round_trip: round_trip.map(duration),
        action: super::health::action(*action).into(),
        reason: reason.clone(),
        time: Some(timestamp(event.at)),
    })
}

fn cause(cause: &Cause) -> pb::EventCause {
    use pb::event_cause::Source as Proto;
    let source = match cause.source {
        Source::Caller => Proto::Caller,
        Source::Health => Proto::Health,
        Source::Scaler => Proto::Scaler,
        Source::ProcessManager => Proto::ProcessManager,
        Source::Queue => Proto::Queue,
        Source::Supervisor => Proto::Supervisor,
    };
    pb::EventCause {
        source: source.into(),
        request_id: cause.request_id.clone().unwrap_or_default(),
        reason: cause.reason.clone(),
        identity: cause.identity.clone().unwrap_or_default(),
    }
}

fn topic(topic: Topic) -> of_event::Topic {
    match topic {
        Topic::Actor => of_event::Topic::Actor,
        Topic::Health => of_event::Topic::Health,
        Topic::Job => of_event::Topic::Job,
        Topic::Scaling => of_event::Topic::Scaling,
        Topic::Queue => of_event::Topic::Queue,
        Topic::Server => of_event::Topic::Server,
    }
}

fn severity(severity: Severity) -> of_event::Severity {
    match severity {
        Severity::Debug => of_event::Severity::Debug,
        Severity::Info => of_event::Severity::Info,
        Severity::Warning => of_event::Severity::Warning,
        Severity::Error => of_event::Severity::Error,
    }
}

fn of_type(kind: &EventKind) -> of_event::Type {
    use of_event::Type;
    match kind {
        EventKind::ActorCreated => Type::ActorCreated,
        EventKind::ActorUpdated => Type::ActorUpdated,
        EventKind::ActorDeleted => Type::ActorDeleted,
        EventKind::ActorStateChanged { .. } => Type::ActorStateChanged,
        EventKind::ActorExited(_) => Type::ActorExited,
        EventKind::ActorRestarted => Type::ActorRestarted,
        EventKind::PingSent => Type::PingSent,
        EventKind::PingOk { .. } => Type::PingOk,
        EventKind::PingFailed { .. } => Type::PingFailed,
        EventKind::HealthChanged { .. } => Type::HealthChanged,
        EventKind::JobStateChanged { .. } => Type::JobStateChanged,
        EventKind::JobDeleted => Type::JobDeleted,
        EventKind::JobUpdated { .. } => Type::JobUpdated,
        EventKind::ScalingDecided(_) => Type::ScalingDecided,
        EventKind::QueuePaused => Type::QueuePaused,
        EventKind::QueueResumed => Type::QueueResumed,
        EventKind::QueuePurged { .. } => Type::QueuePurged,
        EventKind::DependencyDown { .. } => Type::DependencyDown,
        EventKind::DependencyUp { .. } => Type::DependencyUp,
        EventKind::ServerStarted => Type::ServerStarted,
        EventKind::ServerDraining => Type::ServerDraining,
        EventKind::ServerReloaded { .. } => Type::ServerReloaded,
        EventKind::ServerReloadFailed { .. } => Type::ServerReloadFailed,
    }
}

use std::time::{Duration, SystemTime};

use super::{decode_event, decode_job_event, encode_event};
use crate::domain::model::actor::{ActorState, Desired, ExitStatus, LastExit};
use crate::domain::model::event::{Cause, Event, EventKind, Severity, Source};
use crate::domain::model::health::{Health, HealthAction};
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::domain::model::job::{JobError, JobErrorKind, JobState, Priority};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::{NodeShare, ScalingDecision, Shares};
use crate::domain::model::script_type::ScriptType;

fn at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_942_400_123)
}

/// One of each; a new variant stops the build here.
fn everything() -> Vec<EventKind> {
    let exit = |status| LastExit {
        status,
        at: at(),
        pid: 7,
        requested: false,
        reason: "why".to_owned(),
        log_tail: vec!["bye".to_owned()],
    };
    let decision = ScalingDecision {
        at: at(),
        current: 1,
        desired: 3,
        queued: 20,
        running: 1,
        oldest_age: Some(Duration::from_secs(4)),
        reason: "20 jobs wait".to_owned(),
        added: vec![ActorId::parse("a_1").unwrap()],
        removed: Vec::new(),
        shares: Shares {
            nodes: vec![NodeShare {
                node: NodeName::parse("a").unwrap(),
                replicas: 1,
                present: true,
                fault: "no program".to_owned(),
            }],
            unplaced: 2,
        },
    };
    let all = vec![
        EventKind::ActorCreated,
        EventKind::ActorUpdated,
        EventKind::ActorDeleted,
        EventKind::ActorStateChanged {
            old: ActorState::Starting,
            new: ActorState::Running,
            desired: Desired::Up,
            pid: Some(7),
        },
        EventKind::ActorExited(exit(ExitStatus::Signal(9))),
        EventKind::ActorExited(exit(ExitStatus::Code(3))),
        EventKind::ActorExited(exit(ExitStatus::Unknown)),
        EventKind::ActorRestarted,
        EventKind::PingSent,
        EventKind::PingOk { round_trip: Duration::from_micros(812) },
        EventKind::PingFailed { timed_out: true, reason: "no answer".to_owned() },
        EventKind::HealthChanged {
            old: Health::Degraded,
            new: Health::Unhealthy,
            consecutive_failures: 3,
            round_trip: None,
            action: HealthAction::Restarted,
            reason: "three misses".to_owned(),
        },
        EventKind::JobStateChanged {
            old: Some(JobState::Running),
            new: JobState::Failed,
            attempt: 2,
            error: Some(JobError::new(JobErrorKind::ScriptError, "boom")),
        },
        EventKind::JobDeleted,
        EventKind::JobUpdated { old: Priority::LAST, new: Priority::FIRST },
        EventKind::ScalingDecided(decision),
        EventKind::QueuePaused,
        EventKind::QueueResumed,
        EventKind::QueuePurged { count: 12 },
        EventKind::DependencyDown { name: "redis".to_owned(), reason: "refused".to_owned() },
        EventKind::DependencyUp {
            name: "redis".to_owned(),
            who: "Redis".to_owned(),
            latency: Duration::from_micros(90),
        },
        EventKind::ServerStarted,
        EventKind::ServerDraining,
        EventKind::ServerReloaded { subject: "tls".to_owned() },
        EventKind::ServerReloadFailed { subject: "tls".to_owned(), reason: "expired".to_owned() },
    ];
    for what in &all {
        match what {
            EventKind::ActorCreated
            | EventKind::ActorUpdated
            | EventKind::ActorDeleted
            | EventKind::ActorStateChanged { .. }
            | EventKind::ActorExited(_)
            | EventKind::ActorRestarted
            | EventKind::PingSent
            | EventKind::PingOk { .. }
            | EventKind::PingFailed { .. }
            | EventKind::HealthChanged { .. }
            | EventKind::JobStateChanged { .. }
            | EventKind::JobDeleted
            | EventKind::JobUpdated { .. }
            | EventKind::ScalingDecided(_)
            | EventKind::QueuePaused
            | EventKind::QueueResumed
            | EventKind::QueuePurged { .. }
            | EventKind::DependencyDown { .. }
            | EventKind::DependencyUp { .. }
            | EventKind::ServerStarted
            | EventKind::ServerDraining
            | EventKind::ServerReloaded { .. }
            | EventKind::ServerReloadFailed { .. } => {}
        }
    }
    all
}

#[test]
fn every_event_comes_back_from_its_record_as_it_was() {
    for what in everything() {
        let full = Event {
            at: at(),
            severity: Severity::Warning,
            message: "something \"happened\"\n".to_owned(),
            actor_id: ActorId::parse("osis_actor_0").ok(),
            job_id: JobId::parse("j1").ok(),
            caller_id: "billing".to_owned(),
            script_type: Some(ScriptType::Python),
            queue: QueueName::parse("python-gpu").ok(),
            node: NodeName::parse("here").ok(),
            cause: Cause {
                source: Source::Scaler,
                request_id: Some("r1".to_owned()),
                reason: "because".to_owned(),
                identity: Some("token:k3v9".to_owned()),
            },
            kind: what.clone(),
        };
        let bare = Event::new(at(), Source::Supervisor, what, "m");
        for event in [full, bare] {
            assert_eq!(decode_event(&encode_event(&event).unwrap()), Some(event));
        }
    }
}

#[test]
fn an_event_that_a_later_version_wrote_is_none() {
    let json = encode_event(&Event::new(at(), Source::Caller, EventKind::QueuePaused, "m")).unwrap();
    assert_eq!(decode_event(&json.replace("queue_paused", "queue_painted")), None);
    assert_eq!(decode_event("{}"), None);
}

#[test]
fn the_event_of_a_job_says_what_happened_to_whom_and_why() {
    let fields = [
        ("id", "j1"),
        ("state", "failed"),
        ("attempt", "2"),
        ("actor", "osis_actor_0"),
        ("old", "running"),
        ("caller", "billing"),
        ("error", r#"{"kind":"script_error","message":"boom","log_tail":["x"]}"#),
    ];
    let get = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let event = decode_job_event(ScriptType::OSIS.into(), at(), get).unwrap();
    assert_eq!(event.message, "job j1 failed on osis_actor_0: boom");
    assert_eq!((event.caller_id.as_str(), event.at, event.cause.source), ("billing", at(), Source::Queue));
    let error = Some(JobError::new(JobErrorKind::ScriptError, "boom"));
    let (old, new) = (Some(JobState::Running), JobState::Failed);
    assert_eq!(event.kind, EventKind::JobStateChanged { old, new, attempt: 2, error });
}

//! One ping: sent, awaited, understood.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::domain::jobs::{JobRequest, Supervisor};
use crate::domain::model::actor::ActorStatus;
use crate::domain::model::health::{Ping, PingOutcome};
use crate::domain::model::job::{Job, JobErrorKind, JobKind, JobSpec, JobState};
use crate::domain::model::text::cut;
use crate::error::{SupervisorError, chain};

/// The engines know a ping by its kind; this is for people who look at the record.
const PING_SCRIPT: &str = "\"pong\"";
/// Records of pings are of no interest for long.
const PING_TTL: Duration = Duration::from_secs(60);

/// Most bytes of an actor's answer in messages.
const SHOWN_BYTES: usize = 256;

/// Result of a ping.
#[derive(Debug)]
pub(super) enum PingResult {
    /// The result is about the actor.
    Conclusive(Ping),
    /// The ping was answered, so the actor works; the engine is missing, and no restart brings that back.
    NoEngine(Ping),
    /// The actor went away, or somebody cancelled the ping: it says nothing.
    Nothing(String),
}

/// Pings an actor through its inbox.
///
/// # Errors
/// When the queue is at fault, not the actor.
pub(super) async fn ping(
    supervisor: &Supervisor,
    actor: &ActorStatus,
    limit: Duration,
    sent_at: SystemTime,
) -> Result<PingResult, SupervisorError> {
    let begun = Instant::now();
    let spec = JobSpec {
        kind: JobKind::Ping,
        target_actor: Some(actor.record.id.clone()),
        run_timeout: limit,
        queue_timeout: Some(limit),
        result_ttl: PING_TTL,
        queue: actor.record.config.queue,
        ..JobSpec::new(actor.record.config.script_type, PING_SCRIPT)
    };
    let awaited = supervisor.run(JobRequest::new(spec), limit).await?;
    let told = |outcome, round_trip, message: String| {
        Ok(PingResult::Conclusive(Ping { at: sent_at, outcome, round_trip, message }))
    };
    if !awaited.done {
        if let Err(error) = supervisor.cancel(&awaited.job.id, "nobody waits for this ping").await {
            tracing::debug!(error = %chain(&error), "ping: it is not cancelled (the queue does not answer)");
        }
        return told(PingOutcome::TimedOut, None, silence(limit));
    }
    if awaited.job.state == JobState::Succeeded {
        return told(PingOutcome::Ok, Some(begun.elapsed()), String::new());
    }
    match failure(awaited.job) {
        Failure::Silent => told(PingOutcome::TimedOut, None, silence(limit)),
        Failure::Answered(message) => told(PingOutcome::Failed, Some(begun.elapsed()), message),
        Failure::NoEngine(message) => {
            let round_trip = Some(begun.elapsed());
            Ok(PingResult::NoEngine(Ping { at: sent_at, outcome: PingOutcome::Failed, round_trip, message }))
        }
        Failure::Gone(message) => Ok(PingResult::Nothing(message)),
    }
}

fn silence(limit: Duration) -> String {
    format!("it did not answer a ping within {limit:?}")
}

enum Failure {
    Silent,
    Answered(String),
    NoEngine(String),
    Gone(String),
}

fn failure(job: Job) -> Failure {
    let Some(error) = job.error else { return Failure::Gone(format!("its ping ended as {}", job.state)) };
    match error.kind {
        JobErrorKind::QueueTimeout | JobErrorKind::RunTimeout => Failure::Silent,
        JobErrorKind::ActorLost => {
            Failure::Gone(format!("its process ended under a ping: {}", cut(&error.to_string(), SHOWN_BYTES)))
        }
        JobErrorKind::EngineUnavailable => {
            Failure::NoEngine(format!("its engine is unavailable: {}", cut(&error.to_string(), SHOWN_BYTES)))
        }
        JobErrorKind::ScriptError
        | JobErrorKind::ScriptInvalid
        | JobErrorKind::LimitExceeded
        | JobErrorKind::EngineCrash
        | JobErrorKind::Internal => {
            Failure::Answered(format!("its ping failed: {}", cut(&error.to_string(), SHOWN_BYTES)))
        }
    }
}

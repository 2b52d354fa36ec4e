//! Values of the health of actors: the policy by which idle actors are pinged, pings, and health.

use std::time::{Duration, SystemTime};

use crate::domain::model::id::ActorId;
use crate::domain::model::limits::MAX_TIMEOUT;
use crate::domain::model::violation::Violations;

/// Most misses in a row that a policy may wait for.
pub const MAX_FAILURES: u32 = 1000;
/// Shorter idle times and time-outs would be a load of their own.
const SHORTEST: Duration = Duration::from_millis(100);

/// Schedule of pings, and the number of missed ones that makes an actor unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// An actor without a job for this long is pinged: 10 minutes.
    pub idle_after: Duration,
    /// Time to answer a ping: 30 s.
    pub ping_timeout: Duration,
    /// Time between a miss and the next ping: 30 s.
    pub retry_after: Duration,
    /// Misses in a row that make an actor UNHEALTHY: 3.
    pub failure_threshold: u32,
    /// Action for an unhealthy actor.
    pub action: UnhealthyAction,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self {
            idle_after: Duration::from_secs(600),
            ping_timeout: Duration::from_secs(30),
            retry_after: Duration::from_secs(30),
            failure_threshold: 3,
            action: UnhealthyAction::Restart,
        }
    }
}

/// Action for an actor that missed too many pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UnhealthyAction {
    /// Restarts the actor.
    #[default]
    Restart,
    /// Only reports the actor.
    ReportOnly,
}

/// A partial policy; unset fields fall back to the policy of the script type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HealthSettings {
    /// See [`HealthPolicy::idle_after`].
    pub idle_after: Option<Duration>,
    /// See [`HealthPolicy::ping_timeout`].
    pub ping_timeout: Option<Duration>,
    /// See [`HealthPolicy::retry_after`].
    pub retry_after: Option<Duration>,
    /// See [`HealthPolicy::failure_threshold`].
    pub failure_threshold: Option<u32>,
    /// See [`HealthPolicy::action`].
    pub action: Option<UnhealthyAction>,
}

impl HealthSettings {
    /// Returns true if no field is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The policy that these settings make of another one.
    pub fn over(&self, base: HealthPolicy) -> HealthPolicy {
        HealthPolicy {
            idle_after: self.idle_after.unwrap_or(base.idle_after),
            ping_timeout: self.ping_timeout.unwrap_or(base.ping_timeout),
            retry_after: self.retry_after.unwrap_or(base.retry_after),
            failure_threshold: self.failure_threshold.unwrap_or(base.failure_threshold),
            action: self.action.unwrap_or(base.action),
        }
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// All violations at once, with field names as in the proto message `HealthPolicy`.
    pub fn validate(&self) -> Result<(), Violations> {
        let mut violations = Violations::new();
        let spans = [
            ("idle_after", self.idle_after, SHORTEST),
            ("ping_timeout", self.ping_timeout, SHORTEST),
            ("ping_interval_after_failure", self.retry_after, Duration::ZERO),
        ];
        for (field, span, least) in spans {
            if let Some(span) = span
                && (span < least || span > MAX_TIMEOUT)
            {
                violations.add(field, format!("is {span:?}: use {least:?} to 24 hours"));
            }
        }
        if let Some(threshold) = self.failure_threshold
            && !(1..=MAX_FAILURES).contains(&threshold)
        {
            violations.add("failure_threshold", format!("is {threshold}: use 1 to {MAX_FAILURES}"));
        }
        violations.into_result()
    }
}

/// Health of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// The actor works, or answered its last ping.
    Healthy,
    /// The actor missed a ping, but not too many.
    Degraded,
    /// The actor missed too many pings.
    Unhealthy,
    /// The actor was not pinged yet, or does not run.
    #[default]
    Unknown,
}

impl Health {
    /// The word used in records and in the CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// Action for an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthAction {
    /// Nothing: it is busy, or was lately, or does not run.
    #[default]
    None,
    /// The actor was pinged.
    Pinged,
    /// The actor missed one ping too many and was restarted.
    Restarted,
}

/// One ping and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// Time of sending.
    pub at: SystemTime,
    /// Outcome of the ping.
    pub outcome: PingOutcome,
    /// Time from submit to answer, through queue and engine, if the ping was answered.
    pub round_trip: Option<Duration>,
    /// Error of the ping; empty if there is none.
    pub message: String,
}

/// Outcome of a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingOutcome {
    /// The ping was answered in time.
    Ok,
    /// The ping was not answered in time.
    TimedOut,
    /// The ping was answered with an error.
    Failed,
}

/// Health of an actor by its pings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActorHealth {
    /// Health of the actor.
    pub health: Health,
    /// The last ping.
    pub last_ping: Option<Ping>,
    /// Misses in a row.
    pub consecutive_failures: u32,
    /// Last action.
    pub action: HealthAction,
    /// One sentence on why.
    pub reason: String,
}

/// Stored health of an actor, for every supervisor on the same queue.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthRecord {
    /// Id of the actor.
    pub actor_id: ActorId,
    /// The process that it is about; with another one it says nothing.
    pub pid: Option<u32>,
    /// Time of the write; of two records the younger one holds.
    pub updated_at: SystemTime,
    /// Health by the pings.
    pub health: ActorHealth,
}

/// Selection of the actors to ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The monitor's choice: actors that were idle for long, or missed the last ping.
    #[default]
    Due,
    /// Actors without a job, however short the time since the last one.
    Idle,
    /// All actors; a busy one answers when it gets to the ping.
    All,
    /// No actor.
    None,
}

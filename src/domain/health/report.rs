//! The result of a health check for one actor.

use std::time::SystemTime;

use crate::domain::model::actor::{ActorState, ActorStatus};
use crate::domain::model::health::{ActorHealth, Health, HealthAction, Ping};
use crate::domain::model::id::ActorId;

/// The health of one actor at the end of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthReport {
    /// Id of the actor.
    pub actor_id: ActorId,
    /// Health of the actor.
    pub health: Health,
    /// Action that was taken.
    pub action: HealthAction,
    /// The last ping.
    pub last_ping: Option<Ping>,
    /// Misses in a row, this round included.
    pub consecutive_failures: u32,
    /// One sentence on why.
    pub reason: String,
    /// State of the actor.
    pub state: ActorState,
    /// Time at which the actor last took or finished a job.
    pub last_job_at: Option<SystemTime>,
}

impl HealthReport {
    /// Reports what is known of an actor that was not pinged.
    pub fn known(actor: &ActorStatus) -> Self {
        let ActorHealth { health, last_ping, consecutive_failures, action: _, reason } = actor.health.clone();
        Self {
            actor_id: actor.record.id.clone(),
            health,
            action: HealthAction::None,
            last_ping,
            consecutive_failures,
            reason,
            state: actor.state,
            last_job_at: actor.last_job_at,
        }
    }
}

//! What a health check tells its caller about one actor.

use std::time::SystemTime;

use crate::domain::model::actor::{ActorState, ActorStatus};
use crate::domain::model::health::{ActorHealth, Health, HealthAction, Ping};
use crate::domain::model::id::ActorId;

/// The health of one actor at the end of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthReport {
    /// Which.
    pub actor_id: ActorId,
    /// How it is.
    pub health: Health,
    /// What was done.
    pub action: HealthAction,
    /// The last ping.
    pub last_ping: Option<Ping>,
    /// Misses in a row, this round included.
    pub consecutive_failures: u32,
    /// One sentence on why.
    pub reason: String,
    /// Where the actor is.
    pub state: ActorState,
    /// When it last took or finished a job.
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

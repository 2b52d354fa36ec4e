//! What became of earlier attempts of a job.

use std::time::SystemTime;

use super::{JobError, JobState};
use crate::domain::model::id::ActorId;

/// Past attempts that are remembered of a job; the oldest are forgotten first.
pub const MAX_PAST_ATTEMPTS: usize = 10;

/// An attempt that was not the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// Which one, counted from 1.
    pub attempt: u32,
    /// The actor that had it.
    pub actor_id: Option<ActorId>,
    /// When it started; none if the actor was lost before it said so.
    pub started_at: Option<SystemTime>,
    /// When it ended.
    pub ended_at: SystemTime,
    /// The state that it left the job in.
    pub left: JobState,
    /// Why it failed, without log lines and cut to 2 KiB; none if it was cancelled.
    pub error: Option<JobError>,
}

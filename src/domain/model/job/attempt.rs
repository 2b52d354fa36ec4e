//! Ended attempts of a job.

use std::time::SystemTime;

use super::{JobError, JobState, JobUsage};
use crate::domain::model::id::ActorId;

/// Past attempts that are remembered of a job; the oldest are forgotten first.
pub const MAX_PAST_ATTEMPTS: usize = 10;

/// An attempt that was not the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// Number of the attempt, counted from 1.
    pub attempt: u32,
    /// The actor that had it.
    pub actor_id: Option<ActorId>,
    /// Start of the attempt; None if the actor was lost before it reported the start.
    pub started_at: Option<SystemTime>,
    /// End of the attempt.
    pub ended_at: SystemTime,
    /// The state that it left the job in.
    pub left: JobState,
    /// Error of the attempt, without log lines and cut to 2 KiB; None if it was cancelled.
    pub error: Option<JobError>,
    /// Resources that the attempt has used; None if they are not known.
    pub usage: Option<JobUsage>,
}

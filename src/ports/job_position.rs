//! Position of a job in its queue, and how fast the queue has been lately.

use std::time::SystemTime;

/// Most recent ends that a position has.
pub const RECENT_ENDS: usize = 50;

/// Position of a job that waits for an actor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobPosition {
    /// Jobs that will be handed out before it, as things stand.
    pub ahead: u64,
    /// False where only an estimate of `ahead` is affordable, for instance in the middle of a long queue.
    pub is_exact: bool,
    /// Jobs of the queue that have ended lately, in any order, at most [`RECENT_ENDS`].
    pub ends: Vec<RecentEnd>,
}

/// Last attempt of a job that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentEnd {
    /// Start of the attempt.
    pub started: SystemTime,
    /// End of the attempt.
    pub ended: SystemTime,
}

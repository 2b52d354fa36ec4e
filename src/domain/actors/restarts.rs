//! Counts unasked ends of an actor's process and says when it is enough. Pure.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::domain::model::actor::RestartPolicy;

/// Ends within the window of a [`RestartPolicy`].
#[derive(Debug, Default)]
pub(super) struct RecentEnds {
    ends: VecDeque<Instant>,
}

impl RecentEnds {
    /// Notes an end; true when that makes more than the policy allows.
    pub(super) fn note(&mut self, policy: &RestartPolicy, now: Instant) -> bool {
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|end| now.duration_since(*end) > policy.window) {
            self.ends.pop_front();
        }
        // One more end than allowed restarts; older ones need not be remembered.
        let allowed = policy.max_restarts as usize;
        while self.ends.len() > allowed.saturating_add(1) {
            self.ends.pop_front();
        }
        policy.max_restarts > 0 && self.ends.len() > allowed
    }

    /// Ends in the window, as of the last note.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// Forgets all ends, after a start by a caller.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy(max_restarts: u32) -> RestartPolicy {
        RestartPolicy { max_restarts, window: Duration::from_secs(60), ..RestartPolicy::default() }
    }

    #[test]
    fn the_end_after_the_last_allowed_restart_is_too_many() {
        let (mut ends, start) = (RecentEnds::default(), Instant::now());
        let verdicts: Vec<bool> =
            (0..4).map(|n| ends.note(&policy(3), start + Duration::from_secs(n))).collect();
        assert_eq!(verdicts, [false, false, false, true]);
    }

    #[test]
    fn ends_outside_the_window_do_not_count() {
        let (mut ends, start) = (RecentEnds::default(), Instant::now());
        for n in 0..100 {
            assert!(!ends.note(&policy(3), start + Duration::from_secs(21 * n)));
        }
    }

    #[test]
    fn zero_means_never_give_up() {
        let (mut ends, now) = (RecentEnds::default(), Instant::now());
        assert!((0..100).all(|_| !ends.note(&policy(0), now)));
    }
}

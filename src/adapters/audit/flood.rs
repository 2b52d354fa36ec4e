//! A bound for lines about refusals: otherwise callers who may do nothing would fill the disk, and push out what others have
//! done.

use std::time::Duration;

use tokio::time::Instant;

use crate::lock::Lock;

/// Lines at once.
const BURST: u32 = 100;
/// Time in which one more is allowed.
const EACH: Duration = Duration::from_millis(100);

/// The bound.
#[derive(Debug)]
pub(super) struct Flood(Lock<State>);

#[derive(Debug)]
struct State {
    /// Time at which the bound would be full again.
    full_at: Instant,
    suppressed: u64,
}

impl Default for Flood {
    fn default() -> Self {
        Self(Lock::new(State { full_at: Instant::now(), suppressed: 0 }))
    }
}

impl Flood {
    /// Returns how many lines were suppressed before this one; None if this one is to be.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        let full_at = state.full_at.max(now) + EACH;
        if full_at > now + EACH * BURST {
            state.suppressed += 1;
            return None;
        }
        state.full_at = full_at;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hundred_come_through_at_once_then_ten_a_second_and_the_rest_is_counted() {
        let (flood, now) = (Flood::default(), Instant::now());
        let through = (0..1000).filter(|_| flood.take(now).is_some()).count();
        assert_eq!(through, 100);
        assert_eq!(flood.take(now + EACH), Some(900));
        assert_eq!(flood.take(now + EACH), None);
        assert_eq!(flood.take(now + EACH * 3), Some(1));
    }
}

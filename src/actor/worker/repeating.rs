//! A call to the queue that is made again and again, and never twice at the same time.

use tokio::time::Instant;

/// The state of a repeated call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeating {
    /// The call is not needed.
    Idle,
    /// The call is made at this time, or later if something stands in its way.
    Due(Instant),
    /// The call is under way. With a time it is made again.
    InFlight(Option<Instant>),
}

impl Repeating {
    /// Has the call made at this time, or after the one that is under way.
    pub(super) fn set(&mut self, at: Instant) {
        *self = match self {
            Self::Idle | Self::Due(_) => Self::Due(at),
            Self::InFlight(_) => Self::InFlight(Some(at)),
        };
    }

    /// The same, unless the call is made earlier anyway.
    pub(super) fn set_no_later_than(&mut self, at: Instant) {
        let planned = match self {
            Self::Idle | Self::InFlight(None) => at,
            Self::Due(planned) | Self::InFlight(Some(planned)) => (*planned).min(at),
        };
        self.set(planned);
    }

    /// True when the call can be made now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self, Self::Due(at) if *at <= now)
    }

    /// True if the call is neither planned nor under way.
    pub(super) fn is_idle(&self) -> bool {
        *self == Self::Idle
    }

    /// True while the call is under way.
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self, Self::InFlight(_))
    }

    /// The time of the call, unless it is under way.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match self {
            Self::Due(at) => Some(*at),
            Self::Idle | Self::InFlight(_) => None,
        }
    }

    /// The call was made; the next one is made at `again`.
    pub(super) fn begin(&mut self, again: Option<Instant>) {
        *self = Self::InFlight(again);
    }

    /// The call was answered.
    pub(super) fn end(&mut self) {
        if let Self::InFlight(again) = *self {
            *self = again.map_or(Self::Idle, Self::Due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_is_never_made_twice_at_the_same_time_and_no_wish_for_one_is_lost() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut call = Repeating::Idle;
        assert!(call.is_idle() && !call.is_due(later));
        call.set(later);
        call.set_no_later_than(later + Duration::from_secs(1));
        assert_eq!(call.due_at(), Some(later));
        call.set_no_later_than(now);
        assert!(call.is_due(now));
        call.begin(None);
        assert!(call.is_in_flight() && !call.is_due(later));
        call.set_no_later_than(later);
        call.set_no_later_than(now);
        assert_eq!(call.due_at(), None, "it is under way");
        call.end();
        assert!(call.is_due(now));
        call.begin(Some(later));
        call.end();
        assert_eq!(call, Repeating::Due(later));
        call.begin(None);
        call.end();
        assert!(call.is_idle());
    }
}

//! The quota of calls a second, for each identity at this supervisor.
//!
//! Each identity has a bucket that holds the calls of one second and fills at its rate. The memory is bounded: a full bucket says nothing,
//! so it can be forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::access::Identity;
use crate::lock::Lock;

/// Buckets that are kept. Beyond it those of identities that have not called for longest go.
const BUCKETS: usize = 10_000;

/// The buckets. A cheap clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates(Arc<Lock<HashMap<String, Bucket>>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Calls that are left, at the time of the last one.
    left: f64,
    at: Instant,
}

impl Rates {
    /// Takes one call of an identity.
    ///
    /// # Errors
    /// The time after which there is one again.
    pub(super) fn take(&self, identity: &Identity, now: Instant) -> Result<(), Duration> {
        let Some(rate) = identity.quotas.rps.map(f64::from) else { return Ok(()) };
        let mut buckets = self.0.lock();
        if buckets.len() >= BUCKETS {
            forget(&mut buckets, now);
        }
        let bucket = buckets.entry(identity.to_string()).or_insert(Bucket { left: rate, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * rate).min(rate);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / rate));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

/// Forgets every bucket that is full again, and the oldest half if none is.
fn forget(buckets: &mut HashMap<String, Bucket>, now: Instant) {
    buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < Duration::from_secs(1));
    if buckets.len() >= BUCKETS {
        let mut times: Vec<Instant> = buckets.values().map(|bucket| bucket.at).collect();
        let (_, median, _) = times.select_nth_unstable(BUCKETS / 2);
        let median = *median;
        buckets.retain(|_, bucket| bucket.at > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{IdentityKind, Quotas, Role};

    fn identity(id: &str, rps: Option<u32>) -> Identity {
        Identity {
            quotas: Quotas { rps, ..Quotas::default() },
            ..Identity::new(IdentityKind::Token, id, Role::Viewer)
        }
    }

    #[test]
    fn an_identity_has_its_calls_of_a_second_and_then_its_rate() {
        let (rates, begun) = (Rates::default(), Instant::now());
        let caller = identity("a", Some(4));
        let at = |millis| rates.take(&caller, begun + Duration::from_millis(millis));
        assert!((0..4).all(|_| at(0).is_ok()));
        assert_eq!(at(0), Err(Duration::from_millis(250)));
        assert_eq!(at(125), Err(Duration::from_millis(125)));
        assert_eq!((at(250), at(250).is_err()), (Ok(()), true));
        assert!((0..4).all(|_| at(60_000).is_ok()) && at(60_000).is_err(), "no more than a second's");
        assert_eq!(rates.take(&identity("b", Some(1)), begun), Ok(()), "another identity");
        assert!((0..1000).all(|_| rates.take(&identity("c", None), begun).is_ok()), "no quota");
    }

    #[test]
    fn the_memory_is_bounded() {
        let (rates, begun) = (Rates::default(), Instant::now());
        for number in 0..30_000_u32 {
            let now = begun + Duration::from_micros(number.into());
            assert_eq!(rates.take(&identity(&number.to_string(), Some(1)), now), Ok(()));
            assert!(rates.0.lock().len() <= BUCKETS);
        }
    }
}

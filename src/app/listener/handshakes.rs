//! The number of TLS handshakes at once.
//!
//! A handshake that has begun costs computing and memory, and its client may never answer. When all turns are taken, the next
//! connection waits outside of the accept loop, and the oldest handshake makes room for it. Handshakes younger than
//! [`UNDISTURBED`] stay, so that many honest clients that come at once are served one after the other instead of displacing
//! each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::lock::Lock;

/// Most handshakes at once.
const MOST: usize = 256;
/// Age from which on a handshake makes room for one that waits. An honest one takes a few milliseconds and two round trips.
const UNDISTURBED: Duration = Duration::from_millis(500);

/// The handshakes of one listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    free: Arc<Semaphore>,
    under_way: Arc<Lock<UnderWay>>,
}

/// Handshakes that have begun, the oldest first.
#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    begun: BTreeMap<u64, (Instant, CancellationToken)>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(MOST)), under_way: Arc::default() }
    }
}

impl Handshakes {
    /// Waits for a turn. Displaces a handshake for it, and another one whenever that has served a connection in front of it.
    pub(super) async fn begin(&self) -> Result<Turn, AcquireError> {
        let mut acquired = std::pin::pin!(Arc::clone(&self.free).acquire_owned());
        let mut not_before = Instant::now();
        loop {
            let oldest_is_due = sleep_until(self.oldest_due().max(not_before));
            tokio::select! {
                biased;
                permit = &mut acquired => return permit.map(|permit| self.note(permit)),
                () = oldest_is_due => {
                    if self.displace_oldest() {
                        not_before = Instant::now() + UNDISTURBED;
                    }
                }
            }
        }
    }

    /// Returns the moment from which on the oldest handshake makes room.
    fn oldest_due(&self) -> Instant {
        let under_way = self.under_way.lock();
        let oldest = under_way.begun.values().next().map(|(begun, _)| *begun);
        oldest.unwrap_or_else(Instant::now) + UNDISTURBED
    }

    /// Displaces the oldest handshake; false if there is none that is old enough, because others have displaced it.
    fn displace_oldest(&self) -> bool {
        let mut under_way = self.under_way.lock();
        let Some(oldest) = under_way.begun.first_entry() else { return false };
        let is_due = oldest.get().0.elapsed() >= UNDISTURBED;
        if is_due {
            oldest.remove().1.cancel();
        }
        is_due
    }

    fn note(&self, permit: OwnedSemaphorePermit) -> Turn {
        let displaced = CancellationToken::new();
        let mut under_way = self.under_way.lock();
        let number = under_way.next;
        under_way.next += 1;
        under_way.begun.insert(number, (Instant::now(), displaced.clone()));
        drop(under_way);
        Turn { number, displaced, under_way: Arc::clone(&self.under_way), _permit: permit }
    }
}

/// The turn of one handshake, ended when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    number: u64,
    displaced: CancellationToken,
    under_way: Arc<Lock<UnderWay>>,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// Returns when another connection needs the turn.
    pub(super) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.under_way.lock().begun.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::join_all;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn young_handshakes_stay_and_the_next_one_waits() {
        let handshakes = Handshakes::default();
        let mut turns = join_all((0..MOST).map(|_| handshakes.begin())).await;
        let waiting = tokio::time::timeout(UNDISTURBED / 2, handshakes.begin()).await;
        assert!(waiting.is_err(), "none has made room");
        assert!(turns.iter().all(|turn| turn.as_ref().unwrap().displaced().now_or_never().is_none()));
        turns.pop();
        assert!(handshakes.begin().now_or_never().is_some(), "one has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_ends_makes_room_and_only_one() {
        let handshakes = Arc::new(Handshakes::default());
        let mut turns: Vec<Turn> =
            join_all((0..MOST).map(|_| handshakes.begin())).await.into_iter().map(Result::unwrap).collect();
        tokio::time::advance(UNDISTURBED).await;
        let mut waiting = JoinSet::new();
        let next = Arc::clone(&handshakes);
        waiting.spawn(async move { next.begin().await.unwrap() });
        turns[0].displaced().await;
        let displaced = turns.iter().filter(|turn| turn.displaced().now_or_never().is_some()).count();
        assert_eq!(displaced, 1);
        turns.remove(0);
        waiting.join_next().await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_behind_a_thousand_that_never_end_has_its_turn_within_two_seconds() {
        let handshakes = Arc::new(Handshakes::default());
        let mut slow = JoinSet::new();
        for _each in 0..1000 {
            let handshakes = Arc::clone(&handshakes);
            slow.spawn(async move { handshakes.begin().await.unwrap().displaced().await });
        }
        tokio::time::sleep(UNDISTURBED / 2).await;
        let begun = Instant::now();
        handshakes.begin().await.unwrap();
        assert!(begun.elapsed() <= UNDISTURBED * 4, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_that_never_end_are_gone_after_two_seconds() {
        let handshakes = Arc::new(Handshakes::default());
        let mut slow = JoinSet::new();
        for _each in 0..1000 {
            let handshakes = Arc::clone(&handshakes);
            slow.spawn(async move { handshakes.begin().await.unwrap().displaced().await });
        }
        tokio::time::sleep(UNDISTURBED * 4).await;
        let begun = Instant::now();
        handshakes.begin().await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(10), "{:?}", begun.elapsed());
    }
}

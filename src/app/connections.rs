//! Limits of the number of connections and of their silence.
//!
//! An HTTP/2 client sends 24 bytes first, and later answers pings. A connection that sends nothing is closed after a
//! while, and at once when its place is needed. Otherwise anybody could use up the file descriptors of the
//! supervisor, and with them its connection to Redis. Callers through a unix socket have places of their own.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::lock::Lock;
use crate::telemetry::log_limiter::LogLimiter;

/// Length of the HTTP/2 preface; a request of HTTP/1.1 is longer.
const PREFACE_BYTES: usize = 24;
/// Time within which a connection must send the preface.
const PREFACE_LIMIT: Duration = Duration::from_secs(10);
/// Longest silence between two requests of a scraper.
const IDLE_LIMIT: Duration = Duration::from_secs(150);
/// Most concurrent scrapers.
const SCRAPERS: usize = 64;
/// Most connections of browsers; each of them has up to six.
const BROWSERS: usize = 512;
/// Most file descriptors that are reserved for Redis, the process manager, logs and programs; a quarter of the limit
/// if that is less.
const RESERVE: u64 = 1024;
/// Assumed limit of file descriptors if the real one is unknown.
const USUAL_LIMIT: u64 = 1024;

/// The places of some listeners.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    count: usize,
    silent: Arc<Lock<Silent>>,
    full: LogLimiter,
    /// Longest silence after the preface; None means no limit.
    idle: Option<Duration>,
}

/// Connections that have not sent their preface, the oldest first.
#[derive(Debug, Default)]
struct Silent {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

/// Makes the places of gRPC callers: those of TCP, and those of unix sockets.
pub(super) fn for_callers() -> (Arc<Places>, Arc<Places>) {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(USUAL_LIMIT, |(soft, _hard)| soft);
    let (tcp, unix) = shares(limit);
    (Places::new(tcp, None), Places::new(unix, None))
}

/// Makes the places of metrics scrapers.
pub(super) fn for_scrapers() -> Arc<Places> {
    Places::new(SCRAPERS, Some(IDLE_LIMIT))
}

/// Makes the places of browsers that show the dashboard.
pub(super) fn for_browsers() -> Arc<Places> {
    Places::new(BROWSERS, None)
}

/// Divides the limit of file descriptors. Returns the shares of TCP callers and of unix-socket callers.
fn shares(limit: u64) -> (usize, usize) {
    let most = limit - (limit / 4).min(RESERVE);
    let count = |share: u64| usize::try_from(share.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    (count(most - most / 8), count(most / 8))
}

impl Places {
    fn new(count: usize, idle: Option<Duration>) -> Arc<Self> {
        let (free, silent) = (Arc::new(Semaphore::new(count)), Arc::default());
        Arc::new(Self { free, count, silent, full: LogLimiter::default(), idle })
    }

    /// Waits for a place. When all are taken, the connection that has been silent the longest is closed.
    pub(super) async fn take(&self) -> Place {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_none_is_free) => self.make_room().await,
        };
        let evicted = CancellationToken::new();
        let mut silent = self.silent.lock();
        let number = silent.next;
        silent.next += 1;
        silent.waiting.insert(number, evicted.clone());
        drop(silent);
        let entry = Entry { number, silent: Arc::clone(&self.silent) };
        Place {
            _permit: permit,
            opening: Some(Opening {
                missing: PREFACE_BYTES,
                limit: Box::pin(sleep(PREFACE_LIMIT)),
                evicted: Box::pin(evicted.cancelled_owned()),
                idle: self.idle,
                _entry: entry,
            }),
        }
    }

    async fn make_room(&self) -> OwnedSemaphorePermit {
        let oldest = self.silent.lock().waiting.pop_first();
        if let Some(suppressed) = self.full.due() {
            let count = self.count;
            tracing::warn!(
                count,
                suppressed,
                "connections: all {count} places taken (silent ones are closed, others wait)"
            );
        }
        if let Some((_number, evicted)) = oldest {
            evicted.cancel();
        }
        match Arc::clone(&self.free).acquire_owned().await {
            Ok(permit) => permit,
            // The semaphore is never closed.
            Err(_closed) => std::future::pending().await,
        }
    }
}

/// The place of one connection, freed when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    opening: Option<Opening>,
}

/// A connection that has not sent its preface.
#[derive(Debug)]
struct Opening {
    missing: usize,
    limit: Pin<Box<Sleep>>,
    evicted: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Option<Duration>,
    _entry: Entry,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    silent: Arc<Lock<Silent>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.silent.lock().waiting.remove(&self.number);
    }
}

impl Place {
    /// Counts received bytes.
    pub(super) fn spoke(&mut self, bytes: usize) {
        let Some(opening) = &mut self.opening else { return };
        opening.missing = opening.missing.saturating_sub(bytes);
        match opening.idle {
            None if opening.missing == 0 => self.opening = None,
            Some(idle) if bytes > 0 && opening.missing == 0 => {
                opening.limit.as_mut().reset(Instant::now() + idle);
            }
            None | Some(_) => {}
        }
    }

    /// Waits until the connection has been silent for too long or its place is needed.
    pub(super) async fn over(&mut self) -> io::Error {
        std::future::poll_fn(|context| match self.poll_limits(context) {
            Ok(()) => Poll::Pending,
            Err(over) => Poll::Ready(over),
        })
        .await
    }

    /// Fails if the connection has been silent for too long or its place is needed.
    pub(super) fn poll_limits(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(opening) = &mut self.opening else { return Ok(()) };
        let over = |why: &'static str| Err(io::Error::new(io::ErrorKind::TimedOut, why));
        if let Poll::Ready(()) = opening.evicted.as_mut().poll(context) {
            return over("its place was needed before it said anything");
        }
        match opening.limit.as_mut().poll(context) {
            Poll::Ready(()) => over("it said nothing for too long"),
            Poll::Pending => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use tokio::task::JoinSet;

    use super::*;

    fn lives(place: &mut Place) -> bool {
        let waker = futures::task::noop_waker();
        place.poll_limits(&mut Context::from_waker(&waker)).is_ok()
    }

    #[test]
    fn callers_get_what_the_rest_of_the_supervisor_does_not_need() {
        let table =
            [(64, (42, 6)), (256, (168, 24)), (1024, (672, 96)), (1 << 20, (916_608, 130_944)), (1, (1, 1))];
        for (limit, expected) in table {
            assert_eq!(shares(limit), expected, "{limit}");
        }
        assert!(shares(u64::MAX).0 <= Semaphore::MAX_PERMITS);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_closed_after_ten_seconds_and_who_has_spoken_is_not() {
        let places = Places::new(2, None);
        let (mut silent, mut caller) = (places.take().await, places.take().await);
        silent.spoke(PREFACE_BYTES - 1);
        caller.spoke(PREFACE_BYTES - 1);
        caller.spoke(1);
        assert!(lives(&mut silent));
        let begun = Instant::now();
        assert!(
            poll_fn(|context| match silent.poll_limits(context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(error.kind() == io::ErrorKind::TimedOut),
            })
            .await
        );
        assert_eq!(begun.elapsed().as_secs(), PREFACE_LIMIT.as_secs());
        assert!(lives(&mut caller));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_silent_one_makes_room_and_who_has_spoken_stays() {
        let places = Places::new(3, None);
        let mut caller = places.take().await;
        caller.spoke(PREFACE_BYTES);
        let (mut first, mut second) = (places.take().await, places.take().await);
        let mut waiting = JoinSet::new();
        waiting.spawn({
            let places = Arc::clone(&places);
            async move { places.take().await }
        });
        tokio::task::yield_now().await;
        assert!(!lives(&mut first) && lives(&mut second) && lives(&mut caller));
        drop(first);
        let mut next = waiting.join_next().await.unwrap().unwrap();
        assert!(lives(&mut next));
        // Without silent connections a new one waits until another ends.
        second.spoke(PREFACE_BYTES);
        next.spoke(PREFACE_BYTES);
        assert!(tokio::time::timeout(Duration::from_secs(60), places.take()).await.is_err());
        drop(caller);
        places.take().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_scraper_may_be_silent_between_two_scrapes_but_not_for_ever() {
        let places = Places::new(1, Some(IDLE_LIMIT));
        let mut scraper = places.take().await;
        for _scrape in 0..3 {
            scraper.spoke(100);
            tokio::time::advance(IDLE_LIMIT - Duration::from_secs(1)).await;
            assert!(lives(&mut scraper));
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!lives(&mut scraper));
    }
}

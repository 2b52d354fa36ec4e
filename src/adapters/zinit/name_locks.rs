//! Lets only one start, stop or removal of a name happen at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::lock::Lock;

/// A lock for each name.
#[derive(Default)]
pub(super) struct NameLocks {
    names: Arc<Lock<HashMap<String, Name>>>,
}

struct Name {
    gate: Arc<Semaphore>,
    users: usize,
    /// Stops among them.
    stops: usize,
    kill_at: Option<Instant>,
}

/// The right to work on one name, given back by dropping it.
pub(super) struct NameLock {
    permit: Option<OwnedSemaphorePermit>,
    stops: bool,
    name: String,
    names: Arc<Lock<HashMap<String, Name>>>,
}

impl NameLocks {
    /// Waits until nobody else works on this name.
    pub(super) async fn lock(&self, name: &str) -> NameLock {
        self.queue(name, None).await
    }

    /// The same for a stop, whose grace also shortens the grace of one that is under way.
    pub(super) async fn lock_to_stop(&self, name: &str, grace: Duration) -> NameLock {
        self.queue(name, Some(Instant::now() + grace)).await
    }

    /// Returns true if somebody works on, or waits for, a stop of this name.
    pub(super) fn is_stopping(&self, name: &str) -> bool {
        self.names.lock().get(name).is_some_and(|name| name.stops > 0)
    }

    async fn queue(&self, name: &str, kill_at: Option<Instant>) -> NameLock {
        let gate = {
            let mut names = self.names.lock();
            let entry = names.entry(name.to_owned()).or_insert_with(|| Name {
                gate: Arc::new(Semaphore::new(1)),
                users: 0,
                stops: 0,
                kill_at: None,
            });
            entry.users += 1;
            entry.stops += usize::from(kill_at.is_some());
            entry.kill_at = earlier(entry.kill_at, kill_at);
            entry.gate.clone()
        };
        // Made before waiting, so that it is given back if the wait is given up.
        let (names, stops) = (self.names.clone(), kill_at.is_some());
        let mut lock = NameLock { permit: None, stops, name: name.to_owned(), names };
        // The gate is never closed.
        lock.permit = gate.acquire_owned().await.ok();
        lock
    }
}

impl NameLock {
    /// Returns the time of the SIGKILL, by the shortest grace period of all who want the process stopped.
    pub(super) fn kill_at(&self) -> Option<Instant> {
        self.names.lock().get(&self.name).and_then(|name| name.kill_at)
    }
}

impl Drop for NameLock {
    fn drop(&mut self) {
        let mut names = self.names.lock();
        if let Some(name) = names.get_mut(&self.name) {
            name.users -= 1;
            name.stops -= usize::from(self.stops);
            if name.stops == 0 {
                name.kill_at = None;
            }
            if name.users == 0 {
                names.remove(&self.name);
            }
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_and_a_second_stop_shortens_the_first() {
        let locks = NameLocks::default();
        let begun = Instant::now();
        let first = locks.lock_to_stop("a", Duration::from_secs(30)).await;
        assert_eq!(first.kill_at(), Some(begun + Duration::from_secs(30)));
        let waiting = locks.lock_to_stop("a", Duration::from_secs(1));
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(first.kill_at(), Some(begun + Duration::from_secs(1)));
        let _other = locks.lock("b").await;
        assert!(locks.is_stopping("a") && !locks.is_stopping("b"));
        drop(first);
        drop(waiting.await);
        assert_eq!(locks.names.lock().len(), 1);
    }
}

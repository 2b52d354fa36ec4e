//! Openings: the times at which flow keys give jobs again, since their rates allow it. Rounds of maintenance come too seldom for them.
//!
//! The function that finds a key over its rate publishes when it opens. A message that is lost is made up for by the next round.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{join_all, pending};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{RedisQueue, Shared};
use crate::adapters::redis::functions::Function;
use crate::domain::model::queue_name::QueueName;
use crate::lock::Lock;

/// Least time between two calls for one queue; a key that opens more often gives several jobs at a time.
const LEAST_GAP: Duration = Duration::from_millis(5);

/// The next opening of each queue that has one.
#[derive(Default)]
pub(super) struct Openings {
    due: Lock<BTreeMap<QueueName, Instant>>,
    changed: Notify,
    /// True once a task waits for them.
    begun: AtomicBool,
}

impl Openings {
    /// Notes that a key of this queue opens after this many milliseconds.
    pub(super) fn note(&self, queue: QueueName, millis: u64) {
        if !self.begun.load(Ordering::Relaxed) {
            return;
        }
        let Some(at) = Instant::now().checked_add(Duration::from_millis(millis).max(LEAST_GAP)) else {
            return;
        };
        let mut due = self.due.lock();
        let known = due.entry(queue).or_insert(at);
        *known = at.min(*known);
        drop(due);
        self.changed.notify_one();
    }

    fn next(&self) -> Option<Instant> {
        self.due.lock().values().min().copied()
    }

    /// Removes the queues whose time has come.
    fn take_due(&self, now: Instant) -> Vec<QueueName> {
        let mut due = self.due.lock();
        let queues = due.iter().filter(|(_queue, at)| **at <= now).map(|(queue, _at)| *queue).collect();
        due.retain(|_queue, at| *at > now);
        queues
    }
}

impl RedisQueue {
    /// Waits for openings from the first call on.
    pub(super) fn watch_openings(&self) {
        if self.shared.openings.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = self.shared.clone();
        self.shared.tasks.spawn(async move {
            let closing = shared.closing.clone();
            closing.run_until_cancelled(run(&shared)).await;
        });
        self.change_feed.begin();
    }
}

async fn run(shared: &Shared) {
    loop {
        let next = shared.openings.next();
        let due = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = shared.openings.changed.notified() => continue,
            () = due => {}
        }
        let queues = shared.openings.take_due(Instant::now());
        join_all(queues.into_iter().map(|queue| open(shared, queue))).await;
    }
}

/// Gives out what the keys of a queue may give by now, and notes the next opening.
pub(super) async fn open(shared: &Shared, queue: QueueName) {
    let command = Function::FlowOpen.on_queue(queue);
    match shared.connection.call::<i64>(&command, "an opening of flow keys").await {
        Ok(millis) => {
            if let Ok(millis) = u64::try_from(millis) {
                shared.openings.note(queue, millis);
            }
        }
        Err(error) => {
            tracing::debug!(%queue, %error, "flow keys: not opened (a round of maintenance does it)");
        }
    }
}

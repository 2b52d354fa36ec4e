//! Queues that are used, so that maintenance costs nothing for those that are not.
//!
//! The default queues always have their maintenance. A queue that was created by name has it when its time has come: a sorted set has
//! the time of the next round of each queue that was ever used. Whoever uses a queue looks after it for a while, and notes it there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use super::{Shared, span_millis};
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::Lossy;
use crate::domain::model::queue_name::QueueName;
use crate::ports::store_fault::StoreFault;

/// Time for which a queue counts as used after a submit.
const RECENT: Duration = Duration::from_secs(60);
/// Least time between two notes of the same queue.
const NOTE_EVERY: Duration = Duration::from_secs(10);
/// Most queues in one round; the next round goes on.
const AT_ONCE: usize = 200;
/// Queues whose next round is further away than this have no unfinished jobs, but for those of the last moments.
const ACTIVE_WITHIN: Duration = Duration::from_secs(5);

/// Time without a waiting call after which the replies of a named queue are not read any more. A lost reply is found by the sweep.
const IDLE: Duration = Duration::from_secs(60);

/// Time between two rounds of maintenance of a queue: with unfinished jobs or actors, with ended jobs only, with nothing.
const BUSY: Duration = Duration::from_millis(900);
const ENDED: Duration = Duration::from_secs(60);
const EMPTY: Duration = Duration::from_secs(3600);

/// Contents of a queue, by which its next round is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contents {
    unfinished: u64,
    listed: u64,
    actors: u64,
}

impl Contents {
    /// Returns the time until the next round.
    fn next_round(self) -> Duration {
        match self {
            Self { unfinished: 0, listed: 0, actors: 0 } => EMPTY,
            Self { unfinished: 0, actors: 0, .. } => ENDED,
            Self { .. } => BUSY,
        }
    }
}

/// Notes that a queue is about to be used. Where that cannot be written, this supervisor looks after the queue alone.
pub(super) async fn note(shared: &Shared, queue: QueueName) {
    if queue.default_type().is_some() {
        return;
    }
    {
        let mut recent = shared.recent.lock();
        if recent.get(&queue).is_some_and(|at| at.elapsed() < NOTE_EVERY) {
            return;
        }
        recent.insert(queue, Instant::now());
    }
    let mut add = redis::cmd("ZADD");
    add.arg(keys::DUE_QUEUES).arg(now_ms()).arg(queue.as_str());
    if let Err(error) = shared.connection.call::<i64>(&add, "a used queue").await {
        tracing::debug!(%error, "queue {queue}: its use is not noted");
    }
}

/// The named queues that have a round of maintenance now.
pub(super) async fn due(shared: &Shared) -> Result<Vec<QueueName>, StoreFault> {
    let names = shared.known.names();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut queues = up_to(shared, now_ms()).await?;
    let mut recent = shared.recent.lock();
    recent.retain(|_queue, at| at.elapsed() < RECENT);
    queues.extend(recent.keys().copied().filter(|queue| !queues.contains(queue)).collect::<Vec<_>>());
    queues.retain(|queue| names.contains(queue));
    Ok(queues)
}

/// The named queues that may have unfinished jobs; none when that is not told at once.
pub(super) async fn active(shared: &Shared) -> Vec<QueueName> {
    if shared.known.names().is_empty() {
        return Vec::new();
    }
    up_to(shared, now_ms() + span_millis(ACTIVE_WITHIN)).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "named queues: not asked about the jobs of an identity");
        Vec::new()
    })
}

/// Sets the next rounds of these queues by what they contain.
pub(super) async fn set_next_rounds(shared: &Shared, queues: &[QueueName]) -> Result<(), StoreFault> {
    if queues.is_empty() {
        return Ok(());
    }
    let mut counts = redis::pipe();
    for queue in queues {
        counts.cmd("ZCARD").arg(keys::unfinished(*queue));
        counts.cmd("ZCARD").arg(keys::jobs(*queue));
        counts.cmd("HLEN").arg(keys::actors(*queue));
    }
    let counts: Vec<Result<u64, StoreFault>> = shared.connection.pipe_apart(counts, "a queue").await;
    let mut add = redis::cmd("ZADD");
    add.arg(keys::DUE_QUEUES);
    let now = now_ms();
    for (queue, counts) in queues.iter().zip(counts.chunks(3)) {
        // What cannot be read counts as used.
        let count = |index: usize| counts.get(index).map_or(1, |count| *count.as_ref().unwrap_or(&1));
        let contents = Contents { unfinished: count(0), listed: count(1), actors: count(2) };
        add.arg(now + span_millis(contents.next_round())).arg(queue.as_str());
    }
    shared.connection.call::<i64>(&add, "used queues").await.map(drop)
}

/// Waits until no call has waited for a job of these queues for some time, forgets that they are read, and leaves time for calls that
/// have just seen that they are. Default queues are always read.
pub(super) async fn until_idle(shared: &Shared, queues: &[QueueName], forget: impl FnOnce()) {
    if queues.iter().any(|queue| queue.default_type().is_some()) {
        return std::future::pending().await;
    }
    loop {
        sleep(IDLE).await;
        if !shared.awaiters.has_any_of(queues) {
            break;
        }
    }
    forget();
    sleep(IDLE).await;
}

/// The named queues whose next rounds come first: those with unfinished jobs or actors, then those with ended jobs only. Of all that
/// were ever used, at most so many.
pub(super) async fn first(shared: &Shared, most: usize) -> Result<Vec<QueueName>, StoreFault> {
    if shared.known.names().is_empty() || most == 0 {
        return Ok(Vec::new());
    }
    let mut range = redis::cmd("ZRANGE");
    range.arg(keys::DUE_QUEUES).arg(0).arg(most - 1);
    let names: Vec<Lossy> = shared.connection.call(&range, "used queues").await?;
    Ok(names.iter().filter_map(|name| QueueName::parse(&name.0).ok()).collect())
}

async fn up_to(shared: &Shared, limit_ms: u64) -> Result<Vec<QueueName>, StoreFault> {
    let mut range = redis::cmd("ZRANGE");
    range.arg(keys::DUE_QUEUES).arg("-inf").arg(limit_ms).arg("BYSCORE").arg("LIMIT").arg(0).arg(AT_ONCE);
    let names: Vec<Lossy> = shared.connection.call(&range, "used queues").await?;
    Ok(names.iter().filter_map(|name| QueueName::parse(&name.0).ok()).collect())
}

#[expect(clippy::disallowed_methods, reason = "other supervisors compare it with their wall clocks")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    span_millis(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_looked_after_as_often_as_its_contents_need() {
        let contents = |unfinished, listed, actors| Contents { unfinished, listed, actors }.next_round();
        assert_eq!(contents(0, 0, 0), EMPTY);
        assert_eq!(contents(0, 7, 0), ENDED);
        assert_eq!(contents(1, 7, 0), BUSY);
        assert_eq!(contents(0, 0, 1), BUSY);
        assert!(BUSY < ACTIVE_WITHIN && ACTIVE_WITHIN < ENDED);
    }
}

//! The memory of health monitoring: health, last activity, and the actors that are being pinged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::model::actor::ActorStatus;
use crate::domain::model::health::{ActorHealth, HealthRecord};
use crate::domain::model::id::ActorId;
use crate::lock::Lock;

/// The memory of the health monitor. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct HealthTracker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Lock<TrackerState>,
    ended: Notify,
    begun: Instant,
}

impl Default for Shared {
    fn default() -> Self {
        Self { state: Lock::default(), ended: Notify::default(), begun: Instant::now() }
    }
}

#[derive(Debug, Default)]
struct TrackerState {
    records: BTreeMap<String, HealthRecord>,
    /// Time at which a caller reported a job of an actor.
    last_activity: BTreeMap<String, Instant>,
    /// Actors that are being pinged or restarted.
    under_way: BTreeSet<String>,
}

/// Guard of a check: as long as it lives, nobody else checks the actor.
#[derive(Debug)]
pub(super) struct PingSlot {
    tracker: HealthTracker,
    name: String,
}

impl HealthTracker {
    /// Returns what is known of the health of an actor whose process is this one.
    pub fn health(&self, id: &ActorId, pid: Option<u32>) -> ActorHealth {
        let state = self.lock();
        let record = state.records.get(id.as_str());
        // After the process that was judged is gone, only the memory of what was done about it is of interest.
        match record {
            Some(record) if pid.is_none() || record.pid.is_none() || record.pid == pid => {
                record.health.clone()
            }
            Some(_) | None => ActorHealth::default(),
        }
    }

    /// Returns the same actor with what is known of its health now.
    pub fn with_health(&self, actor: ActorStatus) -> ActorStatus {
        let health = self.health(&actor.record.id, actor.pid.0);
        ActorStatus { health, ..actor }
    }

    /// Writes a record down, unless a younger one is there.
    pub fn record(&self, record: HealthRecord) {
        let mut state = self.lock();
        let name = record.actor_id.to_string();
        let older = state.records.get(&name).is_none_or(|known| known.updated_at <= record.updated_at);
        if older {
            state.records.insert(name, record);
        }
    }

    /// Takes over records of the store, and forgets actors that do not exist.
    pub fn sync(&self, records: Vec<HealthRecord>, exists: impl Fn(&str) -> bool) {
        for record in records {
            self.record(record);
        }
        let mut state = self.lock();
        state.records.retain(|name, _record| exists(name));
        state.last_activity.retain(|name, _at| exists(name));
    }

    /// Notes that an actor had a job just now, so its misses are forgotten.
    pub fn note_job(&self, name: &str, now: SystemTime) {
        let mut state = self.lock();
        state.last_activity.insert(name.to_owned(), Instant::now());
        if let Some(record) = state.records.get_mut(name) {
            record.health.consecutive_failures = 0;
            record.updated_at = now;
        }
    }

    /// Returns the time since a caller reported a job of the actor.
    pub(super) fn last_activity(&self, id: &ActorId) -> Option<Duration> {
        self.lock().last_activity.get(id.as_str()).map(Instant::elapsed)
    }

    /// Returns how long this supervisor has followed the health of actors.
    pub(super) fn age(&self) -> Duration {
        self.shared.begun.elapsed()
    }

    /// Begins to check an actor; None while somebody else does.
    pub(super) fn try_begin_ping(&self, id: &ActorId) -> Option<PingSlot> {
        let name = id.to_string();
        self.lock().under_way.insert(name.clone()).then(|| PingSlot { tracker: self.clone(), name })
    }

    /// Waits until nobody checks this actor.
    pub(super) async fn until_idle(&self, id: &ActorId) {
        loop {
            let ended = self.shared.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if !self.lock().under_way.contains(id.as_str()) {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, TrackerState> {
        self.shared.state.lock()
    }
}

impl Drop for PingSlot {
    fn drop(&mut self) {
        self.tracker.lock().under_way.remove(&self.name);
        self.tracker.shared.ended.notify_waiters();
    }
}

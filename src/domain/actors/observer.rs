//! The observer polls all processes and presences and publishes the latest observation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::actors::registry::Registry;
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::error::chain;
use crate::lock::Lock;
use crate::ports::actor_presence::Presence;
use crate::ports::process_manager::{Orphan, ProcessInfo, ProcessManager};
use crate::ports::queue::Queue;
use crate::ports::store_fault::StoreFault;

/// Time between two observations while nothing is going on: the end of a process is noticed within it.
const CALM: Duration = Duration::from_millis(200);
/// The shortest wait before a restart: a process manager may show how a process ended only until the next one runs, so
/// that is to last for two looks.
pub(super) const SEEN_END: Duration = Duration::from_millis(400);
/// Time between two observations while a caller waits for a change.
const HURRIED: Duration = Duration::from_millis(25);
/// While nobody waits, presences are read only at every n-th observation; they serve the display then.
const CALM_ROUNDS_PER_PRESENCE: u64 = 5;
/// Limit of an observation, so that a process manager that does not answer holds no caller up.
const FRESH_LIMIT: Duration = Duration::from_secs(2);
/// A slow queue must not keep us from seeing processes.
const PRESENCE_LIMIT: Duration = Duration::from_millis(500);

/// The processes and presences at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Observation {
    /// Number of the observation, from 1; 0 before the first.
    pub(super) seq: u64,
    /// Every process by name; None while the process manager does not answer.
    pub(super) processes: Option<BTreeMap<String, ProcessInfo>>,
    /// Orphans of earlier process managers; the last known ones while they cannot be read.
    pub(super) orphans: Vec<Orphan>,
    /// Actors as they announced themselves; the last known while the queue does not answer.
    pub(super) presences: BTreeMap<ActorId, Presence>,
    /// Reason for which `processes` is missing.
    pub(super) fault: String,
}

/// Polls processes and presences. A cheap clone.
#[derive(Clone)]
pub(super) struct Observer {
    shared: Arc<Shared>,
}

struct Shared {
    processes: Arc<dyn ProcessManager>,
    queue: Arc<dyn Queue>,
    registry: Registry,
    afar: Lock<BTreeSet<QueueName>>,
    latest: watch::Sender<Arc<Observation>>,
    begun: AtomicU64,
    hurried: AtomicUsize,
    wake: Notify,
}

/// Guard of frequent polls of the observer.
pub(super) struct Hurry {
    shared: Arc<Shared>,
}

impl Observer {
    pub(super) fn new(processes: Arc<dyn ProcessManager>, queue: Arc<dyn Queue>, registry: Registry) -> Self {
        let shared = Shared {
            processes,
            queue,
            registry,
            afar: Lock::default(),
            latest: watch::Sender::new(Arc::default()),
            begun: AtomicU64::new(0),
            hurried: AtomicUsize::new(0),
            wake: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the named queues at which other nodes have actors.
    pub(super) fn set_queues_afar(&self, queues: BTreeSet<QueueName>) {
        *self.shared.afar.lock() = queues;
    }

    /// Returns the latest observation, and notices of newer ones.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Observation>> {
        self.shared.latest.subscribe()
    }

    /// Returns the latest observation.
    pub(super) fn latest(&self) -> Arc<Observation> {
        self.shared.latest.borrow().clone()
    }

    /// Returns the number of the observation under way: only later ones are sure to show what was done before this call.
    pub(super) fn mark(&self) -> u64 {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// Has the observer poll more often until the answer is dropped.
    pub(super) fn hurry(&self) -> Hurry {
        self.shared.hurried.fetch_add(1, Ordering::SeqCst);
        self.shared.wake.notify_one();
        Hurry { shared: Arc::clone(&self.shared) }
    }

    /// Returns an observation that began after this call, or the latest after two seconds without one.
    pub(super) async fn fresh(&self) -> Arc<Observation> {
        let _hurry = self.hurry();
        let mark = self.mark();
        let mut observations = self.subscribe();
        let newer = observations.wait_for(|observation| observation.seq > mark);
        match tokio::time::timeout(FRESH_LIMIT, newer).await {
            Ok(Ok(observation)) => observation.clone(),
            Ok(Err(_)) | Err(_) => self.latest(),
        }
    }

    /// Polls until the end.
    pub(super) async fn run(self, token: CancellationToken) {
        loop {
            let round = async {
                self.observe().await;
                let hurried = self.shared.hurried.load(Ordering::SeqCst) > 0;
                let pause = if hurried { HURRIED } else { CALM };
                let woken = self.shared.wake.notified();
                // A wake-up shortens the calm pause only; the hurried one also bounds our own load.
                if hurried {
                    tokio::time::sleep(pause).await;
                } else {
                    let _elapsed = tokio::time::timeout(pause, woken).await;
                }
            };
            if token.run_until_cancelled(round).await.is_none() {
                return;
            }
        }
    }

    async fn observe(&self) {
        let seq = self.shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let before = self.latest();
        let hurried = self.shared.hurried.load(Ordering::SeqCst) > 0;
        let with_presences = hurried || seq.is_multiple_of(CALM_ROUNDS_PER_PRESENCE) || seq == 1;
        let listed_and_left = async {
            let listed = self.shared.processes.list().await;
            let left = if listed.is_ok() { self.shared.processes.orphans().await.ok() } else { None };
            (listed, left)
        };
        let ((listed, left), presences) = tokio::join!(listed_and_left, async {
            if with_presences { self.presences().await } else { None }
        });
        let (processes, fault) = match listed {
            Ok(listed) => {
                (Some(listed.into_iter().map(|info| (info.name.clone(), info)).collect()), String::new())
            }
            Err(error) => (None, error.to_string()),
        };
        if processes.is_none() && before.processes.is_some() {
            tracing::warn!(error = %fault, "process manager: processes cannot be observed");
        }
        let presences = presences.unwrap_or_else(|| before.presences.clone());
        let orphans = left.unwrap_or_else(|| before.orphans.clone());
        let latest = Observation { seq, processes, orphans, presences, fault };
        self.shared.latest.send_replace(Arc::new(latest));
    }

    /// Reads the presences at all default queues and at those that actors serve; None when the queue does not answer in time.
    async fn presences(&self) -> Option<BTreeMap<ActorId, Presence>> {
        let queue = &self.shared.queue;
        let presences_of = |name: QueueName| async move {
            match queue.presences(name).await {
                // The actors of the other queues are to be seen all the same.
                Err(error) if matches!(error.fault(), StoreFault::Corrupt { .. }) => {
                    tracing::debug!(queue = %name, error = %chain(&error), "actors of {name}: presences cannot be read");
                    Ok(Vec::new())
                }
                presences => presences,
            }
        };
        let mut named = self.shared.afar.lock().clone();
        named.extend(self.shared.registry.named_queues().iter().map(|queue| queue.name));
        let queues = QueueName::DEFAULTS.into_iter().chain(named);
        let all = futures::future::try_join_all(queues.map(presences_of));
        let all = tokio::time::timeout(PRESENCE_LIMIT, all).await.ok()?.ok()?;
        Some(all.into_iter().flatten().map(|presence| (presence.actor_id.clone(), presence)).collect())
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.shared.hurried.fetch_sub(1, Ordering::SeqCst);
    }
}

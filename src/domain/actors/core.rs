//! The parts of a manager, shared by its commands, its queries and its loops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::actors::Deps;
use crate::domain::actors::observer::Observer;
use crate::domain::actors::registry::{ActorHandle, Registry};
use crate::domain::actors::task::ActorTask;
use crate::domain::health::tracker::HealthTracker;
use crate::domain::leadership::Leadership;
use crate::domain::model::actor::{ActorRecord, ActorState, ActorStatus, Desired, Pid};
use crate::domain::model::health::ActorHealth;
use crate::domain::model::id::NodeName;
use crate::domain::model::queue_name::QueueName;
use crate::domain::scaling::queue_stats::QueueStats;
use crate::domain::usage::UsageTracker;
use crate::lock::Lock;
use crate::ports::actor_store::ActorStore;
use crate::ports::node_shares::NodeShares;

/// Number of leases after which the last heartbeat says nothing about an actor of another node.
const FRESH_LEASES: u32 = 2;

/// The parts of a manager.
pub(super) struct Core {
    pub(super) parts: Arc<Deps>,
    pub(super) observer: Observer,
    pub(super) registry: Registry,
    pub(super) tracker: HealthTracker,
    pub(super) leadership: Arc<Leadership>,
    pub(super) queue_stats: Arc<QueueStats>,
    /// Running actors of other nodes, by queue.
    pub(super) elsewhere: Lock<BTreeMap<QueueName, u32>>,
    /// Actors of other nodes, as they were seen last.
    pub(super) others: Lock<Arc<Vec<ActorStatus>>>,
    /// The way to have other machines scale.
    pub(super) node_shares: OnceLock<Arc<dyn NodeShares>>,
    /// Nodes that have actors, without this one.
    pub(super) other_nodes: Lock<BTreeSet<NodeName>>,
    pub(super) usage: UsageTracker,
    pub(super) opened: OnceCell<()>,
    pub(super) token: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Core {
    /// Makes the parts. Nothing is contacted.
    pub(super) fn new(parts: Deps) -> Self {
        let (queue, registry) = (Arc::clone(parts.supervisor.queue()), Registry::default());
        Self {
            observer: Observer::new(Arc::clone(&parts.processes), queue, registry.clone()),
            registry,
            tracker: HealthTracker::default(),
            leadership: Arc::new(Leadership::new(
                Arc::<dyn ActorStore>::clone(&parts.store),
                parts.node.clone(),
            )),
            queue_stats: Arc::default(),
            elsewhere: Lock::default(),
            others: Lock::default(),
            node_shares: OnceLock::new(),
            other_nodes: Lock::default(),
            usage: UsageTracker::default(),
            opened: OnceCell::new(),
            token: CancellationToken::new(),
            tasks: TaskTracker::new(),
            parts: Arc::new(parts),
        }
    }

    /// Gives an actor of this node its task; the one that it has, if so.
    pub(super) fn adopt(&self, record: ActorRecord) -> Option<ActorHandle> {
        if record.node != self.parts.node || self.token.is_cancelled() {
            return None;
        }
        let name = record.id.to_string();
        if let Some(handle) = self.registry.get(&name) {
            return Some(handle);
        }
        let (handle, end) = ActorHandle::pair(self.first_status(record));
        if !self.registry.insert(&name, handle.clone()) {
            return self.registry.get(&name);
        }
        let (observer, registry) = (self.observer.clone(), self.registry.clone());
        let task = ActorTask::new(Arc::clone(&self.parts), observer, registry, self.tracker.clone(), end);
        let token = self.token.child_token();
        self.tasks.spawn(async move {
            let reason = task.run(token).await;
            tracing::debug!(actor.id = %name, ?reason, "actor {name}: its task ended ({reason:?})");
        });
        Some(handle)
    }

    /// Names the records by which processes are made to the process manager. They are others once Redis has lost its data.
    pub(super) async fn announce_realm(&self) {
        if let Ok(Some(realm)) = self.parts.store.epoch().await {
            self.parts.processes.set_realm(&realm);
        }
    }

    /// Returns the status of an actor before its first observation.
    pub(super) fn first_status(&self, record: ActorRecord) -> ActorStatus {
        let state = first_state(&record);
        self.bare_status(record, state)
    }

    /// An actor of another node, as far as the queue knows it.
    pub(super) fn seen_from_afar(&self, record: ActorRecord) -> ActorStatus {
        let observation = self.observer.latest();
        let presence = observation.presences.get(&record.id).cloned();
        let supervisor = &self.parts.supervisor;
        let now = supervisor.clock().now();
        let age = presence.as_ref().map(|seen| now.duration_since(seen.heartbeat_at).unwrap_or_default());
        let fresh = presence.filter(|_seen| age < Some(supervisor.queue().lease() * FRESH_LEASES));
        let state = match (record.desired, &fresh) {
            (_, Some(presence)) if presence.draining => ActorState::Draining,
            (Desired::Up, Some(_)) => ActorState::Running,
            (Desired::Down, None) => ActorState::Stopped,
            (Desired::Up, None) | (Desired::Down, Some(_)) => ActorState::Unknown,
        };
        let stopped = record.last_exit.as_ref().filter(|_exit| state == ActorState::Stopped);
        let state_since = stopped.map(|exit| exit.at);
        let message = match state == ActorState::Unknown {
            true => why_unknown(&record, fresh.is_some(), age),
            false => String::new(),
        };
        let status = ActorStatus { state_since, message, ..self.bare_status(record, state) };
        let status = match fresh {
            Some(presence) => ActorStatus {
                pid: Pid(Some(presence.pid)),
                in_flight: presence.in_flight,
                last_job_at: presence.last_job_at,
                ..status
            },
            None => status,
        };
        self.with_latest(status)
    }

    /// Returns the same actor with what is known of its health and its usage now.
    pub(super) fn with_latest(&self, status: ActorStatus) -> ActorStatus {
        let now = self.parts.supervisor.clock().now();
        let usage = status.pid.0.and_then(|_pid| self.usage.latest(&status.record.id, now));
        ActorStatus { usage, ..self.tracker.with_health(status) }
    }

    fn bare_status(&self, record: ActorRecord, state: ActorState) -> ActorStatus {
        ActorStatus {
            state_since: Some(self.parts.supervisor.clock().now()),
            record,
            state,
            pid: Pid(None),
            message: String::new(),
            started_at: None,
            in_flight: 0,
            last_job_at: None,
            health: ActorHealth::default(),
            usage: None,
        }
    }

    /// Returns the number of running actors of other nodes at a queue.
    pub(super) fn running_elsewhere(&self, queue: QueueName) -> u32 {
        self.elsewhere.lock().get(&queue).copied().unwrap_or_default()
    }

    /// Notes the actors of other nodes: how many run, as far as the queue knows, and where.
    pub(super) fn count_elsewhere(&self, others: Vec<ActorStatus>) {
        let mut counts = BTreeMap::<QueueName, u32>::new();
        for actor in others.iter().filter(|actor| actor.state == ActorState::Running) {
            *counts.entry(actor.record.config.queue()).or_default() += 1;
        }
        self.observer.set_queues_afar(others.iter().filter_map(|actor| actor.record.config.queue).collect());
        *self.elsewhere.lock() = counts;
        *self.other_nodes.lock() = others.iter().map(|actor| actor.record.node.clone()).collect();
        *self.others.lock() = Arc::new(others);
    }
}

/// The state that is believed before the first look. One that was to be stopped has stopped, unless the end of its process is still to
/// be recorded: then nobody may have been told.
fn first_state(record: &ActorRecord) -> ActorState {
    match (record.desired, record.last_pid) {
        (Desired::Down, None) => ActorState::Stopped,
        (Desired::Up, _) | (Desired::Down, Some(_)) => ActorState::Unknown,
    }
}

/// Returns why the state of an actor of another node is not known. `age` is that of its last heartbeat.
fn why_unknown(record: &ActorRecord, heard: bool, age: Option<Duration>) -> String {
    let node = &record.node;
    match age {
        Some(_recent) if heard => {
            format!("was to be stopped and still runs: the supervisor of node {node} may be away")
        }
        Some(age) => format!(
            "has sent no heartbeat for {} s: it, or node {node}, may be down or cut off from Redis",
            age.as_secs()
        ),
        None => format!("has sent no heartbeat: it, or node {node}, may be down or cut off from Redis"),
    }
}

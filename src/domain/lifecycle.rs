//! Actors as callers see them: create, start, stop, restart, scale, look, delete.
//!
//! The wish for an actor and its history are kept in the [`ActorStore`]; its process belongs to the
//! [`ProcessManager`]. In between, one task owns each actor (`driver`), and one task looks at all processes
//! (`observer`). Nothing here is lost with the supervisor: a new one reads the wishes, looks, and goes on.

mod admission;
mod answers;
mod dependencies;
mod document;
mod driver;
mod health;
mod logs;
mod many;
mod observer;
mod operation;
mod orphans;
mod pulse;
mod reconcile;
mod registry;
mod restarts;
mod scale;
mod scaler;
mod telling;
mod types;
mod update;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OnceCell, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::actor::{ActorConfig, ActorRecord, ActorState, ActorStatus, Desired, ManagedBy, Pid};
use crate::domain::event::{Event, Events, Source, What};
use crate::domain::health::ActorHealth;
use crate::domain::health::book::HealthBook;
use crate::domain::id::{ActorId, NodeName};
use crate::domain::supervisor::Supervisor;
use crate::domain::violation::Violations;
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::{ActorStore, Stored};
use crate::ports::process_manager::{LogLine, ProcessManager, ProcessManagerInfo};
use crate::ports::programs::Programs;

pub(crate) use dependencies::start_sequence;
pub use logs::{ActorLogs, LogPart, LogQuery};
pub use many::{ActorAnswer, ActorSelector};
pub use pulse::Rates;
pub use scale::{ScaleRequest, Scaled};
pub use types::{ActorCounts, PurgeRequest, ScriptTypeStatus};
pub use update::{Apply, Update, Updated};

use admission::Verb;
use driver::Driver;
use observer::Observer;
use orphans::Orphans;
use pulse::Pulse;
use registry::{ActorHandle, Registry};

/// How often queues are kept tidy, and actors that other supervisors made or deleted are noticed.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
/// A reading older than this says nothing about an actor of another node.
const PRESENCE_FRESH: Duration = Duration::from_secs(30);

/// What an [`ActorLifecycleManager`] works with.
pub struct Parts {
    /// Jobs and queues; gives the clock, too.
    pub supervisor: Supervisor,
    /// Runs the processes.
    pub processes: Arc<dyn ProcessManager>,
    /// Keeps the wishes.
    pub store: Arc<dyn ActorStore>,
    /// Looks at programs before they start.
    pub programs: Arc<dyn Programs>,
    /// The name of this machine among the supervisors on one Redis.
    pub node: NodeName,
    /// Actors to make at the first use, unless they are there already.
    pub initial: Vec<ActorConfig>,
    /// Where events go.
    pub events: Events,
}

/// Keeps actors where callers want them. A cheap clone; all clones are one manager.
#[derive(Clone)]
pub struct ActorLifecycleManager {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Arc<Parts>,
    observer: Observer,
    registry: Registry,
    book: HealthBook,
    /// Our name when it is asked whose turn it is.
    instance: String,
    leads: AtomicBool,
    pulse: Pulse,
    /// Running actors of other nodes, by script type.
    elsewhere: Mutex<[u32; 4]>,
    opened: OnceCell<()>,
    token: CancellationToken,
    tasks: TaskTracker,
}

/// How to end a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopOptions {
    /// Time for running jobs to end; the actor's own `drain_timeout` by default.
    pub drain_timeout: Option<Duration>,
    /// Kill at once, without drain.
    pub force: bool,
}

/// The answer to a wish: the actor, and whether anything had to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The actor as it is now.
    pub status: ActorStatus,
    /// False when it was so already.
    pub changed: bool,
    /// False when the wait was over first; the wish stands and is worked on.
    pub done: bool,
}

type Answer = oneshot::Receiver<Result<bool, SupervisorError>>;

impl ActorLifecycleManager {
    /// A manager of these parts. Nothing is contacted before the first call.
    pub fn new(parts: Parts) -> Self {
        let queue = Arc::clone(parts.supervisor.queue());
        let shared = Shared {
            observer: Observer::new(Arc::clone(&parts.processes), queue),
            registry: Registry::default(),
            book: HealthBook::default(),
            instance: uuid::Uuid::new_v4().simple().to_string(),
            leads: AtomicBool::new(false),
            pulse: Pulse::default(),
            elsewhere: Mutex::default(),
            opened: OnceCell::new(),
            token: CancellationToken::new(),
            tasks: TaskTracker::new(),
            parts: Arc::new(parts),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Loads the actors, makes the initial ones and begins to watch the processes. Harmless to repeat; every other
    /// call does it first.
    ///
    /// # Errors
    /// `QueueUnavailable`, `ShuttingDown`.
    pub async fn open(&self) -> Result<(), SupervisorError> {
        if self.shared.token.is_cancelled() {
            return Err(SupervisorError::ShuttingDown);
        }
        self.shared.opened.get_or_try_init(|| self.open_once()).await.copied()
    }

    async fn open_once(&self) -> Result<(), SupervisorError> {
        self.make_initial().await?;
        let records = self.parts().store.load().await?;
        self.learn_rules().await?;
        self.keep_in_step(|_name| true).await;
        let observer = self.shared.observer.clone();
        self.shared.tasks.spawn(observer.run(self.shared.token.clone()));
        for record in records {
            self.adopt(record);
        }
        self.shared.tasks.spawn(self.clone().keep_up());
        let (scaler, token) = (scaler::run(self.clone()), self.shared.token.clone());
        self.shared.tasks.spawn(async move {
            let _ended: Option<()> = token.run_until_cancelled(scaler).await;
        });
        Ok(())
    }

    /// Adds initial actors that are not there; those that are keep their wish and get a changed definition.
    async fn make_initial(&self) -> Result<(), SupervisorError> {
        for config in &self.parts().initial {
            config.validate()?;
            let record = self.fresh_record(config.clone(), ManagedBy::User)?;
            let stored = self.parts().store.insert(&record).await?;
            if let Stored::Conflict(existing) = stored {
                let same = existing.config == *config;
                if existing.node == self.parts().node && !same {
                    let outdated = existing.outdated || !existing.config.runs_like(config);
                    let changed = ActorRecord { config: config.clone(), outdated, ..*existing };
                    self.parts().store.update(&changed).await?;
                }
            }
            self.parts().store.set_template(config, false).await?;
        }
        Ok(())
    }

    /// Gives an actor of this node its driver; the one that it has, if so.
    fn adopt(&self, record: ActorRecord) -> Option<ActorHandle> {
        if record.node != self.parts().node || self.shared.token.is_cancelled() {
            return None;
        }
        let name = record.id.to_string();
        if let Some(handle) = self.shared.registry.get(&name) {
            return Some(handle);
        }
        let (handle, end) = ActorHandle::pair(self.first_status(record.clone()));
        if !self.shared.registry.insert(&name, handle.clone()) {
            return self.shared.registry.get(&name);
        }
        let (observer, registry) = (self.shared.observer.clone(), self.shared.registry.clone());
        let driver = Driver::new(
            record,
            Arc::clone(&self.shared.parts),
            observer,
            registry,
            self.shared.book.clone(),
            end,
        );
        let token = self.shared.token.child_token();
        self.shared.tasks.spawn(async move {
            let reason = driver.run(token).await;
            tracing::debug!(actor.id = %name, ?reason, "actor {name} is let go of");
        });
        Some(handle)
    }

    /// Keeps queues tidy and notices actors that another supervisor of this node has made or deleted.
    async fn keep_up(self) {
        let mut orphans = Orphans::default();
        let round = async {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
                if let Err(error) = self.parts().supervisor.queue().maintain().await {
                    tracing::debug!(error = %chain(&error), "queues could not be kept tidy");
                    continue;
                }
                // A driver comes after its record, so one that was there before this look has lost its own if it is not seen.
                let drivers = self.shared.registry.handles();
                if let Ok(records) = self.parts().store.load().await {
                    let there: BTreeSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
                    for (_name, driver) in drivers.iter().filter(|(name, _)| !there.contains(name.as_str())) {
                        driver.note_deleted();
                    }
                    self.keep_in_step(|name| there.contains(name)).await;
                    orphans.look(self.parts(), &self.shared.observer, &there).await;
                    let others = records.iter().filter(|record| record.node != *self.node()).cloned();
                    self.count_elsewhere(others.map(|record| self.seen_from_afar(record)).collect());
                    for record in records {
                        if let Some(driver) = self.adopt(record.clone()) {
                            driver.note_stored(record);
                        }
                    }
                }
            }
        };
        let token = self.shared.token.clone();
        let _ended: Option<()> = token.run_until_cancelled(round).await;
    }

    /// Makes an actor and, if `start` is said, starts it. The same definition again changes nothing.
    ///
    /// # Errors
    /// `Invalid`, `BinaryInvalid`, `ActorExists`, `DependencyUnmet`, and those of [`ActorLifecycleManager::start`].
    pub async fn create(
        &self,
        config: ActorConfig,
        start: bool,
        wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        self.create_as(config, ManagedBy::User, start, wait).await
    }

    async fn create_as(
        &self,
        config: ActorConfig,
        managed_by: ManagedBy,
        start: bool,
        wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        self.open().await?;
        self.validate(&config).await?;
        let record = self.fresh_record(config.clone(), managed_by)?;
        let id = record.id.clone();
        let (record, created) = match self.parts().store.insert(&record).await? {
            Stored::Written(generation) => (ActorRecord { generation, ..record }, true),
            Stored::Conflict(existing) if existing.node != self.parts().node => {
                return Err(SupervisorError::ActorOnOtherNode { id, node: existing.node });
            }
            Stored::Conflict(existing) if existing.config == config => (*existing, false),
            Stored::Conflict(existing) => {
                return Err(SupervisorError::ActorExists { id, created_at: existing.created_at });
            }
            Stored::Missing => {
                let source = "the store says that it is missing".into();
                return Err(SupervisorError::Internal { what: format!("store actor {id}"), source });
            }
        };
        self.parts().store.set_template(&config, false).await?;
        if created {
            let source = match managed_by {
                ManagedBy::User => Source::Caller,
                ManagedBy::Scaler => Source::Scaler,
            };
            let message = format!("actor {id} was made");
            let event = Event::new(record.created_at, source, What::ActorCreated, message);
            self.events().emit(event.of_actor(&record));
        }
        let handle = self.adopt(record).ok_or(SupervisorError::ShuttingDown)?;
        if start {
            let started = self.start(&id, wait).await?;
            return Ok(Changed { changed: created || started.changed, ..started });
        }
        Ok(Changed { status: handle.status(), changed: created, done: true })
    }

    /// Checks what `create` would, and makes nothing.
    ///
    /// # Errors
    /// `Invalid`, `BinaryInvalid`, `DependencyUnmet`.
    pub async fn validate(&self, config: &ActorConfig) -> Result<(), SupervisorError> {
        let mut violations = Violations::new();
        if let Err(unnamed) = config.id() {
            violations.append(unnamed);
        }
        if let Err(more) = config.validate() {
            violations.append(more);
        }
        violations.into_result()?;
        let inspected = self.parts().programs.inspect(&config.binary, config.sha256.as_deref()).await;
        inspected.map_err(|fault| SupervisorError::BinaryInvalid {
            path: config.binary.clone(),
            reason: fault.to_string(),
        })?;
        if !config.dependencies.is_empty() {
            self.open().await?;
            self.start_order(&config.name, Some(config)).await?;
        }
        Ok(())
    }

    /// One actor.
    ///
    /// # Errors
    /// `ActorNotFound`, `QueueUnavailable`.
    pub async fn actor(&self, id: &ActorId) -> Result<ActorStatus, SupervisorError> {
        self.open().await?;
        if let Some(handle) = self.shared.registry.get(id.as_str()) {
            return Ok(self.with_health(handle.status()));
        }
        let records = self.parts().store.load().await?;
        let record = records.into_iter().find(|record| record.id == *id);
        record
            .map(|record| self.seen_from_afar(record))
            .ok_or_else(|| SupervisorError::ActorNotFound(id.clone()))
    }

    /// All actors of all nodes, by name.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn actors(&self) -> Result<Vec<ActorStatus>, SupervisorError> {
        self.open().await?;
        let records = self.parts().store.load().await?;
        let mut actors: Vec<ActorStatus> = records
            .into_iter()
            .map(|record| match self.shared.registry.get(record.id.as_str()) {
                // A ping may have ended since its driver last looked.
                Some(handle) => self.with_health(handle.status()),
                None => self.seen_from_afar(record),
            })
            .collect();
        actors.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        Ok(actors)
    }

    /// Starts an actor, what it depends on first, and waits up to `wait` until it is RUNNING.
    ///
    /// # Errors
    /// `ActorNotFound`, `BinaryInvalid`, `DependencyUnmet`, `ActorStartFailed`, `ActorOnOtherNode`.
    pub async fn start(&self, id: &ActorId, wait: Duration) -> Result<Changed, SupervisorError> {
        let deadline = Instant::now() + wait;
        let (handle, answer) = self.begin_start(id).await?;
        finish(&handle, answer, deadline).await
    }

    async fn begin_start(&self, id: &ActorId) -> Result<(ActorHandle, Answer), SupervisorError> {
        let handle = self.handle(id).await?;
        if !handle.status().record.config.dependencies.is_empty() {
            for dependency in self.start_order(id.as_str(), None).await? {
                if let Some(dependency) = self.shared.registry.get(&dependency) {
                    // Its own answer is for nobody: if it fails, the actor that waits for it says so.
                    drop(dependency.wish(Verb::Start, StopOptions::default())?);
                }
            }
        }
        let answer = handle.wish(Verb::Start, StopOptions::default())?;
        Ok((handle, answer))
    }

    /// Drains and stops an actor, and waits up to `wait` until its process is gone.
    ///
    /// # Errors
    /// `ActorNotFound`, `ActorStopFailed`, `ActorOnOtherNode`.
    pub async fn stop(
        &self,
        id: &ActorId,
        options: StopOptions,
        wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        let deadline = Instant::now() + wait;
        let handle = self.handle(id).await?;
        let answer = handle.wish(Verb::Stop { force: options.force }, options)?;
        finish(&handle, answer, deadline).await
    }

    /// Drains, stops and starts an actor.
    ///
    /// # Errors
    /// Those of `stop` and `start`.
    pub async fn restart(
        &self,
        id: &ActorId,
        options: StopOptions,
        wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        let deadline = Instant::now() + wait;
        let handle = self.handle(id).await?;
        let answer = handle.wish(Verb::Restart, options)?;
        finish(&handle, answer, deadline).await
    }

    /// Drains, stops and forgets an actor; answers with what it was, None when it was not there and `allow_missing` is said.
    ///
    /// # Errors
    /// Those of `stop`.
    pub async fn delete(
        &self,
        id: &ActorId,
        options: StopOptions,
        allow_missing: bool,
    ) -> Result<Option<ActorStatus>, SupervisorError> {
        let handle = match self.handle(id).await {
            Err(SupervisorError::ActorNotFound(_)) if allow_missing => return Ok(None),
            other => other?,
        };
        let answer = handle.wish(Verb::Delete { force: options.force }, options)?;
        answer.await.unwrap_or(Err(SupervisorError::ShuttingDown))?;
        Ok(Some(handle.status()))
    }

    /// The last lines that an actor wrote, oldest first.
    ///
    /// # Errors
    /// `ActorNotFound`, `ProcessManagerUnavailable`.
    pub async fn log_tail(&self, id: &ActorId, lines: usize) -> Result<Vec<LogLine>, SupervisorError> {
        self.handle(id).await?;
        Ok(self.parts().processes.log_tail(id.as_str(), lines).await?)
    }

    /// Whether the process manager answers, who it is and how fast.
    ///
    /// # Errors
    /// `ProcessManagerUnavailable`.
    pub async fn probe(&self) -> Result<ProcessManagerInfo, SupervisorError> {
        Ok(self.parts().processes.probe().await?)
    }

    /// The jobs side of this manager.
    pub fn supervisor(&self) -> &Supervisor {
        &self.parts().supervisor
    }

    /// The name of this machine.
    pub fn node(&self) -> &NodeName {
        &self.parts().node
    }

    /// Ends the watch. Processes go on.
    pub async fn close(&self) {
        self.shared.token.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        if self.leads()
            && let Err(error) = self.parts().store.step_down(self.node(), &self.shared.instance).await
        {
            tracing::debug!(error = %chain(&error), "the turn of this node ends by itself");
        }
    }

    /// The way to the event log, for what happens to actors, queues and scaling on this node. Events of actors are made
    /// by [`Event::new`](crate::domain::event::Event::new) and `of_actor`.
    pub(crate) fn events(&self) -> &Events {
        &self.parts().events
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.shared.parts
    }

    /// The driver of an actor of this node.
    async fn handle(&self, id: &ActorId) -> Result<ActorHandle, SupervisorError> {
        self.open().await?;
        if let Some(handle) = self.shared.registry.get(id.as_str()) {
            return Ok(handle);
        }
        let records = self.parts().store.load().await?;
        match records.into_iter().find(|record| record.id == *id) {
            None => Err(SupervisorError::ActorNotFound(id.clone())),
            Some(record) if record.node != self.parts().node => {
                Err(SupervisorError::ActorOnOtherNode { id: id.clone(), node: record.node })
            }
            Some(record) => self.adopt(record).ok_or(SupervisorError::ShuttingDown),
        }
    }

    /// What must run before `name`; `draft` is its definition, if it is not stored yet.
    async fn start_order(
        &self,
        name: &str,
        draft: Option<&ActorConfig>,
    ) -> Result<Vec<String>, SupervisorError> {
        let mut actors: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for status in self.shared.registry.statuses() {
            actors.insert(status.record.id.to_string(), status.record.config.dependencies);
        }
        if let Some(draft) = draft {
            actors.insert(name.to_owned(), draft.dependencies.clone());
        }
        let listed = self.parts().processes.list().await?;
        let services = listed.into_iter().map(|info| info.name).collect();
        dependencies::start_order(name, &actors, &services).map_err(|unmet| {
            SupervisorError::DependencyUnmet {
                actor: unmet.actor,
                dependency: unmet.dependency,
                reason: unmet.reason,
            }
        })
    }

    fn fresh_record(
        &self,
        config: ActorConfig,
        managed_by: ManagedBy,
    ) -> Result<ActorRecord, SupervisorError> {
        Ok(ActorRecord {
            id: config.id()?,
            node: self.parts().node.clone(),
            config,
            desired: Desired::Down,
            managed_by,
            created_at: self.parts().supervisor.clock().now(),
            generation: 0,
            restart_count: 0,
            last_pid: None,
            last_exit: None,
            fault: None,
            outdated: false,
        })
    }

    /// What a driver shows before its first look.
    fn first_status(&self, record: ActorRecord) -> ActorStatus {
        let state = match record.desired {
            Desired::Up => ActorState::Unknown,
            Desired::Down => ActorState::Stopped,
        };
        self.bare_status(record, state)
    }

    /// An actor of another node, as far as the queue knows it.
    fn seen_from_afar(&self, record: ActorRecord) -> ActorStatus {
        let observation = self.shared.observer.latest();
        let presence = observation.presences.get(&record.id).cloned();
        let now = self.parts().supervisor.clock().now();
        let fresh = presence
            .filter(|presence| now.duration_since(presence.beat_at).unwrap_or_default() < PRESENCE_FRESH);
        let state = match (record.desired, &fresh) {
            (Desired::Up, Some(presence)) if presence.draining => ActorState::Draining,
            (Desired::Up, Some(_)) => ActorState::Running,
            (Desired::Down, None) => ActorState::Stopped,
            (Desired::Up, None) | (Desired::Down, Some(_)) => ActorState::Unknown,
        };
        let status = self.bare_status(record, state);
        let status = match fresh {
            Some(presence) => ActorStatus {
                pid: Pid(Some(presence.pid)),
                in_flight: presence.in_flight,
                last_job_at: presence.last_job_at,
                ..status
            },
            None => status,
        };
        self.with_health(status)
    }

    fn bare_status(&self, record: ActorRecord, state: ActorState) -> ActorStatus {
        ActorStatus {
            state_since: self.parts().supervisor.clock().now(),
            record,
            state,
            pid: Pid(None),
            message: String::new(),
            started_at: None,
            in_flight: 0,
            last_job_at: None,
            health: ActorHealth::default(),
        }
    }
}

impl std::fmt::Debug for ActorLifecycleManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorLifecycleManager").field("node", &self.parts().node).finish_non_exhaustive()
    }
}

/// Waits for the answer to a wish; the wish stands when the wait is over first.
async fn finish(handle: &ActorHandle, answer: Answer, deadline: Instant) -> Result<Changed, SupervisorError> {
    match timeout_at(deadline, answer).await {
        Ok(Ok(answered)) => {
            let changed = answered?;
            Ok(Changed { status: handle.status(), changed, done: true })
        }
        Ok(Err(_driver_gone)) => Err(SupervisorError::ShuttingDown),
        Err(_elapsed) => Ok(Changed { status: handle.status(), changed: true, done: false }),
    }
}

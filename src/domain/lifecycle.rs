//! Actors as callers see them: create, start, stop, restart, scale, look, delete.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::actor::{ActorConfig, ActorStatus};
use crate::domain::id::{ActorId, NodeName};
use crate::domain::script_type::ScriptType;
use crate::domain::supervisor::Supervisor;
use crate::error::SupervisorError;
use crate::ports::actor_store::ActorStore;
use crate::ports::process_manager::{LogLine, ProcessManager, ProcessManagerInfo};
use crate::ports::programs::Programs;

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
}

/// Keeps actors where callers want them. A cheap clone; all clones are one manager.
#[derive(Clone)]
pub struct ActorLifecycleManager {
    _parts: Arc<Parts>,
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

/// Which actors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActorSelector {
    /// These.
    pub ids: Vec<ActorId>,
    /// All of these types.
    pub script_types: Vec<ScriptType>,
    /// All that have every one of these labels.
    pub labels: Vec<(String, String)>,
    /// All of this node.
    pub all: bool,
}

/// What became of one actor of many.
#[derive(Debug)]
pub struct ActorAnswer {
    /// Which.
    pub id: ActorId,
    /// What.
    pub result: Result<Changed, SupervisorError>,
}

/// What scaling did, or would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// Actors of this type afterwards (before, for a trial).
    pub actors: Vec<ActorStatus>,
    /// Actors that were made, or would be.
    pub added: Vec<ActorId>,
    /// Actors that were drained and removed, or would be.
    pub removed: Vec<ActorId>,
    /// False when the wait was over first; the wish stands and is worked on.
    pub done: bool,
}

impl ActorLifecycleManager {
    /// A manager of these parts. Nothing is contacted before the first call.
    pub fn new(parts: Parts) -> Self {
        Self { _parts: Arc::new(parts) }
    }

    /// Loads the actors, makes the initial ones and begins to watch the processes. Harmless to repeat; every other
    /// call does it first.
    ///
    /// # Errors
    /// `QueueUnavailable`, `ProcessManagerUnavailable`.
    pub async fn open(&self) -> Result<(), SupervisorError> {
        todo!()
    }

    /// Makes an actor and, if `start` is said, starts it. The same definition again changes nothing.
    ///
    /// # Errors
    /// `Invalid`, `BinaryInvalid`, `ActorExists`, `DependencyUnmet`, and those of [`ActorLifecycleManager::start`].
    pub async fn create(
        &self,
        _config: ActorConfig,
        _start: bool,
        _wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        todo!()
    }

    /// Checks what `create` would, and makes nothing.
    ///
    /// # Errors
    /// Those of [`ActorLifecycleManager::create`].
    pub async fn validate(&self, _config: &ActorConfig) -> Result<(), SupervisorError> {
        todo!()
    }

    /// One actor.
    ///
    /// # Errors
    /// `ActorNotFound`, `QueueUnavailable`.
    pub async fn actor(&self, _id: &ActorId) -> Result<ActorStatus, SupervisorError> {
        todo!()
    }

    /// All actors of all nodes, by name.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn actors(&self) -> Result<Vec<ActorStatus>, SupervisorError> {
        todo!()
    }

    /// Starts an actor and waits up to `wait` until it is RUNNING.
    ///
    /// # Errors
    /// `ActorNotFound`, `BinaryInvalid`, `DependencyUnmet`, `ActorStartFailed`, `ActorOnOtherNode`.
    pub async fn start(&self, _id: &ActorId, _wait: Duration) -> Result<Changed, SupervisorError> {
        todo!()
    }

    /// Drains and stops an actor, and waits up to `wait` until its process is gone.
    ///
    /// # Errors
    /// `ActorNotFound`, `ActorStopFailed`, `ActorOnOtherNode`.
    pub async fn stop(
        &self,
        _id: &ActorId,
        _options: StopOptions,
        _wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        todo!()
    }

    /// Drains, stops and starts an actor.
    ///
    /// # Errors
    /// Those of `stop` and `start`.
    pub async fn restart(
        &self,
        _id: &ActorId,
        _options: StopOptions,
        _wait: Duration,
    ) -> Result<Changed, SupervisorError> {
        todo!()
    }

    /// Drains, stops and forgets an actor; answers with what it was, None when it was not there and `allow_missing` is said.
    ///
    /// # Errors
    /// Those of `stop`.
    pub async fn delete(
        &self,
        _id: &ActorId,
        _options: StopOptions,
        _allow_missing: bool,
    ) -> Result<Option<ActorStatus>, SupervisorError> {
        todo!()
    }

    /// Starts many, side by side, dependencies first.
    ///
    /// # Errors
    /// Only when the actors cannot be read; what happened to each is in its answer.
    pub async fn start_many(
        &self,
        _selector: &ActorSelector,
        _wait: Duration,
    ) -> Result<Vec<ActorAnswer>, SupervisorError> {
        todo!()
    }

    /// Stops many, side by side.
    ///
    /// # Errors
    /// Only when the actors cannot be read.
    pub async fn stop_many(
        &self,
        _selector: &ActorSelector,
        _options: &StopOptions,
        _wait: Duration,
    ) -> Result<Vec<ActorAnswer>, SupervisorError> {
        todo!()
    }

    /// Restarts many, at most `max_unavailable` at a time (0: all at once).
    ///
    /// # Errors
    /// Only when the actors cannot be read.
    pub async fn restart_many(
        &self,
        _selector: &ActorSelector,
        _options: &StopOptions,
        _max_unavailable: usize,
        _wait: Duration,
    ) -> Result<Vec<ActorAnswer>, SupervisorError> {
        todo!()
    }

    /// Makes or removes actors of a type until there are `replicas` on this node; `trial` only says what would happen.
    ///
    /// # Errors
    /// `Invalid`, `NoTemplate`, and those of `create` and `stop`.
    pub async fn scale(
        &self,
        _script_type: ScriptType,
        _replicas: u32,
        _drain_timeout: Option<Duration>,
        _trial: bool,
        _wait: Duration,
    ) -> Result<Scaled, SupervisorError> {
        todo!()
    }

    /// The last lines that an actor wrote, oldest first.
    ///
    /// # Errors
    /// `ActorNotFound`, `ProcessManagerUnavailable`.
    pub async fn log_tail(&self, _id: &ActorId, _lines: usize) -> Result<Vec<LogLine>, SupervisorError> {
        todo!()
    }

    /// Whether the process manager answers, who it is and how fast.
    ///
    /// # Errors
    /// `ProcessManagerUnavailable`.
    pub async fn probe(&self) -> Result<ProcessManagerInfo, SupervisorError> {
        todo!()
    }

    /// Ends the watch. Processes go on.
    pub async fn close(&self) {
        todo!()
    }
}

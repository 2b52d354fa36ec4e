//! Commands for one actor: create, start, stop, restart, delete.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::domain::actors::registry::ActorHandle;
use crate::domain::actors::{ActorLifecycleManager, CommandOutcome, dependencies};
use crate::domain::model::actor::StopOptions;
use crate::domain::model::actor::{ActorConfig, ActorRecord, ActorStatus, Desired, ManagedBy, Verb};
use crate::domain::model::event::{Cause, Event, EventKind};
use crate::domain::model::id::ActorId;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::ports::actor_store::Stored;

/// Receiver of the answer to a request.
type ReplyReceiver = oneshot::Receiver<Result<bool, SupervisorError>>;

impl ActorLifecycleManager {
    /// Makes an actor and, if `start` is set, starts it. The same definition again changes nothing.
    ///
    /// # Errors
    /// `Invalid`, `BinaryInvalid`, `ActorExists`, `DependencyUnmet`, and those of [`ActorLifecycleManager::start`].
    pub async fn create(
        &self,
        config: ActorConfig,
        start: bool,
        wait: Duration,
    ) -> Result<CommandOutcome, SupervisorError> {
        self.create_as(config, ManagedBy::User, start, wait).await
    }

    pub(super) async fn create_as(
        &self,
        config: ActorConfig,
        managed_by: ManagedBy,
        start: bool,
        wait: Duration,
    ) -> Result<CommandOutcome, SupervisorError> {
        self.open().await?;
        let config = self.complete(config).await?;
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
            let message = format!("actor {id} was made");
            let event = Event::new(record.created_at, self.cause.clone(), EventKind::ActorCreated, message);
            self.events().emit(event.of_actor(&record));
        }
        let handle = self.core.adopt(record).ok_or(SupervisorError::ShuttingDown)?;
        if start {
            let started = self.start(&id, wait).await?;
            return Ok(CommandOutcome { changed: created || started.changed, ..started });
        }
        Ok(CommandOutcome { status: handle.status(), changed: created, done: true })
    }

    /// Fills in what a definition leaves to this machine: the program.
    ///
    /// # Errors
    /// `Invalid` if there is none for its script type.
    pub async fn complete(&self, config: ActorConfig) -> Result<ActorConfig, SupervisorError> {
        if !config.binary.as_os_str().is_empty() {
            return Ok(config);
        }
        let script_type = config.script_type;
        match self.parts().programs.find(script_type).await {
            Some(binary) => Ok(ActorConfig { binary, ..config }),
            None => {
                let description = format!(
                    "is empty, and no program for {script_type} actors is beside the supervisor, in its PATH or in \
                     /usr/local/bin: install one, or name yours"
                );
                Err(Violations::one("config.binary_path", description).into())
            }
        }
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
        if let Some(queue) = config.queue {
            self.check_queue(queue, config.script_type).await?;
        }
        if !config.dependencies.is_empty() {
            self.open().await?;
            self.start_order(&config.name, Some(config)).await?;
        }
        Ok(())
    }

    /// Starts an actor, what it depends on first, and waits up to `wait` until it is RUNNING.
    ///
    /// # Errors
    /// `ActorNotFound`, `BinaryInvalid`, `DependencyUnmet`, `ActorStartFailed`, `ActorOnOtherNode`.
    pub async fn start(&self, id: &ActorId, wait: Duration) -> Result<CommandOutcome, SupervisorError> {
        let deadline = Instant::now() + wait;
        let (handle, answer) = self.begin_start(id).await?;
        finish(&handle, answer, deadline).await
    }

    async fn begin_start(&self, id: &ActorId) -> Result<(ActorHandle, ReplyReceiver), SupervisorError> {
        let handle = self.handle(id).await?;
        if !handle.status().record.config.dependencies.is_empty() {
            for dependency in self.start_order(id.as_str(), None).await? {
                if let Some(dependency) = self.core.registry.get(&dependency) {
                    // Its own answer is for nobody: if it fails, the actor that waits for it says so.
                    let cause = needed_by(id, &self.cause);
                    drop(dependency.request(Verb::Start, StopOptions::default(), cause)?);
                }
            }
        }
        match handle.request(Verb::Start, StopOptions::default(), self.cause.clone()) {
            // It was deleted a moment ago. If it has been made anew since, that one is meant.
            Err(SupervisorError::ActorNotFound(_)) => {
                handle.gone().await;
                let handle = self.handle(id).await?;
                let answer = handle.request(Verb::Start, StopOptions::default(), self.cause.clone())?;
                Ok((handle, answer))
            }
            begun => begun.map(|answer| (handle, answer)),
        }
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
    ) -> Result<CommandOutcome, SupervisorError> {
        let deadline = Instant::now() + wait;
        let handle = self.handle(id).await?;
        let answer = handle.request(Verb::Stop { force: options.force }, options, self.cause.clone())?;
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
    ) -> Result<CommandOutcome, SupervisorError> {
        let deadline = Instant::now() + wait;
        let handle = self.handle(id).await?;
        let answer = handle.request(Verb::Restart, options, self.cause.clone())?;
        finish(&handle, answer, deadline).await
    }

    /// Drains, stops and deletes an actor. Returns its last status; None when there was none and `allow_missing` is set.
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
        let answer = handle.request(Verb::Delete { force: options.force }, options, self.cause.clone())?;
        match answer.await.unwrap_or_else(|_driver_gone| Err(handle.gone_error())) {
            Err(SupervisorError::ActorNotFound(_)) if allow_missing => Ok(None),
            ended => ended.map(|_changed| Some(handle.status())),
        }
    }

    /// Returns the actors that must run before `name`, in order; `draft` is the definition of `name`, if it is not
    /// stored yet.
    async fn start_order(
        &self,
        name: &str,
        draft: Option<&ActorConfig>,
    ) -> Result<Vec<String>, SupervisorError> {
        let mut actors: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for status in self.core.registry.statuses() {
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

    pub(super) fn fresh_record(
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
            created_at: in_millis(self.parts().supervisor.clock().now()),
            generation: 0,
            restart_count: 0,
            last_pid: None,
            last_exit: None,
            fault: None,
            outdated: false,
            started_by: None,
            requests_made: 0,
            operation: None,
        })
    }
}

/// The time as it is stored, so that a record that is read again is the same.
fn in_millis(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the cause of the start of an actor that another one depends on.
fn needed_by(id: &ActorId, cause: &Cause) -> Cause {
    Cause { reason: format!("actor {id} depends on it"), ..cause.clone() }
}

/// Waits for the answer to a request. The request stands when the wait ends first.
pub(super) async fn finish(
    handle: &ActorHandle,
    answer: ReplyReceiver,
    deadline: Instant,
) -> Result<CommandOutcome, SupervisorError> {
    match timeout_at(deadline, answer).await {
        Ok(Ok(answered)) => {
            let changed = answered?;
            Ok(CommandOutcome { status: handle.status(), changed, done: true })
        }
        Ok(Err(_driver_gone)) => Err(handle.gone_error()),
        Err(_elapsed) => Ok(CommandOutcome { status: handle.status(), changed: true, done: false }),
    }
}

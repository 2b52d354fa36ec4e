//! Actors: create, start, stop, restart, scale, read, delete.
//!
//! The desired state of an actor and its history are stored in the [`ActorStore`]; its process belongs to the
//! [`ProcessManager`]. In between, one task owns each actor (`task`), and one task polls all processes (`observer`).
//! Nothing here is lost with the supervisor: a new one reads the records, observes the processes, and continues.
//!
//! [`ActorLifecycleManager`] is the public face: `queries`, `waiting`, `explanation`, `commands`, `bulk`, `scale`, `script_types`,
//! `health`, `logs` and `sample_usage` have its methods by subject, `blocking` those that wait until all is done, `open` its start. Its
//! parts are in `core`. Maintenance, the health monitor, the scaler, leadership and the commands of queues are parts of
//! their own, which do not know the manager.

mod admission;
mod blocking;
mod bulk;
mod commands;
mod core;
mod dependencies;
mod derive_state;
mod explanation;
mod health;
mod logs;
mod machine;
mod maintenance;
mod nodes;
mod observer;
mod open;
mod operation;
mod places;
mod queries;
mod queues;
mod reconcile;
mod registry;
mod reply;
mod restarts;
mod sample_usage;
mod scale;
mod scale_fleet;
mod script_types;
mod shared_sync;
mod start_estimate;
mod task;
mod update;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::domain::model::actor::StopOptions;
use crate::domain::model::actor::{ActorConfig, ActorStatus};
use crate::domain::model::event::{Cause, Source};

use crate::domain::events::Events;
use crate::domain::jobs::Supervisor;
use crate::domain::model::id::{ActorId, NodeName};
use crate::error::SupervisorError;
use crate::ports::actor_store::ActorStore;
use crate::ports::process_manager::ProcessManager;
use crate::ports::process_usage::ProcessUsage;
use crate::ports::programs::Programs;

pub use bulk::{ActorAnswer, ActorSelector};
pub(crate) use dependencies::start_sequence;
pub use explanation::JobExplanation;
pub use logs::{ActorLogs, LogPart, LogQuery};

pub use crate::domain::script_types::queue_commands::PurgeRequest;
pub use scale::{ScaleRequest, Scaled};
pub use script_types::{ActorCounts, ScriptTypeStatus};
pub use start_estimate::StartEstimate;
pub use update::{Apply, Update, Updated};
pub use waiting::WaitReason;

use self::core::Core;
use registry::ActorHandle;

/// Dependencies of an [`ActorLifecycleManager`].
pub struct Deps {
    /// Jobs and queues; gives the clock, too.
    pub supervisor: Supervisor,
    /// Runs the processes.
    pub processes: Arc<dyn ProcessManager>,
    /// Stores the records of actors.
    pub store: Arc<dyn ActorStore>,
    /// Inspects programs before they start.
    pub programs: Arc<dyn Programs>,
    /// Reads what processes use.
    pub usage: Arc<dyn ProcessUsage>,
    /// The name of this machine among the supervisors on one Redis.
    pub node: NodeName,
    /// Environment of every actor, as far as its definition does not say otherwise.
    pub actor_env: BTreeMap<String, String>,
    /// Actors to make at the first use, unless they are there already.
    pub initial: Vec<ActorConfig>,
    /// Sink of events.
    pub events: Events,
}

/// Brings actors to the states that callers request. A cheap clone; all clones are one manager.
#[derive(Clone)]
pub struct ActorLifecycleManager {
    core: Arc<Core>,
    /// Cause of commands through this clone.
    cause: Cause,
}

/// The outcome of a command: the actor, and whether anything had to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandOutcome {
    /// The actor as it is now.
    pub status: ActorStatus,
    /// False when it was so already.
    pub changed: bool,
    /// False when the wait was over first; the request stands and is carried out.
    pub done: bool,
}

impl ActorLifecycleManager {
    /// Makes a manager. Nothing is contacted before the first call.
    pub fn new(parts: Deps) -> Self {
        Self { core: Arc::new(Core::new(parts)), cause: Source::Caller.into() }
    }

    /// Returns the same manager on behalf of a cause, which the events of its commands carry. The default is a caller who
    /// gave no reason.
    #[must_use]
    pub fn on_behalf_of(&self, cause: Cause) -> Self {
        Self { core: Arc::clone(&self.core), cause }
    }

    /// Returns the cause of commands through this clone.
    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Loads the actors, makes the initial ones and begins to watch the processes. Harmless to repeat; every other
    /// call does it first.
    ///
    /// # Errors
    /// `QueueUnavailable`, `ShuttingDown`.
    pub async fn open(&self) -> Result<(), SupervisorError> {
        if self.core.token.is_cancelled() {
            return Err(SupervisorError::ShuttingDown);
        }
        self.core.opened.get_or_try_init(|| self.open_once()).await.copied()
    }

    /// Returns the supervisor whose jobs the actors run.
    pub fn supervisor(&self) -> &Supervisor {
        &self.parts().supervisor
    }

    /// Returns the name of this machine.
    pub fn node(&self) -> &NodeName {
        &self.parts().node
    }

    /// Ends all tasks of the manager. Processes go on.
    pub async fn close(&self) {
        self.core.token.cancel();
        self.core.tasks.close();
        self.core.tasks.wait().await;
        self.core.leadership.step_down().await;
    }

    /// The way to the event log, for what happens to actors, queues and scaling on this node. Events of actors are made
    /// by [`Event::new`](crate::domain::model::event::Event::new) and `of_actor`.
    pub(crate) fn events(&self) -> &Events {
        &self.parts().events
    }

    pub(crate) fn parts(&self) -> &Deps {
        &self.core.parts
    }

    /// Returns the task of an actor of this node.
    async fn handle(&self, id: &ActorId) -> Result<ActorHandle, SupervisorError> {
        self.open().await?;
        if let Some(handle) = self.core.registry.get(id.as_str()) {
            return Ok(handle);
        }
        match self.parts().store.load().await?.find(id)? {
            None => Err(SupervisorError::ActorNotFound(id.clone())),
            Some(record) if record.node != self.parts().node => {
                Err(SupervisorError::ActorOnOtherNode { id: id.clone(), node: record.node })
            }
            Some(record) => self.core.adopt(record).ok_or(SupervisorError::ShuttingDown),
        }
    }
}

impl std::fmt::Debug for ActorLifecycleManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorLifecycleManager").field("node", &self.parts().node).finish_non_exhaustive()
    }
}

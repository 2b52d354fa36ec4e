//! An operation carries out one request: start, stop, restart or delete, each as a straight line of steps.
//!
//! An operation changes nothing of the actor's record: it reports to its task by [`Note`]s, and by its end. Dropping an
//! operation half-way is safe: the next one begins by an observation.

mod environment;
mod start;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::domain::actors::Deps;
use crate::domain::actors::machine::{Progress, superseded_by};
use crate::domain::actors::observer::{Observation, Observer};
use crate::domain::actors::registry::Registry;
use crate::domain::model::actor::{ActorConfig, ActorState, StopOptions};
use crate::domain::model::id::ActorId;
use crate::domain::model::text::cut;
use crate::error::{SupervisorError, chain};
use crate::ports::process_manager::{LogLine, ProcessError, ProcessManager, ProcessState};

/// Time between SIGTERM and SIGKILL of what did not start properly, and under force.
const SHORT_GRACE: Duration = Duration::from_secs(1);
/// Lines of the log that are kept with an end.
const TAIL_LINES: usize = 20;
/// Longest of them.
const TAIL_LINE_BYTES: usize = 1024;

/// Progress of an operation, for the task of its actor.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) progress: Progress,
    /// The operation waits for this, if it is given.
    pub(super) resume: Option<oneshot::Sender<()>>,
}

/// Parts that an operation works with.
pub(super) struct Operation {
    pub(super) id: ActorId,
    /// Lease of the operation in the record; None when Redis was away as it began.
    pub(super) lease: Option<String>,
    pub(super) config: ActorConfig,
    pub(super) parts: Arc<Deps>,
    pub(super) observer: Observer,
    pub(super) registry: Registry,
    pub(super) notes: mpsc::Sender<Note>,
}

impl Operation {
    /// A stop, and a start after it.
    pub(super) async fn restart(&self, options: &StopOptions) -> Result<(), SupervisorError> {
        self.check_program().await?;
        self.stop(options).await?;
        self.start().await
    }

    /// A stop, after which nothing remembers the actor.
    pub(super) async fn delete(&self, options: &StopOptions) -> Result<(), SupervisorError> {
        self.stop(options).await?;
        self.check_lease().await?;
        if let Err(error) = self.parts.processes.remove(self.id.as_str()).await {
            self.check_lease().await?;
            return Err(match error {
                ProcessError::Rejected { reason } => {
                    SupervisorError::ActorStopFailed(self.id.to_string(), reason)
                }
                error @ (ProcessError::Unavailable(_)
                | ProcessError::TimedOut { .. }
                | ProcessError::NotFound { .. }
                | ProcessError::Unsupported { .. }
                | ProcessError::Corrupt(_)) => error.into(),
            });
        }
        let (queue, name) = (self.parts.supervisor.queue(), self.config.queue());
        queue.forget_actor(name, &self.id).await?;
        self.parts.store.remove(&self.id).await?;
        // Jobs were accepted for it as long as its record was there.
        queue.forget_actor(name, &self.id).await?;
        Ok(())
    }

    /// Fails when another supervisor has taken the operation over. While the record cannot be read, that is not known.
    async fn check_lease(&self) -> Result<(), SupervisorError> {
        let Some(lease) = &self.lease else { return Ok(()) };
        match self.parts.store.get(&self.id).await {
            Ok(Some(record)) if record.operation.as_ref().is_some_and(|ours| ours.id == *lease) => Ok(()),
            Ok(Some(record)) => Err(superseded_by(&record)),
            Ok(None) => Err(SupervisorError::ActorNotFound(self.id.clone())),
            Err(error) => {
                tracing::debug!(actor.id = %self.id, error = %chain(&error), "actor {}: its operation goes on (the lease cannot be read)", self.id);
                Ok(())
            }
        }
    }

    async fn phase(&self, state: ActorState, message: &str) {
        let progress = Progress::Phase(state, message.to_owned());
        let _task_gone = self.notes.send(Note { progress, resume: None }).await;
    }

    fn process(&self, observation: &Observation) -> Option<ProcessState> {
        let processes = observation.processes.as_ref()?;
        processes.get(self.id.as_str()).filter(|info| !info.foreign).map(|info| info.state)
    }
}

/// The last lines that the process of an actor wrote; none when they cannot be read.
pub(super) async fn log_tail(processes: &dyn ProcessManager, id: &ActorId) -> Vec<String> {
    let lines = processes.log_tail(id.as_str(), TAIL_LINES).await;
    let text = |line: LogLine| cut(&line.text, TAIL_LINE_BYTES).into_owned();
    lines.map(|lines| lines.into_iter().map(text).collect()).unwrap_or_default()
}

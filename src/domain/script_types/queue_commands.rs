//! Pause, resume and purge of the queue of a script type, each with its event.

use std::sync::Arc;

use crate::domain::events::Events;
use crate::domain::model::event::{Cause, Event, EventKind};
use crate::domain::model::job::JobState;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::ports::clock::Clock;
use crate::ports::queue_admin::QueueAdmin;

/// Waiting jobs to be cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRequest {
    /// Script type of the jobs.
    pub script_type: ScriptType,
    /// States of the jobs.
    pub states: Vec<JobState>,
    /// Nothing is done if there are more.
    pub expected: Option<u64>,
    /// Only count.
    pub trial: bool,
    /// Reason of the caller.
    pub reason: String,
}

/// Commands for the queues, on behalf of one cause.
pub(crate) struct QueueCommands {
    pub(crate) queues: Arc<dyn QueueAdmin>,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cause: Cause,
}

impl QueueCommands {
    /// Hands out no job of a type any more; false when it was paused already.
    pub(crate) async fn pause(&self, script_type: ScriptType, reason: &str) -> Result<bool, SupervisorError> {
        let changed = self.queues.pause(script_type.into(), reason, self.cause.identity.as_deref()).await?;
        if changed {
            let message = format!("the {script_type} queue is paused{}", because(reason));
            self.emit(script_type, reason, message, EventKind::QueuePaused);
        }
        Ok(changed)
    }

    /// Hands out jobs of a type again; false when it was not paused.
    pub(crate) async fn resume(
        &self,
        script_type: ScriptType,
        reason: &str,
    ) -> Result<bool, SupervisorError> {
        let changed = self.queues.resume(script_type.into()).await?;
        if changed {
            let message = format!("the {script_type} queue goes on{}", because(reason));
            self.emit(script_type, reason, message, EventKind::QueueResumed);
        }
        Ok(changed)
    }

    /// Cancels jobs that wait; returns how many, or how many it would be.
    pub(crate) async fn purge(&self, request: PurgeRequest) -> Result<u64, SupervisorError> {
        let PurgeRequest { script_type, states, expected, trial, reason } = request;
        let mut most = u64::MAX;
        if trial || expected.is_some() {
            let found = self.queues.count(script_type.into(), &states).await?;
            if let Some(expected) = expected.filter(|expected| found > *expected) {
                return Err(SupervisorError::PurgeRefused { script_type, found, expected });
            }
            if trial {
                return Ok(found);
            }
            // What comes after the count was not meant.
            most = found;
        }
        let count = self.queues.purge(script_type.into(), &states, &reason, most).await?;
        if count > 0 {
            let message = format!("{count} waiting {script_type} jobs were cancelled{}", because(&reason));
            self.emit(script_type, &reason, message, EventKind::QueuePurged { count });
        }
        Ok(count)
    }

    fn emit(&self, script_type: ScriptType, reason: &str, message: String, kind: EventKind) {
        tracing::info!(%script_type, "queues: {message}");
        let cause = Cause { reason: reason.to_owned(), ..self.cause.clone() };
        self.events.emit(Event::new(self.clock.now(), cause, kind, message).of_type(script_type));
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

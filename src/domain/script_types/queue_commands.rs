//! Pause, resume and purge of a queue, each with its event.

use std::sync::Arc;

use crate::domain::events::Events;
use crate::domain::model::event::{Cause, Event, EventKind};
use crate::domain::model::job::JobState;
use crate::domain::model::queue_name::QueueName;
use crate::error::SupervisorError;
use crate::ports::clock::Clock;
use crate::ports::queue_admin::QueueAdmin;

/// Waiting jobs to be cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRequest {
    /// Queue of the jobs.
    pub queue: QueueName,
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
    /// Hands out no job of a queue any more; false when it was paused already.
    pub(crate) async fn pause(&self, queue: QueueName, reason: &str) -> Result<bool, SupervisorError> {
        let changed = self.queues.pause(queue, reason, self.cause.identity.as_deref()).await?;
        if changed {
            let message = format!("the {queue} queue is paused{}", because(reason));
            self.emit(queue, reason, message, EventKind::QueuePaused);
        }
        Ok(changed)
    }

    /// Hands out jobs of a queue again; false when it was not paused.
    pub(crate) async fn resume(&self, queue: QueueName, reason: &str) -> Result<bool, SupervisorError> {
        let changed = self.queues.resume(queue).await?;
        if changed {
            let message = format!("the {queue} queue goes on{}", because(reason));
            self.emit(queue, reason, message, EventKind::QueueResumed);
        }
        Ok(changed)
    }

    /// Cancels jobs that wait; returns how many, or how many it would be.
    pub(crate) async fn purge(&self, request: PurgeRequest) -> Result<u64, SupervisorError> {
        let PurgeRequest { queue, states, expected, trial, reason } = request;
        let mut most = u64::MAX;
        if trial || expected.is_some() {
            let found = self.queues.count(queue, &states).await?;
            if let Some(expected) = expected.filter(|expected| found > *expected) {
                return Err(SupervisorError::PurgeRefused { queue, found, expected });
            }
            if trial {
                return Ok(found);
            }
            // What comes after the count was not meant.
            most = found;
        }
        let count = self.queues.purge(queue, &states, &reason, most).await?;
        if count > 0 {
            let message = format!("{count} waiting {queue} jobs were cancelled{}", because(&reason));
            self.emit(queue, &reason, message, EventKind::QueuePurged { count });
        }
        Ok(count)
    }

    fn emit(&self, queue: QueueName, reason: &str, message: String, kind: EventKind) {
        tracing::info!(%queue, "queues: {message}");
        let cause = Cause { reason: reason.to_owned(), ..self.cause.clone() };
        self.events.emit(Event::new(self.clock.now(), cause, kind, message).of_queue(queue));
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

//! Default messages for events whose emitter supplies none.

use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{JobState, Priority};

/// Describes a change of a job. `why` may be empty.
pub fn of_job(
    id: &JobId,
    old: Option<JobState>,
    new: JobState,
    attempt: u32,
    actor: Option<&ActorId>,
    why: &str,
) -> String {
    let on = actor.map(|actor| format!(" on {actor}")).unwrap_or_default();
    let told = match (old, new) {
        (None, JobState::Scheduled) => format!("job {id} was submitted and waits for its time"),
        (None, JobState::Queued) => format!("job {id} was submitted"),
        (_, JobState::Blocked) => format!("job {id} waits for the end of another one"),
        (_, JobState::Scheduled) => format!("job {id} waits for its time"),
        (Some(JobState::Running), JobState::Queued) => format!("job {id} waits for another attempt"),
        (_, JobState::Queued) => format!("job {id} waits for an actor"),
        (_, JobState::Running) => format!("job {id} runs{on}, attempt {attempt}"),
        (_, JobState::RetryWait) => format!("job {id} failed{on} and will be tried again"),
        (_, JobState::Succeeded) => format!("job {id} succeeded{on}"),
        (_, JobState::Failed) => format!("job {id} failed{on}"),
        (_, JobState::Cancelled) => format!("job {id} was cancelled"),
    };
    if why.is_empty() { told } else { format!("{told}: {why}") }
}

/// A job that waits has got another priority.
pub fn of_updated_job(id: &JobId, old: Priority, new: Priority) -> String {
    format!("job {id} has priority {new} instead of {old}")
}

/// The record of a job was removed.
pub fn of_deleted_job(id: &JobId) -> String {
    format!("the record of job {id} was removed")
}

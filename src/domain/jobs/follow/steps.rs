//! The steps of a job between two reads of its record.

use crate::domain::model::job::{Job, JobError, JobState};

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// State before.
    pub old: JobState,
    /// State after.
    pub new: JobState,
    /// Attempts started so far.
    pub attempt: u32,
    /// Error of a job that failed; without log lines.
    pub error: Option<JobError>,
}

/// A change and its place in the output of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub change: Change,
    /// Attempts whose output comes before the step, up to this number.
    pub heard_before: u32,
}

/// Every step from where a watcher was to where the job is. Attempts in between are known from the record; that the job
/// waited in between goes without saying.
pub(super) fn between(state: JobState, attempt: u32, job: &Job) -> Vec<Step> {
    let mut chain = Chain { state, attempt, steps: Vec::new() };
    for past in &job.past_attempts {
        if past.attempt < attempt || (past.attempt == attempt && state != JobState::Running) {
            continue;
        }
        if past.left != JobState::Cancelled {
            chain.begin(past.attempt);
        }
        chain.go(past.left, past.attempt, past.error.clone());
    }
    let ran = match job.state {
        JobState::Running | JobState::Succeeded => true,
        // A time-out in the queue has no attempt.
        JobState::Failed | JobState::RetryWait => job.attempt > chain.attempt,
        JobState::Blocked | JobState::Scheduled | JobState::Queued | JobState::Cancelled => false,
    };
    if ran && (chain.state, chain.attempt) != (job.state, job.attempt) {
        chain.begin(job.attempt);
    }
    let error = job.error.clone().map(|error| JobError { log_tail: Vec::new(), ..error });
    chain.go(job.state, job.attempt, error);
    chain.steps
}

struct Chain {
    state: JobState,
    attempt: u32,
    steps: Vec<Step>,
}

impl Chain {
    fn begin(&mut self, attempt: u32) {
        self.go(JobState::Running, attempt, None);
    }

    /// One step on, unless it is there already.
    fn go(&mut self, new: JobState, attempt: u32, error: Option<JobError>) {
        if (self.state, self.attempt) == (new, attempt) {
            return;
        }
        let heard_before = match new {
            JobState::Running => attempt.saturating_sub(1),
            JobState::Blocked
            | JobState::Scheduled
            | JobState::Queued
            | JobState::RetryWait
            | JobState::Succeeded
            | JobState::Failed
            | JobState::Cancelled => attempt.max(self.attempt),
        };
        let change = Change { old: self.state, new, attempt, error };
        self.steps.push(Step { change, heard_before });
        (self.state, self.attempt) = (new, attempt);
    }
}

#[cfg(test)]
mod tests;

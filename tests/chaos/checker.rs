//! From a history to what is wrong with it: a pure function.

mod events;
mod jobs;
mod times;

#[cfg(test)]
mod tests;

use crate::history::History;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
    /// The word or the id of the job that it is about, if it is about one.
    pub(crate) job: Option<String>,
}

impl Violation {
    fn new(promise: &'static str, what: impl Into<String>) -> Self {
        Self { promise, what: what.into(), job: None }
    }

    fn of(self, job: &str) -> Self {
        Self { job: Some(job.to_owned()), ..self }
    }
}

/// Everything that is wrong with a history.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let mut found = jobs::check(history);
    found.extend(events::check(history));
    found.extend(times::check(history));
    found
}

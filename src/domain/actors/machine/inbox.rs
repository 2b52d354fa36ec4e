//! Inputs that wait for the end of a step, and the order in which they are taken.

use std::collections::VecDeque;

use super::protocol::{Edit, Progress, Request};
use crate::error::SupervisorError;
use crate::ports::actor_store::{StoreError, Stored};

/// Inputs that wait. The task brings at most one request and one edit before they are taken, and an operation tells a few
/// notes at most, so all of it is bounded.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) progress: VecDeque<Progress>,
    pub(super) ended: Option<Result<(), SupervisorError>>,
    pub(super) heartbeat: Option<Result<Stored, StoreError>>,
    pub(super) tick: bool,
    pub(super) edits: VecDeque<Edit>,
    pub(super) requests: VecDeque<Request>,
    pub(super) observed: bool,
    /// The manager closes; taken before all else, but not in the middle of a write.
    pub(super) close: bool,
}

/// The input whose turn it is.
#[derive(Debug)]
pub(super) enum Next {
    Progress(Progress),
    Ended(Result<(), SupervisorError>),
    Heartbeat(Result<Stored, StoreError>),
    Tick,
    Edit(Edit),
    Request(Request),
    Observed,
}

impl Inbox {
    /// Takes the input whose turn it is. Progress of an operation comes before its end, and observations come last.
    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(progress) = self.progress.pop_front() {
            return Some(Next::Progress(progress));
        }
        if let Some(ended) = self.ended.take() {
            return Some(Next::Ended(ended));
        }
        if let Some(stored) = self.heartbeat.take() {
            return Some(Next::Heartbeat(stored));
        }
        if std::mem::take(&mut self.tick) {
            return Some(Next::Tick);
        }
        if let Some(edit) = self.edits.pop_front() {
            return Some(Next::Edit(edit));
        }
        if let Some(request) = self.requests.pop_front() {
            return Some(Next::Request(request));
        }
        std::mem::take(&mut self.observed).then_some(Next::Observed)
    }

    /// Forgets the progress of an operation that another one replaces. An end of the process that was reported stays.
    pub(super) fn forget_operation(&mut self) {
        self.ended = None;
        self.heartbeat = None;
        self.progress.retain(|progress| matches!(progress, Progress::Ended { .. }));
    }
}

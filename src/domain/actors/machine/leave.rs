//! The end of a machine: everybody who still waits is answered, and other supervisors can go on with the actor.

use super::Machine;
use super::change::Change;
use super::protocol::{Edit, Effect, Request};
use super::requests::{QueuedRequest, Running};
use super::step::{AfterChange, LookPurpose, ReadPurpose, Step};
use crate::domain::model::actor::Verb;
use crate::error::{SupervisorError, chain};

/// Reason for which a machine leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::actors) enum StopReason {
    /// The manager is closing; the actor goes on.
    Requested,
    /// The actor was deleted, here or by another supervisor of this node.
    Deleted,
}

impl Machine {
    /// Returns why the machine leaves, if it does: it answers everybody at once then and begins nothing more.
    pub(in crate::domain::actors) fn leaving(&self) -> Option<StopReason> {
        self.leaving
    }

    /// Returns why the machine has ended, once it waits for no answer any more.
    pub(in crate::domain::actors) fn left(&self) -> Option<StopReason> {
        let waits = !matches!(self.step, Step::Rest) || self.reclaims.is_under_way();
        self.leaving.filter(|_reason| !waits)
    }

    /// Answers everybody, and releases the lease of our operation. The step must not wait for a write: it could leave a
    /// lease behind.
    pub(super) fn leave(&mut self, reason: StopReason) {
        self.leaving = Some(reason);
        let running = self.running.take();
        let lease = running.as_ref().and_then(|running| running.lease.clone());
        if let Some(Running { verb, waiting, .. }) = running {
            self.effects.push(Effect::GiveUp);
            for reply in waiting {
                let farewell = self.farewell(verb);
                self.reply(reply, farewell);
            }
        }
        let queued = std::mem::take(&mut self.queued_requests);
        let deciding = std::mem::take(&mut self.deciding);
        for QueuedRequest { request, joined: _ } in queued.into_iter().chain(deciding) {
            self.refuse_request(&request);
        }
        for request in std::mem::take(&mut self.inbox.requests) {
            self.refuse_request(&request);
        }
        for edit in std::mem::take(&mut self.inbox.edits) {
            self.refuse_edit(&edit);
        }
        self.awaited = None;
        self.leave_step();
        match (reason, lease) {
            (StopReason::Requested, Some(lease)) => {
                self.change(Change::Release(lease), AfterChange::Released)
            }
            (StopReason::Requested | StopReason::Deleted, _) => {}
        }
    }

    /// Gives up the step; callers who wait for it are answered.
    fn leave_step(&mut self) {
        match std::mem::replace(&mut self.step, Step::Rest) {
            Step::Reading(ReadPurpose::Request(request)) | Step::Looking(LookPurpose::Request(request)) => {
                self.refuse_request(&request);
            }
            Step::Reading(ReadPurpose::Edit(edit)) => self.refuse_edit(&edit),
            Step::Reading(ReadPurpose::Overtaken(end)) => self.after_end(end, Ok(())),
            Step::Rest
            | Step::Reading(ReadPurpose::Tick | ReadPurpose::Observation(_))
            | Step::Looking(LookPurpose::QueuedRequests)
            | Step::Claiming(_)
            | Step::Changing(_)
            | Step::ReadingEpoch(_)
            | Step::EndingOrphans(_)
            | Step::ReadingLog(_)
            | Step::Recording(_) => {}
        }
    }

    pub(super) fn refuse_request(&mut self, request: &Request) {
        let farewell = self.farewell(request.verb);
        self.reply(request.reply, farewell);
    }

    pub(super) fn refuse_edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Define { reply, .. } | Edit::Read { reply } => {
                let farewell = self.farewell(Verb::Start);
                self.reply(*reply, farewell);
            }
            Edit::Newer(_) | Edit::Gone => {}
        }
    }

    /// The answer to a request that is not carried out any more.
    fn farewell(&self, verb: Verb) -> Result<bool, SupervisorError> {
        match self.leaving {
            // Another supervisor has done it.
            Some(StopReason::Deleted) if matches!(verb, Verb::Delete { .. }) => Ok(true),
            Some(StopReason::Deleted) => Err(SupervisorError::ActorNotFound(self.record.id.clone())),
            Some(StopReason::Requested) | None => Err(SupervisorError::ShuttingDown),
        }
    }

    pub(super) fn on_released(&mut self, released: &Result<bool, SupervisorError>) {
        if let Err(error) = released {
            tracing::debug!(actor.id = %self.record.id, error = %chain(error), "actor {}: the lease of its operation is not released (others give it up later)", self.record.id);
        }
    }
}

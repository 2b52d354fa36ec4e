//! Steps: what the machine is in the middle of, while it waits for one answer.

use std::sync::Arc;

use super::change::Change;
use super::protocol::{Edit, ReplyId, Request};
use crate::domain::actors::observer::Observation;
use crate::domain::model::actor::{ActorRecord, LastExit, Verb};
use crate::domain::model::event::Cause;
use crate::error::SupervisorError;

/// The call that the machine waits for. Everything that is needed to go on stands in the step.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing; the next input may be taken.
    Rest,
    /// Waits for the record as it is stored.
    Reading(ReadPurpose),
    /// Waits for an observation that began after the record was changed.
    Looking(LookPurpose),
    /// Waits for the write of a lease.
    Claiming(Claim),
    /// Waits for the write of a change.
    Changing(Changing),
    /// Waits for the epoch of the records, which distinguishes the orphans of this actor from others'.
    ReadingEpoch(Arc<Observation>),
    /// Waits for orphans to be asked to end.
    EndingOrphans(Arc<Observation>),
    /// Waits for the last lines of a process that has ended.
    ReadingLog(EndOfProcess),
    /// Waits for the write of an end of the process.
    Recording(RecordedEnd),
}

impl Step {
    /// Returns whether the step waits for a write of the record.
    pub(super) fn writes(&self) -> bool {
        match self {
            Self::Claiming(_) | Self::Changing(_) | Self::Recording(_) => true,
            Self::Rest
            | Self::Reading(_)
            | Self::Looking(_)
            | Self::ReadingEpoch(_)
            | Self::EndingOrphans(_)
            | Self::ReadingLog(_) => false,
        }
    }

    /// Returns whether the step belongs to an observation that has changed nothing yet.
    pub(super) fn only_observes(&self) -> bool {
        match self {
            Self::Reading(ReadPurpose::Observation(_))
            | Self::ReadingEpoch(_)
            | Self::EndingOrphans(_)
            | Self::ReadingLog(_) => true,
            Self::Rest
            | Self::Reading(
                ReadPurpose::Request(_)
                | ReadPurpose::Tick
                | ReadPurpose::Edit(_)
                | ReadPurpose::Overtaken(_),
            )
            | Self::Looking(_)
            | Self::Claiming(_)
            | Self::Changing(_)
            | Self::Recording(_) => false,
        }
    }
}

/// Purpose of a read of the record.
#[derive(Debug)]
pub(super) enum ReadPurpose {
    /// Decides on a request.
    Request(Request),
    /// Checks that the supervisor lives whose operation stands in the record.
    Tick,
    /// Carries out an edit.
    Edit(Edit),
    /// Checks whether somebody has requested what an observation shows.
    Observation(Arc<Observation>),
    /// Finds out who has overtaken an operation of ours.
    Overtaken(OperationEnd),
}

/// Purpose of a wait for a new observation.
#[derive(Debug)]
pub(super) enum LookPurpose {
    /// Decides on a request.
    Request(Request),
    /// Decides on requests that waited for the end of an operation.
    QueuedRequests,
}

/// A lease that is being written.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) claimant: Claimant,
    pub(super) lease: String,
    pub(super) next: Box<ActorRecord>,
}

/// Purpose of a lease.
#[derive(Debug)]
pub(super) enum Claimant {
    /// A caller.
    Caller { request: Request, tries: u32 },
    /// The decision that the process ended too often.
    Verdict { message: String, tries: u32, observation: Arc<Observation> },
    /// The desired state, which is not the observed one.
    Reconcile { verb: Verb },
}

/// Result of the write of a lease.
#[derive(Debug)]
pub(super) enum Claimed {
    /// The lease is in the record.
    Lease(String),
    /// Another supervisor was faster: it is to be decided anew.
    Conflict,
    /// The lease was not written.
    Failed(SupervisorError),
}

/// A change that is being written.
#[derive(Debug)]
pub(super) struct Changing {
    pub(super) change: Change,
    pub(super) next: Box<ActorRecord>,
    pub(super) tries: u32,
    pub(super) then: AfterChange,
}

/// Continuation after a change. The result is whether anything was written.
#[derive(Debug)]
pub(super) enum AfterChange {
    /// The definition was changed for a caller.
    Define { etag: String, cause: Cause, reply: ReplyId },
    /// The end of an operation was recorded.
    End(OperationEnd),
    /// The operation of a supervisor that is dead was given up.
    GivenUp(Verb),
    /// Local knowledge was stored; continues the observation.
    Stored(Arc<Observation>),
    /// The lease was released, since the machine leaves.
    Released,
}

/// The process that was observed last is gone.
#[derive(Debug)]
pub(super) struct EndOfProcess {
    pub(super) observation: Arc<Observation>,
    /// Exit of the process; its last lines are still to come.
    pub(super) exit: LastExit,
    /// The process that runs instead.
    pub(super) successor: Option<u32>,
}

/// An end of the process that is being written.
#[derive(Debug)]
pub(super) struct RecordedEnd {
    pub(super) observation: Arc<Observation>,
    pub(super) exit: LastExit,
    pub(super) next: Box<ActorRecord>,
}

/// An operation that has ended, until that is recorded.
#[derive(Debug)]
pub(super) struct OperationEnd {
    pub(super) lease: Option<String>,
    pub(super) waiting: Vec<ReplyId>,
    pub(super) deleted: bool,
    pub(super) ended: Result<(), SupervisorError>,
}

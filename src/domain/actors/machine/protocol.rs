//! The words between the machine and its task: inputs, effects, calls and their answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::domain::actors::observer::Observation;
use crate::domain::model::actor::{
    ActorConfig, ActorRecord, ActorState, ActorStatus, ExitStatus, StopOptions, Verb,
};
use crate::domain::model::event::{Cause, Event};
use crate::domain::model::job::JobError;
use crate::domain::model::queue_name::QueueName;
use crate::error::SupervisorError;
use crate::ports::actor_presence::Reclaimed;
use crate::ports::actor_store::{StoreError, Stored};
use crate::ports::job_queue::QueueError;

/// The world at the moment of an input.
#[derive(Debug, Clone)]
pub(in crate::domain::actors) struct Moment {
    /// The time that goes on evenly.
    pub(in crate::domain::actors) at: Instant,
    /// The date, which may jump.
    pub(in crate::domain::actors) date: SystemTime,
    /// A number in 0.0..1.0, for jitter.
    pub(in crate::domain::actors) chance: f64,
    /// The latest observation.
    pub(in crate::domain::actors) observation: Arc<Observation>,
    /// The number of the observation under way: only later ones are sure to show what was done before this moment.
    pub(in crate::domain::actors) begun: u64,
}

/// Names a caller who waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain::actors) struct ReplyId(pub(in crate::domain::actors) u64);

/// Names a call that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain::actors) struct Ticket(pub(in crate::domain::actors) u64);

/// A request for the actor.
#[derive(Debug)]
pub(in crate::domain::actors) struct Request {
    pub(in crate::domain::actors) verb: Verb,
    pub(in crate::domain::actors) options: StopOptions,
    /// Caller and reason.
    pub(in crate::domain::actors) cause: Cause,
    /// Receives whether anything had to be done.
    pub(in crate::domain::actors) reply: ReplyId,
}

/// A change of what is written of the actor.
#[derive(Debug)]
pub(in crate::domain::actors) enum Edit {
    /// Another definition, made from the record of this etag.
    Define {
        etag: String,
        config: Box<ActorConfig>,
        /// Caller and reason.
        cause: Cause,
        /// Receives whether the definition is another one.
        reply: ReplyId,
    },
    /// Conflict: somebody else may have written the record; this one stood there a moment ago.
    Newer(Box<ActorRecord>),
    /// The record was not there a moment ago.
    Gone,
    /// The record is to be read; answered when what it says is shown.
    Read { reply: ReplyId },
}

impl Edit {
    /// Returns whether somebody waits for its answer.
    pub(in crate::domain::actors) fn has_caller(&self) -> bool {
        match self {
            Self::Define { .. } | Self::Read { .. } => true,
            Self::Newer(_) | Self::Gone => false,
        }
    }
}

/// Progress of an operation.
#[derive(Debug)]
pub(in crate::domain::actors) enum Progress {
    /// The actor is in this state now, for this reason.
    Phase(ActorState, String),
    /// The start is given up for this reason, so this process is about to be ended.
    GivenUp { pid: u32, reason: String },
    /// The process was ended on request. The operation waits until its jobs are reclaimed, or cannot be for now.
    Ended { pid: u32, status: ExitStatus, log_tail: Vec<String> },
}

/// An input of the machine.
#[derive(Debug)]
pub(in crate::domain::actors) enum Input {
    Request(Request),
    Edit(Edit),
    /// The observation of the moment is another one than before.
    Observed,
    /// A quarter of a second has passed; only sent while [`needs_ticks`](super::Machine::needs_ticks).
    Tick,
    Progress(Progress),
    /// The operation that was begun last has ended so.
    OperationEnded(Result<(), SupervisorError>),
    Answered(Ticket, Answer),
    /// The manager closes; the actor goes on.
    Close,
}

/// A call of a port.
#[derive(Debug)]
pub(in crate::domain::actors) enum Call {
    /// Reads the record: [`Answer::Record`].
    Read,
    /// Writes the record if the stored one has its generation: [`Answer::Stored`].
    Write(Box<ActorRecord>),
    /// Reads the epoch of the records: [`Answer::Epoch`].
    Epoch,
    /// Ends orphans: [`Answer::Orphans`].
    EndOrphans { pids: BTreeSet<u32>, grace: Duration },
    /// Reads the last lines that the process wrote: [`Answer::LogTail`].
    LogTail,
    /// Waits for an observation that begins now, two seconds at most: [`Answer::Looked`].
    Look,
    /// Reclaims the jobs of a process that is gone: [`Answer::Reclaimed`].
    Reclaim { queue: QueueName, pid: u32, error: JobError },
}

impl Call {
    /// Returns whether the process manager answers it.
    pub(in crate::domain::actors) fn asks_process_manager(&self) -> bool {
        match self {
            Self::EndOrphans { .. } | Self::LogTail => true,
            Self::Read | Self::Write(_) | Self::Epoch | Self::Look | Self::Reclaim { .. } => false,
        }
    }
}

/// Answer to a call.
#[derive(Debug)]
pub(in crate::domain::actors) enum Answer {
    /// The record; None if there is no such actor.
    Record(Result<Option<Box<ActorRecord>>, StoreError>),
    Stored(Result<Stored, StoreError>),
    /// Epoch of the process manager; None when it is not known now.
    Epoch(Option<String>),
    /// The pids that were asked for, and whether each still lives; who cannot be asked may well live.
    Orphans(Vec<(u32, bool)>),
    /// Empty when it cannot be read.
    LogTail(Vec<String>),
    Looked,
    Reclaimed(Result<Reclaimed, QueueError>),
}

/// An operation to be carried out.
#[derive(Debug)]
pub(in crate::domain::actors) struct OperationPlan {
    pub(in crate::domain::actors) verb: Verb,
    pub(in crate::domain::actors) options: StopOptions,
    /// Lease of the operation in the record; None when Redis was away as it began.
    pub(in crate::domain::actors) lease: Option<String>,
    /// The definition by which it is carried out.
    pub(in crate::domain::actors) config: ActorConfig,
}

/// An effect that the machine asks for.
#[derive(Debug)]
pub(in crate::domain::actors) enum Effect {
    /// Make a call; its answer is the input [`Input::Answered`] with this ticket.
    Call(Ticket, Call),
    /// Carry out an operation, in place of one that may be under way; its end is [`Input::OperationEnded`].
    Begin(Box<OperationPlan>),
    /// Drop the operation that is under way.
    GiveUp,
    /// Lets the operation go on after an end that it has reported.
    Resume,
    /// Answer these callers; each of them once in all.
    Reply(Vec<ReplyId>, Result<bool, SupervisorError>),
    /// Show the actor so; its health is not the machine's.
    Publish(Box<ActorStatus>),
    Emit(Box<Event>),
}

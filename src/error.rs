//! The one error that the domain returns, and its classes.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::domain::model::actor::ActorState;
use crate::domain::model::id::{ActorId, JobId, NodeName, RequestId};
use crate::domain::model::job::{JobError, JobState, QuotaReached};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::queue_refusal::QueueRefusal;
use crate::domain::model::violation::Violations;
use crate::ports::Cause;
use crate::ports::actor_store::StoreError;
use crate::ports::event_log::LogError;
use crate::ports::job_queue::QueueError;
use crate::ports::job_submission::SubmitRefused;
use crate::ports::node_calls::NodeInboxError;
use crate::ports::process_manager::ProcessError;
use crate::ports::shared_store::SharedStoreError;
use crate::ports::store_fault::{Refusal, StoreFault};

/// Errors of the supervisor.
///
/// The gRPC layer turns each variant into one code and one reason (`src/grpc/status.rs`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// The request breaks a rule; every broken one is named.
    #[error("invalid request: {0}")]
    Invalid(#[source] Violations),
    /// No such actor.
    #[error("there is no actor {0}")]
    ActorNotFound(ActorId),
    /// An actor of this name exists with another definition.
    #[error("actor {id} exists already, with another definition")]
    ActorExists {
        /// Name of the actor.
        id: ActorId,
        /// Time of creation.
        created_at: SystemTime,
    },
    /// The actor belongs to the process manager of another machine; ask the supervisor there.
    #[error("actor {id} belongs to node {node}: ask the supervisor of that node")]
    ActorOnOtherNode {
        /// Name of the actor.
        id: ActorId,
        /// Node of the actor.
        node: NodeName,
    },
    /// The supervisor of another machine, which the call is for, has not taken or not answered it.
    #[error("node {node} is unavailable: {reason}")]
    NodeUnavailable {
        /// Name of that machine.
        node: NodeName,
        /// Reason for which there is no answer.
        reason: String,
        /// False if it may have taken the call, so that nobody knows what came of it.
        has_no_effect: bool,
    },
    /// The program cannot be run as asked.
    #[error("the program {} of the actor cannot be used: {reason}", path.display())]
    BinaryInvalid {
        /// Path of the program.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// Dependencies form a cycle, or one is unknown.
    #[error("dependency {dependency} of actor {actor} cannot be met: {reason}")]
    DependencyUnmet {
        /// The actor.
        actor: String,
        /// Name of the dependency.
        dependency: String,
        /// The fault.
        reason: String,
    },
    /// The actor's process did not come up: its name and why, with exit and last log lines.
    #[error("actor {0} failed to start: {1}")]
    ActorStartFailed(String, String),
    /// The actor's process could not be ended: its name and why.
    #[error("actor {0} failed to stop: {1}")]
    ActorStopFailed(String, String),
    /// Another request is at work on this actor.
    #[error("actor {id} is busy: {operation} is under way")]
    OperationInProgress {
        /// Name of the actor.
        id: ActorId,
        /// Operation under way.
        operation: &'static str,
    },
    /// The record was changed by somebody else at the same time.
    #[error("actor {0} was changed by somebody else at the same time")]
    ActorConflict(ActorId),
    /// The actor's state does not allow it.
    #[error("actor {id} is {state}: {hint}")]
    ActorState {
        /// Name of the actor.
        id: ActorId,
        /// State of the actor.
        state: ActorState,
        /// Advice.
        hint: &'static str,
    },
    /// No such job.
    #[error("there is no job {0}")]
    JobNotFound(JobId),
    /// The job ended and its record was removed after its time.
    #[error("job {0} ended and its record is no longer kept")]
    JobExpired(JobId),
    /// The caller chose an id that is taken.
    #[error("job {0} exists already")]
    JobExists(JobId),
    /// Another job holds the unique key.
    #[error("job {holder}, which is {state}, holds the unique key")]
    UniqueKeyHeld {
        /// Id of that job.
        holder: JobId,
        /// State of that job.
        state: JobState,
    },
    /// The request id was used before with other content.
    #[error("request id {request_id} was used before with other content")]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
        /// Time of the first use.
        first_use: SystemTime,
    },
    /// The job's state does not allow it.
    #[error("job {id} is {state}: {hint}")]
    JobState {
        /// Id of the job.
        id: JobId,
        /// State of the job.
        state: JobState,
        /// Advice.
        hint: &'static str,
    },
    /// The job failed; from calls that return nothing but its result.
    #[error("job {id} failed: {error}")]
    JobFailed {
        /// Id of the job.
        id: JobId,
        /// Error of the job.
        error: JobError,
    },
    /// The job was cancelled; from calls that return nothing but its result.
    #[error("job {id} was cancelled: {reason}")]
    JobCancelled {
        /// Id of the job.
        id: JobId,
        /// Reason of the cancel.
        reason: String,
    },
    /// The queue has as many waiting jobs as are allowed; try again later.
    #[error("the {queue} queue is full: {queued} jobs wait, {limit} are allowed")]
    QueueFull {
        /// Name of the queue.
        queue: QueueName,
        /// Jobs that wait.
        queued: u64,
        /// Jobs that may wait.
        limit: u64,
    },
    /// As many jobs of the key wait as its flow rule allows; try again later.
    #[error(transparent)]
    FlowKeyFull(#[from] crate::domain::model::flow::FlowKeyFull),
    /// A call about a queue is refused.
    #[error(transparent)]
    Queue(#[from] QueueRefusal),
    /// The identity has as many unfinished jobs as its quota allows; try again later.
    #[error(transparent)]
    QuotaReached(#[from] QuotaReached),
    /// A template to make actors of this type from is missing.
    #[error("there is no template for {0} actors: create one actor of this type first")]
    NoTemplate(QueueName),
    /// Events after the cursor of a watch are no longer kept.
    #[error("what came after this cursor is no longer kept")]
    CursorExpired {
        /// Oldest cursor after which events are kept.
        oldest: String,
    },
    /// The reader of a watch took nothing for too long.
    #[error("the reader of this watch was too slow")]
    ConsumerTooSlow {
        /// Last cursor of the watch.
        last: String,
    },
    /// The number of watches is at its limit.
    #[error("there are {limit} watches already")]
    TooManyWatches {
        /// Most watches.
        limit: usize,
    },
    /// The number of named queues that are watched is at its limit.
    #[error("watches at this supervisor name {limit} queues already")]
    TooManyWatchedQueues {
        /// Most queues.
        limit: usize,
    },
    /// The number of actors is decided automatically.
    #[error("{0} actors are scaled automatically: say take_over to decide yourself")]
    AutoscalingActive(QueueName),
    /// The number of jobs is larger than the caller of a cancel expected.
    #[error("{found} {queue} jobs wait, more than the {expected} that were expected: nothing was cancelled")]
    PurgeRefused {
        /// Name of the queue.
        queue: QueueName,
        /// Jobs that wait.
        found: u64,
        /// Jobs that were expected at most.
        expected: u64,
    },
    /// The settings were changed by somebody else at the same time, again and again.
    #[error("the rules for {0} were changed by somebody else at the same time")]
    SettingsConflict(QueueName),
    /// Redis does not answer.
    #[error("Redis is unavailable")]
    QueueUnavailable(#[source] Cause),
    /// Redis answers, and refuses for now; nothing was changed.
    #[error("Redis refuses, {}: {reason}", refusal.as_str())]
    QueueRefused {
        /// Kind of the refusal.
        refusal: Refusal,
        /// Message of Redis.
        reason: String,
    },
    /// The answer to a submit was lost: the job may have been accepted.
    #[error("it is not known whether job {id} was accepted: {reason}")]
    SubmitUncertain {
        /// The id that the job has if it was.
        id: JobId,
        /// The fault.
        reason: String,
    },
    /// The process manager does not answer.
    #[error("the process manager is unavailable")]
    ProcessManagerUnavailable(#[source] Cause),
    /// The call took too long; it may or may not have had its effect.
    #[error("{what} did not answer within {after:?}")]
    TimedOut {
        /// Name of the service that did not answer.
        what: &'static str,
        /// The deadline that passed.
        after: Duration,
    },
    /// The supervisor is on its way down.
    #[error("the supervisor is shutting down")]
    ShuttingDown,
    /// The feature is not built, or not possible with this process manager.
    #[error("{0} is not supported")]
    NotSupported(&'static str),
    /// A record in Redis cannot be read.
    #[error("{what} is damaged")]
    RecordDamaged {
        /// Name of the record.
        what: String,
        /// Error of the decoder.
        #[source]
        source: Cause,
    },
    /// A fault of ours.
    #[error("internal error: {what}")]
    Internal {
        /// Name of the attempt.
        what: String,
        /// The error.
        #[source]
        source: Cause,
    },
}

impl From<Violations> for SupervisorError {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

/// Makes the fault of a store into an error of the domain. `E` is the error of that store, whose text names it.
fn of_store<E>(fault: StoreFault) -> SupervisorError
where
    E: From<StoreFault> + std::error::Error + Send + Sync + 'static,
{
    match fault {
        away @ (StoreFault::Unavailable(_) | StoreFault::TimedOut { .. }) => {
            SupervisorError::QueueUnavailable(E::from(away).into())
        }
        StoreFault::Refused { refusal, reason } => SupervisorError::QueueRefused { refusal, reason },
        rejected @ StoreFault::Rejected { .. } => {
            SupervisorError::Internal { what: "use Redis".to_owned(), source: E::from(rejected).into() }
        }
        StoreFault::Corrupt { what, source } => SupervisorError::RecordDamaged { what, source },
    }
}

macro_rules! from_errors_of_stores {
    ($($store_error:ty),*) => {$(
        impl From<$store_error> for SupervisorError {
            fn from(error: $store_error) -> Self {
                of_store::<$store_error>(error.into_fault())
            }
        }
    )*};
}

from_errors_of_stores!(QueueError, StoreError, SharedStoreError, LogError, NodeInboxError);

impl From<ProcessError> for SupervisorError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Unavailable(_)
            | ProcessError::TimedOut { .. }
            | ProcessError::Unsupported { .. } => Self::ProcessManagerUnavailable(error.into()),
            ProcessError::NotFound { .. } | ProcessError::Rejected { .. } | ProcessError::Corrupt(_) => {
                Self::Internal { what: "use the process manager".to_owned(), source: error.into() }
            }
        }
    }
}

impl From<SubmitRefused> for SupervisorError {
    fn from(refused: SubmitRefused) -> Self {
        match refused {
            SubmitRefused::QueueFull { queue, queued, limit } => Self::QueueFull { queue, queued, limit },
            SubmitRefused::NoQueue { queue } => Self::Queue(QueueRefusal::NotFound(queue)),
            SubmitRefused::WrongQueue { queue, serves } => {
                let what =
                    format!("is {queue}, which takes {serves} jobs: name a queue of the job's script type");
                Violations::one("job.queue", what).into()
            }
            SubmitRefused::QuotaReached(reached) => Self::QuotaReached(reached),
            SubmitRefused::JobExists { job_id } => Self::JobExists(job_id),
            SubmitRefused::FlowKeyFull(full) => Self::FlowKeyFull(full),
            SubmitRefused::KeyHeld { holder, state } => Self::UniqueKeyHeld { holder, state },
            SubmitRefused::RequestIdReused { request_id, first_use } => {
                Self::RequestIdReused { request_id, first_use }
            }
            SubmitRefused::JobExpired { job_id } => Self::JobExpired(job_id),
            SubmitRefused::Unroutable { actor_id } => Self::ActorNotFound(actor_id),
            SubmitRefused::Uncertain { job_id, reason } => Self::SubmitUncertain { id: job_id, reason },
            SubmitRefused::Damaged { what, reason } => Self::RecordDamaged { what, source: reason.into() },
            SubmitRefused::NotAccepted { refusal: Some(refusal), reason } => {
                Self::QueueRefused { refusal, reason }
            }
            SubmitRefused::NotAccepted { refusal: None, reason } => Self::QueueUnavailable(reason.into()),
        }
    }
}

impl SupervisorError {
    /// True while Redis or the process manager is away or refuses: the same may be done later.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::QueueUnavailable(_) | Self::QueueRefused { .. } | Self::ProcessManagerUnavailable(_)
        )
    }
}

/// Writes an error with all its causes in one line. A cause that stands at the end of the text already, because the error
/// above quotes it, is not written again.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_written_once() {
        let rejected = QueueError::from(StoreFault::Rejected { reason: "no such command".to_owned() });
        let told = chain(&SupervisorError::from(rejected));
        assert_eq!(told, "internal error: use Redis: the job queue refused: no such command");
        let rejected = ProcessError::Rejected { reason: "it is busy".to_owned() };
        let told = chain(&SupervisorError::from(rejected));
        assert_eq!(told.matches("it is busy").count(), 1, "{told}");
    }

    #[test]
    fn a_cause_that_its_error_quotes_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read: {0}")]
        struct Quoting(#[source] std::num::ParseIntError);
        let cause = "x".parse::<u8>().unwrap_err();
        let told = chain(&Quoting(cause.clone()));
        assert_eq!(told, format!("cannot read: {cause}"));
    }
}

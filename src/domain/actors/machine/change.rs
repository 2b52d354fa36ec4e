//! Changes of the record as values, so that each can be made again of whatever another supervisor has written in between.

use crate::domain::model::actor::{ActorConfig, ActorRecord, Desired, Fault, OperationLease, Verb};

/// A change of the record.
#[derive(Debug)]
pub(super) enum Change {
    /// Another definition over the one of this etag.
    Define {
        etag: String,
        config: Box<ActorConfig>,
        /// True if there is a process, or one is being started.
        is_there: bool,
    },
    /// The end of an operation.
    End(Box<EndOfOperation>),
    /// The end of the operation of a supervisor that is dead.
    GiveUp(OperationLease),
    /// The end of our operation with this lease, since the machine leaves.
    Release(String),
    /// Nothing more than the record has already.
    Store,
}

/// The end of an operation.
#[derive(Debug)]
pub(super) struct EndOfOperation {
    pub(super) verb: Verb,
    pub(super) lease: Option<String>,
    pub(super) succeeded: bool,
    /// The definition by which it was carried out.
    pub(super) config: ActorConfig,
    /// The process that runs now.
    pub(super) pid: Option<u32>,
    /// The actor is given up, for this reason.
    pub(super) fault: Option<Fault>,
}

impl Change {
    /// Changes the record; false when there is nothing to change (any more).
    pub(super) fn apply(&self, record: &mut ActorRecord) -> bool {
        match self {
            Self::Define { etag, config, is_there } => {
                if record.etag() != *etag || record.config == **config {
                    return false;
                }
                record.define((**config).clone(), *is_there || record.last_pid.is_some());
                true
            }
            Self::End(end) => end.apply(record),
            Self::GiveUp(lease) => {
                let stands = record.operation.as_ref() == Some(lease);
                record.operation = record.operation.take().filter(|_lease| !stands);
                stands
            }
            Self::Release(lease) => {
                let is_ours = record.operation.as_ref().is_some_and(|operation| operation.id == *lease);
                record.operation = record.operation.take().filter(|_lease| !is_ours);
                is_ours
            }
            Self::Store => true,
        }
    }
}

impl EndOfOperation {
    fn apply(&self, record: &mut ActorRecord) -> bool {
        if record.operation.as_ref().map(|operation| &operation.id) != self.lease.as_ref() {
            return false;
        }
        record.operation = None;
        match (self.succeeded, self.verb) {
            (true, Verb::Start | Verb::Restart) => {
                record.last_pid = self.pid;
                // It may have been changed while it was carried out.
                let is_current = self.config.runs_like(&record.config);
                record.is_run_by((!is_current).then(|| self.config.clone()));
            }
            (true, Verb::Stop { .. }) => record.is_run_by(None),
            (true, Verb::Delete { .. }) | (false, _) => {}
        }
        if let Some(fault) = &self.fault {
            record.fault = Some(fault.clone());
            record.desired = Desired::Down;
        }
        true
    }
}

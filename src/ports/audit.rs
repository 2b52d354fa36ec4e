//! The audit log: who has called what, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::access::Identity;

/// A call, as it is noted. Neither scripts, environments, secrets, results nor other metadata are in it.
#[derive(Debug, Clone)]
pub struct AuditedCall {
    /// Identity of the caller; None if it has shown no credentials.
    pub identity: Option<Arc<Identity>>,
    /// Address of the caller, or `unix`.
    pub peer: String,
    /// Name of the call.
    pub rpc: &'static str,
    /// True unless the call only reads.
    pub changes: bool,
    /// The id that the caller has given the call (`x-request-id`).
    pub request_id: Option<String>,
    /// Target of the call.
    pub target: AuditTarget,
    /// SHA-256 of the request as it came.
    pub params: Option<[u8; 32]>,
}

/// Target of a call, as far as its request tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditTarget {
    /// The actors.
    pub actor_ids: Vec<String>,
    /// The jobs.
    pub job_ids: Vec<String>,
    /// The script types.
    pub script_types: Vec<String>,
    /// The queues, where they are named.
    pub queues: Vec<String>,
    /// Callers whose jobs are meant.
    pub caller_ids: Vec<String>,
    /// Every actor of the machine.
    pub all: bool,
}

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedEnd {
    /// Name of the gRPC code.
    pub code: &'static str,
    /// The reason of an error, as in `google.rpc.ErrorInfo`.
    pub reason: Option<String>,
    /// The true cause of a refusal, which callers are not told: `expired` for instance.
    pub cause: Option<&'static str>,
    /// Jobs that the answer names.
    pub job_ids: Vec<String>,
    /// Time from the call to its end.
    pub took: Duration,
}

/// The log cannot take a line; the cause, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotNoted(pub String);

/// The audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Returns true if reads are noted as well.
    fn notes_reads(&self) -> bool;

    /// Notes that a call was received, and waits until that is written where the log is enforced.
    ///
    /// # Errors
    /// A log that is enforced and cannot take the line of a call that changes something: it must have no effect then.
    async fn received(&self, call: Arc<AuditedCall>) -> Result<Box<dyn AuditEntry>, NotNoted>;

    /// Notes a call that was refused because of who calls.
    fn refused(&self, call: &Arc<AuditedCall>, end: AuditedEnd);
}

/// A call that was noted and has not ended.
pub trait AuditEntry: Send + Sync {
    /// Notes its end.
    fn done(self: Box<Self>, end: AuditedEnd);
}

//! Reads the audit log: lines as they were written, the newest first.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditStage {
    /// A call was received.
    Received,
    /// A call has ended, or was refused because of who calls.
    Done,
    /// A note about the log itself.
    Note,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLine {
    /// Number of the line, counted from 1.
    pub number: u64,
    /// Time of the line.
    pub at: SystemTime,
    /// Kind of the line.
    pub stage: AuditStage,
    /// Name of the node.
    pub node: String,
    /// Number of the call since the start of its supervisor; None for a refused call and for a note.
    pub call: Option<u64>,
    /// Kind and id of the caller; empty for one without credentials.
    pub identity: String,
    /// Name of the caller for people; may be empty.
    pub identity_name: String,
    /// Address of the caller, or `unix`.
    pub peer: String,
    /// Name of the call.
    pub rpc: String,
    /// The id that the caller has given the call; may be empty.
    pub request_id: String,
    /// Names of the actors, jobs, script types and callers that the call is about.
    pub targets: Vec<String>,
    /// True for a call about every actor.
    pub all_actors: bool,
    /// Name of the gRPC code, of a call that has ended.
    pub code: String,
    /// Reason of an error.
    pub reason: String,
    /// True cause of a refusal, which callers are not told.
    pub cause: String,
    /// Time from the call to its end.
    pub took: Option<Duration>,
    /// Number of refused calls before this one that were not noted.
    pub suppressed: u64,
    /// Kind of a note; empty for a call.
    pub note: String,
}

/// Conditions for lines. All of them must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Kind and id of the caller, or its id.
    pub identity: Option<String>,
    /// Name of the call.
    pub rpc: Option<String>,
    /// Name of an actor, a job, a script type or a caller.
    pub target: Option<String>,
    /// Name of a gRPC code.
    pub code: Option<String>,
    /// Only calls that were refused because of who calls.
    pub refused: bool,
    /// Only lines of this kind.
    pub stage: Option<AuditStage>,
    /// Only lines at or after this time.
    pub since: Option<SystemTime>,
    /// Only lines before this time.
    pub until: Option<SystemTime>,
}

impl AuditFilter {
    /// Returns true for a line for which all conditions hold.
    pub fn lets_through(&self, line: &AuditLine) -> bool {
        let same = |wanted: &Option<String>, is: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is))
        };
        let id = line.identity.split_once(':').map_or("", |(_kind, id)| id);
        let is_by = |wanted: &String| *wanted == line.identity || wanted == id;
        self.identity.as_ref().is_none_or(is_by)
            && self.target.as_ref().is_none_or(|wanted| line.targets.contains(wanted))
            && (!self.refused || matches!(line.code.as_str(), "UNAUTHENTICATED" | "PERMISSION_DENIED"))
            && self.stage.is_none_or(|stage| stage == line.stage)
            && self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at < until)
            && same(&self.rpc, &line.rpc)
            && same(&self.code, &line.code)
    }
}

/// A place in the log: all before it is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    /// Number of the first line of the file.
    pub file: u64,
    /// Bytes of the file in front of the place.
    pub offset: u64,
}

/// A page of lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditPage {
    /// The lines, the newest first.
    pub lines: Vec<AuditLine>,
    /// Place where the next page begins; None at the end of the log.
    pub next: Option<AuditPlace>,
}

/// The log cannot be read; the cause, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotRead(pub String);

/// The audit log, for those who look into it.
#[async_trait]
pub trait AuditReader: Send + Sync {
    /// Returns at most `limit` lines in front of `before`; None means from the end on. One call looks through a bounded part of the
    /// log: a page can have few lines, or none, and a next one. Lines that are damaged, or not whole yet, are passed over.
    /// Of a file that was removed meanwhile, nothing comes.
    ///
    /// # Errors
    /// A log that cannot be read.
    async fn page(
        &self,
        filter: &AuditFilter,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> Result<AuditPage, NotRead>;
}

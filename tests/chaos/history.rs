//! What a run leaves behind: only values, so that a checker needs nothing else.

use std::collections::BTreeMap;

/// Milliseconds since 1970, as every clock of this machine has them.
pub(crate) type Millis = u64;

/// Everything that was asked, told, done and seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// By the word that each job's script says of itself.
    pub(crate) jobs: BTreeMap<String, JobFacts>,
    pub(crate) calls: Vec<Call>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) followers: Vec<Follower>,
    /// Every event that the log ever had, by stream, oldest first.
    pub(crate) log: BTreeMap<char, Vec<LogEntry>>,
    pub(crate) faults: Vec<Fault>,
    /// Jobs at the end, by their ids; one that is not kept is not here.
    pub(crate) ends: BTreeMap<String, Told>,
    /// What should run at the end, and does not.
    pub(crate) idle: Vec<String>,
}

/// What is known of a job from the beginning.
#[derive(Debug, Clone)]
pub(crate) struct JobFacts {
    pub(crate) max_attempts: u32,
    /// Its script leaves marks.
    pub(crate) marks: bool,
    /// It was submitted under a request id, and with it again until there was an answer.
    pub(crate) repeatable: bool,
}

/// One call of a caller.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) from: Millis,
    pub(crate) to: Millis,
    pub(crate) what: Asked,
    /// The word of the job.
    pub(crate) job: String,
    pub(crate) answer: Answer,
    /// The longest time that the caller said it would wait for an end.
    pub(crate) wait: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Submit,
    Run,
    Await,
    Cancel,
    Get,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The job as it was.
    Job(Told),
    /// Code and reason.
    Error { code: String, reason: String },
}

/// A job as somebody was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) result: Option<String>,
    pub(crate) finished: Option<Millis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Has not ended.
    Open,
    Succeeded,
    Failed,
    Cancelled,
}

/// What a script wrote outside of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// When it was found.
    pub(crate) at: Millis,
    pub(crate) job: String,
    pub(crate) end: bool,
}

/// One follower of events, over all its connections.
#[derive(Debug, Clone)]
pub(crate) struct Follower {
    /// Streams, and the place in each after which it began.
    pub(crate) begin: BTreeMap<char, Position>,
    /// Up to where it had everything in the end.
    pub(crate) end: BTreeMap<char, Position>,
    /// What it was told, in this order.
    pub(crate) seen: Vec<LogEntry>,
    /// Why a connection ended that should not have.
    pub(crate) complaints: Vec<String>,
}

/// A place in a stream of events.
pub(crate) type Position = (u64, u64);

/// An event: the stream, the place in it, and the job that it is about, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) stream: char,
    pub(crate) at: Position,
    pub(crate) job_id: String,
    /// An end of the job.
    pub(crate) end: bool,
}

/// What was done to the stage, from beginning to end.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) from: Millis,
    pub(crate) to: Millis,
    pub(crate) kind: String,
    /// The service is not expected to keep its times while it lasts.
    pub(crate) excuses: bool,
    /// What was found to be wrong during it.
    pub(crate) complaints: Vec<String>,
}

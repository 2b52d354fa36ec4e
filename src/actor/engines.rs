//! Engines run scripts inside an engine host. There is one contract for every kind of script.
//!
//! A job ends in a result or in an error with a stable kind. Strings are results as they are, everything else is compact
//! JSON; without a value, the result is what the script printed. Nothing is ever cut off silently: a result over the
//! limit is an error, and captured output that is cut has a line that says so.
//!
//! An engine is used by one thread, one job at a time, and keeps nothing of a job after its end.

pub mod capture;
pub mod heroscript;
mod kill_ladder;
mod lines;
pub mod osis;
mod output;
pub mod python;
pub mod rhai;
pub mod sal;
mod sandbox;
pub mod v;
pub mod work;

use std::sync::Arc;
use std::time::Duration;

use crate::actor::host_calls::Caller;
use crate::domain::model::job::{JobError, JobErrorKind, JobKind, JobResult, JobUsage};
use crate::domain::model::output::LogStream;
use crate::ports::work_queue::{AttemptError, Retryability};

pub(crate) use kill_ladder::GRACE as STOP_GRACE;

/// Runs scripts of one kind.
pub trait Engine {
    /// True if scripts start processes; the host ends those before it ends itself.
    const STARTS_PROCESSES: bool = false;

    /// True for an engine that ends overlong scripts itself, with time to clean up; SIGTERM then does not end its host.
    const STOPS_SCRIPTS: bool = false;

    /// True for an engine that bounds the memory of its scripts itself; the host is not bounded then.
    const LIMITS_MEMORY: bool = false;

    /// True for an engine that runs each script in a process of its own: what its host uses does not count as the job's.
    const SCRIPTS_ARE_PROCESSES: bool = false;

    /// Gives the engine a way to ask its actor for something; called once, before anything else.
    fn connect(&mut self, _actor: Caller) {}

    /// Loads the engine. Returns its name and version.
    ///
    /// # Errors
    /// Says what is missing and what to do about it; jobs then fail as [`JobErrorKind::EngineUnavailable`].
    fn probe(&mut self) -> Result<String, String>;

    /// Runs one script to its end, or to its timeout if the engine can stop it. Otherwise the actor kills the host.
    /// What the script writes goes to `sink` as it is written.
    ///
    /// # Errors
    /// How the attempt failed.
    fn run(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError>;

    /// Takes what the processes that the last script has started have used; None if there were none, or if it is not known.
    fn take_usage(&mut self) -> Option<JobUsage> {
        None
    }
}

/// Takes what a script says while it runs, line by line and in order. Never blocks for long and never fails: what
/// nobody can take any more is dropped and counted on the other side.
pub trait Sink: Send + Sync {
    /// One line that the script wrote, without its end.
    fn line(&self, stream: LogStream, text: &str);

    /// Reports the progress of the script: 0 to 100, if the script knows, and one line for people.
    fn progress(&self, percent: Option<f64>, message: &str);
}

/// Takes everything and keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unheard;

impl Sink for Unheard {
    fn line(&self, _stream: LogStream, _text: &str) {}

    fn progress(&self, _percent: Option<f64>, _message: &str) {}
}

/// One attempt of a job, as an engine sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Script<'a> {
    /// Script or ping; a ping runs a trivial script of the engine's own and ignores `text`.
    pub kind: JobKind,
    /// The job's id.
    pub job_id: &'a str,
    /// The text to run.
    pub text: &'a str,
    /// JSON text that the script gets parsed, as `INPUT`; None for no input.
    pub input: Option<&'a str>,
    /// Caller of the job.
    pub caller_id: &'a str,
    /// Context of the job.
    pub context_id: &'a str,
    /// The actor that runs it.
    pub actor_id: &'a str,
    /// Environment of the script.
    pub env: &'a [(&'a str, &'a str)],
    /// Limit of the attempt.
    pub timeout: Duration,
}

/// Limits of one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps of the interpreter, 0 for as many as fit into the timeout.
    pub operations: u64,
    /// Address space beyond what the idle engine needs, in bytes.
    pub memory: u64,
    /// Captured output per stream, in bytes.
    pub output: usize,
    /// Result, in bytes.
    pub result: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { operations: 10_000_000_000, memory: 512 << 20, output: 1 << 20, result: 1 << 20 }
    }
}

/// A failed attempt; its kind of error says whether the job is tried again.
pub(crate) fn failed(error: JobError) -> AttemptError {
    let retry = match error.kind {
        JobErrorKind::ScriptInvalid | JobErrorKind::EngineUnavailable => Retryability::Final,
        JobErrorKind::ScriptError
        | JobErrorKind::RunTimeout
        | JobErrorKind::QueueTimeout
        | JobErrorKind::LimitExceeded
        | JobErrorKind::EngineCrash
        | JobErrorKind::ActorLost
        | JobErrorKind::Internal => Retryability::Retry,
    };
    AttemptError { error, retry }
}

/// The error of an attempt that ran into its timeout.
pub(crate) fn timed_out(timeout: Duration) -> AttemptError {
    failed(JobError::new(JobErrorKind::RunTimeout, format!("the script ran longer than its {timeout:?}")))
}

/// Mark that some editors put in front of a text; it is no part of the script.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// True for a text in the HeroScript format: its first line that is neither empty nor a comment is an action
/// (`!!actor.action ...`, two to four exclamation marks), or it starts with `#!` and names `hero`.
pub(crate) fn is_heroscript(text: &str) -> bool {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut lines = text.lines();
    if let Some(interpreter) = text.strip_prefix("#!") {
        let first = interpreter.lines().next().unwrap_or_default();
        if first.split(['/', ' ', '\t']).any(|word| word == "hero") {
            return true;
        }
        lines.next();
    }
    let first = lines.map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
    first.is_some_and(is_action)
}

fn is_action(line: &str) -> bool {
    let name = line.trim_start_matches('!');
    if !(2..=4).contains(&(line.len() - name.len())) {
        return false;
    }
    let name = name.split_whitespace().next().unwrap_or_default();
    let mut parts = name.split('.');
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    parts.next().is_some_and(word) && parts.next().is_none_or(word) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::is_heroscript;

    #[test]
    fn heroscript_is_told_by_its_first_action() {
        for yes in [
            "!!osis.set name:x",
            "\n// note\n  !!play.echo content:'x'\n",
            "!!!macro.x",
            "!!!!wal.y",
            "!!session",
            "#!/usr/bin/env hero\n!!a.b",
            "#!/usr/local/bin/hero",
            "\u{feff}!!a.b",
            "#!/usr/bin/env hero\ntext",
        ] {
            assert!(is_heroscript(yes), "{yes:?}");
        }
        for no in [
            "",
            "40 + 2",
            "!a.b",
            "!!!!!a.b",
            "!!f(x)",
            "!!a.b(1)",
            "!![x]",
            "!!a.b.c",
            "!!",
            "let x = 1;\n!!a.b",
            "#!/usr/bin/rhai\n1",
            "println!(\"!!a.b\");",
        ] {
            assert!(!is_heroscript(no), "{no:?}");
        }
    }
}

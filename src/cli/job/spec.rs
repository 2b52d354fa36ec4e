//! A job as flags, and the source of its script.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;

use super::unique::UniqueArgs;
use crate::adapters::system_clock::SystemClock;
use crate::cli::Failure;
use crate::cli::values::{moment, pair, script_type, span, to_proto};
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;
use crate::ports::clock::Clock;
use crate::proto::{self, JobSpec, RetryPolicy, SubmitJobRequest};

/// The options of a single job, by their ids.
pub(super) const OPTIONS: [&str; 25] = [
    "script",
    "file",
    "input",
    "input_file",
    "script_type",
    "queue",
    "caller",
    "context",
    "env",
    "label",
    "run_timeout",
    "queue_timeout",
    "max_attempts",
    "priority",
    "key",
    "unique_while",
    "unique_after_end",
    "on_conflict",
    "flow_key",
    "result_ttl",
    "actor",
    "delay",
    "at",
    "job_id",
    "request_id",
];

/// A job to submit.
#[derive(Debug, Clone, Args)]
pub(super) struct SpecArgs {
    /// The script, or - to read it from standard input
    #[arg(conflicts_with = "file")]
    script: Option<String>,
    /// Read the script from this file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Script type: osis, sal, v or python [default: that of the ending of --file: .py, .v, .sal; else osis]
    #[arg(short, long = "type", value_name = "TYPE", value_parser = script_type)]
    script_type: Option<proto::ScriptType>,
    /// Queue of the job [default: the default queue of the script type]
    #[arg(long, value_name = "QUEUE", value_parser = QueueName::parse)]
    queue: Option<QueueName>,
    /// Input of the script, JSON that it sees as INPUT; - reads it from standard input
    #[arg(short, long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,
    /// Read the input from this file; - is standard input
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,
    /// The caller of the job
    #[arg(long, value_name = "ID", default_value = "")]
    caller: String,
    /// The context of the job
    #[arg(long, value_name = "ID", default_value = "")]
    context: String,
    /// Environment variable of the script; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Label of the job; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Time limit of one attempt [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = span)]
    run_timeout: Option<Duration>,
    /// Time limit of the wait for an actor [default: none]
    #[arg(long, value_name = "TIME", value_parser = span)]
    queue_timeout: Option<Duration>,
    /// Most attempts in all; 1 runs the script at most once [default: 1]
    #[arg(long, value_name = "N")]
    max_attempts: Option<i32>,
    /// Priority: 1 runs first, 5 last [default: 3]
    #[arg(short, long, value_name = "N")]
    priority: Option<i32>,
    #[command(flatten)]
    unique: UniqueArgs,
    /// Key by which the flow rules of the queue hold for the job [default: the caller]
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    flow_key: String,
    /// Time for which the job is kept after its end [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = span)]
    result_ttl: Option<Duration>,
    /// The only actor that may run the job
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Start the job this much later: 10m, 2h
    #[arg(long = "in", value_name = "TIME", value_parser = span, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Start the job at this time: 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<SystemTime>,
    /// Id of the job [default: a new one]
    #[arg(long, value_name = "ID", value_parser = |id: &str| JobId::parse(id).map(|id| id.to_string()))]
    job_id: Option<String>,
    /// Request id: a repeat with the same id returns the same job [default: the id of the job]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl SpecArgs {
    /// Reads the script and makes the request.
    pub(super) fn into_request(self) -> Result<SubmitJobRequest, Failure> {
        let (script, input) = (self.read_script()?, self.read_input()?);
        let script_type = self.script_type();
        let start = self.at.or_else(|| SystemClock.now().checked_add(self.delay?));
        let retry_policy = self
            .max_attempts
            .map(|max_attempts| RetryPolicy { max_attempts: Some(max_attempts), ..RetryPolicy::default() });
        // The id is made here, so that a lost response leaves no job without a known id. A request id of the caller
        // stands for the id of its first use.
        let job_id = match (self.job_id, &self.request_id) {
            (Some(chosen), _) => chosen,
            (None, Some(_)) => String::new(),
            (None, None) => self.queue.map_or_else(JobId::mint, JobId::mint_for).to_string(),
        };
        let job = JobSpec {
            script_type: script_type.into(),
            script,
            input,
            caller_id: self.caller,
            context_id: self.context,
            env: self.env.into_iter().collect(),
            labels: self.label.into_iter().collect(),
            run_timeout: self.run_timeout.and_then(to_proto),
            queue_timeout: self.queue_timeout.and_then(to_proto),
            retry_policy,
            result_ttl: self.result_ttl.and_then(to_proto),
            schedule_time: start.map(Into::into),
            target_actor_id: self.actor.unwrap_or_default(),
            priority: self.priority,
            unique: self.unique.into_key(),
            flow_key: self.flow_key,
            queue: self.queue.map(|queue| queue.to_string()).unwrap_or_default(),
        };
        let request_id = self.request_id.unwrap_or_else(|| job_id.clone());
        Ok(SubmitJobRequest { job: Some(job), job_id, request_id })
    }

    /// Returns the script type: that of the option, that of the ending of the file, or OSIS.
    fn script_type(&self) -> proto::ScriptType {
        let by_ending = || self.file.as_deref().and_then(type_of);
        self.script_type.or_else(by_ending).unwrap_or(proto::ScriptType::Osis)
    }

    fn read_script(&self) -> Result<String, Failure> {
        Source::of(self.file.as_deref(), self.script.as_deref()).map_or_else(
            || {
                Err(Failure::usage(
                    "there is no script: give it as an argument, in a file with -f FILE, or on standard input with -",
                ))
            },
            |source| source.read("script"),
        )
    }

    /// Returns the input; an empty one is none.
    fn read_input(&self) -> Result<String, Failure> {
        let source = Source::of(self.input_file.as_deref(), self.input.as_deref());
        let script = Source::of(self.file.as_deref(), self.script.as_deref());
        if (source, script) == (Some(Source::StandardInput), Some(Source::StandardInput)) {
            return Err(Failure::usage(
                "script and input cannot both come from standard input: give one in a file",
            ));
        }
        source.map_or_else(|| Ok(String::new()), |source| source.read("input"))
    }
}

/// The source of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source<'a> {
    File(&'a Path),
    Argument(&'a str),
    StandardInput,
}

impl<'a> Source<'a> {
    pub(super) fn of(file: Option<&'a Path>, argument: Option<&'a str>) -> Option<Self> {
        match (file, argument) {
            (Some(file), _) if file.as_os_str() != "-" => Some(Self::File(file)),
            (None, Some(text)) if text != "-" => Some(Self::Argument(text)),
            (Some(_), _) | (None, Some(_)) => Some(Self::StandardInput),
            (None, None) => None,
        }
    }

    /// Reads the text; `what` names it in errors.
    pub(super) fn read(self, what: &str) -> Result<String, Failure> {
        let unreadable = |from: &str, error: std::io::Error| {
            Failure::usage(format!("cannot read the {what} {from}: {error}"))
        };
        match self {
            Self::Argument(text) => Ok(text.to_owned()),
            Self::File(file) => {
                std::fs::read_to_string(file).map_err(|error| unreadable(&file.display().to_string(), error))
            }
            Self::StandardInput => {
                let mut text = String::new();
                let read = std::io::stdin().read_to_string(&mut text);
                read.map_err(|error| unreadable("from standard input", error)).map(|_bytes| text)
            }
        }
    }
}

/// Returns the script type whose files have this ending. That of Rhai is no sign: OSIS and SAL share it.
fn type_of(file: &Path) -> Option<proto::ScriptType> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "py" => Some(proto::ScriptType::Python),
        "v" => Some(proto::ScriptType::V),
        "sal" => Some(proto::ScriptType::Sal),
        _other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_file_tells_the_script_type() {
        let types = ["a/b.py", "x.V", "x.sal", "x.rhai", "x", ".py"].map(|file| type_of(Path::new(file)));
        let [python, v, sal] =
            [proto::ScriptType::Python, proto::ScriptType::V, proto::ScriptType::Sal].map(Some);
        assert_eq!(types, [python, v, sal, None, None, None]);
    }
}

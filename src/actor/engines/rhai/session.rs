//! State of the job that runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use rhai::{Dynamic, ImmutableString, Map, Position};
use serde_json::Value;
use tokio::time::Instant;

use super::input::Input;
use crate::actor::engines::capture::Capture;
use crate::actor::engines::lines::without_return;
use crate::actor::engines::{Limits, Script, Sink, Unheard, failed};
use crate::domain::model::job::JobError;
use crate::domain::model::output::LogStream;
use crate::lock::Lock;
use crate::ports::work_queue::AttemptError;

/// Printed lines that go with an error.
const TAIL_LINES: usize = 20;
/// Bytes of each of them.
const TAIL_LINE_BYTES: usize = 1024;
/// A deadline further away than this is as good as none.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Shared by the functions and hooks of an engine; only one thread uses it, the lock is never waited for.
pub(in crate::actor::engines) struct Session {
    state: Lock<State>,
}

struct State {
    out: Capture,
    err: Capture,
    recent: VecDeque<String>,
    deadline: Instant,
    timeout: Duration,
    caller_id: ImmutableString,
    context_id: ImmutableString,
    job_id: String,
    actor_id: String,
    env: Vec<(String, String)>,
    env_map: Option<Dynamic>,
    input: Input,
    sink: Arc<dyn Sink>,
}

/// The mark by which a stopped script is told from one that Rhai stopped.
pub(in crate::actor::engines) fn timeout_token() -> Dynamic {
    Dynamic::from("timeout")
}

impl Session {
    pub(in crate::actor::engines) fn new(limits: &Limits) -> Self {
        let output = limits.output.min(limits.result);
        Self {
            state: Lock::new(State {
                out: Capture::new(output),
                err: Capture::new(output),
                recent: VecDeque::new(),
                deadline: Instant::now(),
                timeout: Duration::ZERO,
                caller_id: ImmutableString::new(),
                context_id: ImmutableString::new(),
                job_id: String::new(),
                actor_id: String::new(),
                env: Vec::new(),
                env_map: None,
                input: Input::default(),
                sink: Arc::new(Unheard),
            }),
        }
    }

    /// Starts a job.
    pub(in crate::actor::engines) fn begin(&self, script: &Script<'_>, sink: &Arc<dyn Sink>) {
        let state = &mut *self.state();
        state.sink = Arc::clone(sink);
        state.timeout = script.timeout;
        state.deadline = Instant::now() + script.timeout.min(FAR);
        state.caller_id = script.caller_id.into();
        state.context_id = script.context_id.into();
        state.input = Input::new(script.input);
        state.job_id.push_str(script.job_id);
        state.actor_id.push_str(script.actor_id);
        let pairs = script.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        state.env.extend(pairs);
    }

    /// Forgets the job.
    pub(in crate::actor::engines) fn finish(&self) {
        let state = &mut *self.state();
        state.out.clear();
        state.err.clear();
        state.recent.clear();
        state.env.clear();
        state.env_map = None;
        state.input = Input::default();
        state.sink = Arc::new(Unheard);
        state.job_id.clear();
        state.actor_id.clear();
        state.caller_id = ImmutableString::new();
        state.context_id = ImmutableString::new();
    }

    /// A line on standard output.
    pub(in crate::actor::engines) fn print(&self, text: &str) {
        self.write(LogStream::Stdout, text, "\n");
    }

    /// A line on standard error.
    pub(in crate::actor::engines) fn print_error(&self, text: &str) {
        self.write(LogStream::Stderr, text, "\n");
    }

    /// A line with what ended it, which is nothing for a part of one that is too long.
    pub(in crate::actor::engines) fn write(&self, stream: LogStream, text: &str, end: &str) {
        let state = &mut *self.state();
        let kept = match stream {
            LogStream::Stdout => &mut state.out,
            LogStream::Stderr => &mut state.err,
        };
        kept.push(text);
        kept.push(end);
        say(state.sink.as_ref(), stream, text);
        state.remember(text);
    }

    /// Reports the progress of the script.
    pub(super) fn progress(&self, percent: Option<f64>, message: &str) {
        self.state().sink.progress(percent, message);
    }

    /// Writes a line for debugging, with its place in the script.
    pub(in crate::actor::engines) fn debug(&self, text: &str, position: Position) {
        self.print_error(&format!("[{position:?}] {text}"));
    }

    /// Returns the printed text, without white space around it.
    pub(in crate::actor::engines) fn printed(&self) -> String {
        self.state().out.text().trim().to_owned()
    }

    /// True after the deadline.
    pub(in crate::actor::engines) fn is_over(&self) -> bool {
        Instant::now() >= self.state().deadline
    }

    /// Time until the deadline.
    pub(in crate::actor::engines) fn left(&self) -> Duration {
        self.state().deadline.saturating_duration_since(Instant::now())
    }

    /// The limit of the attempt.
    pub(in crate::actor::engines) fn timeout(&self) -> Duration {
        self.state().timeout
    }

    /// The constant of this name.
    ///
    /// # Errors
    /// Says why the input is not JSON.
    pub(in crate::actor::engines) fn constant(&self, name: &str) -> Result<Option<Dynamic>, String> {
        Ok(match name {
            "CALLER_ID" => Some(self.state().caller_id.clone().into()),
            "CONTEXT_ID" => Some(self.state().context_id.clone().into()),
            "ENV" => Some(self.state().env_map()),
            "INPUT" => Some(self.state().input.value()?),
            _ => None,
        })
    }

    /// The input of the job as a tree, null without one.
    ///
    /// # Errors
    /// Says why it is not JSON.
    pub(in crate::actor::engines) fn input_tree(&self) -> Result<Value, String> {
        self.state().input.tree()
    }

    /// The environment variable of this name.
    pub(in crate::actor::engines) fn env(&self, name: &str) -> Option<ImmutableString> {
        let state = self.state();
        let about_the_job = state.about_the_job().into_iter().find(|(known, _)| *known == name);
        let value = about_the_job.map(|(_, value)| value);
        value
            .or_else(|| state.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()))
            .map(Into::into)
    }

    /// Returns all environment variables, and the names of caller and context.
    pub(in crate::actor::engines) fn variables(&self) -> BTreeMap<String, String> {
        let state = self.state();
        let ids = [("CALLER_ID", state.caller_id.as_str()), ("CONTEXT_ID", state.context_id.as_str())];
        let env = state.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all = env.chain(state.about_the_job()).chain(ids);
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The failed attempt, with the last lines that the script printed.
    pub(in crate::actor::engines) fn explain(&self, error: JobError) -> AttemptError {
        let log_tail = self.state().recent.iter().cloned().collect();
        failed(JobError { log_tail, ..error })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A text line by line; an empty one is an empty line.
fn say(sink: &dyn Sink, stream: LogStream, text: &str) {
    if text.is_empty() {
        sink.line(stream, text);
    }
    text.lines().for_each(|line| sink.line(stream, without_return(line)));
}

impl State {
    fn remember(&mut self, text: &str) {
        for line in text.lines().rev().take(TAIL_LINES).collect::<Vec<_>>().into_iter().rev() {
            if self.recent.len() == TAIL_LINES {
                self.recent.pop_front();
            }
            let line = without_return(line);
            self.recent.push_back(line[..line.floor_char_boundary(TAIL_LINE_BYTES)].to_owned());
        }
    }

    /// Variables that every job has.
    fn about_the_job(&self) -> [(&'static str, &str); 4] {
        [
            ("HERO_JOB_ID", &self.job_id),
            ("HERO_CALLER_ID", &self.caller_id),
            ("HERO_CONTEXT_ID", &self.context_id),
            ("HERO_ACTOR_ID", &self.actor_id),
        ]
    }

    fn env_map(&mut self) -> Dynamic {
        if let Some(map) = &self.env_map {
            return map.clone();
        }
        let env = self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = env.chain(self.about_the_job());
        let map: Map = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        self.env_map.insert(map.into()).clone()
    }
}

//! Runs playbooks: every action is looked up before the first one runs.
//!
//! Built in are `!!play.echo content:` and `!!session.env_set key: val:`. What was set, and what the job's environment
//! holds, replaces `${NAME}` and `{NAME}` in the arguments of later actions; a name that is not known stays as it is.
//! `${INPUT}` is the input of the job as compact JSON, and `${INPUT.a.0}` a part of it: a string as it is, anything else as JSON.
//! The result is a JSON array with what each action has answered, `null` for those that answer nothing; if none has
//! answered anything, the result is what was printed.

use std::time::Duration;

use serde_json::Value;

use super::variables::Variables;
use super::{Action, ActionKind, Place, parse};
use crate::actor::engines::rhai::session::Session;
use crate::actor::engines::{Limits, Script, Sink, failed, timed_out};
use crate::domain::model::job::{JobError, JobErrorKind, JobResult, ResultKind};
use crate::ports::work_queue::AttemptError;
use std::sync::Arc;

/// A command: returns an answer, nothing, or an error message.
type Run = Box<dyn Fn(&Given<'_>) -> Result<Option<Value>, String> + Send>;

/// A command that playbooks can call.
pub struct Command {
    actor: &'static str,
    name: &'static str,
    needed: &'static [&'static str],
    allowed: &'static [&'static str],
    any_other: bool,
    run: Run,
}

/// The arguments of an action, with variables put in.
pub struct Given<'a> {
    args: Vec<(&'a str, String)>,
    session: &'a Session,
}

/// The commands of an actor.
pub struct Playbooks {
    commands: Vec<Command>,
}

impl Command {
    /// The action `!!actor.name`, with the arguments that it needs and those that it may have.
    pub fn new(
        actor: &'static str,
        name: &'static str,
        needed: &'static [&'static str],
        allowed: &'static [&'static str],
        run: impl Fn(&Given<'_>) -> Result<Option<Value>, String> + Send + 'static,
    ) -> Self {
        Self { actor, name, needed, allowed, any_other: false, run: Box::new(run) }
    }

    /// The same with arguments of any other name.
    #[must_use]
    pub fn with_any_other(self) -> Self {
        Self { any_other: true, ..self }
    }

    fn is(&self, action: &Action) -> bool {
        self.actor == action.actor && self.name == action.name
    }

    /// Refuses arguments that would mean nothing, and says which are missing.
    fn check(&self, action: &Action) -> Result<(), (Place, String)> {
        let title = format!("!!{}.{}", self.actor, self.name);
        for arg in &action.args {
            let Some(key) = arg.key.as_deref() else {
                let value: String = arg.value.chars().take(40).collect();
                return Err((arg.place, format!("{title} takes key:value only, and {value:?} has no key")));
            };
            if !self.any_other && !self.needed.contains(&key) && !self.allowed.contains(&key) {
                let known: Vec<&str> = self.needed.iter().chain(self.allowed).copied().collect();
                let known = known.join(", ");
                return Err((arg.place, format!("{title} has no argument {key:?}: there are {known}")));
            }
        }
        match self.needed.iter().find(|key| action.get(key).is_none()) {
            Some(missing) => Err((action.place, format!("{title} needs {missing}:"))),
            None => Ok(()),
        }
    }
}

impl Given<'_> {
    /// The value of an argument.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.args.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str())
    }

    /// The value of an argument that was checked to be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn need(&self, key: &str) -> Result<&str, String> {
        self.get(key).ok_or_else(|| format!("{key}: is missing"))
    }

    /// Returns all arguments.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// Time until the deadline of the job.
    pub fn left(&self) -> Duration {
        self.session.left()
    }
}

impl Default for Playbooks {
    fn default() -> Self {
        Self::new()
    }
}

impl Playbooks {
    /// Makes a runner with the commands that every playbook has.
    pub fn new() -> Self {
        let mut playbooks = Self { commands: Vec::new() };
        playbooks.add(Command::new("play", "echo", &["content"], &[], |given| {
            given.session.print(given.need("content")?);
            Ok(None)
        }));
        // What it does is done by the one who runs the actions and keeps the variables.
        playbooks.add(Command::new("session", "env_set", &["key", "val"], &[], |_| Ok(None)));
        playbooks
    }

    /// Adds a command.
    pub fn add(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// The command of each action.
    fn look_up(&self, actions: &[Action]) -> Result<Vec<&Command>, (Place, String)> {
        actions.iter().map(|action| self.command(action)).collect()
    }

    fn command(&self, action: &Action) -> Result<&Command, (Place, String)> {
        let Action { actor, name, place, .. } = action;
        if action.kind != ActionKind::Sal {
            let message = format!(
                "actions with {} are not run here: write !!{actor}.{name} for an action of this actor",
                action.kind.marks()
            );
            return Err((*place, message));
        }
        let Some(command) = self.commands.iter().find(|command| command.is(action)) else {
            let known: Vec<String> =
                self.commands.iter().map(|command| format!("{}.{}", command.actor, command.name)).collect();
            let known = known.join(", ");
            return Err((*place, format!("there is no action {actor}.{name}: there are {known}")));
        };
        command.check(action)?;
        Ok(command)
    }
}

/// Runs one script.
///
/// # Errors
/// A mistake in the text, an action that is not known, or the first action that failed, with its place.
pub(in crate::actor::engines) fn run(
    playbooks: &Playbooks,
    session: &Session,
    script: &Script<'_>,
    sink: &Arc<dyn Sink>,
    limits: &Limits,
) -> Result<JobResult, AttemptError> {
    session.begin(script, sink);
    let ended = play(playbooks, session, script.text, limits);
    session.finish();
    ended
}

fn play(
    playbooks: &Playbooks,
    session: &Session,
    text: &str,
    limits: &Limits,
) -> Result<JobResult, AttemptError> {
    let invalid = |(place, message)| failed(at(place, JobError::new(JobErrorKind::ScriptInvalid, message)));
    let playbook = parse(text).map_err(|mistake| invalid((mistake.place, mistake.message)))?;
    let commands = playbooks.look_up(&playbook.actions).map_err(invalid)?;
    let mut variables = match session.input_tree() {
        Ok(input) => Variables::new(session.variables(), input),
        Err(message) => return Err(failed(JobError::new(JobErrorKind::ScriptError, message))),
    };
    let mut answers = Vec::with_capacity(commands.len());
    let mut size = 0;
    for (action, command) in playbook.actions.iter().zip(commands) {
        if session.is_over() {
            return Err(session.explain(timed_out(session.timeout()).error));
        }
        let args =
            action.args.iter().filter_map(|arg| Some((arg.key.as_deref()?, variables.fill_in(&arg.value))));
        let given = Given { args: args.collect(), session };
        let wrong = |kind, message| session.explain(at(action.place, JobError::new(kind, message)));
        let answer = (command.run)(&given).map_err(|message| wrong(JobErrorKind::ScriptError, message))?;
        if let (Some(key), Some(value), "session") = (given.get("key"), given.get("val"), command.actor) {
            variables.set(key, value);
        }
        size += answer.as_ref().map_or(4, |answer| answer.to_string().len()) + 1;
        if size > limits.result {
            let message = format!(
                "the result is longer than the {} bytes that are allowed: ask for less in one script",
                limits.result
            );
            return Err(wrong(JobErrorKind::LimitExceeded, message));
        }
        answers.push(answer);
    }
    if answers.iter().all(Option::is_none) {
        return Ok(JobResult { text: session.printed(), ..JobResult::default() });
    }
    let answers: Value = answers.into_iter().map(Option::unwrap_or_default).collect();
    Ok(JobResult { text: answers.to_string(), kind: ResultKind::Json })
}

fn at(place: Place, error: JobError) -> JobError {
    JobError { line: Some(place.line), column: Some(place.column), ..error }
}

//! `[[actor]]` of the configuration file: actors that are to be there.
//!
//! The keys are the fields of `ActorConfig` in the contract, and `name` and `start`. What is wrong is told all at
//! once, each with the path of its key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::{Origin, Problem};
use crate::domain::actor::{ActorConfig, Readiness, RestartMode, RestartPolicy};
use crate::domain::confinement::{ResourceLimits, RunAs};
use crate::domain::health::{HealthSettings, UnhealthyAction};
use crate::domain::lifecycle::start_sequence;
use crate::domain::script_type::ScriptType;
use crate::domain::violation::Violations;

/// The key of the tables.
pub(super) const KEY: &str = "actor";
/// Marks actors that a configuration file has made, so that a later one may remove them.
pub const FILE_LABEL: (&str, &str) = ("hero.config", "file");

/// An actor of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileActor {
    /// Its definition.
    pub config: ActorConfig,
    /// Whether it is started when it is made.
    pub start: bool,
}

/// The actors of a file, and all that is wrong with them.
#[derive(Debug, Default)]
pub(super) struct FileActors {
    pub(super) actors: Vec<FileActor>,
    /// As they were written.
    pub(super) raw: Vec<Dict>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the `[[actor]]` tables of a file; dependencies first in what comes out.
pub(super) fn read(value: Option<&Value>, file: &Path) -> FileActors {
    let mut violations = Violations::new();
    let raw: Vec<Dict> = match value.map(Value::deserialize::<Vec<Dict>>) {
        None => Vec::new(),
        Some(Ok(tables)) => tables,
        Some(Err(_not_tables)) => {
            violations.add(KEY, "is not a list of tables: write each actor as [[actor]]");
            Vec::new()
        }
    };
    let mut actors: Vec<FileActor> = Vec::with_capacity(raw.len());
    for (index, table) in raw.iter().enumerate() {
        let mut part = Violations::new();
        let actor = one(table, &mut part);
        if actors.iter().any(|other| other.config.name == actor.config.name) && !actor.config.name.is_empty()
        {
            part.add("name", format!("is {:?}, and so is another one's", actor.config.name));
        }
        violations.nest(&format!("{KEY}[{index}]"), part);
        actors.push(actor);
    }
    match start_sequence(actors.iter().map(|actor| &actor.config)) {
        Ok(order) => {
            actors.sort_by_key(|actor| order.iter().position(|name| *name == actor.config.name));
        }
        Err(unmet) => {
            let index = actors.iter().position(|actor| actor.config.name == unmet.actor).unwrap_or_default();
            violations.add(format!("{KEY}[{index}].dependencies"), unmet.reason);
        }
    }
    let problem = |violation: &crate::domain::violation::Violation| Problem {
        key: violation.field.clone(),
        origin: Origin::File(file.to_owned()),
        what: violation.description.clone(),
    };
    FileActors { actors, raw, problems: violations.iter().map(problem).collect() }
}

/// Reads one table; what is wrong is noted.
fn one(table: &Dict, violations: &mut Violations) -> FileActor {
    let mut table = Table { table, known: Vec::new(), violations };
    let name: String = table.required("name");
    let script_type: String = table.required("script_type");
    let binary: PathBuf = table.required("binary_path");
    let kind = table.violations.keep("script_type", ScriptType::parse(&script_type));
    // A type that is missing was told already.
    let mut config = ActorConfig::new(name, binary, kind.unwrap_or(ScriptType::OSIS));
    config.args = table.get("args").unwrap_or_default();
    config.env = table.texts("env");
    config.health_check = table.get("health_check");
    config.dependencies = table.get("dependencies").unwrap_or_default();
    config.working_dir = table.get("working_dir");
    config.sha256 = table.get("binary_sha256");
    if let Some(span) = table.span("drain_timeout") {
        config.drain_timeout = span;
    }
    if let Some(span) = table.span("start_timeout") {
        config.start_timeout = span;
    }
    if let Some(readiness) =
        table.word("readiness", &[("queue", Readiness::Queue), ("process", Readiness::Process)])
    {
        config.readiness = readiness;
    }
    if let Some(policy) = table.part("restart_policy", restart_policy) {
        config.restart = policy;
    }
    if let Some(run_as) = table.part("run_as", run_as) {
        config.confinement.run_as = Some(run_as);
    }
    if let Some(limits) = table.part("limits", limits) {
        config.confinement.limits = limits;
    }
    config.confinement.no_new_privileges = table.get("no_new_privileges").unwrap_or_default();
    config.confinement.die_with_manager = table.get("die_with_process_manager").unwrap_or_default();
    if let Some(policy) = table.part("health_policy", health_policy) {
        config.health = policy;
    }
    config.labels = table.texts("labels");
    config.labels.insert(FILE_LABEL.0.to_owned(), FILE_LABEL.1.to_owned());
    let start = table.get("start").unwrap_or(true);
    table.refuse_unknown();
    // A required key that is not there was told already, and so was its being empty.
    if !config.name.is_empty()
        && let Err(bad) = config.id()
    {
        for violation in bad.iter() {
            violations.add("name", violation.description.clone());
        }
    }
    if let Err(limits) = config.validate() {
        let told = |violation: &&crate::domain::violation::Violation| {
            violation.field != "binary_path" || !config.binary.as_os_str().is_empty()
        };
        for violation in limits.iter().filter(told) {
            violations.add(violation.field.clone(), violation.description.clone());
        }
    }
    FileActor { config, start }
}

fn restart_policy(table: &mut Table<'_>) -> RestartPolicy {
    let mut policy = RestartPolicy::default();
    let modes = [
        ("always", RestartMode::Always),
        ("on_failure", RestartMode::OnFailure),
        ("never", RestartMode::Never),
    ];
    if let Some(mode) = table.word("mode", &modes) {
        policy.mode = mode;
    }
    if let Some(span) = table.span("initial_backoff") {
        policy.backoff.initial = span;
    }
    if let Some(span) = table.span("max_backoff") {
        policy.backoff.max = span;
    }
    if let Some(span) = table.span("reset_after") {
        policy.reset_after = span;
    }
    if let Some(count) = table.get("max_restarts") {
        policy.max_restarts = count;
    }
    if let Some(span) = table.span("window") {
        policy.window = span;
    }
    policy
}

fn run_as(table: &mut Table<'_>) -> RunAs {
    RunAs {
        user: table.required("user"),
        group: table.get("group"),
        supplementary_groups: table.get("supplementary_groups").unwrap_or_default(),
    }
}

fn limits(table: &mut Table<'_>) -> ResourceLimits {
    ResourceLimits {
        memory_bytes: table.get("memory_bytes"),
        open_files: table.get("open_files"),
        cpu_time: table.span("cpu_time"),
        processes: table.get("processes"),
        core_bytes: table.get("core_bytes"),
    }
}

fn health_policy(table: &mut Table<'_>) -> HealthSettings {
    let actions = [("restart", UnhealthyAction::Restart), ("report_only", UnhealthyAction::ReportOnly)];
    HealthSettings {
        idle_after: table.span("idle_after"),
        ping_timeout: table.span("ping_timeout"),
        retry_after: table.span("ping_interval_after_failure"),
        failure_threshold: table.get("failure_threshold"),
        action: table.word("action", &actions),
    }
}

/// A table, and which of its keys were asked for.
struct Table<'a> {
    table: &'a Dict,
    known: Vec<&'static str>,
    violations: &'a mut Violations,
}

impl Table<'_> {
    fn get<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        let read = self.table.get(key)?.deserialize::<T>();
        self.violations.keep(key, read.map_err(|error| error.kind.to_string()))
    }

    /// A table in the table.
    fn part<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'_>) -> T) -> Option<T> {
        let inner: Dict = self.get(key)?;
        let mut violations = Violations::new();
        let mut table = Table { table: &inner, known: Vec::new(), violations: &mut violations };
        let part = read(&mut table);
        table.refuse_unknown();
        self.violations.nest(key, violations);
        Some(part)
    }

    fn required<T: DeserializeOwned + Default>(&mut self, key: &'static str) -> T {
        if !self.table.contains_key(key) {
            self.violations.add(key, "is missing");
        }
        self.get(key).unwrap_or_default()
    }

    fn span(&mut self, key: &'static str) -> Option<Duration> {
        let raw: String = self.get(key)?;
        let span = humantime::parse_duration(&raw);
        self.violations
            .keep(key, span.map_err(|_| format!("{raw:?} is not a time: use 500ms, 30s, 5m or 2h")))
    }

    fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let raw: String = self.get(key)?;
        let word = words.iter().find(|(word, _)| *word == raw).map(|(_, value)| *value);
        let names = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        self.violations.keep(key, word.ok_or_else(|| format!("is {raw:?}: use {}", names())))
    }

    /// Texts by name; numbers and truth values are taken as they are spelled.
    fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let values: BTreeMap<String, Value> = self.get(key).unwrap_or_default();
        let mut texts = BTreeMap::new();
        for (name, value) in values {
            let text = match &value {
                Value::String(_, text) => Some(text.clone()),
                Value::Char(_, char) => Some(char.to_string()),
                Value::Bool(_, truth) => Some(truth.to_string()),
                Value::Num(_, number) => number
                    .to_i128()
                    .map(|whole| whole.to_string())
                    .or_else(|| number.to_u128().map(|whole| whole.to_string()))
                    .or_else(|| number.to_f64().map(|real| real.to_string())),
                Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
            };
            match text {
                Some(text) => drop(texts.insert(name, text)),
                None => self.violations.add(format!("{key}[{name:?}]"), "is not a text"),
            }
        }
        texts
    }

    fn refuse_unknown(&mut self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let description = super::layers::unknown_among(key, &self.known);
            self.violations.add(key.clone(), description);
        }
    }
}

#[cfg(test)]
mod tests;

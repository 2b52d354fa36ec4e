//! `[[actor]]` of the configuration file: declared actors.
//!
//! The keys are the fields of `ActorConfig` in the contract, `name` and `start`. All violations are reported at once,
//! each with the path of its key.

use std::path::{Path, PathBuf};

use figment::value::{Dict, Value};

use super::table::Table;
use super::{Origin, Problem};
use crate::domain::actors::start_sequence;
use crate::domain::model::actor::{ActorConfig, Readiness, RestartMode, RestartPolicy};
use crate::domain::model::confinement::{ResourceLimits, RunAs};
use crate::domain::model::health::{HealthSettings, UnhealthyAction};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::{Violation, Violations};

/// The key of the tables.
pub(super) const KEY: &str = "actor";
/// Label of actors that a configuration file has declared, so that a later file may remove them.
pub const FILE_LABEL: (&str, &str) = ("hero.config", "file");

/// An actor of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileActor {
    /// The definition.
    pub config: ActorConfig,
    /// Starts the actor when it is created.
    pub start: bool,
}

/// The actors of a file, and its violations.
#[derive(Debug, Default)]
pub(super) struct FileActors {
    pub(super) actors: Vec<FileActor>,
    /// The tables as they were written.
    pub(super) raw: Vec<Dict>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the `[[actor]]` tables of a file. Dependencies come first in the result.
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
    FileActors { actors, raw, problems: problems(&violations, file) }
}

/// Makes problems of violations, with the file as their origin.
pub(super) fn problems(violations: &Violations, file: &Path) -> Vec<Problem> {
    let problem = |violation: &Violation| Problem {
        key: violation.field.clone(),
        origin: Origin::File(file.to_owned()),
        what: violation.description.clone(),
    };
    let mut problems: Vec<Problem> = violations.iter().map(problem).collect();
    if let Some(last) = problems.last_mut() {
        let more = violations.count() - violations.iter().count();
        if more > 0 {
            last.what = format!("{}; {more} more things are wrong behind it", last.what);
        }
    }
    problems
}

/// Reads one table and records its violations.
fn one(table: &Dict, violations: &mut Violations) -> FileActor {
    let mut table = Table::new(table, violations);
    let name: String = table.required("name");
    let script_type: String = table.required("script_type");
    // A missing type has a violation already.
    let kind = table.keep("script_type", ScriptType::parse(&script_type)).unwrap_or(ScriptType::OSIS);
    let mut config = definition(&mut table, name, kind);
    let queue: Option<String> = table.get("queue");
    if let Some(queue) = queue.and_then(|raw| table.keep("queue", QueueName::parse(&raw))) {
        config = config.with_queue(queue);
    }
    config.labels.insert(FILE_LABEL.0.to_owned(), FILE_LABEL.1.to_owned());
    let start = table.get("start").unwrap_or(true);
    table.refuse_unknown();
    // A missing key has a violation already, and needs none for being empty.
    if !config.name.is_empty()
        && let Err(bad) = config.id()
    {
        for violation in bad.iter() {
            violations.add("name", violation.description.clone());
        }
    }
    check(&config, violations);
    FileActor { config, start }
}

/// Reads the keys that every definition has.
pub(super) fn definition(table: &mut Table<'_>, name: String, kind: ScriptType) -> ActorConfig {
    let binary: PathBuf = table.get("binary_path").unwrap_or_default();
    let mut config = ActorConfig::new(name, binary, kind);
    config.args = table.get("args").unwrap_or_default();
    config.env = table.texts("env");
    config.env_from_file = table.get("env_from_file").unwrap_or_default();
    config.secret_env = table.get("secret_env").unwrap_or_default();
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
    config
}

/// Records the violations of a whole definition.
pub(super) fn check(config: &ActorConfig, violations: &mut Violations) {
    if let Err(limits) = config.validate() {
        for violation in limits.iter() {
            violations.add(violation.field.clone(), violation.description.clone());
        }
    }
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
    policy.backoff = table.backoff(policy.backoff);
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

/// Reads the fields of a health policy that are set; others have the values of the script type.
pub(super) fn health_policy(table: &mut Table<'_>) -> HealthSettings {
    let actions = [("restart", UnhealthyAction::Restart), ("report_only", UnhealthyAction::ReportOnly)];
    HealthSettings {
        idle_after: table.span("idle_after"),
        ping_timeout: table.span("ping_timeout"),
        retry_after: table.span("ping_interval_after_failure"),
        failure_threshold: table.get("failure_threshold"),
        action: table.word("action", &actions),
    }
}

#[cfg(test)]
mod tests;

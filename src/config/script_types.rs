//! `[script_type.osis]` of the configuration file: declared settings of script types.
//!
//! The keys are the fields of `ScriptTypeSettings` in the contract. A part that the file has (`scaling_policy`,
//! `health_policy`, `job_defaults`, `actor_template`, `max_queue_depth`, `priority_ageing`, `flow_rules`) replaces the whole stored part. A part that
//! the file lacks stays as it is stored.

use std::path::Path;
use std::time::Duration;

use figment::value::{Dict, Value};

use super::table::Table;
use super::{Problem, actors, flow};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::flow::FlowRules;
use crate::domain::model::health::HealthPolicy;
use crate::domain::model::job::{JobSpec, RetryPolicy, check_ageing};
use crate::domain::model::queue_name::TypedQueue;
use crate::domain::model::scaling::{ScaleScope, ScalingMode, ScalingPolicy};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::{JobSettings, ScriptTypeSettings, UnsetFields};
use crate::domain::model::violation::Violations;
use crate::domain::script_types::update::usual_name;

/// The key of the tables.
pub(super) const KEY: &str = "script_type";

/// The settings of a script type that a file declares.
#[derive(Debug, Clone, PartialEq)]
pub struct FileScriptType {
    /// The script type.
    pub script_type: ScriptType,
    /// The scaling policy.
    pub scaling: Option<ScalingPolicy>,
    /// The health policy.
    pub health: Option<HealthPolicy>,
    /// The defaults of jobs.
    pub job_defaults: Option<JobSettings>,
    /// Most waiting jobs.
    pub max_queue_depth: Option<u32>,
    /// Time by which a waiting job gains a level of priority.
    pub priority_ageing: Option<Duration>,
    /// Rules of flow by key.
    pub flow: Option<FlowRules>,
    /// The definition from which scaling creates actors.
    pub template: Option<ActorConfig>,
}

impl FileScriptType {
    /// Returns the stored settings with the declared parts in their place.
    pub fn over(&self, kept: ScriptTypeSettings) -> ScriptTypeSettings {
        let mut rules = kept;
        if let Some(scaling) = self.scaling {
            // A number of actors that a caller has requested stays until the file declares one.
            let replicas = scaling.replicas.or(rules.scaling.replicas);
            rules.scaling = ScalingPolicy { replicas, ..scaling };
        }
        rules.health = self.health.unwrap_or(rules.health);
        rules.job_defaults = self.job_defaults.unwrap_or(rules.job_defaults);
        rules.max_queue_depth = self.max_queue_depth.or(rules.max_queue_depth);
        rules.priority_ageing = self.priority_ageing.or(rules.priority_ageing);
        if let Some(flow) = &self.flow {
            rules.flow = flow.clone();
        }
        rules
    }
}

/// The settings of a file, and its violations.
#[derive(Debug, Default)]
pub(super) struct FileScriptTypes {
    pub(super) rules: Vec<FileScriptType>,
    /// The tables as they were written.
    pub(super) raw: Dict,
    pub(super) problems: Vec<Problem>,
}

/// Reads the `[script_type.TYPE]` tables of a file.
pub(super) fn read(value: Option<&Value>, file: &Path) -> FileScriptTypes {
    let mut violations = Violations::new();
    let raw: Dict = match value.map(Value::deserialize) {
        None => Dict::new(),
        Some(Ok(tables)) => tables,
        Some(Err(_not_tables)) => {
            violations.add(KEY, "is not a table: write the rules of each type as [script_type.osis]");
            Dict::new()
        }
    };
    let mut rules = Vec::with_capacity(raw.len());
    for (name, value) in &raw {
        let path = format!("{KEY}.{name}");
        let Some(kind) = violations.keep(&path, ScriptType::parse(name)) else { continue };
        let Some(table) =
            violations.keep(&path, value.deserialize::<Dict>().map_err(|_| "is not a table".to_owned()))
        else {
            continue;
        };
        let mut part = Violations::new();
        let mut table = Table::new(&table, &mut part);
        rules.push(settings(kind.into(), &mut table));
        table.refuse_unknown();
        violations.nest(&path, part);
    }
    FileScriptTypes { rules, raw, problems: actors::problems(&violations, file) }
}

/// Reads the settings of a queue; those of a script type are those of its default queue.
pub(super) fn settings(queue: TypedQueue, table: &mut Table<'_>) -> FileScriptType {
    let script_type = queue.script_type;
    FileScriptType {
        script_type,
        scaling: table.part("scaling_policy", scaling_policy),
        health: table.part("health_policy", |table| {
            let said = actors::health_policy(table);
            table.append(said.validate());
            said.over(HealthPolicy::default())
        }),
        job_defaults: table.part("job_defaults", |table| job_defaults(script_type, table)),
        max_queue_depth: table.get("max_queue_depth"),
        priority_ageing: priority_ageing(table),
        flow: flow::flow_rules(table),
        template: table.part("actor_template", |table| {
            // Scaling replaces this name by that of the new actor in arguments and variables.
            let config =
                actors::definition(table, usual_name(queue.name), script_type).with_queue(queue.name);
            let mut violations = Violations::new();
            actors::check(&config, &mut violations);
            table.append(violations.into_result());
            config
        }),
    }
}

fn priority_ageing(table: &mut Table<'_>) -> Option<Duration> {
    let span = table.span("priority_ageing")?;
    table.keep("priority_ageing", check_ageing(span))
}

fn scaling_policy(table: &mut Table<'_>) -> ScalingPolicy {
    let usual = ScalingPolicy::default();
    let modes = [("fixed", ScalingMode::Fixed), ("auto", ScalingMode::Auto)];
    let mode = table.word("mode", &modes).unwrap_or_default();
    let max_replicas: Option<u32> = table.get("max_replicas");
    if mode == ScalingMode::Auto && max_replicas.is_none() {
        table.wrong("max_replicas", "is not set: say how many actors there may be");
    }
    let min_replicas = table.get("min_replicas").unwrap_or(0);
    let scopes = [("node", ScaleScope::Node), ("fleet", ScaleScope::Fleet)];
    let policy = ScalingPolicy {
        mode,
        scope: table.word("scope", &scopes).unwrap_or_default(),
        replicas: table.get("replicas"),
        min_replicas,
        max_replicas: max_replicas.unwrap_or_else(|| usual.max_replicas.max(min_replicas)),
        target_jobs_per_actor: table.get("target_jobs_per_actor").unwrap_or(usual.target_jobs_per_actor),
        max_queue_age: table.span("max_queue_age"),
        scale_out_delay: table.span("scale_out_delay").unwrap_or(usual.scale_out_delay),
        scale_in_delay: table.span("scale_in_delay").unwrap_or(usual.scale_in_delay),
        scale_to_zero_delay: table.span("scale_to_zero_delay").unwrap_or(usual.scale_to_zero_delay),
        max_step_out: table.get("max_step_out").unwrap_or(0),
        max_step_in: table.get("max_step_in").unwrap_or(0),
        drain_timeout: table.span("drain_timeout"),
    };
    table.append(policy.validate());
    policy
}

/// Reads job defaults, and checks them as those of a job.
fn job_defaults(script_type: ScriptType, table: &mut Table<'_>) -> JobSettings {
    let settings = JobSettings {
        run_timeout: table.span("run_timeout"),
        queue_timeout: table.span("queue_timeout"),
        result_ttl: table.span("result_ttl"),
        retry: table.part("retry_policy", retry_policy),
    };
    let open = UnsetFields { run_timeout: true, queue_timeout: true, result_ttl: true, retry: true };
    let mut job = JobSpec::new(script_type, "checked");
    settings.fill(&mut job, open);
    table.append(job.validate());
    settings
}

fn retry_policy(table: &mut Table<'_>) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    if let Some(attempts) = table.get("max_attempts") {
        policy.max_attempts = attempts;
    }
    policy.backoff = table.backoff(policy.backoff);
    policy
}

#[cfg(test)]
mod tests;

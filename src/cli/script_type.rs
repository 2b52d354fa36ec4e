//! `script-type`: shows script types and changes their settings.

mod flow;
mod set;

use std::fmt::Display;
use std::time::Duration;

use clap::Subcommand;

use super::values::{self, duration, or_dash, script_type_word, time, to_proto, word};
use super::{ClientArgs, Exit, Failure, client, queue, table};
use crate::domain::model::job::JobSpec;
use crate::domain::model::script_type::ScriptType;
use crate::proto::{self, ActorView, ScriptTypeStatus};

pub use set::SetArgs;
pub(super) use set::SettingsArgs;

/// Verbs of `script-type`.
#[derive(Debug, Subcommand)]
pub enum ScriptTypeCommand {
    /// List script types with their jobs and actors
    #[command(visible_alias = "list")]
    Ls,
    /// Show one script type with its settings
    Get {
        /// Script type: osis, sal, v or python
        #[arg(value_name = "TYPE", value_parser = values::script_type)]
        script_type: proto::ScriptType,
        /// Include the values of the template's environment variables, which may be secrets (only in --output json)
        #[arg(long)]
        env: bool,
    },
    /// Change settings; settings without a flag stay as they are
    Set(Box<SetArgs>),
}

pub(super) async fn run(client: ClientArgs, verb: ScriptTypeCommand) -> Result<Exit, Failure> {
    let out = client.printer();
    let mut server = client.connect().await?;
    match verb {
        ScriptTypeCommand::Ls => {
            let request = proto::ListScriptTypesRequest {};
            let answer = server.list_script_types(client::call(request)).await?.into_inner();
            out.listing(&answer, queue::names(&answer.script_types), || queue::rows(&answer.script_types))?;
        }
        ScriptTypeCommand::Get { script_type, env } => {
            let view = if env { ActorView::Full } else { ActorView::Basic };
            let request = proto::GetScriptTypeRequest { script_type: script_type.into(), view: view.into() };
            let answer = server.get_script_type(client::call(request)).await?.into_inner();
            out.response(&answer, queue::names(&answer.status), || shown(&answer.status))?;
        }
        ScriptTypeCommand::Set(set) => {
            let request = set.into_request()?;
            let answer = server.update_script_type(client::call(request)).await?.into_inner();
            out.response(&answer, queue::names(&answer.status), || shown(&answer.status))?;
        }
    }
    Ok(Exit::Ok)
}

/// Renders one script type or queue for people, with the defaults that are in force.
pub(super) fn shown(status: &Option<ScriptTypeStatus>) -> String {
    let status = status.clone().unwrap_or_default();
    let settings = status.settings.clone().unwrap_or_default();
    let scaling = settings.scaling_policy.unwrap_or_default();
    let health = settings.health_policy.unwrap_or_default();
    let jobs = settings.job_defaults.unwrap_or_default();
    let usual = JobSpec::new(ScriptType::OSIS, "");
    let count = |count: Option<i32>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let span = |set: Option<prost_types::Duration>, usual: Option<Duration>| match (set, usual) {
        (None, Some(usual)) => by_default(duration(to_proto(usual))),
        (None, None) => by_default("none".to_owned()),
        (set, _) => duration(set),
    };
    let queue = if status.paused { "paused" } else { "open" };
    let decided = status.last_scaling_decision.as_ref();
    let attempts = jobs.retry_policy.and_then(|policy| policy.max_attempts);
    let mut facts = vec![
        ("type", script_type_word(status.script_type)),
        ("queue", queue.to_owned()),
        ("pause reason", or_dash(&status.pause_reason)),
        ("queued / running / delayed", three(status.jobs_queued, status.jobs_running, status.jobs_delayed)),
        ("actors / running / busy", three(status.actors_total, status.actors_running, status.actors_busy)),
        ("actors wanted", count(status.desired_replicas)),
        ("mode", word(scaling.mode().as_str_name(), "MODE_")),
        ("min", count(scaling.min_replicas)),
        ("max", count(scaling.max_replicas)),
        ("target", count(scaling.target_jobs_per_actor)),
        ("max queue age", span(scaling.max_queue_age, None)),
        ("scale-out delay", duration(scaling.scale_out_delay)),
        ("scale-in delay", duration(scaling.scale_in_delay)),
        ("scale-to-zero delay", duration(scaling.scale_to_zero_delay)),
        ("priority ageing", duration(settings.priority_ageing)),
        ("flow rules", flow::describe(&settings.flow_rules)),
        ("queue limit", depth(settings.max_queue_depth, status.queue_limit)),
        ("idle after", duration(health.idle_after)),
        ("ping timeout", duration(health.ping_timeout)),
        ("failure threshold", count(health.failure_threshold)),
        ("run timeout", span(jobs.run_timeout, Some(usual.run_timeout))),
        ("queue timeout", span(jobs.queue_timeout, usual.queue_timeout)),
        ("result ttl", span(jobs.result_ttl, Some(usual.result_ttl))),
        ("attempts", attempts.map_or_else(|| by_default(usual.retry.max_attempts), |most| most.to_string())),
        ("template", settings.actor_template.map_or_else(|| by_default("as the first actor"), command)),
        ("last scaling", decided.map_or_else(|| "-".to_owned(), |decision| or_dash(&decision.reason))),
        ("next scaling", time(status.next_scaling_time)),
    ];
    if !status.queue.is_empty() {
        facts.insert(0, ("name", status.queue.clone()));
    }
    table(["FACT", "VALUE"], facts.into_iter().map(|(name, value)| [name.to_owned(), value]))
}

/// Marks a value that nobody has set.
fn by_default(value: impl Display) -> String {
    format!("{value} (default)")
}

/// Renders the most jobs that may wait, from the settings and as it is in force.
fn depth(set: Option<i32>, in_force: Option<i64>) -> String {
    match (set, in_force) {
        (Some(0), _) => "none".to_owned(),
        (Some(most), _) => most.to_string(),
        (None, Some(most)) => by_default(most),
        // An older server does not tell.
        (None, None) => by_default("queue_limit of the server"),
    }
}

/// Renders the command of a template.
fn command(template: proto::ActorConfig) -> String {
    std::iter::once(template.binary_path).chain(template.args).collect::<Vec<_>>().join(" ")
}

fn three(first: i32, second: i32, third: i32) -> String {
    format!("{first} / {second} / {third}")
}

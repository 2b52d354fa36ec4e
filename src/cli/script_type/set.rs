//! `script-type set` and `queue update`: the given flags become the update mask.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use prost_types::FieldMask;

use super::flow::flow_rule;
use crate::cli::Failure;
use crate::cli::actor::{OnUnhealthy, absolute};
use crate::cli::values::{self, pair, span, to_proto};
use crate::proto::{
    self, ActorConfig, FlowRule, HealthPolicy, JobDefaults, RetryPolicy, ScalingPolicy, ScriptTypeSettings,
    UpdateScriptTypeRequest, actor_config, scaling_policy,
};

/// The settings of a script type.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Script type: osis, sal, v or python
    #[arg(value_name = "TYPE", value_parser = values::script_type)]
    script_type: proto::ScriptType,
    /// The settings.
    #[command(flatten)]
    settings: SettingsArgs,
}

impl SetArgs {
    pub(super) fn into_request(self) -> Result<UpdateScriptTypeRequest, Failure> {
        let (settings, paths) = self.settings.into_change(self.script_type)?;
        Ok(UpdateScriptTypeRequest {
            script_type: self.script_type.into(),
            settings: Some(settings),
            update_mask: Some(FieldMask { paths }),
            validate_only: false,
        })
    }
}

/// The settings of a queue.
#[derive(Debug, Args)]
pub(in crate::cli) struct SettingsArgs {
    /// The way in which the number of actors is decided
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Machines over which the numbers of actors count
    #[arg(long, value_enum)]
    scope: Option<values::ScopeWord>,
    /// Least number of actors in automatic scaling
    #[arg(long, value_name = "N")]
    min: Option<i32>,
    /// Largest number of actors in automatic scaling
    #[arg(long, value_name = "N")]
    max: Option<i32>,
    /// Queued and running jobs for each actor in automatic scaling
    #[arg(long, value_name = "N")]
    target: Option<i32>,
    /// Age of the oldest queued job above which an actor is added
    #[arg(long, value_name = "TIME", value_parser = span)]
    max_queue_age: Option<Duration>,
    /// Time for which a higher need must last before actors are added
    #[arg(long, value_name = "TIME", value_parser = span)]
    scale_out_delay: Option<Duration>,
    /// Time whose highest need counts when actors are removed
    #[arg(long, value_name = "TIME", value_parser = span)]
    scale_in_delay: Option<Duration>,
    /// Time for which the queue must be empty before the last actor is removed
    #[arg(long, value_name = "TIME", value_parser = span)]
    scale_to_zero_delay: Option<Duration>,
    /// Most actors added at once; 0 means any number
    #[arg(long, value_name = "N")]
    max_step_out: Option<i32>,
    /// Most actors removed at once; 0 means any number
    #[arg(long, value_name = "N")]
    max_step_in: Option<i32>,
    /// Time for the jobs of a removed actor to finish
    #[arg(long, value_name = "TIME", value_parser = span)]
    scale_drain_timeout: Option<Duration>,
    /// Most waiting jobs; 0 means no limit
    #[arg(long, value_name = "N")]
    queue_limit: Option<i32>,
    /// Time by which a waiting job gains a level of priority; 0s means never
    #[arg(long, value_name = "TIME", value_parser = span)]
    priority_ageing: Option<Duration>,
    /// Rule of flow by key, such as key=acme,weight=4,max-running=3,max-queued=100,rate=100/1m,burst=20,paused=REASON,until=10m;
    /// without a key, that of all other keys. Can be repeated; replaces all rules
    #[arg(long, value_name = "RULE", value_parser = flow_rule)]
    flow_rule: Vec<FlowRule>,
    /// Time without a job after which an actor is pinged
    #[arg(long, value_name = "TIME", value_parser = span)]
    idle_after: Option<Duration>,
    /// Time after which an unanswered ping is missed
    #[arg(long, value_name = "TIME", value_parser = span)]
    ping_timeout: Option<Duration>,
    /// Missed pings in a row that make an actor unhealthy
    #[arg(long, value_name = "N")]
    failure_threshold: Option<i32>,
    /// Time between a missed ping and the next one
    #[arg(long, value_name = "TIME", value_parser = span)]
    ping_retry: Option<Duration>,
    /// Action for an unhealthy actor
    #[arg(long, value_enum, value_name = "WHAT")]
    on_unhealthy: Option<OnUnhealthy>,
    /// Default time limit of an attempt
    #[arg(long, value_name = "TIME", value_parser = span)]
    run_timeout: Option<Duration>,
    /// Default time for which a job is kept after its end
    #[arg(long, value_name = "TIME", value_parser = span)]
    result_ttl: Option<Duration>,
    /// Default time limit of the wait for an actor
    #[arg(long, value_name = "TIME", value_parser = span)]
    queue_timeout: Option<Duration>,
    /// Default number of attempts
    #[arg(long, value_name = "N")]
    max_attempts: Option<i32>,
    /// Default delay before the second attempt; it doubles with each further one
    #[arg(long, value_name = "TIME", value_parser = span)]
    retry_backoff: Option<Duration>,
    /// Default longest delay between two attempts
    #[arg(long, value_name = "TIME", value_parser = span)]
    max_retry_backoff: Option<Duration>,
    /// Program of a new actor template, which the other template flags complete
    #[arg(long, value_name = "PATH")]
    template_binary: Option<PathBuf>,
    /// Environment variable of the template; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "template_binary")]
    template_env: Vec<(String, String)>,
    /// Label of the template; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "template_binary")]
    template_label: Vec<(String, String)>,
    /// Count actors of the template as started once their process runs: for programs without the actor protocol
    #[arg(long, requires = "template_binary")]
    template_process: bool,
    /// Reset a setting to its default; can be repeated
    #[arg(long, value_name = "RULE", value_parser = PossibleValuesParser::new(RULES.map(|(flag, _)| flag)))]
    clear: Vec<String>,
    /// Arguments of the template's program, after `--`; QUEUE_actor_0 in them becomes the name of the new actor
    #[arg(last = true, value_name = "ARG", requires = "template_binary")]
    template_args: Vec<String>,
}

/// The settings: name of the flag, and field of the API.
const RULES: [(&str, &str); 26] = [
    ("mode", "scaling_policy.mode"),
    ("scope", "scaling_policy.scope"),
    ("min", "scaling_policy.min_replicas"),
    ("max", "scaling_policy.max_replicas"),
    ("target", "scaling_policy.target_jobs_per_actor"),
    ("max-queue-age", "scaling_policy.max_queue_age"),
    ("scale-out-delay", "scaling_policy.scale_out_delay"),
    ("scale-in-delay", "scaling_policy.scale_in_delay"),
    ("scale-to-zero-delay", "scaling_policy.scale_to_zero_delay"),
    ("max-step-out", "scaling_policy.max_step_out"),
    ("max-step-in", "scaling_policy.max_step_in"),
    ("scale-drain-timeout", "scaling_policy.drain_timeout"),
    ("queue-limit", "max_queue_depth"),
    ("priority-ageing", "priority_ageing"),
    ("flow-rule", "flow_rules"),
    ("idle-after", "health_policy.idle_after"),
    ("ping-timeout", "health_policy.ping_timeout"),
    ("ping-retry", "health_policy.ping_interval_after_failure"),
    ("failure-threshold", "health_policy.failure_threshold"),
    ("on-unhealthy", "health_policy.action"),
    ("run-timeout", "job_defaults.run_timeout"),
    ("queue-timeout", "job_defaults.queue_timeout"),
    ("result-ttl", "job_defaults.result_ttl"),
    ("max-attempts", "job_defaults.retry_policy.max_attempts"),
    ("retry-backoff", "job_defaults.retry_policy.initial_backoff"),
    ("max-retry-backoff", "job_defaults.retry_policy.max_backoff"),
];

/// The way in which the number of actors is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// By the supervisor, from the number of jobs
    Auto,
    /// By callers, with `scale`
    Fixed,
}

impl SettingsArgs {
    /// Returns the settings and the API names of those that change.
    ///
    /// # Errors
    /// Nothing to change; a setting that is given and reset; a path that cannot be made absolute.
    pub(in crate::cli) fn into_change(
        mut self,
        script_type: proto::ScriptType,
    ) -> Result<(ScriptTypeSettings, Vec<String>), Failure> {
        let paths = self.paths()?;
        if paths.is_empty() {
            return Err(Failure::usage("nothing to set: name at least one rule, for instance --max 4"));
        }
        let actor_template = self.template(script_type)?;
        let mode = match self.mode {
            Some(Mode::Auto) => scaling_policy::Mode::Auto,
            Some(Mode::Fixed) => scaling_policy::Mode::Fixed,
            None => scaling_policy::Mode::Unspecified,
        };
        let settings = ScriptTypeSettings {
            scaling_policy: Some(ScalingPolicy {
                mode: mode.into(),
                scope: values::scale_scope(self.scope).into(),
                min_replicas: self.min,
                max_replicas: self.max,
                target_jobs_per_actor: self.target,
                max_queue_age: self.max_queue_age.and_then(to_proto),
                scale_out_delay: self.scale_out_delay.and_then(to_proto),
                scale_in_delay: self.scale_in_delay.and_then(to_proto),
                scale_to_zero_delay: self.scale_to_zero_delay.and_then(to_proto),
                max_step_out: self.max_step_out,
                max_step_in: self.max_step_in,
                drain_timeout: self.scale_drain_timeout.and_then(to_proto),
                ..Default::default()
            }),
            health_policy: Some(HealthPolicy {
                idle_after: self.idle_after.and_then(to_proto),
                ping_timeout: self.ping_timeout.and_then(to_proto),
                ping_interval_after_failure: self.ping_retry.and_then(to_proto),
                failure_threshold: self.failure_threshold,
                action: self.on_unhealthy.map(OnUnhealthy::action).unwrap_or_default().into(),
                ..Default::default()
            }),
            job_defaults: Some(JobDefaults {
                run_timeout: self.run_timeout.and_then(to_proto),
                queue_timeout: self.queue_timeout.and_then(to_proto),
                result_ttl: self.result_ttl.and_then(to_proto),
                retry_policy: Some(RetryPolicy {
                    max_attempts: self.max_attempts,
                    initial_backoff: self.retry_backoff.and_then(to_proto),
                    max_backoff: self.max_retry_backoff.and_then(to_proto),
                }),
            }),
            max_queue_depth: self.queue_limit,
            priority_ageing: self.priority_ageing.and_then(to_proto),
            flow_rules: self.flow_rule,
            actor_template,
        };
        Ok((settings, paths))
    }

    /// Returns the API names of the fields that are given or reset.
    fn paths(&self) -> Result<Vec<String>, Failure> {
        let given = [
            self.mode.is_some(),
            self.scope.is_some(),
            self.min.is_some(),
            self.max.is_some(),
            self.target.is_some(),
            self.max_queue_age.is_some(),
            self.scale_out_delay.is_some(),
            self.scale_in_delay.is_some(),
            self.scale_to_zero_delay.is_some(),
            self.max_step_out.is_some(),
            self.max_step_in.is_some(),
            self.scale_drain_timeout.is_some(),
            self.queue_limit.is_some(),
            self.priority_ageing.is_some(),
            !self.flow_rule.is_empty(),
            self.idle_after.is_some(),
            self.ping_timeout.is_some(),
            self.ping_retry.is_some(),
            self.failure_threshold.is_some(),
            self.on_unhealthy.is_some(),
            self.run_timeout.is_some(),
            self.queue_timeout.is_some(),
            self.result_ttl.is_some(),
            self.max_attempts.is_some(),
            self.retry_backoff.is_some(),
            self.max_retry_backoff.is_some(),
        ];
        let mut paths = Vec::new();
        for ((flag, path), given) in RULES.into_iter().zip(given) {
            let cleared = self.clear.iter().any(|cleared| cleared == flag);
            if cleared && given {
                let both = format!("--clear {flag} and --{flag} are given: one of them is not meant");
                return Err(Failure::usage(both));
            }
            if cleared || given {
                paths.push(path.to_owned());
            }
        }
        if self.template_binary.is_some() {
            paths.push("actor_template".to_owned());
        }
        Ok(paths)
    }

    /// Returns the template of the flags.
    fn template(&mut self, script_type: proto::ScriptType) -> Result<Option<ActorConfig>, Failure> {
        let Some(binary) = self.template_binary.take() else { return Ok(None) };
        let readiness = match self.template_process {
            true => actor_config::Readiness::Process,
            false => actor_config::Readiness::Unspecified,
        };
        Ok(Some(ActorConfig {
            script_type: script_type.into(),
            binary_path: absolute(binary)?,
            args: std::mem::take(&mut self.template_args),
            env: self.template_env.drain(..).collect(),
            labels: self.template_label.drain(..).collect(),
            readiness: readiness.into(),
            ..Default::default()
        }))
    }
}

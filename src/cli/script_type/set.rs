//! `script-type set`: what was given becomes the mask.

use std::time::Duration;

use clap::{Args, ValueEnum};
use prost_types::FieldMask;

use crate::cli::Failure;
use crate::cli::values::{self, span, to_proto};
use crate::grpc::proto::{
    self, HealthPolicy, JobDefaults, ScalingPolicy, ScriptTypeSettings, UpdateScriptTypeRequest,
    scaling_policy,
};

/// The rules of a script type.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The script type: osis, sal, v or python
    #[arg(value_name = "TYPE", value_parser = values::script_type)]
    script_type: proto::ScriptType,
    /// Who decides how many actors there are
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Least number of actors with automatic scaling
    #[arg(long, value_name = "N")]
    min: Option<i32>,
    /// Largest number of actors with automatic scaling
    #[arg(long, value_name = "N")]
    max: Option<i32>,
    /// Jobs for each actor with automatic scaling
    #[arg(long, value_name = "N")]
    target: Option<i32>,
    /// Add an actor whenever the oldest job has waited longer than this
    #[arg(long, value_name = "TIME", value_parser = span)]
    max_queue_age: Option<Duration>,
    /// A need must last this long before actors are added
    #[arg(long, value_name = "TIME", value_parser = span)]
    scale_out_delay: Option<Duration>,
    /// The highest need within this time counts when actors are removed
    #[arg(long, value_name = "TIME", value_parser = span)]
    scale_in_delay: Option<Duration>,
    /// The queue must be empty for this long before the last actor is removed
    #[arg(long, value_name = "TIME", value_parser = span)]
    scale_to_zero_delay: Option<Duration>,
    /// Jobs that may wait; 0 means no limit
    #[arg(long, value_name = "N")]
    queue_limit: Option<i32>,
    /// Ping an actor that has had no job for this long
    #[arg(long, value_name = "TIME", value_parser = span)]
    idle_after: Option<Duration>,
    /// A ping that takes longer is missed
    #[arg(long, value_name = "TIME", value_parser = span)]
    ping_timeout: Option<Duration>,
    /// Missed pings in a row that make an actor unhealthy
    #[arg(long, value_name = "N")]
    failure_threshold: Option<i32>,
    /// How long a job may run when its caller does not say
    #[arg(long, value_name = "TIME", value_parser = span)]
    run_timeout: Option<Duration>,
    /// How long a result is kept when the caller does not say
    #[arg(long, value_name = "TIME", value_parser = span)]
    result_ttl: Option<Duration>,
}

/// Who decides how many actors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// The supervisor, by the number of jobs
    Auto,
    /// Somebody, with `scale`
    Fixed,
}

impl SetArgs {
    pub(super) fn into_request(self) -> Result<UpdateScriptTypeRequest, Failure> {
        let paths = self.paths();
        if paths.is_empty() {
            return Err(Failure::usage("nothing to set: name at least one rule, for instance --max 4"));
        }
        let mode = match self.mode {
            Some(Mode::Auto) => scaling_policy::Mode::Auto,
            Some(Mode::Fixed) => scaling_policy::Mode::Fixed,
            None => scaling_policy::Mode::Unspecified,
        };
        let settings = ScriptTypeSettings {
            scaling_policy: Some(ScalingPolicy {
                mode: mode.into(),
                min_replicas: self.min,
                max_replicas: self.max,
                target_jobs_per_actor: self.target,
                max_queue_age: self.max_queue_age.and_then(to_proto),
                scale_out_delay: self.scale_out_delay.and_then(to_proto),
                scale_in_delay: self.scale_in_delay.and_then(to_proto),
                scale_to_zero_delay: self.scale_to_zero_delay.and_then(to_proto),
                ..Default::default()
            }),
            health_policy: Some(HealthPolicy {
                idle_after: self.idle_after.and_then(to_proto),
                ping_timeout: self.ping_timeout.and_then(to_proto),
                failure_threshold: self.failure_threshold,
                ..Default::default()
            }),
            job_defaults: Some(JobDefaults {
                run_timeout: self.run_timeout.and_then(to_proto),
                result_ttl: self.result_ttl.and_then(to_proto),
                ..Default::default()
            }),
            max_queue_depth: self.queue_limit,
            ..Default::default()
        };
        Ok(UpdateScriptTypeRequest {
            script_type: self.script_type.into(),
            settings: Some(settings),
            update_mask: Some(FieldMask { paths }),
        })
    }

    /// The fields that were given, as the API names them.
    fn paths(&self) -> Vec<String> {
        let given = [
            (self.mode.is_some(), "scaling_policy.mode"),
            (self.min.is_some(), "scaling_policy.min_replicas"),
            (self.max.is_some(), "scaling_policy.max_replicas"),
            (self.target.is_some(), "scaling_policy.target_jobs_per_actor"),
            (self.max_queue_age.is_some(), "scaling_policy.max_queue_age"),
            (self.scale_out_delay.is_some(), "scaling_policy.scale_out_delay"),
            (self.scale_in_delay.is_some(), "scaling_policy.scale_in_delay"),
            (self.scale_to_zero_delay.is_some(), "scaling_policy.scale_to_zero_delay"),
            (self.queue_limit.is_some(), "max_queue_depth"),
            (self.idle_after.is_some(), "health_policy.idle_after"),
            (self.ping_timeout.is_some(), "health_policy.ping_timeout"),
            (self.failure_threshold.is_some(), "health_policy.failure_threshold"),
            (self.run_timeout.is_some(), "job_defaults.run_timeout"),
            (self.result_ttl.is_some(), "job_defaults.result_ttl"),
        ];
        given.into_iter().filter(|(set, _)| *set).map(|(_, path)| path.to_owned()).collect()
    }
}

//! Fields of requests as the options that people type.

/// Fields that messages of the server name, and the option for each. A test looks for each of both.
const OPTIONS: &[(&str, &str)] = &[
    ("job_id", "--job-id"),
    ("request_id", "--request-id"),
    ("job.caller_id", "--caller"),
    ("job.context_id", "--context"),
    ("job.env", "--env"),
    ("job.labels", "--label"),
    ("job.queue_timeout", "--queue-timeout"),
    ("job.result_ttl", "--result-ttl"),
    ("job.priority", "--priority"),
    ("job.flow_key", "--flow-key"),
    ("job.unique.held_after_end", "--unique-after-end"),
    ("job.unique.held_while", "--unique-while"),
    ("job.unique.key", "--unique"),
    ("job.unique.on_conflict", "--on-conflict"),
    ("job.retry_policy.max_attempts", "--max-attempts"),
    ("job.run_timeout", "--run-timeout"),
    ("job.schedule_time", "--at"),
    ("job.target_actor_id", "--actor"),
    ("config.binary_path", "--binary"),
    ("config.binary_sha256", "--sha256"),
    ("config.dependencies", "--after"),
    ("config.drain_timeout", "--drain-timeout"),
    ("config.env", "--env"),
    ("config.env_from_file", "--env-from-file"),
    ("config.health_check", "--health-check"),
    ("config.health_policy.failure_threshold", "--failure-threshold"),
    ("config.health_policy.idle_after", "--idle-after"),
    ("config.health_policy.ping_timeout", "--ping-timeout"),
    ("config.labels", "--label"),
    ("config.restart_policy.initial_backoff", "--initial-backoff"),
    ("config.restart_policy.max_backoff", "--max-backoff"),
    ("config.restart_policy.max_restarts", "--max-restarts"),
    ("config.restart_policy.window", "--restart-window"),
    ("config.secret_env", "--secret-env"),
    ("config.start_timeout", "--start-timeout"),
    ("config.working_dir", "--working-dir"),
    ("settings.health_policy.failure_threshold", "--failure-threshold"),
    ("settings.health_policy.idle_after", "--idle-after"),
    ("settings.health_policy.ping_timeout", "--ping-timeout"),
    ("settings.health_policy.ping_interval_after_failure", "--ping-retry"),
    ("settings.job_defaults.queue_timeout", "--queue-timeout"),
    ("settings.job_defaults.result_ttl", "--result-ttl"),
    ("settings.job_defaults.retry_policy.initial_backoff", "--retry-backoff"),
    ("settings.job_defaults.retry_policy.max_attempts", "--max-attempts"),
    ("settings.job_defaults.retry_policy.max_backoff", "--max-retry-backoff"),
    ("settings.job_defaults.run_timeout", "--run-timeout"),
    ("settings.max_queue_depth", "--queue-limit"),
    ("settings.flow_rules", "--flow-rule"),
    ("settings.priority_ageing", "--priority-ageing"),
    ("settings.scaling_policy.drain_timeout", "--scale-drain-timeout"),
    ("settings.scaling_policy.max_queue_age", "--max-queue-age"),
    ("settings.scaling_policy.max_replicas", "--max"),
    ("settings.scaling_policy.max_step_in", "--max-step-in"),
    ("settings.scaling_policy.max_step_out", "--max-step-out"),
    ("settings.scaling_policy.min_replicas", "--min"),
    ("settings.scaling_policy.scale_in_delay", "--scale-in-delay"),
    ("settings.scaling_policy.scale_out_delay", "--scale-out-delay"),
    ("settings.scaling_policy.scale_to_zero_delay", "--scale-to-zero-delay"),
    ("settings.scaling_policy.scope", "--scope"),
    ("settings.scaling_policy.target_jobs_per_actor", "--target"),
];

/// Returns the option for a field, or else its path.
pub(super) fn option_of(field: &str) -> &str {
    OPTIONS.iter().find(|(path, _)| *path == field).map_or(field, |(_, option)| option)
}

/// Returns a message with the options in it in place of the fields that it names, as `FIELD: what is wrong`.
pub(super) fn with_options(message: &str) -> String {
    let word = |word: &str| match word.strip_suffix(':') {
        Some(field) => format!("{}:", option_of(field)),
        None => word.to_owned(),
    };
    message.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::descriptors;

    #[test]
    fn a_field_is_named_by_its_option() {
        let told = "invalid request: settings.scaling_policy.min_replicas: is more than max_replicas, 2";
        assert_eq!(with_options(told), "invalid request: --min: is more than max_replicas, 2");
        assert_eq!(with_options("requests[1].job.env: no"), "requests[1].job.env: no");
        assert_eq!(option_of("job.script"), "job.script");
    }

    #[test]
    fn each_field_and_each_option_is_there() {
        let requests = descriptors::requests();
        let of = |field: &str| match field.split('.').next() {
            Some("config") => ("CreateActor", "actor create"),
            Some("settings") => ("UpdateScriptType", "script-type set"),
            _other => ("SubmitJob", "job submit"),
        };
        for (field, option) in OPTIONS {
            let (call, line) = of(field);
            let mut message = Some(requests[call].clone());
            for name in field.split('.') {
                let within = message.take().unwrap_or_else(|| panic!("{field}: {name} is in no message"));
                let found = within.get_field_by_name(name).unwrap_or_else(|| panic!("{field}: no {name}"));
                message = found.kind().as_message().cloned();
            }
            let mut command = Cli::command();
            let mut place = &mut command;
            for verb in line.split(' ') {
                place = place.find_subcommand_mut(verb).unwrap();
            }
            let long = option.strip_prefix("--");
            assert!(place.get_arguments().any(|argument| argument.get_long() == long), "{line} {option}");
        }
    }
}

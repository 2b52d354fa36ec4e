//! Rules of a file, good and bad.

use std::time::{Duration, UNIX_EPOCH};

use crate::config::{Config, ConfigError, Env, Flags, Loaded};
use crate::domain::model::flow::FlowRate;
use crate::domain::model::health::UnhealthyAction;

use super::*;

fn load(text: &str) -> Result<Loaded, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("supervisor.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Config::layers(Some(path), Env::default(), Flags::default()))
}

const FULL: &str = r#"
lease = "20s"

[script_type.osis]
max_queue_depth = 1000
priority_ageing = "10m"

[script_type.osis.scaling_policy]
mode = "auto"
scope = "fleet"
replicas = 2
min_replicas = 1
max_replicas = 8
target_jobs_per_actor = 4
max_queue_age = "30s"
scale_out_delay = "1s"
scale_in_delay = "2m"
scale_to_zero_delay = "1h"
max_step_out = 3
max_step_in = 1
drain_timeout = "10s"

[script_type.osis.health_policy]
idle_after = "5m"
ping_timeout = "10s"
ping_interval_after_failure = "15s"
failure_threshold = 2
action = "report_only"

[script_type.osis.job_defaults]
run_timeout = "1m"
queue_timeout = "1h"
result_ttl = "2h"
retry_policy = { max_attempts = 3, initial_backoff = "2s", max_backoff = "20s" }

[script_type.osis.actor_template]
binary_path = "/usr/bin/osis_actor"
args = ["--actor-id", "osis_actor_0"]
env = { REDIS_URL = "redis://:s3cret@h:1" }

[script_type.sal.health_policy]
idle_after = "1m"
"#;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn every_key_is_read() {
    let loaded = load(FULL).unwrap();
    assert_eq!(loaded.config.lease, second(20));
    let [osis, sal] = loaded.script_types.as_slice() else { panic!("{loaded:?}") };
    assert_eq!((osis.script_type, osis.max_queue_depth), (ScriptType::OSIS, Some(1000)));
    assert_eq!(osis.priority_ageing, Some(second(600)));
    let scaling = ScalingPolicy {
        mode: ScalingMode::Auto,
        scope: ScaleScope::Fleet,
        replicas: Some(2),
        min_replicas: 1,
        max_replicas: 8,
        target_jobs_per_actor: 4,
        max_queue_age: Some(second(30)),
        scale_out_delay: second(1),
        scale_in_delay: second(120),
        scale_to_zero_delay: second(3600),
        max_step_out: 3,
        max_step_in: 1,
        drain_timeout: Some(second(10)),
    };
    assert_eq!(osis.scaling, Some(scaling));
    let health = osis.health.unwrap();
    assert_eq!((health.idle_after, health.ping_timeout), (second(300), second(10)));
    assert_eq!((health.retry_after, health.failure_threshold), (second(15), 2));
    assert_eq!(health.action, UnhealthyAction::ReportOnly);
    let jobs = osis.job_defaults.unwrap();
    assert_eq!((jobs.run_timeout, jobs.queue_timeout), (Some(second(60)), Some(second(3600))));
    let retry = jobs.retry.unwrap();
    assert_eq!((jobs.result_ttl, retry.max_attempts), (Some(second(7200)), 3));
    assert_eq!((retry.backoff.initial(), retry.backoff.max()), (second(2), second(20)));
    let template = osis.template.as_ref().unwrap();
    assert_eq!((template.name.as_str(), template.script_type), ("osis_actor_0", ScriptType::OSIS));
    assert_eq!(template.args, ["--actor-id", "osis_actor_0"]);
    assert!(template.labels.is_empty(), "what scaling makes is not the file's to prune");

    assert_eq!((sal.scaling, &sal.template, sal.max_queue_depth), (None, &None, None));
    let usual = HealthPolicy { idle_after: second(60), ..HealthPolicy::default() };
    assert_eq!(sal.health, Some(usual));
}

#[test]
fn a_part_that_the_file_has_is_as_it_says_and_the_rest_stays() {
    let mut kept = ScriptTypeSettings::new(ScriptType::SAL);
    kept.scaling.replicas = Some(5);
    kept.max_queue_depth = Some(7);
    kept.health.failure_threshold = 9;
    kept.generation = 3;
    let file =
        "[script_type.sal]\nhealth_policy = { idle_after = \"1m\" }\nscaling_policy = { max_replicas = 2 }";
    let rules = load(file).unwrap().script_types[0].over(kept.clone());
    assert_eq!(rules.health, HealthPolicy { idle_after: second(60), ..HealthPolicy::default() });
    assert_eq!((rules.scaling.replicas, rules.scaling.max_replicas), (Some(5), 2), "scaled by hand");
    assert_eq!(
        (rules.max_queue_depth, rules.job_defaults, rules.generation),
        (Some(7), kept.job_defaults, 3)
    );
    let number = load("[script_type.sal]\nscaling_policy = { replicas = 1 }").unwrap();
    assert_eq!(number.script_types[0].over(kept).scaling.replicas, Some(1));
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_the_path_of_its_key() {
    let told = load(
        r#"
        [script_type.perl]
        [script_type.osis]
        max_queue_dept = 1
        max_queue_depth = "many"
        [script_type.osis.scaling_policy]
        mode = "auto"
        scale_in_delay = "soon"
        [script_type.osis.job_defaults]
        run_timeout = "0s"
        retry_policy = { max_attempts = 0 }
        [script_type.osis.actor_template]
        script_type = "sal"
        [script_type.sal]
        priority_ageing = "1ms"
        scaling_policy = { min_replicas = 5, max_replicas = 2 }
        health_policy = { failure_threshold = 0, ping_timeout = "48h" }
        "#,
    )
    .unwrap_err()
    .to_string();
    for part in [
        "script_type.perl (",
        "script_type.osis.max_queue_dept (",
        "did you mean max_queue_depth?",
        "script_type.osis.max_queue_depth (",
        "script_type.osis.scaling_policy.max_replicas (",
        "say how many actors there may be",
        "script_type.osis.scaling_policy.scale_in_delay (",
        "script_type.osis.job_defaults.run_timeout (",
        "script_type.osis.job_defaults.retry_policy.max_attempts (",
        "script_type.osis.actor_template.script_type (",
        "script_type.sal.priority_ageing (",
        "or 0 for a strict order",
        "script_type.sal.scaling_policy.min_replicas (",
        "script_type.sal.health_policy.failure_threshold (",
        "script_type.sal.health_policy.ping_timeout (",
        "supervisor.toml",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    for bad in ["script_type = 7", "[script_type]\nosis = 7"] {
        assert!(load(bad).unwrap_err().to_string().contains("is not a table"), "{bad}");
    }
}

#[test]
fn flow_rules_are_read_and_what_is_wrong_is_told_by_its_place() {
    let loaded = load(
        r#"
        [[script_type.osis.flow_rules]]
        key = "acme"
        weight = 4
        max_running = 3
        rate = { jobs = 100, period = "1m" }
        [[script_type.osis.flow_rules]]
        max_queued = 10
        paused = { reason = "unpaid", until = "2027-01-31T12:00:00Z" }
        "#,
    )
    .unwrap();
    let flow = loaded.script_types[0].flow.clone().unwrap();
    assert_eq!((flow.weight_of("acme"), flow.weight_of("zoo")), (4, 1));
    let rate = FlowRate { jobs: 100, period: second(60), burst: 100 };
    assert_eq!((flow.rate_of("acme"), flow.rate_of("zoo")), (Some(rate), None));
    let others = flow.rule_of("zoo").unwrap();
    assert_eq!((others.key.as_deref(), others.max_queued), (None, Some(10)));
    let pause = others.paused.clone().unwrap();
    assert_eq!((pause.reason.as_str(), pause.until), ("unpaid", Some(UNIX_EPOCH + second(1_801_396_800))));
    let told = load(
        r#"
        [[script_type.osis.flow_rules]]
        key = "acme"
        weight = 0
        paused = { until = "soon" }
        [[script_type.osis.flow_rules]]
        key = "acme"
        max_runing = 3
        rate = { jobs = 0, period = "soon" }
        [[script_type.osis.flow_rules]]
        key = "zoo"
        rate = { jobs = 3, burst = 0, per = "1m" }
        "#,
    )
    .unwrap_err()
    .to_string();
    for part in [
        "flow_rules[0].weight",
        "use 1 to 1000",
        "paused.until",
        "flow_rules[1].key",
        "did you mean max_running?",
        "flow_rules[1].rate.jobs",
        "flow_rules[1].rate.period",
        "flow_rules[2].rate.period",
        "use 1 second to 24 hours",
        "flow_rules[2].rate.burst",
        "flow_rules[2].rate.per",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let none = load("[script_type.osis]\nflow_rules = []").unwrap();
    assert!(
        none.script_types[0].flow.as_ref().is_some_and(FlowRules::is_empty),
        "an empty list ends flow by key"
    );
}

#[test]
fn what_is_shown_hides_secrets_and_means_the_same_again() {
    let loaded = load(FULL).unwrap();
    let text = loaded.tables_toml(false);
    assert!(!text.contains("s3cret"), "{text}");
    let again = load(&text).unwrap();
    let unmasked = |rules: &[FileScriptType]| {
        let mut rules = rules.to_vec();
        for template in rules.iter_mut().filter_map(|rules| rules.template.as_mut()) {
            template.env.clear();
        }
        rules
    };
    assert_eq!(unmasked(&again.script_types), unmasked(&loaded.script_types), "{text}");
}

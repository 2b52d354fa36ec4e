mod properties;

use super::*;
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::job::JobSpec;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::proto as pb;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A time in the year 2128, later than every schedule of the properties.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(5_000_000_000)
}

fn fields(violations: &Violations) -> Vec<&str> {
    violations.iter().map(|violation| violation.field.as_str()).collect()
}

fn good_job() -> pb::JobSpec {
    let script_type = pb::ScriptType::Osis.into();
    pb::JobSpec { script_type, script: "40 + 2".to_owned(), ..Default::default() }
}

#[test]
fn every_wrong_field_of_a_job_is_named_as_the_caller_spelled_it() {
    let request = pb::RunJobRequest {
        job: Some(pb::JobSpec {
            script_type: 99,
            script: " ".to_owned(),
            input: "{".to_owned(),
            run_timeout: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
            result_ttl: Some(prost_types::Duration { seconds: i64::MAX, nanos: 0 }),
            schedule_time: Some(prost_types::Timestamp { seconds: i64::MIN, nanos: -1 }),
            retry_policy: Some(pb::RetryPolicy { max_attempts: Some(-1), ..Default::default() }),
            env: BTreeMap::from([("LD_PRELOAD".to_owned(), String::new())]),
            target_actor_id: "No Actor".to_owned(),
            priority: Some(6),
            ..Default::default()
        }),
        job_id: "no id".to_owned(),
        request_id: "no id".to_owned(),
        max_wait: Some(prost_types::Duration { seconds: 0, nanos: -1 }),
        on_wait_end: 77,
    };
    let violations = run_job(request, now()).unwrap_err();
    assert_eq!(
        fields(&violations),
        [
            "job_id",
            "request_id",
            "job.script_type",
            "job.input",
            "job.run_timeout",
            "job.retry_policy.max_attempts",
            "job.result_ttl",
            "job.schedule_time",
            "job.priority",
            "job.target_actor_id",
            "job.script",
            "job.env[\"LD_PRELOAD\"]",
            "max_wait",
            "on_wait_end",
        ]
    );
}

#[test]
fn every_wrong_field_of_an_actor_is_named_as_the_caller_spelled_it() {
    let request = pb::CreateActorRequest {
        actor_id: "No Actor".to_owned(),
        config: Some(pb::ActorConfig {
            script_type: 0,
            binary_path: "osis_actor".to_owned(),
            args: vec!["ok".to_owned(), "nul\0".to_owned()],
            readiness: 9,
            restart_policy: Some(pb::RestartPolicy {
                mode: 9,
                max_restarts: Some(-1),
                window: Some(prost_types::Duration { seconds: 1, nanos: 1_000_000_000 }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let violations = create_actor(request).unwrap_err();
    assert_eq!(
        fields(&violations),
        [
            "actor_id",
            "config.script_type",
            "config.readiness",
            "config.restart_policy.mode",
            "config.restart_policy.max_restarts",
            "config.restart_policy.window",
            "config.binary_path",
            "config.args[1]",
        ]
    );
}

#[test]
fn what_is_left_out_gets_its_default() {
    let run = run_job(pb::RunJobRequest { job: Some(good_job()), ..Default::default() }, now()).unwrap();
    assert_eq!(run.job.spec, JobSpec::new(ScriptType::OSIS, "40 + 2"));
    assert_eq!((run.job.job_id, run.job.request, run.max_wait, run.cancel), (None, None, None, false));
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::V.into(),
        binary_path: "/bin/v_actor".to_owned(),
        ..Default::default()
    };
    let actor_id = "v_actor_0".to_owned();
    let request = pb::CreateActorRequest { actor_id, config: Some(config), ..Default::default() };
    let create = create_actor(request).unwrap();
    let plain = ActorConfig::new("v_actor_0".to_owned(), PathBuf::from("/bin/v_actor"), ScriptType::V);
    assert_eq!(create.config, plain);
    assert!(create.start && !create.validate_only);
}

#[test]
fn the_same_content_has_the_same_fingerprint_however_it_is_asked_for() {
    let submit = |job: pb::JobSpec, job_id: &str, request_id: &str| {
        let (job_id, request_id) = (job_id.to_owned(), request_id.to_owned());
        let request = pb::SubmitJobRequest { job: Some(job), job_id, request_id };
        submit_job(request, now()).unwrap().request.unwrap().fingerprint
    };
    let first = submit(good_job(), "", "a");
    assert_eq!(first, submit(good_job(), "", "b"), "the request id is not content");
    assert_ne!(first, submit(good_job(), "mine", "a"), "the job id is");
    assert_ne!(first, submit(pb::JobSpec { caller_id: "x".to_owned(), ..good_job() }, "", "a"));
    let request = pb::RunJobRequest {
        job: Some(good_job()),
        request_id: "a".to_owned(),
        max_wait: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        on_wait_end: pb::run_job_request::OnWaitEnd::Cancel.into(),
        ..Default::default()
    };
    let run = run_job(request, now());
    assert_eq!(run.unwrap().job.request.unwrap().fingerprint, first, "how long one waits is not content");
}

#[test]
fn a_schedule_is_at_most_30_days_ahead() {
    let scheduled = |days: u64| {
        let time = now() + Duration::from_secs(days * 24 * 3600);
        let job = pb::JobSpec { schedule_time: Some(time.into()), ..good_job() };
        submit_job(pb::SubmitJobRequest { job: Some(job), ..Default::default() }, now())
    };
    assert!(scheduled(30).is_ok());
    assert_eq!(fields(&scheduled(31).unwrap_err()), ["job.schedule_time"]);
}

#[test]
fn an_empty_selector_is_refused_and_all_is_not() {
    assert_eq!(selector(None, None).unwrap_err().reason(), "SELECTOR_REQUIRED");
    let nobody = pb::ActorSelector::default();
    assert_eq!(selector(Some(nobody), None).unwrap_err().reason(), "SELECTOR_REQUIRED");
    let all = pb::ActorSelector { all: true, ..Default::default() };
    assert!(selector(Some(all), None).is_ok());
    let bad = pb::ActorSelector { script_types: vec![1, 0], ..Default::default() };
    assert_eq!(selector(Some(bad), None).unwrap_err().reason(), "INVALID_FIELD");
}

#[test]
fn a_number_of_actors_must_be_said_and_sensible() {
    for replicas in [None, Some(-1), Some(1001), Some(i32::MAX)] {
        let script_type = pb::ScriptType::Sal.into();
        let request = pb::ScaleActorsRequest { script_type, replicas, ..Default::default() };
        assert_eq!(fields(&scale_actors(request.clone()).unwrap_err()), ["replicas"], "{replicas:?}");
        let zero = pb::ScaleActorsRequest { replicas: Some(0), ..request };
        assert_eq!(scale_actors(zero).unwrap().replicas, 0);
    }
}

#[test]
fn page_sizes_and_filters_out_of_range_are_refused() {
    for page_size in [-1, 1001, i32::MIN, i32::MAX] {
        let request = pb::ListJobsRequest { page_size, ..Default::default() };
        assert_eq!(fields(&list_jobs(request).unwrap_err()), ["page_size"]);
        let request = pb::ListActorsRequest { page_size, ..Default::default() };
        assert_eq!(fields(&list_actors(request).unwrap_err()), ["page_size"]);
    }
    let request = pb::ListJobsRequest { states: vec![3, 0, 99], ..Default::default() };
    assert_eq!(fields(&list_jobs(request).unwrap_err()), ["states[1]", "states[2]"]);
}

#[test]
fn a_backoff_that_is_not_given_makes_room_for_the_one_that_is() {
    let span = |millis: u64| prost_types::Duration::try_from(Duration::from_millis(millis)).ok();
    let of = |initial: Option<u64>, max: Option<u64>| {
        let policy = pb::RetryPolicy {
            initial_backoff: initial.and_then(span),
            max_backoff: max.and_then(span),
            ..Default::default()
        };
        let job = pb::JobSpec {
            script_type: 1,
            script: "1".to_owned(),
            retry_policy: Some(policy),
            ..Default::default()
        };
        let request = pb::SubmitJobRequest { job: Some(job), ..Default::default() };
        let backoff = submit_job(request, now()).map(|job| job.spec.retry.backoff);
        backoff
            .map(|backoff| (backoff.initial().as_millis(), backoff.max().as_millis()))
            .map_err(|_refused| ())
    };
    assert_eq!(of(None, None), Ok((1000, 60_000)));
    assert_eq!(of(None, Some(500)), Ok((500, 500)));
    assert_eq!(of(Some(90_000), None), Ok((90_000, 90_000)));
    assert_eq!(of(Some(2), Some(1)), Err(()), "both were said");
}

#[test]
fn a_restart_policy_whose_first_delay_is_beyond_its_longest_one_is_refused() {
    let span = |seconds: u64| prost_types::Duration::try_from(Duration::from_secs(seconds)).ok();
    let restart_policy =
        Some(pb::RestartPolicy { initial_backoff: span(9), max_backoff: span(8), ..Default::default() });
    let config = pb::ActorConfig {
        script_type: 1,
        binary_path: "/bin/osis_actor".to_owned(),
        restart_policy,
        ..Default::default()
    };
    let request =
        pb::CreateActorRequest { actor_id: "a".to_owned(), config: Some(config), ..Default::default() };
    let told = create_actor(request).unwrap_err().to_string();
    assert_eq!(told, "config.restart_policy.initial_backoff: is 9s, longer than max_backoff, which is 8s");
}

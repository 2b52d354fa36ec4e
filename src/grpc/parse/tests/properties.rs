//! Properties of parsing: what is rendered is parsed to the same, and nothing panics.

use super::*;
use crate::domain::model::actor::{ActorConfig, Readiness, RestartMode, RestartPolicy};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Job, JobSpec, JobView, Priority, RetryPolicy};
use crate::domain::model::script_type::ScriptType;
use crate::grpc::render;
use crate::proto as pb;
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

prop_compose! {
    fn spans(longest: u64)(millis in 1..longest) -> Duration {
        Duration::from_millis(millis)
    }
}

prop_compose! {
    fn labels()(labels in proptest::collection::btree_map("[a-z]{1,9}", "[ -~é日]{0,9}", 0..4)) -> BTreeMap<String, String> {
        labels
    }
}

prop_compose! {
    fn specs()(
        kind in 0usize..4,
        script in "[ -~]{0,40}x",
        input in proptest::option::of("\\{ \"a\": [1-9]{1,9}\\}|\"[a-zé日]{0,9}\""),
        names in ("[ -~]{0,9}", "[ -~]{0,9}"),
        env in proptest::collection::btree_map("[a-z_][a-z0-9_]{0,9}", "[ -~]{0,9}", 0..4),
        labels in labels(),
        times in (spans(1_000_000_000), proptest::option::of(spans(1_000_000_000))),
        result_ttl in 1u64..2_592_000,
        max_attempts in 1u32..=100,
        backoff in (spans(1_000_000), spans(1_000_000)),
        run_at in proptest::option::of(spans(4_000_000_000_000)),
        target in proptest::option::of("[a-z][a-z0-9_-]{0,62}"),
        priority in 1i64..=5,
    ) -> JobSpec {
        let mut spec = JobSpec::new(ScriptType::ALL[kind], script);
        spec.input = input;
        spec.priority = Priority::new(priority).unwrap();
        (spec.caller_id, spec.context_id) = names;
        (spec.env, spec.labels) = (env, labels);
        (spec.run_timeout, spec.queue_timeout) = times;
        spec.result_ttl = Duration::from_secs(result_ttl);
        let backoff = Backoff::capped(backoff.0, backoff.1);
        spec.retry = RetryPolicy { max_attempts, backoff };
        spec.run_at = run_at.map(|since| SystemTime::UNIX_EPOCH + since);
        spec.target_actor = target.map(|id| ActorId::parse(&id).unwrap());
        spec
    }
}

prop_compose! {
    fn configs()(
        kind in 0usize..4,
        words in proptest::collection::vec("[ -~]{1,20}", 0..4),
        env in proptest::collection::btree_map("[a-z][a-z0-9_]{0,9}", "[ -~]{0,9}", 0..4),
        labels in labels(),
        texts in (proptest::option::of("test -f [a-z]{1,9}"), proptest::option::of("/[a-z]{1,9}")),
        sha256 in proptest::option::of("[0-9a-f]{64}"),
        spans in (spans(86_400_000), spans(86_400_000), spans(86_400_000), spans(86_400_000)),
        process in any::<bool>(),
        mode in 0usize..3,
        max_restarts in 0u32..1_000_000,
    ) -> ActorConfig {
        let name = "osis_actor_0".to_owned();
        let mut config = ActorConfig::new(name, PathBuf::from("/bin/osis_actor"), ScriptType::ALL[kind]);
        (config.args, config.dependencies) = (words.clone(), words);
        (config.env, config.labels, config.sha256) = (env, labels, sha256);
        (config.health_check, config.working_dir) = (texts.0, texts.1.map(PathBuf::from));
        (config.drain_timeout, config.start_timeout) = (spans.0, spans.1);
        config.readiness = if process { Readiness::Process } else { Readiness::Queue };
        config.restart = RestartPolicy {
            mode: [RestartMode::Always, RestartMode::OnFailure, RestartMode::Never][mode],
            backoff: Backoff::capped(spans.0, spans.1),
            reset_after: spans.2,
            max_restarts,
            window: spans.3,
        };
        config
    }
}

/// A status of an actor of this config.
fn status_of(config: ActorConfig) -> crate::domain::model::actor::ActorStatus {
    use crate::domain::model::actor::{ActorRecord, ActorState, ActorStatus, Desired, ManagedBy, Pid};
    use crate::domain::model::id::NodeName;
    let record = ActorRecord {
        id: ActorId::parse(&config.name).unwrap(),
        node: NodeName::parse("here").unwrap(),
        config,
        desired: Desired::Up,
        managed_by: ManagedBy::User,
        created_at: SystemTime::UNIX_EPOCH,
        generation: 1,
        restart_count: 0,
        last_pid: None,
        last_exit: None,
        fault: None,
        outdated: false,
        started_by: None,
        requests_made: 0,
        operation: None,
    };
    ActorStatus {
        record,
        state: ActorState::Running,
        pid: Pid(Some(7)),
        message: String::new(),
        state_since: Some(SystemTime::UNIX_EPOCH),
        started_at: None,
        in_flight: 0,
        last_job_at: None,
        health: crate::domain::model::health::ActorHealth::default(),
        usage: None,
    }
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn what_is_rendered_can_be_submitted_again(spec in specs()) {
        let job = Job::accepted(JobId::mint(), spec.clone(), SystemTime::UNIX_EPOCH);
        let rendered = render::job(job, JobView::Full);
        let request = pb::SubmitJobRequest { job: rendered.spec, ..Default::default() };
        prop_assert_eq!(submit_job(request, now()).map(|request| request.spec), Ok(spec));
    }

    #[test]
    fn a_rendered_actor_can_be_made_again(config in configs()) {
        let rendered = render::actor(status_of(config.clone()), render::ActorView::Full);
        let request = pb::CreateActorRequest {
            actor_id: rendered.actor_id,
            config: rendered.config,
            ..Default::default()
        };
        prop_assert_eq!(create_actor(request).map(|create| create.config), Ok(config));
    }

    #[test]
    fn no_numbers_make_parse_panic(
        numbers in proptest::collection::vec(any::<i64>(), 8),
        small in proptest::collection::vec(any::<i32>(), 8),
    ) {
        let duration = |i: usize| Some(prost_types::Duration { seconds: numbers[i], nanos: small[i] });
        let time = |i: usize| Some(prost_types::Timestamp { seconds: numbers[i], nanos: small[i] });
        let job = pb::JobSpec {
            script_type: small[0],
            script: "1".to_owned(),
            run_timeout: duration(0),
            queue_timeout: duration(1),
            result_ttl: duration(2),
            schedule_time: time(3),
            retry_policy: Some(pb::RetryPolicy {
                max_attempts: Some(small[4]),
                initial_backoff: duration(4),
                max_backoff: duration(5),
            }),
            ..Default::default()
        };
        let request = pb::RunJobRequest {
            job: Some(job),
            max_wait: duration(6),
            on_wait_end: small[7],
            ..Default::default()
        };
        let _ = run_job(request, now());
        let _ = list_jobs(pb::ListJobsRequest {
            create_time_after: time(0),
            create_time_before: time(1),
            page_size: small[2],
            states: small.clone(),
            ..Default::default()
        });
    }

    #[test]
    fn no_bytes_make_parse_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = pb::RunJobRequest::decode(bytes.as_slice()) {
            let _ = run_job(request, now());
        }
        if let Ok(request) = pb::CreateActorRequest::decode(bytes.as_slice()) {
            let _ = create_actor(request);
        }
    }
}

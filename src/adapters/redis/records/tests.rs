use super::*;
use redis::Value;

fn fields_of(id: &JobId, spec: &JobSpec) -> Fields {
    let mut flat = Vec::new();
    for (name, value) in encode_spec(id, spec) {
        flat.push(Value::BulkString(name.as_bytes().to_vec()));
        flat.push(Value::BulkString(value.as_bytes().to_vec()));
    }
    Fields::from_flat("hero:job:{osis}:j".to_owned(), flat).unwrap()
}

proptest::proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn a_spec_reads_as_it_was_written(
        script in ".{0,50}",
        input in proptest::option::of(".{0,50}"),
        caller_id in ".{0,20}",
        run_ms in 1u64..=30 * 24 * 3_600_000,
        initial in 0u64..100_000,
        attempts in 1u32..=100,
        ttl in 1000u64..1_000_000_000,
        queue_timeout in proptest::option::of(1u64..1_000_000),
        run_at in proptest::option::of(1u64..2_000_000_000_000),
        env in proptest::collection::btree_map("[A-Z_]{1,8}", ".{0,20}", 0..4),
        pinned in proptest::bool::ANY,
        ping in proptest::bool::ANY,
        priority in 1i64..=5,
    ) {
        let spec = JobSpec {
            input,
            caller_id,
            env: env.clone(),
            labels: env,
            run_timeout: Duration::from_millis(run_ms),
            queue_timeout: queue_timeout.map(Duration::from_millis),
            retry: RetryPolicy {
                max_attempts: attempts,
                backoff: Backoff::new(Duration::from_millis(initial), Duration::from_secs(100)).unwrap(),
            },
            result_ttl: Duration::from_millis(ttl),
            run_at: run_at.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms)),
            target_actor: pinned.then(|| ActorId::parse("osis_actor_0").unwrap()),
            kind: if ping { JobKind::Ping } else { JobKind::Script },
            priority: Priority::new(priority).unwrap(),
            retry_of: ping.then(|| JobId::parse("earlier-1").unwrap()),
            ..JobSpec::new(ScriptType::OSIS, script)
        };
        let id = JobId::mint();
        let read = decode_spec(&fields_of(&id, &spec), ScriptType::OSIS.into());
        proptest::prop_assert_eq!(read.unwrap(), spec);
    }

    #[test]
    fn no_record_makes_the_reader_panic(values in proptest::collection::vec((0usize..BASIC.len(), ".{0,12}"), 0..20)) {
        let mut flat = Vec::new();
        for (name, value) in values {
            flat.push(Value::BulkString(BASIC[name].as_bytes().to_vec()));
            flat.push(Value::BulkString(value.into_bytes()));
        }
        let fields = Fields::from_flat("hero:job:{osis}:j".to_owned(), flat).unwrap();
        if let Err(error) = decode_job(&JobId::mint(), ScriptType::OSIS.into(), &fields) {
            proptest::prop_assert!(error.to_string().contains("hero:job:{osis}:j"), "{}", error);
        }
    }
}

#[test]
fn a_foreign_word_is_named_with_its_key() {
    let flat =
        ["status", "dispatched", "created_at", "1"].map(|text| Value::BulkString(text.as_bytes().to_vec()));
    let fields = Fields::from_flat("hero:job:{v}:j1".to_owned(), flat.to_vec()).unwrap();
    let error = decode_job(&JobId::parse("j1").unwrap(), ScriptType::V.into(), &fields).unwrap_err();
    assert_eq!(error.to_string(), "status of hero:job:{v}:j1 could not be read");
}

#[test]
fn time_outs_stand_in_seconds() {
    assert_eq!(seconds(Duration::from_secs(300)), "300");
    assert_eq!(seconds(Duration::from_millis(1)), "0.001");
    assert_eq!(seconds(Duration::from_millis(2050)), "2.050");
}

/// The record of an outdated actor, as the previous version has written it.
const OLD_ACTOR: &str = r#"{"version": 1, "id": "a", "node": "n", "desired": "up", "managed_by": "user", "created_ms": 1,
    "generation": 3, "restart_count": 0, "last_pid": 7, "last_exit": null, "outdated": true,
    "config": {"version": 1, "name": "a", "binary": "/bin/a", "script_type": "sal", "health_check": null, "working_dir": null,
        "sha256": null, "drain_timeout_ms": 1, "start_timeout_ms": 1, "readiness": "queue", "restart": {"mode": "always",
        "initial_backoff_ms": 1, "max_backoff_ms": 1, "reset_after_ms": 1, "max_restarts": 1, "window_ms": 1}}}"#;

#[test]
fn an_actor_of_an_earlier_version_does_not_tell_what_runs() {
    let mut actor = decode_actor("a", OLD_ACTOR).unwrap();
    assert_eq!((actor.outdated, &actor.started_by), (true, &None));
    // What runs stays unknown, whatever the definition becomes.
    let changed = actor.config.clone().with_args(vec!["--new".to_owned()]);
    actor.define(changed, true);
    assert_eq!((actor.outdated, &actor.started_by), (true, &None));
    assert!(!encode_actor(&actor, 4).unwrap().contains("started_by"), "as the earlier version writes it");
}

//! Records that cannot be read: each is stepped over by itself, and named to who asks for it.

use std::time::Duration;

use hero_supervisor::domain::model::id::{ActorId, RequestId};
use hero_supervisor::domain::model::job::{JobQuota, JobSpec, JobState, JobView};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::job_queue::{JobFilter, QueueError};
use hero_supervisor::ports::job_submission::{RequestKey, Submission, SubmitRefused};
use hero_supervisor::ports::store_fault::StoreFault;

use super::actors::record;
use super::queue_contract::{Kind, OSIS, QueueContract, spec, submission, submit};
use super::redis_only::command;

async fn set(bench: &mut QueueContract, key: &str, field: &str, value: impl AsRef<[u8]>) {
    let mut connection = bench.redis().connection().await;
    let mut set = redis::cmd("HSET");
    set.arg(key).arg(field).arg(value.as_ref());
    let _new: i64 = set.query_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn damaged_jobs_cost_no_other_job_its_place_in_a_list() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let first = submit(&queue, spec("1")).await;
    let damages: [(&str, &[u8]); 7] = [
        ("created_at", b"zz"),
        ("created_at", b"9223372036854775"),
        ("timeout", b"inf"),
        ("labels", b"{\"a\":{\"b\":1}}"),
        ("env_vars", b"{"),
        ("status", b"evil"),
        ("caller_id", b"\xff\xfe"),
    ];
    for (field, value) in damages {
        let damaged = submit(&queue, spec("2")).await;
        let key = format!("hero:job:{{osis}}:{}", damaged.id);
        set(&mut bench, &key, field, value).await;
        let error = queue.get(&damaged.id, JobView::Basic).await.unwrap_err();
        let StoreFault::Corrupt { what, .. } = error.fault() else { panic!("{field}: {error:?}") };
        assert!(what.contains(&key), "{field}: {what}");
    }
    let last = submit(&queue, spec("3")).await;
    let page = queue.list(&JobFilter::default(), None, 100).await.unwrap();
    let listed: Vec<_> = page.jobs.iter().map(|job| &job.id).collect();
    assert_eq!(listed, [&last.id, &first.id]);
    queue.close().await;
}

/// A record that was written by hand, or by an actor of a time without limits.
#[tokio::test]
async fn a_job_that_no_answer_could_hold_costs_no_other_job_its_place_in_a_list() {
    const MIB: usize = 1024 * 1024;
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let first = submit(&queue, spec("1")).await;
    let long = "x".repeat(4 * MIB);
    let labels = format!("{{\"a\":\"{long}\"}}");
    let error = format!("{{\"kind\":\"internal\",\"message\":\"{long}\"}}");
    let damages =
        [("succeeded", "output", &long), ("failed", "error_detail", &error), ("queued", "labels", &labels)];
    for (state, field, value) in damages {
        let damaged = submit(&queue, spec("2")).await;
        let key = format!("hero:job:{{osis}}:{}", damaged.id);
        set(&mut bench, &key, "status", state).await;
        set(&mut bench, &key, field, value).await;
        let error = queue.get(&damaged.id, JobView::Basic).await.unwrap_err();
        let StoreFault::Corrupt { what, source } = error.fault() else { panic!("{field}: {error:?}") };
        assert_eq!(*what, key);
        assert!(source.to_string().contains("bytes of text"), "{field}: {source}");
    }
    let script = submit(&queue, spec("3")).await;
    set(&mut bench, &format!("hero:job:{{osis}}:{}", script.id), "script", &long).await;
    let error = queue.get(&script.id, JobView::Full).await.unwrap_err();
    assert!(matches!(error.fault(), StoreFault::Corrupt { .. }), "{error:?}");
    let page = queue.list(&JobFilter::default(), None, 100).await.unwrap();
    let listed: Vec<_> = page.jobs.iter().map(|job| &job.id).collect();
    assert_eq!(listed, [&script.id, &first.id], "without its script it fits");
    queue.close().await;
}

#[tokio::test]
async fn damaged_actors_are_named_and_cost_no_other_actor_its_place() {
    let mut bench = Kind::Redis.bench().await;
    let store = bench.store();
    let fine = record("osis_actor_0", &bench);
    store.insert(&fine).await.unwrap();
    for (name, value) in [("a", "{"), ("b", "null"), ("c", "[]"), ("d", "{\"version\":999}")] {
        set(&mut bench, "hero:actors", name, value).await;
    }
    set(&mut bench, "hero:actors", "e", &b"\xff\xfe"[..]).await;
    let json = command(&mut bench, &["HGET", "hero:actors", fine.id.as_str()]).await;
    let json: String = redis::from_redis_value(json).unwrap();
    // More than any message can hold.
    let long = json.replacen("\"args\":[", &format!("\"args\":[{}", " ".repeat(5 * 1024 * 1024)), 1);
    assert!(long.len() > json.len());
    set(&mut bench, "hero:actors", "f", long).await;
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.records.iter().map(|record| &record.id).collect::<Vec<_>>(), [&fine.id]);
    assert_eq!(loaded.damaged.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f"]);
    let mut names: Vec<&str> = loaded.names().collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d", "e", "f", "osis_actor_0"], "they are there all the same");
    let found = loaded.clone().find(&ActorId::parse("a").unwrap());
    assert!(
        matches!(found.as_ref().map_err(|error| error.fault()), Err(StoreFault::Corrupt { .. })),
        "{found:?}"
    );
    assert_eq!(loaded.clone().find(&ActorId::parse("z").unwrap()).unwrap(), None);
    assert_eq!(loaded.find(&fine.id).unwrap().map(|record| record.id), Some(fine.id));
}

#[tokio::test]
async fn damaged_rules_verdicts_and_decisions_are_stepped_over() {
    let mut bench = Kind::Redis.bench().await;
    let store = bench.store();
    for key in ["hero:settings", "hero:decisions", "hero:templates"] {
        set(&mut bench, key, "osis", "{").await;
    }
    set(&mut bench, "hero:health", "osis_actor_0", "{").await;
    assert!(store.settings().await.unwrap().is_empty());
    assert!(store.decisions().await.unwrap().is_empty());
    assert!(store.healths().await.unwrap().is_empty());
    assert!(store.template(super::queue_contract::OSIS.into()).await.unwrap().is_none());
}

/// The key that an error of damaged data names.
fn damaged<T: std::fmt::Debug>(answer: Result<T, QueueError>) -> String {
    let StoreFault::Corrupt { what, source } = answer.unwrap_err().into_fault() else {
        panic!("it is no damage")
    };
    assert!(source.to_string().starts_with("WRONGTYPE"), "{source}");
    what
}

/// Puts a value of another type where a key is.
async fn overwrite(bench: &mut QueueContract, key: &str) {
    command(bench, &["DEL", key]).await;
    command(bench, &["SET", key, "x"]).await;
}

#[tokio::test]
async fn a_record_of_the_wrong_type_is_named_and_hides_no_other() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let (first, bad, last) =
        (submit(&queue, spec("1")).await, submit(&queue, spec("2")).await, submit(&queue, spec("3")).await);
    let key = format!("hero:job:{{osis}}:{}", bad.id);
    overwrite(&mut bench, &key).await;
    for what in [
        damaged(queue.get(&bad.id, JobView::Full).await),
        damaged(queue.attach(&bad.id).await),
        damaged(queue.cancel(&bad.id, "").await),
        damaged(queue.retry(&bad.id, false, None).await),
        damaged(queue.delete(&bad.id).await),
    ] {
        assert!(what.starts_with(&key), "{what}");
    }
    let page = queue.list(&JobFilter::default(), None, 100).await.unwrap();
    assert_eq!(page.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&last.id, &first.id]);
    assert_eq!(queue.count(OSIS.into(), &[JobState::Queued]).await.unwrap(), 2);
    assert_eq!(queue.purge(OSIS.into(), &[JobState::Queued], "", u64::MAX).await.unwrap(), 2);
    assert!(queue.state(OSIS.into()).await.unwrap().damaged >= 1, "it is counted");
    queue.close().await;
}

#[tokio::test]
async fn a_part_of_a_queue_of_the_wrong_type_is_named_and_costs_no_other_queue_anything() {
    for part in ["q", "front", "events", "jobs", "delayed", "waits", "counts", "tick"] {
        let mut bench = Kind::Redis.bench().await;
        let queue = bench.supervisor();
        let key = format!("hero:{{osis}}:{part}");
        overwrite(&mut bench, &key).await;
        let mut late = spec("1");
        late.queue_timeout = Some(Duration::from_millis(1));
        if part == "tick" {
            let what = damaged(queue.maintain().await);
            assert!(what.starts_with(&key), "{part}: {what}");
        } else {
            // Nothing that is refused is there all the same.
            let asked = submission(late.clone());
            let id = asked.id.clone();
            let what = damaged(queue.submit(vec![asked]).await);
            assert!(what.starts_with(&key), "{part}: {what}");
            assert_eq!(queue.get(&id, JobView::Basic).await.unwrap(), None, "{part}");
            if part != "q" {
                assert_eq!(
                    command(&mut bench, &["XLEN", "hero:{osis}:q"]).await,
                    redis::Value::Int(0),
                    "{part}"
                );
            }
        }
        let other = submit(&queue, JobSpec { script_type: ScriptType::SAL, ..late }).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(queue.maintain().await);
        let ended = queue.get(&other.id, JobView::Basic).await.unwrap().unwrap();
        assert_eq!(ended.state, JobState::Failed, "{part}: the other queue has its maintenance");
        queue.close().await;
    }
}

#[tokio::test]
async fn a_damaged_request_fails_its_own_job_only() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    command(&mut bench, &["LPUSH", "hero:req:{osis}:r1", "x"]).await;
    let request =
        RequestKey { owner: None, id: RequestId::parse("r1").unwrap(), fingerprint: "f".to_owned() };
    let mut asked = submission(spec("1"));
    asked.request = Some(request);
    let answers = queue.submit(vec![submission(spec("2")), asked, submission(spec("3"))]).await.unwrap();
    let [Ok(_), Err(SubmitRefused::Damaged { what, reason }), Ok(_)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(what == "hero:req:{osis}:r1" && reason.contains("WRONGTYPE"), "{what}: {reason}");
    queue.close().await;
}

#[tokio::test]
async fn a_damaged_count_of_unfinished_jobs_fails_those_of_its_identity_only() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let of = |identity: &str| Submission {
        quota: JobQuota { max_queued: Some(9), max_running: None },
        ..submission(JobSpec { submitted_by: Some(identity.to_owned()), ..spec("1") })
    };
    // Of another script type, which counts as well.
    command(&mut bench, &["SET", "hero:{v}:of:token:a", "x"]).await;
    let answers = queue.submit(vec![of("token:b"), of("token:a"), submission(spec("2"))]).await.unwrap();
    let [Ok(_), Err(SubmitRefused::Damaged { what, reason }), Ok(_)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(what == "hero:{v}:of:token:a" && reason.contains("WRONGTYPE"), "{what}: {reason}");
    queue.close().await;
}

#[tokio::test]
async fn a_damaged_announcement_hides_no_actor_and_stops_no_pause() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let _actor = bench.actor("osis_actor_0", 41).await;
    for (name, value) in [("a", "{"), ("b", "[]"), ("c", "{\"consumer\":7,\"beat_ms\":\"x\"}")] {
        set(&mut bench, "hero:{osis}:actors", name, value).await;
    }
    let there = queue.presences(OSIS.into()).await.unwrap();
    assert_eq!(there.iter().map(|actor| actor.actor_id.as_str()).collect::<Vec<_>>(), ["osis_actor_0"]);
    assert!(queue.pause(OSIS.into(), "", None).await.unwrap() && queue.resume(OSIS.into()).await.unwrap());
    // Who announces itself mends its own.
    let _mended = bench.actor("a", 42).await;
    assert_eq!(queue.presences(OSIS.into()).await.unwrap().len(), 2);
    queue.close().await;
}

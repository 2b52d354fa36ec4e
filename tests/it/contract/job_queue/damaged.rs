//! Records that cannot be read: each is stepped over by itself, and named to who asks for it.

use hero_supervisor::domain::model::id::ActorId;
use hero_supervisor::domain::model::job::JobView;
use hero_supervisor::ports::job_queue::JobFilter;
use hero_supervisor::ports::store_fault::StoreFault;

use super::actors::record;
use super::queue_contract::{Kind, QueueContract, spec, submit};

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
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.records.iter().map(|record| &record.id).collect::<Vec<_>>(), [&fine.id]);
    assert_eq!(loaded.damaged.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    let mut names: Vec<&str> = loaded.names().collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d", "e", "osis_actor_0"], "they are there all the same");
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
    assert!(store.template(super::queue_contract::OSIS).await.unwrap().is_none());
}

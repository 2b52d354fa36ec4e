//! What was in one Redis is in another one, of another kind as well.

use hero_supervisor::domain::model::job::{JobErrorKind, JobState, JobView};
use hero_supervisor::domain::model::queue_name::QueueName;
use hero_supervisor::ports::object_store::{Object, ObjectStore};
use hero_supervisor::ports::queue_registry::QueueDeleted;
use hero_supervisor::ports::shared_store::SharedStore;

use super::super::priorities::drain;
use super::super::queue_contract::{Kind, OSIS, QueueContract, offer, read, scripts, spec, submit, take};
use super::contents::{Contents, fill, named, objects, shelf};
use super::{fine, load, save};

async fn everything_comes_back(from: Kind, to: Kind) {
    let source = from.bench().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    let queue = source.supervisor();
    let contents = fill(&source, &queue).await;
    let made = fine(save(&source, &file, &[]));
    assert_eq!(made["records"]["jobs"], contents.same.len() + 2, "{made}");
    if let Some(golden) = std::env::var_os("HERO_GOLDEN_BACKUP") {
        std::fs::copy(&file, golden).unwrap();
    }
    let target = to.bench().await;
    let tried = fine(load(&target, &file, &["--dry-run"]));
    assert_eq!((&tried["restored"], &tried["records"]), (&0.into(), &made["records"]));
    assert_eq!(target.supervisor().depth(OSIS.into()).await.unwrap().queued, 0, "a dry run changes nothing");
    let restored = fine(load(&target, &file, &[]));
    assert_eq!(
        (&restored["already_there"], &restored["lost_attempts"]),
        (&0.into(), &2.into()),
        "{restored}"
    );
    compare_stores(&source, &target).await;
    compare_jobs(&source, &target, &contents).await;
    queue.close().await;
}

async fn compare_stores(source: &QueueContract, target: &QueueContract) {
    let (old, new) = (source.store(), target.store());
    assert_eq!(new.load().await.unwrap().records, old.load().await.unwrap().records);
    assert_eq!(new.template(OSIS.into()).await.unwrap(), old.template(OSIS.into()).await.unwrap());
    let settings = target.settings().settings().await.unwrap();
    assert_eq!(settings.len(), 2);
    assert_eq!(settings, source.settings().settings().await.unwrap());
    let objects = objects(target);
    assert_eq!(objects.list(&shelf()).await.unwrap(), ["n1", "n2"]);
    let object = objects.get(&shelf(), "n1").await.unwrap();
    assert_eq!(object, Some(Object { revision: 2, text: "a \u{0} b".to_owned() }));
    assert_eq!(objects.find(&shelf(), "team", "blü").await.unwrap(), ["n1", "n2"]);
    assert!(objects.delete(&shelf(), "n1").await.unwrap());
    assert_eq!(objects.find(&shelf(), "team", "blü").await.unwrap(), ["n2"], "its index knows it");
}

async fn compare_jobs(source: &QueueContract, target: &QueueContract, contents: &Contents) {
    let (old, new) = (source.supervisor(), target.supervisor());
    assert_eq!(new.queues().await.unwrap(), old.queues().await.unwrap());
    for id in &contents.same {
        let restored = new.get(id, JobView::Full).await.unwrap();
        assert_eq!(restored, old.get(id, JobView::Full).await.unwrap(), "{id}");
        assert!(restored.is_some(), "{id}");
    }
    let again = new.get(&contents.tried_again, JobView::Full).await.unwrap().unwrap();
    let past: Vec<u32> = again.past_attempts.iter().map(|past| past.attempt).collect();
    assert_eq!((again.state, again.attempt, past), (JobState::Queued, 1, vec![1]), "{again:?}");
    let lost = read(&new, &contents.lost).await;
    let Some(error) = &lost.error else { panic!("{lost:?}") };
    assert_eq!(lost.state, JobState::Failed);
    assert_eq!(
        (error.kind, error.message.contains("osis_actor_0")),
        (JobErrorKind::ActorLost, true),
        "{error:?}"
    );

    // A repeat of the request is the same job; the named queue is paused and knows its jobs.
    let submitted = offer(&new, contents.by_request.clone()).await.unwrap();
    assert!(submitted.deduplicated && submitted.job.id == contents.by_request.id);
    let paused = new.state(named()).await.unwrap().paused.unwrap();
    assert_eq!((paused.reason.as_str(), paused.by.as_deref()), ("repairs", Some("token:k1")));
    assert!(matches!(new.delete_queue(named()).await.unwrap(), QueueDeleted::InUse { jobs: 2, actors: 0 }));
    let depth = new.depth(OSIS.into()).await.unwrap();
    assert_eq!((depth.queued, depth.running, depth.delayed), (contents.order.len() as u64 + 1, 0, 1));

    hand_out(target, contents).await;
    new.close().await;
    old.close().await;
}

/// Jobs are handed out in the order that they had, those that come later behind them.
async fn hand_out(target: &QueueContract, contents: &Contents) {
    let queue = target.supervisor();
    let named_actor = target.actor_at(named(), "big_0", 61);
    assert!(queue.resume(named()).await.unwrap());
    named_actor.announce(false).await.unwrap();
    assert_eq!(scripts(&take(&named_actor, 2).await), ["named 1", "named 2"]);
    let pinned = target.actor("osis_actor_7", 47).await;
    let order = drain(target, &queue, &pinned).await;
    let (of_all, of_one): (Vec<_>, Vec<_>) = order.into_iter().partition(|script| script != "pinned");
    assert_eq!((of_all, of_one.len()), (contents.order.clone(), 1));
    queue.close().await;
}

#[tokio::test]
async fn from_one_redis_to_another() {
    everything_comes_back(Kind::Redis, Kind::Redis).await;
}

#[tokio::test]
async fn from_one_redis_to_a_cluster() {
    everything_comes_back(Kind::Redis, Kind::Cluster).await;
}

#[tokio::test]
async fn from_a_cluster_to_one_redis() {
    everything_comes_back(Kind::Cluster, Kind::Redis).await;
}

#[tokio::test]
async fn a_pause_of_a_default_queue_is_kept_and_new_jobs_come_behind_restored_ones() {
    let source = Kind::Redis.bench().await;
    let queue = source.supervisor();
    let sal = QueueName::parse("sal").unwrap();
    assert!(queue.pause(sal, "later", None).await.unwrap());
    for script in ["1", "2"] {
        submit(&queue, spec(script)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    fine(save(&source, &file, &[]));
    let target = Kind::Redis.bench().await;
    fine(load(&target, &file, &[]));
    let new = target.supervisor();
    assert_eq!(new.state(sal).await.unwrap().paused.unwrap().reason, "later");
    submit(&new, spec("3")).await;
    let actor = target.actor("osis_actor_0", 41).await;
    assert_eq!(drain(&target, &new, &actor).await, ["1", "2", "3"]);
    queue.close().await;
    new.close().await;
}

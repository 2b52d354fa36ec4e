//! Jobs are found by their labels and by the errors by which they failed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::redis::{RedisConfig, RedisWorkQueue};
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, JobState};
use hero_supervisor::ports::job_queue::{Deleted, JobFilter, Retried};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::WorkQueue;
use tokio::time::Instant;

use super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, Settings, actor_id, failure, finish, ids, killed, spec, submission,
    submit, success, take_and_start, text, with_attempts,
};
use super::redis_only::command;
use super::unfinished::{older_library, revision};

/// A job with a label.
fn labelled(script: &str, name: &str, value: &str) -> JobSpec {
    let labels = BTreeMap::from([(name.to_owned(), value.to_owned()), ("all".to_owned(), "1".to_owned())]);
    JobSpec { labels, ..spec(script) }
}

fn label(name: &str, value: &str) -> JobFilter {
    JobFilter { labels: vec![(name.to_owned(), value.to_owned())], ..JobFilter::default() }
}

fn error(kinds: &[JobErrorKind]) -> JobFilter {
    JobFilter { error_kinds: kinds.to_vec(), ..JobFilter::default() }
}

fn message(part: &str) -> JobFilter {
    JobFilter { error_message: Some(part.to_owned()), ..JobFilter::default() }
}

async fn found(queue: &Arc<dyn Queue>, filter: &JobFilter) -> Vec<JobId> {
    ids(&queue.list(filter, None, 500).await.unwrap().jobs)
}

/// Submits a job, whose time of acceptance is another one than that of every earlier job, and fails it.
async fn failed(
    bench: &QueueContract,
    queue: &Arc<dyn Queue>,
    actor: &Arc<dyn WorkQueue>,
    spec: JobSpec,
) -> JobId {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let id = submit(queue, spec).await.id;
    fail(bench, actor, "Boom: Cannot reach the database").await;
    id
}

async fn fail(bench: &QueueContract, actor: &Arc<dyn WorkQueue>, message: &str) {
    let taken = take_and_start(bench, actor).await;
    assert!(finish(actor, failure(bench, &taken.lease, message)).await);
}

pub(super) async fn jobs_are_found_by_their_labels_and_by_how_they_failed(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let actor = bench.actor("osis_actor_0", 41).await;
    let fine = submit(&queue, labelled("1", "team", "a")).await.id;
    let taken = take_and_start(&bench, &actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let boom = failed(&bench, &queue, &actor, labelled("2", "team", "a")).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let lost = submit(&queue, spec("3")).await.id;
    take_and_start(&bench, &actor).await;
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 41, &killed()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let waits = submit(&queue, labelled("4", "team", "b=ä\n")).await.id;

    use JobErrorKind::{ActorLost, RunTimeout, ScriptError};
    let queued = JobFilter { states: vec![JobState::Queued], ..label("all", "1") };
    let strange = JobFilter { error_kinds: vec![ActorLost], ..message("DATABASE") };
    let of_a_team = JobFilter { error_kinds: vec![ScriptError], ..label("team", "a") };
    let cases = [
        (label("team", "a"), vec![&boom, &fine]),
        (label("team", "b=ä\n"), vec![&waits]),
        (label("team", "b"), vec![]),
        (label("all", "1"), vec![&waits, &boom, &fine]),
        (queued, vec![&waits]),
        (error(&[ScriptError]), vec![&boom]),
        (error(&[ActorLost, ScriptError, ActorLost]), vec![&lost, &boom]),
        (error(&[RunTimeout]), vec![]),
        (message("cannot REACH"), vec![&boom]),
        (message("reach cannot"), vec![]),
        (strange, vec![]),
        (of_a_team, vec![&boom]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<JobId> = expected.into_iter().cloned().collect();
        assert_eq!(found(&queue, &filter).await, expected, "{filter:?}");
    }
    let page = queue.list(&label("team", "a"), None, 1).await.unwrap();
    assert_eq!(ids(&page.jobs), std::slice::from_ref(&boom));
    assert_eq!(page.looked_back_to.is_some(), page.looked_at > 0);
    let rest = queue.list(&label("team", "a"), page.next.as_ref(), 1).await.unwrap();
    assert_eq!(ids(&rest.jobs), [fine]);
    queue.close().await;
}

pub(super) async fn a_job_that_goes_on_has_not_failed_and_one_that_is_gone_is_found_by_nothing(kind: Kind) {
    let bench = kind.bench_with(Settings { finished_limit: 2, ..Settings::default() }).await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (by_error, by_label) = (error(&[JobErrorKind::ScriptError]), label("team", "a"));
    let one = failed(&bench, &queue, &actor, labelled("1", "team", "a")).await;
    assert_eq!(found(&queue, &by_error).await, std::slice::from_ref(&one));

    assert!(matches!(queue.retry(&one, true, None).await.unwrap(), Retried::Queued(_)));
    assert_eq!(found(&queue, &by_error).await, []);
    assert_eq!(found(&queue, &by_label).await, std::slice::from_ref(&one));
    fail(&bench, &actor, "again").await;
    assert_eq!(found(&queue, &by_error).await, std::slice::from_ref(&one));
    assert_eq!(found(&queue, &message("AGAIN")).await, std::slice::from_ref(&one));

    assert_eq!(queue.delete(&one).await.unwrap(), Deleted::Gone);
    assert_eq!((found(&queue, &by_error).await, found(&queue, &by_label).await), (vec![], vec![]));

    let mut newest = Vec::new();
    for _round in 0..4 {
        newest.insert(0, failed(&bench, &queue, &actor, labelled("2", "team", "a")).await);
    }
    queue.maintain().await.unwrap();
    newest.truncate(2);
    assert_eq!(found(&queue, &by_error).await, newest);
    assert_eq!(found(&queue, &by_label).await, newest);
    queue.close().await;
}

/// The keys that bear marks.
async fn marks(bench: &mut QueueContract) -> Vec<String> {
    let mut keys: Vec<String> =
        redis::from_redis_value(command(bench, &["KEYS", "hero:{osis}:by:*"]).await).unwrap();
    keys.extend::<Vec<String>>(
        redis::from_redis_value(command(bench, &["KEYS", "hero:{osis}:marked"]).await).unwrap(),
    );
    keys.sort();
    keys
}

#[tokio::test]
async fn an_index_is_kept_no_longer_than_its_jobs() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let brief = JobSpec { result_ttl: Duration::from_secs(1), ..labelled("1", "team", "a") };
    failed(&bench, &queue, &actor, brief).await;
    let all = ["by:error:script_error", "by:label:all=1", "by:label:team=a", "marked"];
    assert_eq!(marks(&mut bench).await, all.map(|part| format!("hero:{{osis}}:{part}")));
    // Redis has removed the record by then, and with it the labels.
    let deadline = Instant::now() + LIMIT;
    while !marks(&mut bench).await.is_empty() {
        assert!(Instant::now() < deadline, "marks are left");
        queue.maintain().await.unwrap();
    }
    queue.close().await;
}

#[tokio::test]
async fn a_label_is_found_at_the_cost_of_its_own_jobs() {
    let mut bench = Kind::Redis.bench_with(Settings { queue_limit: 100_000, ..Settings::default() }).await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let rare = submit(&queue, labelled("1", "team", "rare")).await.id;
    for _round in 0..12 {
        let batch = (0..500).map(|_| submission(labelled("2", "team", "usual")));
        assert!(queue.submit(batch.collect()).await.unwrap().iter().all(Result::is_ok));
    }
    // More than one page looks at, all of them newer.
    let page = queue.list(&label("team", "rare"), None, 10).await.unwrap();
    assert_eq!((ids(&page.jobs), page.next, page.looked_at), (vec![rare], None, 1));
    // Without the index the first page ends before it, and says how far it has come.
    command(&mut bench, &["HDEL", "hero:{osis}:tick", "marked"]).await;
    let page = queue.list(&label("team", "rare"), None, 10).await.unwrap();
    assert_eq!((page.jobs.len(), page.looked_at), (0, 5000));
    assert!(page.next.is_some() && page.looked_back_to.is_some());
    queue.close().await;
}

#[tokio::test]
async fn jobs_that_an_older_library_has_accepted_are_found_before_and_after_they_are_indexed() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let actor = bench.actor("osis_actor_0", 41).await;
    let older = older_library(&mut bench, 20).await;
    let old = failed(&bench, &queue, &actor, labelled("1", "team", "a")).await;
    for key in marks(&mut bench).await {
        command(&mut bench, &["DEL", &key]).await;
    }
    let (by_error, by_label) = (error(&[JobErrorKind::ScriptError]), label("team", "a"));
    command(&mut bench, &["HDEL", "hero:{osis}:tick", "marked"]).await;
    assert_eq!(found(&queue, &by_error).await, std::slice::from_ref(&old));
    assert_eq!(found(&queue, &by_label).await, std::slice::from_ref(&old));

    command(&mut bench, &["HSET", "hero:{osis}:tick", "marked", "all"]).await;
    command(&mut bench, &["FUNCTION", "FLUSH"]).await;
    command(&mut bench, &["FUNCTION", "LOAD", &older]).await;
    queue.maintain().await.unwrap();
    assert!(revision(&mut bench).await > 20, "ours is there again");
    assert_eq!(marks(&mut bench).await.len(), 4);
    assert_eq!(found(&queue, &by_error).await, std::slice::from_ref(&old));
    assert_eq!(found(&queue, &by_label).await, [old]);
    queue.close().await;
}

#[tokio::test]
async fn damaged_marks_cost_no_job_anything() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let actor = bench.actor("osis_actor_0", 41).await;
    for key in ["hero:{osis}:by:label:team=a", "hero:{osis}:by:error:script_error"] {
        command(&mut bench, &["SET", key, "damaged"]).await;
    }
    let one = failed(&bench, &queue, &actor, labelled("1", "team", "a")).await;
    assert_eq!(found(&queue, &label("team", "a")).await, std::slice::from_ref(&one));
    assert_eq!(found(&queue, &error(&[JobErrorKind::ScriptError])).await, std::slice::from_ref(&one));
    command(&mut bench, &["SET", "hero:{osis}:marked", "damaged"]).await;
    assert!(matches!(queue.retry(&one, true, None).await.unwrap(), Retried::Queued(_)));
    fail(&bench, &actor, "again").await;
    assert_eq!(queue.delete(&one).await.unwrap(), Deleted::Gone);
    let next = failed(&bench, &queue, &actor, labelled("2", "team", "a")).await;
    assert_eq!(found(&queue, &label("team", "a")).await, [next]);
    queue.close().await;
}

/// Its user has the rights of actors of an older version, which know nothing of marks.
#[tokio::test]
async fn jobs_that_fail_at_an_actor_without_the_right_to_marks_are_found_all_the_same() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let user = ["ACL", "SETUSER", "old", "on", ">secret", "~hero:job:*", "~hero:epoch", "~hero:probe"];
    let rights = [
        "~hero:{osis}:[^bm]*",
        "~hero:{osis}:backlog",
        "~hero:{osis}:meta",
        "+@read",
        "+@write",
        "+@connection",
        "+fcall",
        "+time",
        "&*",
        "+publish",
    ];
    command(&mut bench, &[&user[..], &rights[..]].concat()).await;
    let url = format!("{}?user=old&pass=secret", bench.redis().url());
    let config = RedisConfig { url, ..RedisConfig::default() };
    let actor: Arc<dyn WorkQueue> =
        Arc::new(RedisWorkQueue::new(config, OSIS.into(), actor_id("osis_actor_0"), 41).unwrap());
    actor.announce(false).await.unwrap();
    let one = failed(&bench, &queue, &actor, with_attempts("1", 1)).await;
    assert_eq!(found(&queue, &error(&[JobErrorKind::ScriptError])).await, [one]);
    queue.close().await;
}

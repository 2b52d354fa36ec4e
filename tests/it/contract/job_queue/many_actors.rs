//! Hundreds of actors on a real Redis: functions go through them page by page.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobSpec, JobState};
use hero_supervisor::ports::job_queue::JobFilter;
use hero_supervisor::ports::queue::Queue;
use tokio::time::sleep;

use super::queue_contract::{Kind, LIMIT, OSIS, QueueContract, Settings, actor_id, spec, submission};
use crate::support::wait::eventually;

/// More than two pages.
const ACTORS: usize = 450;

fn names(prefix: &str) -> Vec<String> {
    (0..ACTORS).map(|number| format!("{prefix}_{number}")).collect()
}

/// Announces actors whose processes are only names.
async fn announce(bench: &mut QueueContract, names: &[String]) {
    let mut pipeline = redis::pipe();
    for name in names {
        let consumer = format!("{name}.1.x");
        pipeline.cmd("FCALL").arg("hero_announce").arg(1).arg("hero:{osis}:q");
        pipeline.arg(name).arg(consumer).arg(&["1", "0", "", "1", "0", "0"]).ignore();
    }
    let mut connection = bench.redis().connection().await;
    pipeline.query_async::<()>(&mut connection).await.unwrap();
}

/// Submits one job for each of these actors.
async fn submit_pinned(queue: &Arc<dyn Queue>, names: &[String]) {
    let pinned = |name: &String| JobSpec { target_actor: Some(actor_id(name)), ..spec("work") };
    let submissions = names.iter().map(|name| submission(pinned(name))).collect();
    assert!(queue.submit(submissions).await.unwrap().iter().all(Result::is_ok));
}

/// Takes the job of each of these actors.
async fn take_all(bench: &mut QueueContract, names: &[String]) {
    let mut pipeline = redis::pipe();
    for name in names {
        pipeline.cmd("XREADGROUP").arg("GROUP").arg("g").arg(format!("{name}.1.x")).arg("COUNT").arg(1);
        pipeline.arg("STREAMS").arg(format!("hero:{{osis}}:in:{name}")).arg(">").ignore();
    }
    let mut connection = bench.redis().connection().await;
    pipeline.query_async::<()>(&mut connection).await.unwrap();
}

#[tokio::test]
async fn all_of_them_are_shown_and_counted_once() {
    let mut bench = Kind::Redis.bench_with(Settings { queue_limit: 10_000, ..Settings::default() }).await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let (present, absent) = (names("there"), names("gone"));
    announce(&mut bench, &present).await;
    submit_pinned(&queue, &present).await;
    submit_pinned(&queue, &absent).await;

    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((state.depth.queued, state.depth.running), (2 * ACTORS as u64, 0));
    assert_eq!(state.queued_for_absent, ACTORS as u64);
    assert!(state.oldest_age.is_some() && state.oldest_common_age.is_none(), "{state:?}");
    assert_eq!(queue.depth(OSIS.into()).await.unwrap(), state.depth);

    take_all(&mut bench, &present).await;
    let presences = queue.presences(OSIS.into()).await.unwrap();
    assert_eq!(presences.len(), ACTORS);
    assert!(presences.iter().all(|presence| presence.in_flight == 1));
    let depth = queue.depth(OSIS.into()).await.unwrap();
    assert_eq!((depth.queued, depth.running), (ACTORS as u64, ACTORS as u64));

    // A supervisor of an older revision asks once and knows of no pages.
    let mut connection = bench.redis().connection().await;
    let mut whole = redis::cmd("FCALL");
    whole.arg("hero_depth").arg(1).arg("hero:{osis}:q");
    let counted: (usize, usize, usize, usize, String) = whole.query_async(&mut connection).await.unwrap();
    assert_eq!(counted, (ACTORS, ACTORS, 0, ACTORS, "0".to_owned()));
    let mut whole = redis::cmd("FCALL");
    whole.arg("hero_queue").arg(1).arg("hero:{osis}:q");
    let counted: Vec<redis::Value> = whole.query_async(&mut connection).await.unwrap();
    let counts: (usize, usize) =
        redis::from_redis_value(redis::Value::Array(counted[1..3].to_vec())).unwrap();
    assert_eq!(counts, (ACTORS, ACTORS));
}

#[tokio::test]
async fn an_end_that_cannot_be_read_keeps_none_in_front_of_it_back() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let names = ["actor_0".to_owned()];
    announce(&mut bench, &names).await;
    submit_pinned(&queue, &names).await;
    let job = queue.list(&JobFilter::default(), None, 1).await.unwrap().jobs.remove(0);
    take_all(&mut bench, &names).await;
    let mut connection = bench.redis().connection().await;
    let inbox = "hero:{osis}:in:actor_0";
    let taken: Vec<(String, redis::Value)> =
        redis::cmd("XRANGE").arg(inbox).arg("-").arg("+").query_async(&mut connection).await.unwrap();

    let mut finish = redis::cmd("FCALL");
    finish.arg("hero_finish").arg(1).arg("hero:{osis}:q").arg("actor_0");
    finish.arg("i").arg(&taken[0].0).arg(job.id.as_str()).arg(&["1", "0", "ok", "done", "text", "0"]);
    // The next one breaks off behind its first word.
    finish.arg("i");
    let (first, second): (i64, String) = finish.query_async(&mut connection).await.unwrap();
    assert_eq!(first, 1);
    assert!(!second.is_empty());
    let length: usize = redis::cmd("XLEN").arg(inbox).query_async(&mut connection).await.unwrap();
    assert_eq!(length, 0, "what is written with the last end of a call is written");
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().running, 0);
}

#[tokio::test]
async fn the_leases_of_all_of_them_expire() {
    let lease = Duration::from_millis(500);
    let mut bench = Kind::Redis.bench_with(Settings { lease, ..Settings::default() }).await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let actors = names("a");
    announce(&mut bench, &actors).await;
    submit_pinned(&queue, &actors).await;
    take_all(&mut bench, &actors).await;
    let failed = JobFilter { states: vec![JobState::Failed], ..JobFilter::default() };
    eventually("all jobs have failed", LIMIT, || async {
        queue.maintain().await.unwrap();
        sleep(Duration::from_millis(50)).await;
        let page = queue.list(&failed, None, ACTORS).await.unwrap();
        (page.jobs.len() == ACTORS).then_some(())
    })
    .await;
}

#[tokio::test]
async fn inboxes_that_nobody_needs_are_forgotten() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actors = names("a");
    submit_pinned(&queue, &actors).await;
    for job in queue.list(&JobFilter::default(), None, ACTORS).await.unwrap().jobs {
        queue.cancel(&job.id, "no longer needed").await.unwrap();
    }
    // The first round sweeps.
    queue.maintain().await.unwrap();
    let mut connection = bench.redis().connection().await;
    let left: usize =
        redis::cmd("SCARD").arg("hero:{osis}:inboxes").query_async(&mut connection).await.unwrap();
    assert_eq!(left, 0);
}

//! A backup of a Redis that is in use.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobSpec, JobState, JobView};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::WorkQueue;
use tokio::task::JoinSet;

use super::super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, finish, read, spec, submission, submit, success, take, take_one, text,
    with_attempts,
};
use super::{fine, load, save};
use crate::support::wait::eventually;

/// Jobs come and go until it is over.
fn come_and_go(
    source: &Arc<QueueContract>,
    queue: &Arc<dyn Queue>,
    actor: Arc<dyn WorkQueue>,
    is_over: &Arc<AtomicBool>,
) -> JoinSet<()> {
    let mut both = JoinSet::new();
    both.spawn({
        let (queue, is_over) = (queue.clone(), is_over.clone());
        async move {
            while !is_over.load(Ordering::Relaxed) {
                submit(&queue, spec("more")).await;
            }
        }
    });
    both.spawn({
        let (source, is_over) = (source.clone(), is_over.clone());
        async move {
            while !is_over.load(Ordering::Relaxed) {
                let taken = take_one(&actor).await;
                finish(&actor, success(&source, &taken.lease, text("done"))).await;
            }
        }
    });
    both
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_job_is_in_it_and_none_runs_again_that_had_ended() {
    let source = Arc::new(Kind::Redis.bench().await);
    let queue = source.supervisor();
    let actor = source.actor("osis_actor_0", 41).await;
    let mut before = Vec::new();
    for _batch in 0..10 {
        let batch: Vec<_> = (0..50).map(|n| submission(with_attempts(&n.to_string(), 5))).collect();
        before.extend(batch.iter().map(|submission| submission.id.clone()));
        assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
    }
    let mut ended = BTreeSet::new();
    for taken in take(&actor, 40).await {
        assert!(finish(&actor, success(&source, &taken.lease, text("done"))).await);
        ended.insert(taken.lease.job_id);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let both = come_and_go(&source, &queue, actor, &is_over);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    let made = {
        let (source, file) = (source.clone(), file.clone());
        tokio::task::spawn_blocking(move || save(&source, &file, &[])).await.unwrap()
    };
    is_over.store(true, Ordering::Relaxed);
    fine(made);
    both.join_all().await;
    queue.close().await;

    let target = Kind::Redis.bench().await;
    fine(load(&target, &file, &[]));
    let new = target.supervisor();
    let actor = target.actor("osis_actor_0", 42).await;
    let mut ran = BTreeSet::new();
    while new.depth(OSIS.into()).await.unwrap().queued > 0 {
        let taken = take_one(&actor).await;
        assert!(ran.insert(taken.lease.job_id.clone()), "{taken:?} runs twice");
        assert!(finish(&actor, success(&target, &taken.lease, text("again"))).await);
    }
    assert!(ran.is_disjoint(&ended), "what had ended runs again");
    for id in &before {
        assert_eq!(read(&new, id).await.state, JobState::Succeeded, "{id}");
    }
    new.close().await;
}

#[tokio::test]
async fn what_waits_for_a_time_has_as_much_of_it_left() {
    let source = Kind::Redis.bench().await;
    let queue = source.supervisor();
    let actor = source.actor("osis_actor_0", 41).await;
    let short = JobSpec { result_ttl: Duration::from_secs(10), ..spec("short") };
    let id = submit(&queue, short).await.id;
    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&source, &taken.lease, text("1"))).await);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    fine(save(&source, &file, &[]));
    eventually("the record has gone", LIMIT, || async {
        queue.get(&id, JobView::Basic).await.unwrap().is_none().then_some(())
    })
    .await;
    let target = Kind::Redis.bench().await;
    fine(load(&target, &file, &[]));
    let new = target.supervisor();
    assert_eq!(read(&new, &id).await.state, JobState::Succeeded, "its time stood still in the file");
    new.close().await;
    queue.close().await;
}

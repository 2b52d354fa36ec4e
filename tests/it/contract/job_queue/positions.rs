//! Positions of waiting jobs, and the pace of their queue.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::JobSpec;
use hero_supervisor::ports::job_position::{JobPosition, RECENT_ENDS};
use hero_supervisor::ports::queue::Queue;

use super::priorities::at;
use super::queue_contract::{
    Kind, OSIS, actor_id, finish, spec, submission, submit, success, take, take_and_start, take_one, text,
};

async fn position(queue: &Arc<dyn Queue>, id: &JobId) -> Option<JobPosition> {
    queue.position(OSIS.into(), id).await.unwrap()
}

async fn ahead(queue: &Arc<dyn Queue>, id: &JobId) -> Option<(u64, bool)> {
    position(queue, id).await.map(|position| (position.ahead, position.is_exact))
}

/// Submits jobs whose scripts are their numbers; returns their ids.
async fn submit_all(queue: &Arc<dyn Queue>, specs: Vec<JobSpec>) -> Vec<JobId> {
    let accepted = queue.submit(specs.into_iter().map(submission).collect()).await.unwrap();
    accepted.into_iter().map(|job| job.unwrap().job.id).collect()
}

pub(super) async fn a_position_is_what_is_handed_out_first(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    // Some wait in the queue before the first one of another priority makes the backlog.
    let mut specs: Vec<JobSpec> = (0..20).map(|n| spec(&format!("{n}"))).collect();
    specs.extend((20..60).map(|n| at(1 + (n * 7) % 5, &format!("{n}"))));
    let ids = submit_all(&queue, specs).await;
    let taken = take_one(&actor).await;
    actor.release(&[taken.lease]).await.unwrap();
    let mut told = Vec::new();
    for id in &ids {
        told.push(ahead(&queue, id).await.unwrap());
    }
    let mut order = Vec::new();
    for _job in &ids {
        let taken = take_one(&actor).await;
        order.push(taken.lease.job_id.clone());
        assert!(finish(&actor, success(&bench, &taken.lease, text("done"))).await);
    }
    let mut exact = 0;
    for (id, (ahead, is_exact)) in ids.iter().zip(told) {
        let real = order.iter().position(|taken| taken == id).unwrap() as u64;
        if is_exact {
            assert_eq!(ahead, real, "{id}");
            exact += 1;
        }
        assert!(ahead.abs_diff(real) <= 20, "{id}: {ahead} instead of {real}");
    }
    // Only those behind what waited before the backlog are estimated.
    assert!(exact >= 20 + 16, "{exact}");
    queue.close().await;
}

pub(super) async fn the_middle_of_a_long_queue_is_estimated_and_its_ends_are_not(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let ids = submit_all(&queue, (0..900).map(|n| spec(&format!("{n}"))).collect()).await;
    let taken = take_and_start(&bench, &actor).await;
    for (index, expected) in [(1, 0), (2, 1), (200, 199), (750, 749), (899, 898)] {
        assert_eq!(ahead(&queue, &ids[index]).await, Some((expected, true)), "{index}");
    }
    let (middle, is_exact) = ahead(&queue, &ids[450]).await.unwrap();
    assert_eq!((middle, is_exact), (449, kind == Kind::Memory));
    assert_eq!(ahead(&queue, &taken.lease.job_id).await, None, "it runs");
    queue.close().await;
}

pub(super) async fn a_job_for_one_actor_waits_behind_those_for_that_actor(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let _there = bench.actor("osis_actor_0", 41).await;
    submit(&queue, spec("for all")).await;
    let pinned = |script: &str| JobSpec { target_actor: Some(actor_id("osis_actor_0")), ..spec(script) };
    let ids = submit_all(&queue, vec![pinned("first"), pinned("second")]).await;
    assert_eq!(ahead(&queue, &ids[0]).await, Some((0, true)));
    assert_eq!(ahead(&queue, &ids[1]).await, Some((1, true)));
    queue.close().await;
}

pub(super) async fn only_a_job_that_waits_for_an_actor_has_a_position(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let later = JobSpec { run_at: Some(bench.now() + Duration::from_secs(3600)), ..spec("later") };
    let scheduled = submit(&queue, later).await;
    assert_eq!(position(&queue, &scheduled.id).await, None);
    assert_eq!(position(&queue, &JobId::mint()).await, None);
    let job = submit(&queue, spec("1")).await;
    assert_eq!(ahead(&queue, &job.id).await, Some((0, true)));
    // What an actor has taken has nothing ahead of it, also before it starts. In memory it starts when it is taken.
    let taken = take(&actor, 1).await;
    let expected = (kind != Kind::Memory).then_some((0, true));
    assert_eq!(ahead(&queue, &job.id).await, expected);
    assert!(finish(&actor, success(&bench, &taken[0].lease, text("1"))).await);
    assert_eq!(position(&queue, &job.id).await, None);
    queue.close().await;
}

pub(super) async fn a_position_tells_the_latest_ends(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let waiting = submit(&queue, at(5, "last")).await;
    assert_eq!(position(&queue, &waiting.id).await.unwrap().ends, []);
    let before = bench.now() - Duration::from_secs(1);
    for count in [3, 60] {
        for _job in 0..count {
            submit(&queue, at(1, "1")).await;
            let taken = take_and_start(&bench, &actor).await;
            assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
        }
        let ends = position(&queue, &waiting.id).await.unwrap().ends;
        assert_eq!(ends.len(), count.min(RECENT_ENDS));
        assert!(ends.iter().all(|end| before <= end.started && end.started <= end.ended), "{ends:?}");
    }
    // A cancelled job that never ran tells nothing of the pace.
    let cancelled = submit(&queue, spec("x")).await;
    queue.cancel(&cancelled.id, "").await.unwrap();
    assert_eq!(position(&queue, &waiting.id).await.unwrap().ends.len(), RECENT_ENDS);
    queue.close().await;
}

//! Priorities: the order in which jobs are handed out, and everything that touches what waits in the backlog.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, JobState, Priority};
use hero_supervisor::ports::job_queue::Reprioritized;
use hero_supervisor::ports::job_submission::SubmitRefused;
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::WorkQueue;

use super::queue_contract::{
    Kind, OSIS, QueueContract, Settings, actor_id, failure, finish, killed, offer, read, scripts, spec,
    submission, submit, success, take, take_and_start, take_nothing, take_one, text, until_state,
    with_attempts,
};

pub(super) fn level(level: i64) -> Priority {
    Priority::new(level).unwrap()
}

/// A job of this priority, whose script is its name.
pub(super) fn at(priority: i64, script: &str) -> JobSpec {
    JobSpec { priority: level(priority), ..spec(script) }
}

/// Takes and ends every job that waits, one at a time; returns their scripts in the order of taking.
pub(super) async fn drain(
    bench: &QueueContract,
    queue: &Arc<dyn Queue>,
    actor: &Arc<dyn WorkQueue>,
) -> Vec<String> {
    let mut order = Vec::new();
    while queue.depth(OSIS.into()).await.unwrap().queued > 0 {
        let taken = take_one(actor).await;
        order.push(taken.spec.script.clone());
        assert!(finish(actor, success(bench, &taken.lease, text("done"))).await);
    }
    order
}

pub(super) async fn the_first_priority_comes_first_and_equals_in_their_order(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    // More than the window, and every level in every position.
    let jobs: Vec<(i64, String)> = (0..100).map(|n| (1 + (n * 7) % 5, format!("{n:03}"))).collect();
    for part in jobs.chunks(9) {
        let batch = part.iter().map(|(priority, name)| submission(at(*priority, name))).collect();
        assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
    }
    let mut expected = jobs.clone();
    expected.sort();
    let order = drain(&bench, &queue, &actor).await;
    assert_eq!(order, expected.into_iter().map(|(_, name)| name).collect::<Vec<_>>());
    // What comes afterwards is not affected.
    for name in ["a", "b"] {
        submit(&queue, spec(name)).await;
    }
    assert_eq!(scripts(&take(&actor, 2).await), ["a", "b"]);
    queue.close().await;
}

pub(super) async fn jobs_that_waited_before_keep_their_order_around_urgent_and_lazy_ones(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let usual: Vec<String> = (0..120).map(|n| format!("usual {n:03}")).collect();
    let batch = usual.iter().map(|name| submission(spec(name))).collect();
    assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
    for (priority, name) in [(5, "lazy"), (2, "second"), (1, "first"), (3, "late"), (4, "slow"), (1, "next")]
    {
        submit(&queue, at(priority, name)).await;
    }
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 126);
    let order = drain(&bench, &queue, &actor).await;
    let mut expected = vec!["first", "next", "second"];
    expected.extend(usual.iter().map(String::as_str));
    expected.extend(["late", "slow", "lazy"]);
    assert_eq!(order, expected);
    queue.close().await;
}

pub(super) async fn a_waiting_job_gains_a_level_with_each_span_of_ageing(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let span = Duration::from_secs(1);
    queue.set_ageing(OSIS.into(), span);
    submit(&queue, at(5, "old and lazy")).await;
    submit(&queue, at(3, "old")).await;
    // Only time makes jobs older.
    tokio::time::sleep(span * 3).await;
    // The urgent one first: it must not be a level older than it seems, however slow the others are.
    for (priority, name) in [(1, "urgent"), (5, "lazy"), (3, "usual")] {
        submit(&queue, at(priority, name)).await;
    }
    // The lazy one has gained three levels, and is of level 2; the urgent one is ahead of it by one more.
    assert_eq!(
        drain(&bench, &queue, &actor).await,
        ["old", "urgent", "old and lazy", "usual", "lazy"],
        "older by three levels"
    );
    queue.set_ageing(OSIS.into(), Duration::ZERO);
    submit(&queue, at(5, "old and lazy")).await;
    tokio::time::sleep(span).await;
    submit(&queue, at(4, "new")).await;
    assert_eq!(drain(&bench, &queue, &actor).await, ["new", "old and lazy"], "never older");
    queue.close().await;
}

pub(super) async fn a_job_that_waits_gets_another_priority(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut jobs = Vec::new();
    for name in ["a", "b", "c", "d"] {
        jobs.push(submit(&queue, spec(name)).await.id);
    }
    let done = |answer| match answer {
        Reprioritized::Done { job, changed } => (job.spec.priority, changed),
        other @ (Reprioritized::Unknown | Reprioritized::NotWaiting(_)) => panic!("{other:?}"),
    };
    let up = queue.reprioritize(&jobs[2], level(1)).await.unwrap();
    assert_eq!(done(up), (level(1), true));
    let again = queue.reprioritize(&jobs[2], level(1)).await.unwrap();
    assert_eq!(done(again), (level(1), false), "a repeat is harmless");
    done(queue.reprioritize(&jobs[0], level(5)).await.unwrap());
    done(queue.reprioritize(&jobs[3], level(2)).await.unwrap());
    done(queue.reprioritize(&jobs[3], level(3)).await.unwrap());
    assert_eq!(read(&queue, &jobs[2]).await.spec.priority, level(1));
    assert_eq!(read(&queue, &jobs[3]).await.spec.priority, level(3));
    assert_eq!(drain(&bench, &queue, &actor).await, ["c", "b", "d", "a"]);

    let unknown = submission(spec("x")).id;
    assert_eq!(queue.reprioritize(&unknown, level(1)).await.unwrap(), Reprioritized::Unknown);
    let ended = queue.reprioritize(&jobs[0], level(1)).await.unwrap();
    assert_eq!(ended, Reprioritized::NotWaiting(JobState::Succeeded));
    let job = submit(&queue, spec("held")).await;
    let _held = take_and_start(&bench, &actor).await;
    let running = queue.reprioritize(&job.id, level(1)).await.unwrap();
    assert_eq!(running, Reprioritized::NotWaiting(JobState::Running));

    // What waits for a time, or in an inbox, has its priority when its turn comes.
    let later = JobSpec { run_at: Some(bench.now() + Duration::from_millis(400)), ..at(4, "later") };
    let later = submit(&queue, later).await;
    done(queue.reprioritize(&later.id, level(2)).await.unwrap());
    let pinned = JobSpec { target_actor: Some(actor_id("osis_actor_1")), ..spec("pinned") };
    let pinned = submit(&queue, pinned).await;
    done(queue.reprioritize(&pinned.id, level(1)).await.unwrap());
    submit(&queue, at(3, "usual")).await;
    until_state(&queue, &later.id, JobState::Queued).await;
    assert_eq!(scripts(&take(&actor, 2).await), ["later", "usual"]);
    queue.close().await;
}

pub(super) async fn what_has_begun_comes_before_every_priority(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    submit(&queue, JobSpec { priority: level(5), ..with_attempts("begun", 3) }).await;
    let taken = take_and_start(&bench, &actor).await;
    for (priority, name) in [(1, "urgent"), (3, "usual")] {
        submit(&queue, at(priority, name)).await;
    }
    assert!(finish(&actor, failure(&bench, &taken.lease, "bad luck")).await);
    until_state(&queue, &taken.lease.job_id, JobState::Queued).await;
    let again = take_one(&actor).await;
    assert_eq!((again.spec.script.as_str(), again.attempt, again.spec.priority), ("begun", 2, level(5)));

    // The same after the death of its actor.
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 41, &killed()).await.unwrap();
    let next = bench.actor("osis_actor_0", 42).await;
    assert_eq!(scripts(&take(&next, 1).await), ["begun"]);
    assert_eq!(scripts(&take(&next, 1).await), ["urgent"]);
    assert_eq!(scripts(&take(&next, 1).await), ["usual"]);
    queue.close().await;
}

pub(super) async fn what_is_released_returns_to_its_place(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    for (priority, name) in [(5, "a"), (5, "b"), (5, "c"), (4, "d")] {
        submit(&queue, at(priority, name)).await;
    }
    let held = take(&actor, 3).await;
    assert_eq!(scripts(&held), ["d", "a", "b"]);
    submit(&queue, at(1, "urgent")).await;
    let leases: Vec<_> = held.iter().map(|job| job.lease.clone()).collect();
    actor.release(&leases).await.unwrap();
    let order = drain(&bench, &queue, &actor).await;
    assert_eq!(order, ["urgent", "d", "a", "b", "c"]);
    queue.close().await;
}

pub(super) async fn the_backlog_is_counted_limited_cancelled_and_timed_out_like_all_that_waits(kind: Kind) {
    let bench = kind.bench_with(Settings { queue_limit: 100, ..Settings::default() }).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = submit(&queue, at(5, "first")).await;
    let mut last = first.clone();
    for n in 1..100 {
        last = submit(&queue, at(5, &n.to_string())).await;
    }
    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((state.depth.queued, state.depth.running), (100, 0));
    assert!(state.oldest_age.is_some() && state.oldest_common_age.is_some(), "{state:?}");
    let full = SubmitRefused::QueueFull { queue: OSIS.into(), queued: 100, limit: 100 };
    assert_eq!(offer(&queue, submission(at(1, "urgent"))).await.unwrap_err(), full);

    assert!(queue.cancel(&last.id, "enough").await.unwrap().unwrap().changed);
    assert!(queue.cancel(&first.id, "enough").await.unwrap().unwrap().changed);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 98);
    let hurried = JobSpec { queue_timeout: Some(Duration::from_millis(50)), ..at(5, "hurried") };
    let hurried = submit(&queue, hurried).await;
    let failed = until_state(&queue, &hurried.id, JobState::Failed).await;
    assert_eq!(failed.error.unwrap().kind, JobErrorKind::QueueTimeout);

    assert_eq!(queue.count(OSIS.into(), &[JobState::Queued]).await.unwrap(), 98);
    assert_eq!(queue.purge(OSIS.into(), &[JobState::Queued], "spring", 90).await.unwrap(), 90);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 8);
    queue.pause(OSIS.into(), "", None).await.unwrap();
    take_nothing(&actor).await;
    queue.resume(OSIS.into()).await.unwrap();
    let rest = drain(&bench, &queue, &actor).await;
    assert_eq!(rest, (91..99).map(|n| n.to_string()).collect::<Vec<_>>());
    // A job that was cancelled in the backlog is tried again at the end of its level.
    for n in 0..40 {
        submit(&queue, at(4, &n.to_string())).await;
    }
    queue.retry(&last.id, false, None).await.unwrap();
    submit(&queue, at(5, "after")).await;
    let order = drain(&bench, &queue, &actor).await;
    assert_eq!(order[40..], ["99", "after"]);
    queue.close().await;
}

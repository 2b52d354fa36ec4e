//! Cancel, delete and how long a record is kept.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{
    JobErrorKind, JobKind, JobSpec, JobState, JobView, MAX_RESULT_BYTES, Outcome,
};
use hero_supervisor::ports::job_queue::Deleted;
use hero_supervisor::ports::work_queue::{TakenJob, WorkQueue};

use super::queue_contract::{
    Kind, LIMIT, OSIS, Settings, failure, finish, read, spec, submit, submit_wanted, success, take,
    take_and_start, take_nothing, take_one, text, until_state, with_attempts,
};
use crate::support::wait::eventually;

pub(super) async fn a_job_can_be_cancelled_in_every_state(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let cancel = async |id: &JobId| queue.cancel(id, "because").await.unwrap().unwrap();

    let run_at = Some(bench.now() + Duration::from_secs(3600));
    let (scheduled, scheduled_end) = submit_wanted(&queue, JobSpec { run_at, ..spec("scheduled") }).await;
    let (queued, queued_end) = submit_wanted(&queue, spec("queued")).await;
    for job in [&scheduled, &queued] {
        let cancelled = cancel(&job.id).await;
        assert!(cancelled.changed);
        assert_eq!((cancelled.job.state, cancelled.job.attempt), (JobState::Cancelled, 0));
        assert_eq!(read(&queue, &job.id).await, cancelled.job);
    }
    take_nothing(&actor).await;

    let (taken, taken_end) = submit_wanted(&queue, spec("taken")).await;
    take_one(&actor).await;
    assert!(cancel(&taken.id).await.changed);
    let (running, running_end) = submit_wanted(&queue, spec("running")).await;
    actor.take(0, Duration::ZERO).await.unwrap();
    take_and_start(&bench, &actor).await;
    let cancelled = cancel(&running.id).await;
    assert_eq!((cancelled.changed, cancelled.job.attempt), (true, 1));
    assert_eq!(cancelled.job.actor_id.as_ref().map(|id| id.as_str()), Some("osis_actor_0"));
    actor.take(0, Duration::ZERO).await.unwrap();

    let (retried, retried_end) = submit_wanted(&queue, with_attempts("retried", 3)).await;
    let attempt = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &attempt.lease, "no")).await);
    assert!(cancel(&retried.id).await.changed);
    for completion in [scheduled_end, queued_end, taken_end, running_end, retried_end] {
        let end = completion.wait().await.unwrap();
        assert_eq!(end.outcome, Outcome::Cancelled("because".to_owned()));
    }
    queue.maintain().await.unwrap();
    take_nothing(&actor).await;
    assert_eq!(queue.depth(OSIS.into()).await.unwrap(), Default::default());

    let done = submit(&queue, spec("done")).await;
    let attempt = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &attempt.lease, text("1"))).await);
    let late = cancel(&done.id).await;
    assert_eq!((late.changed, late.job.state), (false, JobState::Succeeded));
    assert!(!cancel(&queued.id).await.changed, "a second cancel changes nothing");
    assert!(queue.cancel(&JobId::mint(), "").await.unwrap().is_none());
    queue.close().await;
}

/// Actors of ours see to it themselves; one of another language may not.
pub(super) async fn a_result_that_is_too_long_ends_its_job(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (fits, fits_end) = submit_wanted(&queue, with_attempts("fits", 3)).await;
    let (long, long_end) = submit_wanted(&queue, with_attempts("long", 3)).await;
    let most = text(&"x".repeat(MAX_RESULT_BYTES));
    let attempt = take_one(&actor).await;
    assert_eq!(attempt.lease.job_id, fits.id);
    assert!(finish(&actor, success(&bench, &attempt.lease, most.clone())).await);
    assert_eq!(fits_end.wait().await.unwrap().outcome, Outcome::Succeeded(most.clone()));
    let attempt = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &attempt.lease, text(&format!("{}x", most.text)))).await);
    let Outcome::Failed(error) = long_end.wait().await.unwrap().outcome else { panic!("it has failed") };
    assert_eq!(error.kind, JobErrorKind::LimitExceeded, "{}", error.message);
    assert!(error.message.contains("1048577"), "{}", error.message);
    let ended = read(&queue, &long.id).await;
    assert_eq!((ended.state, ended.attempt), (JobState::Failed, 1), "it would be as long the next time");
    queue.close().await;
}

/// What is written many at a time must not touch what is in other hands, whatever the order.
pub(super) async fn ends_in_any_order_leave_alone_what_is_held_and_what_waits(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let (one, other) = (bench.actor("osis_actor_0", 41).await, bench.actor("osis_actor_1", 42).await);
    let mut jobs = Vec::new();
    for number in 0..70 {
        jobs.push(submit(&queue, spec(&number.to_string())).await);
    }
    let end_all = async |actor: &Arc<dyn WorkQueue>, taken: &[TakenJob]| {
        let ends = taken.iter().map(|job| success(&bench, &job.lease, text("")));
        assert_eq!(actor.finish(ends.collect()).await.unwrap(), vec![true; taken.len()]);
    };
    let waiting = async |expected: u64| assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, expected);

    let (first, theirs, second) = (take(&one, 20).await, take(&other, 10).await, take(&one, 20).await);
    waiting(20).await;
    end_all(&one, &second).await; // behind what is held
    waiting(20).await;
    end_all(&one, &first[..16]).await; // the head, but for four
    assert!(queue.cancel(&jobs[60].id, "").await.unwrap().unwrap().changed); // a hole in what waits
    waiting(19).await;
    end_all(&other, &theirs).await;
    let third = take(&one, 9).await;
    end_all(&one, &first[16..]).await;
    end_all(&one, &third).await; // all that was ever delivered
    waiting(10).await;
    let fourth = take(&other, 10).await;
    end_all(&other, &fourth).await;
    waiting(0).await;
    take_nothing(&one).await;
    for (number, job) in jobs.iter().enumerate() {
        let state = read(&queue, &job.id).await.state;
        assert_eq!(state, if number == 60 { JobState::Cancelled } else { JobState::Succeeded }, "{number}");
    }
    queue.close().await;
}

pub(super) async fn only_an_ended_job_can_be_deleted(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let job = submit(&queue, spec("1")).await;
    assert_eq!(queue.delete(&job.id).await.unwrap(), Deleted::NotFinished(JobState::Queued));
    queue.cancel(&job.id, "").await.unwrap();
    assert_eq!(queue.delete(&job.id).await.unwrap(), Deleted::Gone);
    assert_eq!(queue.delete(&job.id).await.unwrap(), Deleted::Unknown);
    assert!(queue.get(&job.id, JobView::Full).await.unwrap().is_none());
    assert_eq!(queue.list(&Default::default(), None, 10).await.unwrap().jobs, []);
    queue.close().await;
}

pub(super) async fn an_ended_job_is_kept_for_its_time(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let short = submit(&queue, JobSpec { result_ttl: Duration::from_secs(1), ..spec("short") }).await;
    let long = submit(&queue, spec("long")).await;
    for _job in 0..2 {
        let taken = take_one(&actor).await;
        assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
    }
    assert_eq!(read(&queue, &short.id).await.state, JobState::Succeeded);
    eventually("the record is gone", LIMIT, || async {
        queue.maintain().await.unwrap();
        queue.get(&short.id, JobView::Basic).await.unwrap().is_none().then_some(())
    })
    .await;
    eventually("only the other is listed", LIMIT, || async {
        queue.maintain().await.unwrap();
        let listed = queue.list(&Default::default(), None, 10).await.unwrap().jobs;
        (super::queue_contract::ids(&listed) == [long.id.clone()]).then_some(())
    })
    .await;
    queue.close().await;
}

pub(super) async fn only_so_many_ended_jobs_are_kept(kind: Kind) {
    let bench = kind.bench_with(Settings { finished_limit: 5, ..Settings::default() }).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut jobs = Vec::new();
    for n in 0..12 {
        jobs.push(submit(&queue, spec(&n.to_string())).await.id);
        let taken = take_one(&actor).await;
        assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
        if kind != Kind::Memory {
            // Ends in one millisecond have no order.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let waiting = submit(&queue, spec("waits")).await;
    queue.maintain().await.unwrap();
    for id in &jobs[..7] {
        assert!(queue.get(id, JobView::Basic).await.unwrap().is_none());
    }
    for id in &jobs[7..] {
        assert_eq!(read(&queue, id).await.state, JobState::Succeeded);
    }
    assert_eq!(until_state(&queue, &waiting.id, JobState::Queued).await.id, waiting.id);
    assert_eq!(queue.list(&Default::default(), None, 100).await.unwrap().jobs.len(), 6);
    queue.close().await;
}

/// Whoever has awaited them. Pings are not among them.
pub(super) async fn ended_jobs_are_counted_by_the_way_of_their_end(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    assert_eq!(queue.ends(OSIS.into()).await.unwrap(), Vec::new());
    for (script, count) in [("good", 3), ("bad", 2)] {
        for _ in 0..count {
            submit(&queue, spec(script)).await;
        }
    }
    for taken in take(&actor, 5).await {
        let end = match taken.spec.script.as_str() {
            "good" => success(&bench, &taken.lease, text("1")),
            _bad => failure(&bench, &taken.lease, "it quotes \"kind\":\"actor_lost\""),
        };
        assert!(finish(&actor, end).await);
    }
    let cancelled = submit(&queue, spec("later")).await;
    queue.cancel(&cancelled.id, "").await.unwrap();
    let ping = JobSpec { kind: JobKind::Ping, ..spec("1") };
    submit(&queue, ping).await;
    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let mut ends: Vec<_> = queue
        .ends(OSIS.into())
        .await
        .unwrap()
        .into_iter()
        .map(|end| (end.state, end.error_kind, end.jobs))
        .collect();
    ends.sort();
    let expected = [
        (JobState::Succeeded, None, 3),
        (JobState::Failed, Some(JobErrorKind::ScriptError), 2),
        (JobState::Cancelled, None, 1),
    ];
    assert_eq!(ends, expected);
    assert_eq!(queue.ends(ScriptType::SAL.into()).await.unwrap(), Vec::new());
    queue.close().await;
}

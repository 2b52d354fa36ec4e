//! Queues as a whole: pause, state, purge; and one more try.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobKind, JobSpec, JobState};
use hero_supervisor::ports::job_queue::Retried;
use hero_supervisor::ports::job_submission::SubmitRefused;

use super::queue_contract::{
    Kind, LIMIT, OSIS, Settings, actor_id, failure, finish, offer, read, scripts, spec, submission, submit,
    success, take, take_nothing, take_one, text, until_state, with_attempts,
};

pub(super) async fn a_paused_queue_accepts_jobs_and_hands_out_none_until_it_goes_on(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    submit(&queue, spec("1")).await;
    assert!(queue.pause(OSIS.into(), "maintenance", Some("token ops")).await.unwrap());
    assert!(!queue.pause(OSIS.into(), "again", None).await.unwrap(), "it was paused already");
    submit(&queue, spec("2")).await;
    submit(&queue, JobSpec { target_actor: Some(actor_id("osis_actor_0")), ..spec("3") }).await;
    take_nothing(&actor).await;
    let late = bench.actor("osis_actor_1", 42).await;
    take_nothing(&late).await;
    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!(
        (state.depth.queued, state.paused.map(|paused| (paused.reason, paused.by))),
        (3, Some(("maintenance".into(), Some("token ops".into()))))
    );

    assert!(queue.resume(OSIS.into()).await.unwrap());
    assert!(!queue.resume(OSIS.into()).await.unwrap());
    let mut taken = take(&actor, 3).await;
    taken.sort_by_key(|job| job.spec.script.clone());
    assert_eq!(scripts(&taken), ["1", "2", "3"]);
    assert_eq!(queue.state(OSIS.into()).await.unwrap().paused, None);
    queue.close().await;
}

pub(super) async fn what_actors_have_goes_on_while_their_queue_is_paused(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    queue.pause(OSIS.into(), "", None).await.unwrap();
    assert_eq!(actor.heartbeat(std::slice::from_ref(&taken.lease)).await.unwrap(), []);
    assert!(finish(&actor, success(&bench, &taken.lease, text("done"))).await);
    assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
    queue.close().await;
}

pub(super) async fn a_waiting_actor_heeds_a_pause_at_once(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let waits = actor.take(1, LIMIT);
    let others = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        queue.pause(OSIS.into(), "", None).await.unwrap();
        submit(&queue, spec("held")).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(queue.state(OSIS.into()).await.unwrap().depth.queued, 1, "nobody took it");
        queue.resume(OSIS.into()).await.unwrap();
    };
    // The read that waited through all of it is the one that gets the job.
    let (work, ()) = tokio::join!(waits, others);
    assert_eq!(work.unwrap().len(), 1);
    queue.close().await;
}

pub(super) async fn the_state_of_a_queue_says_what_waits_since_when_and_how_much_came_and_went(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let empty = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((empty.oldest_age, empty.submitted, empty.finished), (None, 0, 0));
    submit(&queue, spec("1")).await;
    submit(&queue, spec("2")).await;
    let ping = JobSpec { kind: JobKind::Ping, target_actor: Some(actor_id("osis_actor_0")), ..spec("ping") };
    submit(&queue, ping).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((state.depth.queued, state.submitted, state.finished), (2, 2, 0));
    let age = state.oldest_age.unwrap();
    assert!(age >= Duration::from_millis(25) && age < LIMIT, "{age:?}");

    let actor = bench.actor("osis_actor_0", 41).await;
    for taken in take(&actor, 3).await {
        assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
    }
    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((state.oldest_age, state.submitted, state.finished), (None, 2, 2));
    assert_eq!(queue.state(hero_supervisor::ScriptType::SAL.into()).await.unwrap(), Default::default());
    queue.close().await;
}

pub(super) async fn a_purge_cancels_what_waits_and_nothing_else(kind: Kind) {
    let bench = kind.bench_with(Settings { queue_limit: 10_000, ..Settings::default() }).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let held = submit(&queue, spec("held")).await;
    let taken = take_one(&actor).await;
    let mut waiting = Vec::new();
    for n in 0..1200 {
        waiting.push(spec(&n.to_string()));
        if waiting.len() == 100 {
            let batch = waiting.drain(..).map(submission).collect();
            assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
        }
    }
    let pinned = submit(&queue, JobSpec { target_actor: Some(actor_id("nobody")), ..spec("pinned") }).await;
    let later = bench.now() + Duration::from_secs(3600);
    let scheduled = submit(&queue, JobSpec { run_at: Some(later), ..spec("later") }).await;
    let queued = [JobState::Queued];
    assert_eq!(queue.count(OSIS.into(), &queued).await.unwrap(), 1201);
    assert_eq!(queue.count(OSIS.into(), &[JobState::Scheduled, JobState::Queued]).await.unwrap(), 1202);
    assert_eq!(queue.purge(OSIS.into(), &queued, "a mistake", u64::MAX).await.unwrap(), 1201);
    assert_eq!(queue.count(OSIS.into(), &queued).await.unwrap(), 0);
    let gone = read(&queue, &pinned.id).await;
    assert_eq!((gone.state, gone.cancel_reason.as_deref()), (JobState::Cancelled, Some("a mistake")));
    assert_eq!(read(&queue, &scheduled.id).await.state, JobState::Scheduled);
    take_nothing(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("done"))).await);
    assert_eq!(read(&queue, &held.id).await.state, JobState::Succeeded);
    assert_eq!(queue.purge(OSIS.into(), &[JobState::Scheduled], "", u64::MAX).await.unwrap(), 1);
    assert_eq!(queue.state(OSIS.into()).await.unwrap().depth, Default::default());
    queue.close().await;
}

pub(super) async fn a_purge_stops_at_its_limit(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let mut jobs = Vec::new();
    for script in ["1", "2", "3"] {
        jobs.push(submit(&queue, spec(script)).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(queue.purge(OSIS.into(), &[JobState::Queued], "", 2).await.unwrap(), 2);
    assert_eq!(read(&queue, &jobs[2].id).await.state, JobState::Queued, "the oldest go first");
    queue.close().await;
}

pub(super) async fn what_failed_or_was_cancelled_can_be_tried_again(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("boom")).await;
    assert_eq!(queue.retry(&job.id, false, None).await.unwrap(), Retried::NotPossible(JobState::Queued));
    let taken = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    assert_eq!(read(&queue, &job.id).await.state, JobState::Failed);

    let Retried::Queued(again) = queue.retry(&job.id, false, None).await.unwrap() else {
        panic!("it failed")
    };
    assert_eq!((again.state, again.attempt, again.error), (JobState::Queued, 1, None));
    let second = take_one(&actor).await;
    assert_eq!((second.attempt, second.spec.script.as_str()), (2, "boom"));
    assert!(!finish(&actor, success(&bench, &taken.lease, text("late"))).await, "the first lease is void");
    assert!(finish(&actor, success(&bench, &second.lease, text("fine"))).await);
    let ended = read(&queue, &job.id).await;
    assert_eq!((ended.state, ended.result, ended.attempt), (JobState::Succeeded, Some(text("fine")), 2));
    assert_eq!(queue.retry(&job.id, true, None).await.unwrap(), Retried::NotPossible(JobState::Succeeded));

    let cancelled = submit(&queue, with_attempts("1", 3)).await;
    queue.cancel(&cancelled.id, "no").await.unwrap();
    let Retried::Queued(fresh) = queue.retry(&cancelled.id, true, None).await.unwrap() else { panic!() };
    assert_eq!((fresh.attempt, fresh.cancel_reason), (0, None));
    let taken = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    until_state(&queue, &cancelled.id, JobState::Queued).await;
    let unknown = hero_supervisor::domain::model::id::JobId::mint();
    assert_eq!(queue.retry(&unknown, true, None).await.unwrap(), Retried::Unknown);
    queue.close().await;
}

pub(super) async fn the_depth_of_a_queue_can_be_limited_while_it_works(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let usual = queue.depth_limit(OSIS.into());
    queue.limit_depth(OSIS.into(), Some(1));
    assert_eq!(queue.depth_limit(OSIS.into()), 1);
    submit(&queue, spec("1")).await;
    let refused = offer(&queue, submission(spec("2"))).await.unwrap_err();
    assert_eq!(refused, SubmitRefused::QueueFull { queue: OSIS.into(), queued: 1, limit: 1 });
    queue.limit_depth(OSIS.into(), None);
    assert_eq!(queue.depth_limit(OSIS.into()), usual);
    submit(&queue, spec("2")).await;
    queue.close().await;
}

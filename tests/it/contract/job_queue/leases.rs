//! Who may finish a job, and what becomes of it when that one is gone.

use std::slice::from_ref;
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobState, Outcome};
use hero_supervisor::ports::actor_presence::Reclaimed;
use hero_supervisor::ports::work_queue::{Retryability, Work};

use super::queue_contract::{
    Kind, OSIS, Settings, failure, finish, killed, read, spec, submit, submit_wanted, success, take,
    take_and_start, take_nothing, take_one, text, until_state, with_attempts,
};

fn short_lease() -> Settings {
    Settings { lease: Duration::from_secs(1), ..Settings::default() }
}

pub(super) async fn a_late_finish_is_refused_and_the_first_end_stays(kind: Kind) {
    let bench = kind.bench_with(short_lease()).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (job, completion) = submit_wanted(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    let failed = until_state(&queue, &job.id, JobState::Failed).await;
    let error = failed.error.clone().unwrap();
    assert_eq!(error.kind, JobErrorKind::ActorLost);
    assert!(error.message.contains("osis_actor_0"), "{}", error.message);
    assert_eq!(failed.attempt, 1);
    assert_eq!(completion.wait().await.unwrap().outcome, Outcome::Failed(error));

    assert_eq!(actor.heartbeat(from_ref(&taken.lease)).await.unwrap(), from_ref(&taken.lease));
    assert!(!finish(&actor, success(&bench, &taken.lease, text("late"))).await);
    assert_eq!(read(&queue, &job.id).await, failed);
    queue.close().await;
}

pub(super) async fn a_lost_lease_gives_the_job_to_another_and_the_first_is_fenced_off(kind: Kind) {
    let bench = kind.bench_with(short_lease()).await;
    let queue = bench.supervisor();
    let one = bench.actor("osis_actor_0", 41).await;
    let two = bench.actor("osis_actor_1", 42).await;
    let (job, completion) = submit_wanted(&queue, with_attempts("1", 2)).await;
    let first = take_and_start(&bench, &one).await;
    until_state(&queue, &job.id, JobState::Queued).await;
    let second = take_one(&two).await;
    assert_eq!((&second.lease.job_id, second.attempt), (&job.id, 2));
    assert!(!finish(&one, success(&bench, &first.lease, text("of the first"))).await);
    assert!(finish(&two, success(&bench, &second.lease, text("of the second"))).await);
    let end = completion.wait().await.unwrap();
    assert_eq!((end.outcome, end.attempt), (Outcome::Succeeded(text("of the second")), 2));
    queue.close().await;
}

pub(super) async fn heartbeats_keep_a_lease(kind: Kind) {
    let bench = kind.bench_with(Settings { lease: Duration::from_secs(2), ..Settings::default() }).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(3);
    while tokio::time::Instant::now() < until {
        assert_eq!(actor.heartbeat(from_ref(&taken.lease)).await.unwrap(), Vec::new());
        queue.maintain().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(finish(&actor, success(&bench, &taken.lease, text("slow"))).await);
    assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
    queue.close().await;
}

pub(super) async fn a_cancelled_job_voids_its_lease_and_hints_at_it(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let other = submit(&queue, spec("2")).await;
    let taken = take(&actor, 2).await;
    actor.start(&[(taken[0].lease.clone(), bench.now())]).await.unwrap();
    let cancelled = queue.cancel(&job.id, "changed my mind").await.unwrap().unwrap();
    assert!(cancelled.changed);
    assert_eq!((cancelled.job.state, cancelled.job.attempt), (JobState::Cancelled, 1));
    assert_eq!(cancelled.job.cancel_reason.as_deref(), Some("changed my mind"));
    let hint = actor.take(0, super::queue_contract::LIMIT).await.unwrap();
    assert_eq!(hint, [Work::Cancelled { lease: taken[0].lease.clone() }]);
    let leases = [taken[0].lease.clone(), taken[1].lease.clone()];
    assert_eq!(actor.heartbeat(&leases).await.unwrap(), leases[..1]);
    assert!(!finish(&actor, success(&bench, &taken[0].lease, text("late"))).await);
    assert!(finish(&actor, success(&bench, &taken[1].lease, text("2"))).await);
    assert_eq!(read(&queue, &other.id).await.state, JobState::Succeeded);
    queue.close().await;
}

pub(super) async fn what_a_dead_process_had_is_taken_back_at_once(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let dead = bench.actor("osis_actor_0", 41).await;
    let reborn = bench.actor("osis_actor_0", 42).await;
    let (once, once_ended) = submit_wanted(&queue, spec("once")).await;
    let thrice = submit(&queue, with_attempts("thrice", 3)).await;
    let later = submit(&queue, spec("later")).await;
    take(&dead, 2).await;
    let nothing = queue
        .reclaim(OSIS.into(), &super::queue_contract::actor_id("osis_actor_0"), 4, &killed())
        .await
        .unwrap();
    assert_eq!(nothing, Reclaimed::default(), "pid 4 is not pid 41");
    let reclaimed = queue
        .reclaim(OSIS.into(), &super::queue_contract::actor_id("osis_actor_0"), 41, &killed())
        .await
        .unwrap();
    assert_eq!(reclaimed, Reclaimed { retried: 1, failed: 1 });

    let failed = read(&queue, &once.id).await;
    assert_eq!((failed.state, failed.attempt, failed.error), (JobState::Failed, 1, Some(killed())));
    assert_eq!(once_ended.wait().await.unwrap().outcome, Outcome::Failed(killed()));
    let waiting = read(&queue, &thrice.id).await;
    assert_eq!((waiting.state, waiting.attempt), (JobState::Queued, 1));

    let taken = take(&reborn, 2).await;
    assert_eq!((&taken[0].lease.job_id, taken[0].attempt), (&thrice.id, 2), "before what came later");
    assert_eq!(taken[1].lease.job_id, later.id);
    assert_eq!(
        queue
            .reclaim(OSIS.into(), &super::queue_contract::actor_id("osis_actor_0"), 41, &killed())
            .await
            .unwrap(),
        Reclaimed::default()
    );
    assert!(finish(&reborn, success(&bench, &taken[0].lease, text("at last"))).await);
    assert_eq!(read(&queue, &thrice.id).await.attempt, 2);
    queue.close().await;
}

pub(super) async fn a_job_that_kills_its_actors_ends(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let (job, completion) = submit_wanted(&queue, with_attempts("poison", 3)).await;
    for (pid, expected) in [(1, (1, 0)), (2, (1, 0)), (3, (0, 1))] {
        let actor = bench.actor("osis_actor_0", pid).await;
        assert_eq!(take_one(&actor).await.attempt, pid);
        let reclaimed = queue
            .reclaim(OSIS.into(), &super::queue_contract::actor_id("osis_actor_0"), pid, &killed())
            .await
            .unwrap();
        assert_eq!((reclaimed.retried, reclaimed.failed), expected);
    }
    let end = completion.wait().await.unwrap();
    assert_eq!((end.outcome, end.attempt), (Outcome::Failed(killed()), 3));
    take_nothing(&bench.actor("osis_actor_1", 4).await).await;
    assert_eq!(read(&queue, &job.id).await.state, JobState::Failed);
    queue.close().await;
}

pub(super) async fn what_was_delivered_and_never_seen_is_recovered(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    submit(&queue, spec("seen")).await;
    submit(&queue, spec(&"unseen ".repeat(1000))).await;
    let taken = take(&actor, 2).await;
    let recovered = actor.recover(from_ref(&taken[0].lease)).await.unwrap();
    assert_eq!(recovered, [Work::Job(Box::new(taken[1].clone()))]);
    assert_eq!(actor.recover(&[taken[0].lease.clone(), taken[1].lease.clone()]).await.unwrap(), []);
    assert!(finish(&actor, success(&bench, &taken[1].lease, text(""))).await);
    queue.close().await;
}

pub(super) async fn a_failed_attempt_is_tried_again_after_a_pause_until_none_is_left(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (job, completion) = submit_wanted(&queue, with_attempts("1", 2)).await;
    let first = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &first.lease, "first try")).await);
    let waiting = read(&queue, &job.id).await;
    assert_eq!((waiting.state, waiting.attempt), (JobState::RetryWait, 1));
    assert_eq!(waiting.error.map(|error| error.message).as_deref(), Some("first try"));
    assert!(waiting.due_at.is_some());
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().delayed, 1);
    take_nothing(&actor).await;

    until_state(&queue, &job.id, JobState::Queued).await;
    let second = take_one(&actor).await;
    assert_eq!(second.attempt, 2);
    assert_eq!(second.spec, with_attempts("1", 2));
    assert!(finish(&actor, failure(&bench, &second.lease, "second try")).await);
    let end = completion.wait().await.unwrap();
    let Outcome::Failed(error) = end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!((error.message.as_str(), end.attempt), ("second try", 2));
    assert_eq!(read(&queue, &job.id).await.state, JobState::Failed);
    queue.close().await;
}

pub(super) async fn an_error_that_would_come_again_ends_the_job(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (_job, completion) = submit_wanted(&queue, with_attempts("1", 5)).await;
    let taken = take_one(&actor).await;
    let mut end = failure(&bench, &taken.lease, "does not parse");
    if let Err(failed) = &mut end.outcome {
        failed.retry = Retryability::Final;
        failed.error.line = Some(3);
        failed.error.column = Some(7);
    }
    let expected = end.outcome.clone().unwrap_err().error;
    assert!(finish(&actor, end).await);
    let end = completion.wait().await.unwrap();
    assert_eq!((end.outcome, end.attempt), (Outcome::Failed(expected), 1));
    queue.close().await;
}

pub(super) async fn an_attempt_that_was_not_started_does_not_count(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, with_attempts("1", 1)).await;
    let taken = take_one(&actor).await;
    let mut end = failure(&bench, &taken.lease, "no host was free");
    if let Err(failed) = &mut end.outcome {
        failed.retry = Retryability::NotStarted;
    }
    assert!(finish(&actor, end).await);
    let waiting = until_state(&queue, &job.id, JobState::Queued).await;
    assert_eq!(waiting.attempt, 0);
    let again = take_one(&actor).await;
    assert_eq!(again.attempt, 1);
    assert!(finish(&actor, success(&bench, &again.lease, text(""))).await);
    queue.close().await;
}

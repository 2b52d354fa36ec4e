//! Submit, take, finish, await.

use hero_supervisor::domain::job::{JobState, Outcome};

use super::bench::{Kind, OSIS, finish, read, spec, submit_wanted, success, take_one, text};

pub(super) async fn a_job_is_submitted_taken_finished_and_awaited(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;

    let (job, completion) = submit_wanted(&queue, spec("40 + 2")).await;
    assert_eq!((job.state, job.attempt), (JobState::Queued, 0));
    assert_eq!(job.spec.script, "");
    assert_eq!(queue.depth(OSIS).await.unwrap().queued, 1);

    let taken = take_one(&actor).await;
    assert_eq!((&taken.lease.job_id, taken.attempt), (&job.id, 1));
    assert_eq!(taken.spec, spec("40 + 2"));
    assert_eq!(queue.depth(OSIS).await.unwrap().running, 1);

    assert!(finish(&actor, success(&bench, &taken.lease, text("42"))).await);
    let end = completion.wait().await.unwrap();
    assert_eq!(end.outcome, Outcome::Succeeded(text("42")));
    assert_eq!((end.attempt, end.actor_id.as_ref().map(|id| id.as_str())), (1, Some("osis_actor_0")));

    let ended = read(&queue, &job.id).await;
    assert_eq!((ended.state, ended.result.as_ref()), (JobState::Succeeded, Some(&text("42"))));
    assert_eq!(ended, job.finish(end));
    assert_eq!(queue.depth(OSIS).await.unwrap(), Default::default());
    queue.close().await;
    actor.close().await;
}

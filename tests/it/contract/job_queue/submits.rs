//! What is accepted, what is refused, and when a job becomes due.

use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::domain::model::id::{JobId, RequestId};
use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, JobState, Outcome};
use hero_supervisor::ports::job_submission::{RequestKey, Submission, SubmitRefused};

use super::queue_contract::{
    Kind, OSIS, Settings, actor_id, finish, offer, read, spec, submission, submit, submit_wanted, success,
    take_nothing, take_one, text, until_state,
};

fn request(id: &str, fingerprint: &str, spec: JobSpec) -> Submission {
    let id = RequestId::parse(id).unwrap();
    Submission {
        request: Some(RequestKey { id, fingerprint: fingerprint.to_owned(), owner: None }),
        ..submission(spec)
    }
}

pub(super) async fn one_request_is_one_job(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = offer(&queue, request("r/1", "a", spec("1"))).await.unwrap();
    assert!(!first.deduplicated);
    let again = Submission { wanted: true, ..request("r/1", "a", spec("1")) };
    let again = offer(&bench.supervisor(), again).await.unwrap();
    assert!(again.deduplicated);
    assert_eq!(again.job, first.job);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 1);

    let refused = offer(&queue, request("r/1", "b", spec("2"))).await.unwrap_err();
    let SubmitRefused::RequestIdReused { request_id, first_use } = refused else { panic!("{refused:?}") };
    assert_eq!(request_id.as_str(), "r/1");
    assert_eq!(first_use, first.job.created_at);
    let other_type = JobSpec { script_type: ScriptType::SAL, ..spec("1") };
    let refused = offer(&queue, request("r/1", "c", other_type)).await.unwrap_err();
    assert!(matches!(refused, SubmitRefused::RequestIdReused { .. }), "{refused:?}");

    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let end = again.completion.unwrap().wait().await.unwrap();
    assert_eq!(end.outcome, Outcome::Succeeded(text("1")));
    let ended = Submission { wanted: true, ..request("r/1", "a", spec("1")) };
    let ended = offer(&queue, ended).await.unwrap();
    assert_eq!((ended.job, ended.completion.is_none()), (first.job.clone().finish(end), true));

    queue.delete(&first.job.id).await.unwrap();
    let gone = offer(&queue, request("r/1", "a", spec("1"))).await.unwrap_err();
    assert_eq!(gone, SubmitRefused::JobExpired { job_id: first.job.id });
    queue.close().await;
}

pub(super) async fn one_request_twice_in_one_batch_is_one_job(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let batch = vec![request("r", "a", spec("1")), request("r", "a", spec("1")), submission(spec("2"))];
    let answers: Vec<_> = queue.submit(batch).await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(answers[0].job.id, answers[1].job.id);
    assert_eq!(
        [false, true, false],
        [answers[0].deduplicated, answers[1].deduplicated, answers[2].deduplicated]
    );
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 2);
    queue.close().await;
}

pub(super) async fn an_id_is_taken_once_in_all_queues(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let id = JobId::parse("nightly-2026").unwrap();
    let named = |spec| Submission { id: id.clone(), ..submission(spec) };
    offer(&queue, named(spec("1"))).await.unwrap();
    let taken = SubmitRefused::JobExists { job_id: id.clone() };
    let refused = Submission { wanted: true, ..named(spec("1")) };
    assert_eq!(offer(&queue, refused).await.unwrap_err(), taken);
    let other_type = JobSpec { script_type: ScriptType::V, ..spec("1") };
    assert_eq!(offer(&queue, named(other_type)).await.unwrap_err(), taken);
    queue.close().await;
}

pub(super) async fn a_full_queue_refuses_and_takes_again_when_there_is_room(kind: Kind) {
    let bench = kind.bench_with(Settings { queue_limit: 3, ..Settings::default() }).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let batch = (0..5).map(|n| submission(spec(&n.to_string()))).collect();
    let answers = queue.submit(batch).await.unwrap();
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(accepted, 3);
    let full = SubmitRefused::QueueFull { queue: OSIS.into(), queued: 3, limit: 3 };
    assert_eq!(offer(&queue, submission(spec("5"))).await.unwrap_err(), full);
    offer(&queue, submission(JobSpec { script_type: ScriptType::SAL, ..spec("6") })).await.unwrap();
    let taken = take_one(&actor).await;
    offer(&queue, submission(spec("7"))).await.expect("a job that runs does not wait");
    assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
    assert!(offer(&queue, submission(spec("8"))).await.is_err());
    queue.close().await;
}

pub(super) async fn a_job_waits_for_its_time(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let run_at = bench.now() + Duration::from_millis(800);
    let job = submit(&queue, JobSpec { run_at: Some(run_at), ..spec("later") }).await;
    assert_eq!(job.state, JobState::Scheduled);
    let scheduled = read(&queue, &job.id).await;
    assert_eq!(scheduled, job);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().delayed, 1);
    take_nothing(&actor).await;
    until_state(&queue, &job.id, JobState::Queued).await;
    assert!(bench.now() >= run_at);
    assert_eq!(take_one(&actor).await.spec.script, "later");

    let past =
        submit(&queue, JobSpec { run_at: Some(bench.now() - Duration::from_secs(5)), ..spec("now") }).await;
    assert_eq!((past.state, past.due_at), (JobState::Queued, None));
    assert_eq!(read(&queue, &past.id).await, past);
    queue.close().await;
}

pub(super) async fn a_job_that_nobody_takes_in_time_fails(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let hasty = JobSpec { queue_timeout: Some(Duration::from_millis(300)), ..spec("hasty") };
    let (job, completion) = submit_wanted(&queue, hasty.clone()).await;
    let failed = until_state(&queue, &job.id, JobState::Failed).await;
    let error = failed.error.clone().unwrap();
    assert_eq!((error.kind, failed.attempt), (JobErrorKind::QueueTimeout, 0));
    assert_eq!(completion.wait().await.unwrap().outcome, Outcome::Failed(error));

    let actor = bench.actor("osis_actor_0", 41).await;
    take_nothing(&actor).await;
    let in_time = submit(&queue, hasty).await;
    let taken = take_one(&actor).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    queue.maintain().await.unwrap();
    assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await, "taken in time, run longer");
    assert_eq!(read(&queue, &in_time.id).await.state, JobState::Succeeded);
    queue.close().await;
}

pub(super) async fn a_pinned_job_is_only_for_its_actor(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let (one, two) = (bench.actor("osis_actor_0", 41).await, bench.actor("osis_actor_1", 42).await);
    let pinned = JobSpec { target_actor: Some(actor_id("osis_actor_1")), ..spec("for one") };
    let job = submit(&queue, pinned.clone()).await;
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 1);
    take_nothing(&one).await;
    let taken = take_one(&two).await;
    assert_eq!((taken.lease.job_id.clone(), taken.spec), (job.id.clone(), pinned.clone()));
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().running, 1);
    two.release(&[taken.lease]).await.unwrap();
    take_nothing(&one).await;
    let again = take_one(&two).await;
    assert!(finish(&two, success(&bench, &again.lease, text("done"))).await);

    let early =
        submit(&queue, JobSpec { target_actor: Some(actor_id("osis_actor_7")), ..spec("early") }).await;
    let seven = bench.actor("osis_actor_7", 47).await;
    assert_eq!(take_one(&seven).await.lease.job_id, early.id);
    queue.close().await;
}

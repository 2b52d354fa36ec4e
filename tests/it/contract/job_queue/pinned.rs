//! Jobs that are for one actor only, while that is not there.

use std::sync::Arc;

use hero_supervisor::SupervisorError;
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::jobs::{JobDefaults, JobRequest, Supervisor};
use hero_supervisor::domain::model::id::{JobId, RequestId};
use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, JobState};
use hero_supervisor::ports::job_submission::{RequestKey, Submission, SubmitRefused};

use super::actors::record;
use super::queue_contract::{
    Kind, OSIS, actor_id, finish, offer, read, spec, submission, submit, success, take_and_start, take_one,
    text, until_state,
};
use crate::support::wait::eventually;

fn pinned(script: &str) -> JobSpec {
    JobSpec { target_actor: Some(actor_id("osis_actor_0")), ..spec(script) }
}

pub(super) async fn what_is_for_an_absent_actor_is_counted_as_waiting(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let job = submit(&queue, pinned("1")).await;
    let state = eventually("it has waited for a moment", super::queue_contract::LIMIT, || async {
        let state = queue.state(OSIS.into()).await.unwrap();
        state.oldest_age.is_some_and(|age| !age.is_zero()).then_some(state)
    })
    .await;
    assert_eq!((state.depth.queued, state.queued_for_absent, state.oldest_common_age), (1, 1, None));
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 1);

    let actor = bench.actor("osis_actor_0", 41).await;
    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((state.depth.queued, state.queued_for_absent), (1, 0), "the actor is there now");
    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((state.depth.queued, state.queued_for_absent, state.oldest_age), (0, 0, None));
    queue.close().await;
}

pub(super) async fn what_waits_for_its_time_is_lost_with_its_actor(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let later = Some(bench.now() + super::queue_contract::LIMIT);
    let mine = submit(&queue, JobSpec { run_at: later, ..pinned("mine") }).await;
    let others = submit(&queue, JobSpec { run_at: later, ..spec("others") }).await;
    // More than one round of the function that looks for them.
    let mut many = Vec::new();
    for _job in 0..600 {
        many.push(Submission { ..submission(JobSpec { run_at: later, ..pinned("many") }) });
    }
    let many: Vec<JobId> =
        queue.submit(many).await.unwrap().into_iter().map(|submitted| submitted.unwrap().job.id).collect();

    queue.forget_actor(OSIS.into(), &actor_id("osis_actor_0")).await.unwrap();
    for id in many.iter().chain([&mine.id]) {
        let lost = read(&queue, id).await;
        let kind = lost.error.as_ref().map(|error| error.kind);
        assert_eq!((lost.state, kind), (JobState::Failed, Some(JobErrorKind::ActorLost)), "{lost:?}");
    }
    assert_eq!(read(&queue, &others.id).await.state, JobState::Scheduled);
    let state = queue.state(OSIS.into()).await.unwrap();
    assert_eq!((state.depth.delayed, state.depth.queued, state.queued_for_absent), (1, 0, 0));
    queue.close().await;
}

pub(super) async fn what_waits_for_another_attempt_is_lost_with_its_actor(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut job = pinned("boom");
    job.retry.max_attempts = 3;
    job.retry.backoff = job.retry.backoff.at_least(super::queue_contract::LIMIT);
    let job = submit(&queue, job).await;
    let taken = take_and_start(&bench, &actor).await;
    assert!(finish(&actor, super::queue_contract::failure(&bench, &taken.lease, "boom")).await);
    until_state(&queue, &job.id, JobState::RetryWait).await;
    queue.forget_actor(OSIS.into(), &actor_id("osis_actor_0")).await.unwrap();
    let lost = read(&queue, &job.id).await;
    assert_eq!((lost.state, lost.error.unwrap().kind), (JobState::Failed, JobErrorKind::ActorLost));
    queue.close().await;
}

pub(super) async fn a_stray_is_refused_unless_its_request_made_it_before(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let key = RequestKey { id: RequestId::parse("r").unwrap(), fingerprint: "f".to_owned(), owner: None };
    let asked = |unroutable| Submission { request: Some(key.clone()), unroutable, ..submission(pinned("1")) };
    let refused = offer(&queue, asked(true)).await.unwrap_err();
    assert_eq!(refused, SubmitRefused::Unroutable { actor_id: actor_id("osis_actor_0") });
    let first = offer(&queue, asked(false)).await.unwrap();
    assert!(!first.deduplicated);
    let again = offer(&queue, asked(true)).await.unwrap();
    assert_eq!((again.job.id, again.deduplicated), (first.job.id, true));
    queue.close().await;
}

/// What a deletion does, beside callers who submit: each job is refused or lost, and none waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_submit_beside_the_deletion_of_its_actor_leaves_no_job_that_waits_for_nobody() {
    let bench = Kind::Redis.bench().await;
    let (queue, store) = (bench.supervisor(), bench.store());
    let supervisor =
        Supervisor::new(queue.clone(), bench.store(), Arc::new(SystemClock), JobDefaults::default());
    let actor = actor_id("osis_actor_0");
    let (mut refused, mut lost) = (0, 0);
    for round in 0..60 {
        store.insert(&record("osis_actor_0", &bench)).await.unwrap();
        let deletion = async {
            queue.forget_actor(OSIS.into(), &actor).await.unwrap();
            store.remove(&actor).await.unwrap();
            queue.forget_actor(OSIS.into(), &actor).await.unwrap();
        };
        let submits = async {
            let mut accepted = Vec::new();
            for _job in 0..8 {
                let mut job = pinned("1");
                job.run_at = (round % 2 == 0).then(|| bench.now() + super::queue_contract::LIMIT);
                match supervisor.submit(JobRequest::new(job)).await {
                    Ok(submitted) => accepted.push(submitted.job.id),
                    Err(SupervisorError::ActorNotFound(_)) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
            }
            accepted
        };
        let ((), accepted) = tokio::join!(deletion, submits);
        for id in accepted {
            let job = read(&queue, &id).await;
            let kind = job.error.as_ref().map(|error| error.kind);
            assert_eq!((job.state, kind), (JobState::Failed, Some(JobErrorKind::ActorLost)), "{job:?}");
            lost += 1;
        }
    }
    assert!(refused > 0 && lost > 0, "{refused} were refused, {lost} were lost");
    queue.close().await;
}

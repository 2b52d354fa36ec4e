//! Unique keys: one job of a key at a time.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::id::{JobId, RequestId};
use hero_supervisor::domain::model::job::{HeldWhile, Job, JobSpec, JobState, OnConflict, Unique};
use hero_supervisor::ports::job_queue::{JobFilter, Retried};
use hero_supervisor::ports::job_submission::{RequestKey, Submission, SubmitRefused, Submitted};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{Lease, TakenJob, Work, WorkQueue};

use super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, actor_id, failure, finish, ids, killed, offer, read, spec, submission,
    submit, success, take_nothing, take_one, text, until_state, with_attempts,
};

pub(super) fn keyed(on_conflict: OnConflict) -> JobSpec {
    let unique = Unique { on_conflict, ..Unique::new("nightly report") };
    JobSpec { unique: Some(Box::new(unique)), ..spec("report") }
}

fn while_queued(on_conflict: OnConflict) -> JobSpec {
    let unique = Unique { held_while: HeldWhile::Queued, on_conflict, ..Unique::new("nightly report") };
    JobSpec { unique: Some(Box::new(unique)), ..spec("report") }
}

async fn offered(queue: &Arc<dyn Queue>, spec: JobSpec) -> Result<Submitted, SubmitRefused> {
    offer(queue, submission(spec)).await
}

/// Submits a job that is accepted, and was not there before.
pub(super) async fn new_job(queue: &Arc<dyn Queue>, spec: JobSpec) -> Job {
    let submitted = offered(queue, spec).await.unwrap();
    assert!(!submitted.existing && !submitted.deduplicated, "{submitted:?}");
    submitted.job
}

/// Submits a job and is answered with this one.
async fn existing(queue: &Arc<dyn Queue>, spec: JobSpec, expected: &Job) {
    let submitted = offered(queue, spec).await.unwrap();
    assert_eq!((submitted.job.id, submitted.existing), (expected.id.clone(), true));
}

async fn refused(queue: &Arc<dyn Queue>, spec: JobSpec, holder: &Job, state: JobState) {
    let refused = offered(queue, spec).await.unwrap_err();
    assert_eq!(refused, SubmitRefused::KeyHeld { holder: holder.id.clone(), state });
}

async fn succeed(bench: &QueueContract, actor: &Arc<dyn WorkQueue>, taken: &TakenJob) {
    assert!(finish(actor, success(bench, &taken.lease, text("1"))).await);
}

/// Takes the message that a job was cancelled.
async fn hear_of_cancel(actor: &Arc<dyn WorkQueue>, lease: &Lease) {
    assert_eq!(actor.take(0, LIMIT).await.unwrap(), [Work::Cancelled { lease: lease.clone() }]);
}

/// The jobs of the key, as a list shows them.
async fn of_key(queue: &Arc<dyn Queue>) -> Vec<JobId> {
    let filter =
        JobFilter { unique_keys: vec![Unique::new("nightly report").text()], ..JobFilter::default() };
    ids(&queue.list(&filter, None, 10).await.unwrap().jobs)
}

pub(super) async fn a_key_is_held_until_the_end_and_found_by_it(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = new_job(&queue, keyed(OnConflict::ReturnExisting)).await;
    assert_eq!(first.spec.unique, keyed(OnConflict::ReturnExisting).unique);
    existing(&queue, keyed(OnConflict::ReturnExisting), &first).await;
    refused(&queue, keyed(OnConflict::Reject), &first, JobState::Queued).await;
    let taken = take_one(&actor).await;
    assert_eq!((&taken.lease.job_id, &taken.spec.unique), (&first.id, &first.spec.unique));
    actor.start(&[(taken.lease.clone(), bench.now())]).await.unwrap();
    existing(&queue, keyed(OnConflict::ReturnExisting), &first).await;
    refused(&queue, keyed(OnConflict::Reject), &first, JobState::Running).await;
    refused(&queue, keyed(OnConflict::Replace), &first, JobState::Running).await;
    assert_eq!(of_key(&queue).await, from_ref(&first.id));
    let other = JobSpec { unique: Some(Box::new(Unique::new("another"))), ..spec("1") };
    assert_ne!(new_job(&queue, other).await.id, first.id);
    succeed(&bench, &actor, &taken).await;
    assert_eq!(of_key(&queue).await, []);
    let second = new_job(&queue, keyed(OnConflict::Reject)).await;
    assert_eq!(read(&queue, &second.id).await.spec.unique, keyed(OnConflict::Reject).unique);
    queue.close().await;
}

pub(super) async fn a_key_is_held_over_attempts_lost_leases_and_dead_actors(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let unique = keyed(OnConflict::ReturnExisting).unique;
    let first = new_job(&queue, JobSpec { unique, ..with_attempts("report", 3) }).await;
    let taken = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    existing(&queue, keyed(OnConflict::ReturnExisting), &first).await;
    until_state(&queue, &first.id, JobState::Queued).await;
    existing(&queue, keyed(OnConflict::RunOnceMore), &first).await;
    take_one(&actor).await;
    let next = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    assert_eq!((next.state, next.blocked_by.as_ref()), (JobState::Blocked, Some(&first.id)));
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 41, &killed()).await.unwrap();
    assert_eq!(read(&queue, &next.id).await.state, JobState::Blocked, "the first one is tried again");
    let reborn = bench.actor("osis_actor_0", 42).await;
    let taken = take_one(&reborn).await;
    assert_eq!((&taken.lease.job_id, taken.attempt), (&first.id, 3));
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 42, &killed()).await.unwrap();
    assert_eq!(read(&queue, &first.id).await.state, JobState::Failed);
    let last = bench.actor("osis_actor_0", 43).await;
    assert_eq!(take_one(&last).await.lease.job_id, next.id);
    queue.close().await;
}

pub(super) async fn a_key_can_be_held_for_some_time_after_the_end(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let held = |on_conflict| {
        let held_after_end = Duration::from_secs(3);
        let unique = Unique { held_after_end, on_conflict, ..Unique::new("nightly report") };
        JobSpec { unique: Some(Box::new(unique)), ..spec("report") }
    };
    let first = new_job(&queue, held(OnConflict::ReturnExisting)).await;
    succeed(&bench, &actor, &take_one(&actor).await).await;
    let again = Submission { wanted: true, ..submission(keyed(OnConflict::ReturnExisting)) };
    let again = offer(&queue, again).await.unwrap();
    assert!(again.completion.is_none(), "it has ended");
    assert_eq!(
        (again.job.id, again.job.state, again.existing),
        (first.id.clone(), JobState::Succeeded, true)
    );
    for on_conflict in [OnConflict::Reject, OnConflict::RunOnceMore, OnConflict::CancelRunning] {
        refused(&queue, keyed(on_conflict), &first, JobState::Succeeded).await;
    }
    // What runs the job itself again is not kept from it.
    let retry = JobSpec { retry_of: Some(first.id.clone()), ..keyed(OnConflict::Reject) };
    let retry = new_job(&queue, retry).await;
    queue.cancel(&retry.id, "").await.unwrap();
    let third = new_job(&queue, held(OnConflict::Reject)).await;
    succeed(&bench, &actor, &take_one(&actor).await).await;
    refused(&queue, keyed(OnConflict::Reject), &third, JobState::Succeeded).await;
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let fourth = new_job(&queue, held(OnConflict::Reject)).await;
    queue.cancel(&fourth.id, "").await.unwrap();
    let fifth = new_job(&queue, held(OnConflict::Reject)).await;
    succeed(&bench, &actor, &take_one(&actor).await).await;
    queue.delete(&fifth.id).await.unwrap();
    new_job(&queue, held(OnConflict::Reject)).await;
    queue.close().await;
}

pub(super) async fn while_queued_a_key_is_free_once_an_actor_has_the_job(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = new_job(&queue, while_queued(OnConflict::ReturnExisting)).await;
    existing(&queue, while_queued(OnConflict::ReturnExisting), &first).await;
    let taken = take_one(&actor).await;
    let second = new_job(&queue, while_queued(OnConflict::ReturnExisting)).await;
    assert_eq!(second.state, JobState::Queued);
    existing(&queue, while_queued(OnConflict::ReturnExisting), &second).await;
    succeed(&bench, &actor, &taken).await;
    existing(&queue, while_queued(OnConflict::ReturnExisting), &second).await;
    take_one(&actor).await;
    refused(&queue, keyed(OnConflict::Reject), &second, JobState::Running).await;
    queue.close().await;
}

pub(super) async fn a_waiting_job_is_replaced_by_its_successor(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let later = Some(bench.now() + LIMIT);
    let first = new_job(&queue, JobSpec { run_at: later, ..keyed(OnConflict::Replace) }).await;
    let second = new_job(&queue, keyed(OnConflict::Replace)).await;
    let replaced = read(&queue, &first.id).await;
    assert_eq!(replaced.state, JobState::Cancelled);
    let reason = replaced.cancel_reason.unwrap();
    assert_eq!(reason, format!("replaced by job {}, which has the same unique key", second.id));
    let third = new_job(&queue, keyed(OnConflict::Replace)).await;
    assert_eq!(read(&queue, &second.id).await.state, JobState::Cancelled);
    let taken = take_one(&actor).await;
    assert_eq!(taken.lease.job_id, third.id);
    take_nothing(&actor).await;
    // An actor has it: that counts as running, also before the actor has said that it starts.
    refused(&queue, keyed(OnConflict::Replace), &third, JobState::Running).await;
    let waiting = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    let last = new_job(&queue, keyed(OnConflict::Replace)).await;
    assert_eq!((last.state, last.blocked_by.as_ref()), (JobState::Blocked, Some(&third.id)));
    assert_eq!(read(&queue, &waiting.id).await.state, JobState::Cancelled);
    succeed(&bench, &actor, &taken).await;
    assert_eq!(take_one(&actor).await.lease.job_id, last.id);
    queue.close().await;
}

pub(super) async fn one_more_run_waits_behind_the_one_that_has_begun(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    existing(&queue, keyed(OnConflict::RunOnceMore), &first).await;
    let taken = take_one(&actor).await;
    let next = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    existing(&queue, keyed(OnConflict::RunOnceMore), &next).await;
    existing(&queue, keyed(OnConflict::ReturnExisting), &first).await;
    let seen = read(&queue, &next.id).await;
    assert_eq!((seen.state, seen.blocked_by.as_ref()), (JobState::Blocked, Some(&first.id)));
    assert_eq!(of_key(&queue).await, [next.id.clone(), first.id.clone()]);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().delayed, 1);
    queue.maintain().await.unwrap();
    take_nothing(&actor).await;
    succeed(&bench, &actor, &taken).await;
    assert_eq!(read(&queue, &next.id).await.state, JobState::Queued);
    existing(&queue, keyed(OnConflict::RunOnceMore), &next).await;
    let taken = take_one(&actor).await;
    assert_eq!(taken.lease.job_id, next.id);
    let third = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    queue.cancel(&third.id, "not needed").await.unwrap();
    let later = bench.now() + Duration::from_secs(3600);
    let fourth = new_job(&queue, JobSpec { run_at: Some(later), ..keyed(OnConflict::RunOnceMore) }).await;
    assert_eq!(fourth.blocked_by, Some(next.id.clone()));
    succeed(&bench, &actor, &taken).await;
    assert_eq!(read(&queue, &fourth.id).await.state, JobState::Scheduled, "its time has not come");
    queue.close().await;
}

pub(super) async fn what_replaces_a_running_job_waits_until_its_actor_lets_go(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let (actor, other) = (bench.actor("osis_actor_0", 41).await, bench.actor("osis_actor_1", 42).await);
    let first = new_job(&queue, keyed(OnConflict::CancelRunning)).await;
    let taken = take_one(&actor).await;
    let second = new_job(&queue, keyed(OnConflict::CancelRunning)).await;
    let cancelled = read(&queue, &first.id).await;
    let reason = format!("replaced by job {}, which has the same unique key", second.id);
    assert_eq!((cancelled.state, cancelled.cancel_reason), (JobState::Cancelled, Some(reason)));
    assert_eq!((second.state, second.blocked_by.as_ref()), (JobState::Blocked, Some(&first.id)));
    let third = new_job(&queue, keyed(OnConflict::CancelRunning)).await;
    assert_eq!((third.state, third.blocked_by.as_ref()), (JobState::Blocked, Some(&first.id)));
    assert_eq!(read(&queue, &second.id).await.state, JobState::Cancelled);
    existing(&queue, keyed(OnConflict::ReturnExisting), &third).await;
    queue.maintain().await.unwrap();
    take_nothing(&other).await;
    hear_of_cancel(&actor, &taken.lease).await;
    actor.let_go(from_ref(&taken.lease)).await.unwrap();
    let taken = take_one(&other).await;
    assert_eq!(taken.lease.job_id, third.id);
    // An actor that knows no better tries to finish what it has stopped.
    let fourth = new_job(&queue, keyed(OnConflict::CancelRunning)).await;
    assert!(!finish(&other, success(&bench, &taken.lease, text("late"))).await);
    assert_eq!(take_one(&actor).await.lease.job_id, fourth.id);
    queue.close().await;
}

pub(super) async fn what_a_silent_actor_has_been_cancelled_is_waited_for_a_lease(kind: Kind) {
    let bench = kind
        .bench_with(super::queue_contract::Settings {
            lease: Duration::from_secs(2),
            ..super::queue_contract::Settings::default()
        })
        .await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let (actor, other) = (bench.actor("osis_actor_0", 41).await, bench.actor("osis_actor_1", 42).await);
    let first = new_job(&queue, keyed(OnConflict::Reject)).await;
    take_one(&actor).await;
    let begun = tokio::time::Instant::now();
    queue.cancel(&first.id, "by hand").await.unwrap();
    let second = new_job(&queue, keyed(OnConflict::Reject)).await;
    assert_eq!((second.state, second.blocked_by.as_ref()), (JobState::Blocked, Some(&first.id)));
    take_nothing(&other).await;
    until_state(&queue, &second.id, JobState::Queued).await;
    assert!(begun.elapsed() >= Duration::from_millis(1900), "{:?}", begun.elapsed());
    assert_eq!(take_one(&other).await.lease.job_id, second.id);
    queue.close().await;
}

pub(super) async fn a_retry_takes_its_key_again_unless_another_job_has_it(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = new_job(&queue, keyed(OnConflict::Reject)).await;
    let taken = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    let second = new_job(&queue, keyed(OnConflict::Reject)).await;
    let answer = queue.retry(&first.id, true, None).await.unwrap();
    assert_eq!(answer, Retried::KeyHeld { holder: second.id.clone(), state: JobState::Queued });
    queue.cancel(&second.id, "").await.unwrap();
    assert!(matches!(queue.retry(&first.id, true, None).await.unwrap(), Retried::Queued(_)));
    refused(&queue, keyed(OnConflict::Reject), &first, JobState::Queued).await;
    // Cancelled while it runs and tried again at once, it waits for its own end.
    let taken = take_one(&actor).await;
    queue.cancel(&first.id, "").await.unwrap();
    let Retried::Queued(job) = queue.retry(&first.id, true, None).await.unwrap() else {
        panic!("it is tried again")
    };
    assert_eq!((job.state, job.blocked_by.as_ref()), (JobState::Blocked, Some(&first.id)));
    hear_of_cancel(&actor, &taken.lease).await;
    take_nothing(&actor).await;
    actor.let_go(from_ref(&taken.lease)).await.unwrap();
    assert_eq!(take_one(&actor).await.lease.job_id, first.id);
    queue.close().await;
}

pub(super) async fn requests_batches_and_purges_know_keys(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let key =
        |id: &str| RequestKey { id: RequestId::parse(id).unwrap(), fingerprint: "f".to_owned(), owner: None };
    let asked = |id: &str, mode| Submission { request: Some(key(id)), ..submission(keyed(mode)) };
    let batch = vec![
        asked("r1", OnConflict::ReturnExisting),
        asked("r2", OnConflict::ReturnExisting),
        asked("r3", OnConflict::Reject),
        asked("r4", OnConflict::Replace),
    ];
    let answers = queue.submit(batch).await.unwrap();
    let ids: Vec<Option<JobId>> =
        answers.iter().map(|answer| answer.as_ref().ok().map(|done| done.job.id.clone())).collect();
    assert!(ids[0] == ids[1] && ids[2].is_none() && ids[3].is_some() && ids[3] != ids[0], "{answers:?}");
    let first = read(&queue, ids[0].as_ref().unwrap()).await;
    assert_eq!(first.state, JobState::Cancelled, "the last one has replaced it");
    // A repeat is answered as its first call was, whoever has the key now.
    for (id, existing) in [("r1", false), ("r2", true)] {
        let again = offer(&queue, asked(id, OnConflict::ReturnExisting)).await.unwrap();
        assert_eq!(
            (again.job.id, again.deduplicated, again.existing),
            (first.id.clone(), !existing, existing)
        );
    }
    let taken = take_one(&actor).await;
    let next = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    assert_eq!(queue.purge(OSIS.into(), &[JobState::Queued], "", 10).await.unwrap(), 0);
    assert_eq!(queue.purge(OSIS.into(), &[JobState::Blocked], "", 10).await.unwrap(), 1);
    assert_eq!(read(&queue, &next.id).await.state, JobState::Cancelled);
    succeed(&bench, &actor, &taken).await;
    assert_eq!(of_key(&queue).await, []);
    queue.close().await;
}

pub(super) async fn a_key_works_with_priorities_and_for_one_actor(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let (actor, other) = (bench.actor("osis_actor_0", 41).await, bench.actor("osis_actor_1", 42).await);
    let urgent = || JobSpec { priority: super::priorities::level(1), ..keyed(OnConflict::RunOnceMore) };
    new_job(&queue, urgent()).await;
    let taken = take_one(&actor).await;
    let next = new_job(&queue, urgent()).await;
    let usual = submit(&queue, spec("usual")).await;
    succeed(&bench, &actor, &taken).await;
    let taken = take_one(&actor).await;
    assert_eq!(taken.lease.job_id, next.id);
    assert_eq!(take_one(&other).await.lease.job_id, usual.id);
    let pinned = JobSpec { target_actor: Some(actor_id("osis_actor_1")), ..keyed(OnConflict::RunOnceMore) };
    let pinned = new_job(&queue, pinned).await;
    assert_eq!(pinned.state, JobState::Blocked);
    succeed(&bench, &actor, &taken).await;
    until_state(&queue, &pinned.id, JobState::Queued).await;
    take_nothing(&actor).await;
    assert_eq!(take_one(&other).await.lease.job_id, pinned.id);
    queue.close().await;
}

//! How many unfinished jobs an identity may have.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::domain::model::job::{
    IdentityQuota, JobQuota, JobSpec, JobState, QuotaReached, UnfinishedJobs,
};
use hero_supervisor::ports::job_queue::Retried;
use hero_supervisor::ports::job_submission::{Submission, SubmitRefused};
use hero_supervisor::ports::queue::Queue;

use super::queue_contract::{
    Kind, finish, offer, read, spec, submission, submit, success, take_and_start, take_one, text,
};

const ALICE: &str = "token:alice";

fn of(identity: &str, spec: JobSpec, quota: JobQuota) -> Submission {
    Submission { quota, ..submission(JobSpec { submitted_by: Some(identity.to_owned()), ..spec }) }
}

/// Asks for the count by a job that no quota of 0 lets in.
pub(super) async fn unfinished(queue: &Arc<dyn Queue>, identity: &str) -> UnfinishedJobs {
    let used = async |quota: JobQuota| match offer(queue, of(identity, spec("never"), quota)).await {
        Err(SubmitRefused::QuotaReached(reached)) => reached.used,
        other => panic!("{other:?}"),
    };
    UnfinishedJobs {
        queued: used(JobQuota { max_queued: Some(0), max_running: None }).await,
        running: used(JobQuota { max_queued: None, max_running: Some(0) }).await,
    }
}

pub(super) async fn an_identity_has_no_more_jobs_than_its_quotas_allow(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let quota = JobQuota { max_queued: Some(2), max_running: Some(1) };
    let job = |script: &str| of(ALICE, spec(script), quota);

    let batch = queue.submit(vec![job("1"), job("2"), job("3")]).await.unwrap();
    assert_eq!(batch.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    let first = batch[0].as_ref().unwrap().job.id.clone();
    assert_eq!(read(&queue, &first).await.spec.submitted_by.as_deref(), Some(ALICE));
    let waits = SubmitRefused::QuotaReached(QuotaReached { is_running: false, used: 2, limit: 2 });
    assert_eq!(offer(&queue, job("4")).await.unwrap_err(), waits);
    // Jobs of other script types count as well, and so do those that wait for their time.
    let other = JobSpec { script_type: ScriptType::V, ..spec("v") };
    assert_eq!(offer(&queue, of(ALICE, other, quota)).await.unwrap_err(), waits);
    assert!(offer(&queue, of("token:bob", spec("b"), quota)).await.is_ok(), "another identity");
    submit(&queue, spec("nobody's")).await;

    let taken = take_and_start(&bench, &actor).await;
    let runs = SubmitRefused::QuotaReached(QuotaReached { is_running: true, used: 1, limit: 1 });
    assert_eq!(offer(&queue, job("5")).await.unwrap_err(), runs);
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let run_at = Some(bench.now() + Duration::from_secs(3600));
    let later = offer(&queue, of(ALICE, JobSpec { run_at, ..spec("later") }, quota)).await.unwrap().job;
    assert_eq!(later.state, JobState::Scheduled);
    assert_eq!(offer(&queue, job("6")).await.unwrap_err(), waits);
    queue.cancel(&later.id, "").await.unwrap();
    assert!(offer(&queue, job("7")).await.is_ok());
    assert_eq!(unfinished(&queue, ALICE).await, UnfinishedJobs { queued: 2, running: 0 });
    queue.close().await;
}

pub(super) async fn a_retry_of_ones_own_job_is_under_the_quota(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let limit = JobQuota { max_queued: Some(1), max_running: None };
    let own = |identity: &str| IdentityQuota { identity: identity.to_owned(), quota: limit };
    let cancelled = offer(&queue, of(ALICE, spec("1"), limit)).await.unwrap().job.id;
    queue.cancel(&cancelled, "").await.unwrap();
    let other = JobSpec { script_type: ScriptType::V, ..spec("v") };
    let waits = offer(&queue, of(ALICE, other, limit)).await.unwrap().job.id;

    let alice = own(ALICE);
    let reached = Retried::QuotaReached(QuotaReached { is_running: false, used: 1, limit: 1 });
    assert_eq!(queue.retry(&cancelled, true, Some(&alice)).await.unwrap(), reached);
    let refused = read(&queue, &cancelled).await;
    assert_eq!(refused.state, JobState::Cancelled, "it is as it was");
    queue.cancel(&waits, "").await.unwrap();
    let Retried::Queued(_) = queue.retry(&cancelled, true, Some(&alice)).await.unwrap() else { panic!() };
    assert_eq!(unfinished(&queue, ALICE).await, UnfinishedJobs { queued: 1, running: 0 });

    // Who retries a job of another identity has its own quota to keep, of which that job is no part.
    let bob = own("token:bob");
    assert!(offer(&queue, of(&bob.identity, spec("b"), limit)).await.is_ok());
    let Retried::Queued(_) = queue.retry(&waits, false, Some(&bob)).await.unwrap() else { panic!() };
    assert_eq!(unfinished(&queue, ALICE).await, UnfinishedJobs { queued: 2, running: 0 });
    queue.close().await;
}

#[tokio::test]
async fn jobs_whose_records_were_removed_count_no_more_and_ends_leave_nothing() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let one = JobQuota { max_queued: Some(1), max_running: None };
    let lost = offer(&queue, of(ALICE, spec("1"), one)).await.unwrap().job.id;
    assert!(offer(&queue, of(ALICE, spec("2"), one)).await.is_err());
    let mut connection = bench.redis().connection().await;
    let () = redis::cmd("DEL")
        .arg(format!("hero:job:{{osis}}:{lost}"))
        .query_async(&mut connection)
        .await
        .unwrap();
    let ends = offer(&queue, of(ALICE, spec("3"), one)).await.unwrap().job.id;
    let without_record = take_one(&actor).await;
    assert_eq!(
        actor.start(&[(without_record.lease.clone(), bench.now())]).await.unwrap(),
        [without_record.lease]
    );
    let taken = take_and_start(&bench, &actor).await;
    assert_eq!(taken.lease.job_id, ends);
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let left: Vec<String> = redis::cmd("KEYS").arg("hero:*:of:*").query_async(&mut connection).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
    queue.close().await;
}

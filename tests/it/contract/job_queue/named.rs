//! Queues that are created by name.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::domain::model::id::{JobId, RequestId};
use hero_supervisor::domain::model::job::{
    IdentityQuota, JobQuota, JobSpec, JobState, JobView, Outcome, QuotaReached,
};
use hero_supervisor::domain::model::queue_name::QueueName;
use hero_supervisor::ports::job_queue::{Deleted, JobFilter, Retried};
use hero_supervisor::ports::job_submission::{RequestKey, Submission, SubmitRefused};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::queue_registry::{QueueCreated, QueueDeleted};
use hero_supervisor::ports::work_queue::WorkQueue;

use super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, Settings, actor_id, failure, finish, ids, offer, read, scripts, spec,
    submission, submit, submit_wanted, success, take, take_and_start, take_nothing, take_one, text,
    until_state, with_attempts,
};
use crate::support::wait::eventually;

fn name(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

/// A job for this queue.
fn for_queue(queue: &str, script: &str) -> JobSpec {
    JobSpec { queue: Some(name(queue)), ..spec(script) }
}

/// A submission with an id as supervisors make them.
fn minted(spec: JobSpec) -> Submission {
    Submission { id: JobId::mint_for(spec.queue()), ..submission(spec) }
}

async fn create(queue: &Arc<dyn Queue>, queue_name: &str) {
    let created = queue.create_queue(name(queue_name), OSIS).await.unwrap();
    assert!(matches!(created, QueueCreated::New(_)), "{created:?}");
}

async fn announced(bench: &QueueContract, queue: &str, actor: &str) -> Arc<dyn WorkQueue> {
    let actor = bench.actor_at(name(queue), actor, 51);
    actor.announce(false).await.unwrap();
    actor
}

pub(super) async fn a_queue_is_created_once_listed_and_deleted(kind: Kind) {
    let bench = kind.bench().await;
    let (queue, other) = (bench.supervisor(), bench.supervisor());
    assert_eq!(queue.queues().await.unwrap(), []);
    let QueueCreated::New(gpu) = queue.create_queue(name("python-gpu"), ScriptType::Python).await.unwrap()
    else {
        panic!("it is new");
    };
    assert_eq!((gpu.name.as_str(), gpu.script_type), ("python-gpu", ScriptType::Python));
    create(&queue, "a").await;
    let again = other.create_queue(name("python-gpu"), ScriptType::SAL).await.unwrap();
    assert_eq!(again, QueueCreated::Exists(gpu.clone()));
    let listed = other.queues().await.unwrap();
    assert_eq!(listed.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), ["a", "python-gpu"]);
    assert_eq!(other.queue(gpu.name).await.unwrap(), Some(gpu.clone()));

    assert_eq!(queue.delete_queue(gpu.name).await.unwrap(), QueueDeleted::Gone);
    assert_eq!(queue.delete_queue(gpu.name).await.unwrap(), QueueDeleted::Unknown);
    assert_eq!(other.queue(gpu.name).await.unwrap(), None);
    let anew = queue.create_queue(gpu.name, ScriptType::V).await.unwrap();
    assert!(matches!(&anew, QueueCreated::New(anew) if anew.script_type == ScriptType::V), "{anew:?}");
    queue.close().await;
    other.close().await;
}

pub(super) async fn jobs_of_a_queue_are_for_its_actors_only(kind: Kind) {
    let bench = kind.bench().await;
    let (queue, other) = (bench.supervisor(), bench.supervisor());
    create(&queue, "gpu").await;
    let usual = bench.actor("osis_actor_0", 41).await;
    let gpu = announced(&bench, "gpu", "gpu_0").await;

    let (job, completion) = submit_wanted(&queue, for_queue("gpu", "1")).await;
    assert_eq!(job.spec.queue(), name("gpu"));
    submit(&queue, spec("2")).await;
    assert_eq!(scripts(&take(&usual, 1).await), ["2"]);
    take_nothing(&usual).await;
    let depth = queue.depth(name("gpu")).await.unwrap();
    assert_eq!((depth.queued, queue.depth(OSIS.into()).await.unwrap().queued), (1, 0));

    let taken = take_and_start(&bench, &gpu).await;
    assert_eq!((taken.spec.script.as_str(), taken.spec.script_type), ("1", OSIS));
    assert_eq!(read(&other, &job.id).await.state, JobState::Running);
    assert_eq!(queue.presences(name("gpu")).await.unwrap()[0].actor_id, actor_id("gpu_0"));
    assert!(finish(&gpu, success(&bench, &taken.lease, text("42"))).await);
    let end = tokio::time::timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
    assert_eq!(end.outcome, Outcome::Succeeded(text("42")));
    queue.close().await;
    other.close().await;
}

pub(super) async fn an_id_leads_to_its_job_in_any_queue(kind: Kind) {
    let bench = kind.bench().await;
    let (queue, other) = (bench.supervisor(), bench.supervisor());
    create(&queue, "gpu").await;
    // An id of a supervisor, of a client, and of a caller.
    let own = offer(&queue, minted(for_queue("gpu", "1"))).await.unwrap().job.id;
    let client = submit(&queue, for_queue("gpu", "2")).await.id;
    let chosen = Submission { id: JobId::parse("mine").unwrap(), ..submission(for_queue("gpu", "3")) };
    let chosen = offer(&queue, chosen).await.unwrap().job.id;
    for id in [&own, &client, &chosen] {
        let job = other.get(id, JobView::Full).await.unwrap().unwrap();
        assert_eq!((job.spec.queue(), job.state), (name("gpu"), JobState::Queued), "{id}");
        let attached = other.attach(id).await.unwrap().unwrap();
        assert!(other.cancel(id, "enough").await.unwrap().unwrap().changed);
        let end = tokio::time::timeout(LIMIT, attached.completion.unwrap().wait()).await.unwrap().unwrap();
        assert_eq!(end.outcome, Outcome::Cancelled("enough".to_owned()));
        assert!(matches!(queue.retry(id, true, None).await.unwrap(), Retried::Queued(_)));
        assert!(other.cancel(id, "enough").await.unwrap().unwrap().changed);
        assert_eq!(other.delete(id).await.unwrap(), Deleted::Gone);
        assert_eq!(queue.get(id, JobView::Basic).await.unwrap(), None);
    }
    assert_eq!(other.get(&JobId::mint(), JobView::Basic).await.unwrap(), None);
    queue.close().await;
    other.close().await;
}

pub(super) async fn ids_and_requests_count_in_all_queues(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    for gpu in ["gpu", "gpu2"] {
        create(&queue, gpu).await;
    }
    let request = |id: &str, fingerprint: &str, spec: JobSpec| {
        let id = RequestId::parse(id).unwrap();
        let key = RequestKey { id, fingerprint: fingerprint.to_owned(), owner: None };
        Submission { request: Some(key), ..submission(spec) }
    };
    let chosen = |spec: JobSpec| Submission { id: JobId::parse("mine").unwrap(), ..submission(spec) };

    let first = offer(&queue, request("r", "a", for_queue("gpu", "1"))).await.unwrap();
    let again = offer(&queue, request("r", "a", for_queue("gpu", "1"))).await.unwrap();
    assert_eq!((again.deduplicated, &again.job.id), (true, &first.job.id));
    for elsewhere in [for_queue("gpu2", "1"), spec("1")] {
        let refused = offer(&queue, request("r", "b", elsewhere)).await.unwrap_err();
        assert!(matches!(refused, SubmitRefused::RequestIdReused { .. }), "{refused:?}");
    }
    offer(&queue, request("s", "a", spec("1"))).await.unwrap();
    let refused = offer(&queue, request("s", "b", for_queue("gpu", "1"))).await.unwrap_err();
    assert!(matches!(refused, SubmitRefused::RequestIdReused { .. }), "{refused:?}");

    let mine = offer(&queue, chosen(for_queue("gpu", "1"))).await.unwrap().job.id;
    for taken in [for_queue("gpu", "2"), for_queue("gpu2", "2"), spec("2")] {
        let refused = offer(&queue, chosen(taken)).await.unwrap_err();
        assert_eq!(refused, SubmitRefused::JobExists { job_id: mine.clone() });
    }
    // The job has gone, so its id is free in every queue.
    queue.cancel(&mine, "").await.unwrap();
    queue.delete(&mine).await.unwrap();
    assert_eq!(offer(&queue, chosen(for_queue("gpu2", "3"))).await.unwrap().job.id, mine);
    assert_eq!(read(&queue, &mine).await.spec.queue(), name("gpu2"));
    queue.close().await;
}

pub(super) async fn a_queue_takes_only_jobs_of_its_type_while_it_exists(kind: Kind) {
    let bench = kind.bench().await;
    let (queue, other) = (bench.supervisor(), bench.supervisor());
    let missing = SubmitRefused::NoQueue { queue: name("gpu") };
    assert_eq!(offer(&queue, minted(for_queue("gpu", "1"))).await.unwrap_err(), missing);
    assert!(
        bench.actor_at(name("gpu"), "gpu_0", 51).announce(false).await.is_err(),
        "there is no such queue"
    );
    create(&queue, "gpu").await;
    let wrong = JobSpec { script_type: ScriptType::V, ..for_queue("gpu", "1") };
    let refused = offer(&queue, minted(wrong)).await.unwrap_err();
    assert_eq!(refused, SubmitRefused::WrongQueue { queue: name("gpu"), serves: OSIS });

    let job = offer(&queue, minted(for_queue("gpu", "1"))).await.unwrap().job;
    let actor = announced(&bench, "gpu", "gpu_0").await;
    assert_eq!(other.delete_queue(name("gpu")).await.unwrap(), QueueDeleted::InUse { jobs: 1, actors: 1 });
    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await, "it goes on as before");
    actor.close().await;
    assert_eq!(other.delete_queue(name("gpu")).await.unwrap(), QueueDeleted::Gone);
    assert_eq!(queue.get(&job.id, JobView::Basic).await.unwrap(), None, "its ended jobs have gone with it");
    assert_eq!(offer(&queue, minted(for_queue("gpu", "2"))).await.unwrap_err(), missing);
    create(&other, "gpu").await;
    let (depth, listed) = (queue.depth(name("gpu")).await.unwrap(), filter(&queue, &["gpu"]).await);
    assert_eq!((depth, listed), (Default::default(), Vec::new()), "nothing is left of the first one");
    queue.close().await;
    other.close().await;
}

async fn filter(queue: &Arc<dyn Queue>, names: &[&str]) -> Vec<JobId> {
    let queues = names.iter().map(|each| name(each)).collect();
    let page = queue.list(&JobFilter { queues, ..JobFilter::default() }, None, 100).await.unwrap();
    ids(&page.jobs)
}

pub(super) async fn jobs_are_listed_by_their_queues(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    create(&queue, "gpu").await;
    let usual = submit(&queue, spec("1")).await.id;
    let gpu = submit(&queue, for_queue("gpu", "2")).await.id;
    assert_eq!(filter(&queue, &[]).await, from_ref(&usual));
    assert_eq!(filter(&queue, &["gpu"]).await, from_ref(&gpu));
    assert_eq!(filter(&queue, &["gpu", "osis"]).await.len(), 2);
    assert_eq!(filter(&queue, &["none"]).await, []);
    let types =
        JobFilter { queues: vec![name("gpu")], script_types: vec![ScriptType::V], ..JobFilter::default() };
    assert_eq!(queue.list(&types, None, 10).await.unwrap().jobs, []);
    queue.close().await;
}

pub(super) async fn a_used_queue_has_its_maintenance_by_any_supervisor(kind: Kind) {
    let lease = Duration::from_secs(1);
    let bench = kind.bench_with(Settings { lease, ..Settings::default() }).await;
    let (queue, other) = (bench.supervisor(), bench.supervisor());
    create(&queue, "gpu").await;
    let actor = announced(&bench, "gpu", "gpu_0").await;
    let tried = JobSpec { queue: Some(name("gpu")), ..with_attempts("again", 2) };
    let tried = offer(&queue, minted(tried)).await.unwrap().job.id;
    let taken = take_and_start(&bench, &actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "no")).await);
    // The supervisor that has submitted it is gone.
    queue.close().await;
    until_state(&other, &tried, JobState::Queued).await;
    take_and_start(&bench, &actor).await;
    // The actor is silent from here on.
    let lost = until_state(&other, &tried, JobState::Failed).await;
    assert_eq!(lost.attempt, 2);
    let late = JobSpec { queue_timeout: Some(Duration::from_millis(50)), ..for_queue("gpu", "late") };
    let late = offer(&other, minted(late)).await.unwrap().job.id;
    until_state(&other, &late, JobState::Failed).await;
    other.close().await;
}

pub(super) async fn quotas_count_in_all_queues(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    create(&queue, "gpu").await;
    let quota = JobQuota { max_queued: Some(2), max_running: None };
    let of_alice = |spec: JobSpec| {
        let spec = JobSpec { submitted_by: Some("token:alice".to_owned()), ..spec };
        Submission { quota, ..minted(spec) }
    };
    offer(&queue, of_alice(for_queue("gpu", "1"))).await.unwrap();
    offer(&queue, of_alice(spec("2"))).await.unwrap();
    let reached = SubmitRefused::QuotaReached(QuotaReached { is_running: false, used: 2, limit: 2 });
    for third in [for_queue("gpu", "3"), spec("3")] {
        assert_eq!(offer(&queue, of_alice(third)).await.unwrap_err(), reached);
    }
    queue.close().await;
}

pub(super) async fn a_retry_counts_jobs_in_named_queues_against_a_quota(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    create(&queue, "gpu").await;
    let quota = JobQuota { max_queued: Some(2), max_running: None };
    let of_alice = |spec: JobSpec| {
        let spec = JobSpec { submitted_by: Some("token:alice".to_owned()), ..spec };
        Submission { quota, ..minted(spec) }
    };
    let cancelled = offer(&queue, of_alice(spec("1"))).await.unwrap().job.id;
    queue.cancel(&cancelled, "").await.unwrap();
    for script in ["2", "3"] {
        offer(&queue, of_alice(for_queue("gpu", script))).await.unwrap();
    }
    let alice = IdentityQuota { identity: "token:alice".to_owned(), quota };
    let reached = QuotaReached { is_running: false, used: 2, limit: 2 };
    assert_eq!(queue.retry(&cancelled, true, Some(&alice)).await.unwrap(), Retried::QuotaReached(reached));
    queue.close().await;
}

pub(super) async fn there_are_no_more_named_queues_than_the_limit(kind: Kind) {
    let bench = kind.bench_with(Settings { named_queue_limit: 2, ..Settings::default() }).await;
    let queue = bench.supervisor();
    for first in ["a", "b"] {
        create(&queue, first).await;
    }
    let third = queue.create_queue(name("c"), OSIS).await.unwrap();
    assert_eq!(third, QueueCreated::TooMany { limit: 2 });
    let again = queue.create_queue(name("a"), OSIS).await.unwrap();
    assert!(matches!(again, QueueCreated::Exists(_)), "{again:?}");
    assert_eq!(queue.delete_queue(name("b")).await.unwrap(), QueueDeleted::Gone);
    create(&queue, "c").await;
    queue.close().await;
}

pub(super) async fn another_supervisor_knows_a_queue_within_moments(kind: Kind) {
    let bench = kind.bench().await;
    let (queue, other) = (bench.supervisor(), bench.supervisor());
    // It has looked for queues already, when there were none.
    assert_eq!(other.get(&JobId::parse("mine").unwrap(), JobView::Basic).await.unwrap(), None);
    create(&queue, "gpu").await;
    let chosen = Submission { id: JobId::parse("mine").unwrap(), ..submission(for_queue("gpu", "1")) };
    let id = offer(&queue, chosen).await.unwrap().job.id;
    eventually("the job is found", LIMIT, || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.get(&id, JobView::Basic).await.unwrap()
    })
    .await;
    queue.close().await;
    other.close().await;
}

pub(super) async fn used_queues_are_told_without_those_that_never_were_the_busy_ones_first(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    for each in ["a-ended", "b-never", "c-busy", "d-attended"] {
        create(&queue, each).await;
    }
    let ended = submit(&queue, for_queue("a-ended", "1")).await.id;
    queue.cancel(&ended, "").await.unwrap();
    submit(&queue, for_queue("c-busy", "1")).await;
    let attends = announced(&bench, "d-attended", "d_0").await;
    // An actor alone is found by the round of maintenance that the first submit to its queue begins.
    let gone = submit(&queue, for_queue("d-attended", "1")).await.id;
    queue.cancel(&gone, "").await.unwrap();
    let used = async |most| {
        let used = queue.used_queues(most).await.unwrap();
        used.iter().map(|record| record.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    eventually("the queue with ended jobs only comes last", LIMIT, || async {
        queue.maintain().await.unwrap();
        let (all, two) = (used(10).await, used(2).await);
        let busy = ["c-busy d-attended", "d-attended c-busy"];
        busy.iter().any(|busy| all == format!("{busy} a-ended") && busy.len() == two.len()).then_some(())
    })
    .await;
    attends.close().await;
    queue.close().await;
}

//! Lists: newest first, filtered, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobKind, JobSpec, JobState, Priority};
use hero_supervisor::ports::job_queue::JobFilter;

use super::queue_contract::{
    Kind, OSIS, actor_id, finish, ids, read, spec, submission, submit, success, take, take_one, text,
};

pub(super) async fn pages_show_every_job_once_newest_first(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let mut all = BTreeSet::new();
    for round in 0..3 {
        // Many in one millisecond, over all types.
        let batch: Vec<_> = (0..40)
            .map(|n: usize| {
                submission(JobSpec { script_type: ScriptType::ALL[n % 4], ..spec(&round.to_string()) })
            })
            .collect();
        all.extend(batch.iter().map(|submission| submission.id.clone()));
        assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    let mut pages = 0;
    loop {
        let page = queue.list(&JobFilter::default(), after.as_ref(), 7).await.unwrap();
        assert!(page.jobs.len() <= 7);
        seen.extend(page.jobs);
        pages += 1;
        if pages == 3 {
            // What comes while somebody pages is newer, so it is on none of his pages.
            submit(&queue, spec("new")).await;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| (a.created_at, &a.id) > (b.created_at, &b.id)));
    assert_eq!(seen.iter().map(|job| job.id.clone()).collect::<BTreeSet<JobId>>(), all);
    assert_eq!(seen.len(), all.len());
    assert!(seen.iter().all(|job| job.spec.script.is_empty()));
    queue.close().await;
}

fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) async fn every_filter_does_what_it_says(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let done = submit(&queue, JobSpec { context_id: "c1".to_owned(), ..spec("done") }).await.id;
    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let marks = BTreeMap::from([("team".to_owned(), "a".to_owned()), ("tier".to_owned(), "1".to_owned())]);
    let bobs = JobSpec { caller_id: "bob".to_owned(), labels: marks, ..spec("bob") };
    let bobs = submit(&queue, bobs).await.id;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (usual, last) = (Priority::default(), Priority::LAST);
    let sal = JobSpec { script_type: ScriptType::SAL, priority: last, ..spec("sal") };
    let sal = submit(&queue, sal).await.id;
    let bobs_time = read(&queue, &bobs).await.created_at;
    let sal_time = read(&queue, &sal).await.created_at;

    let cases = [
        (JobFilter::default(), vec![&sal, &bobs, &done]),
        (JobFilter { script_types: vec![OSIS, ScriptType::V], ..Default::default() }, vec![&bobs, &done]),
        (JobFilter { script_types: vec![ScriptType::Python], ..Default::default() }, vec![]),
        (JobFilter { states: vec![JobState::Succeeded], ..Default::default() }, vec![&done]),
        (
            JobFilter { states: vec![JobState::Queued, JobState::Succeeded], ..Default::default() },
            vec![&sal, &bobs, &done],
        ),
        (JobFilter { caller_id: Some("bob".to_owned()), ..Default::default() }, vec![&bobs]),
        (JobFilter { context_id: Some("c1".to_owned()), ..Default::default() }, vec![&done]),
        (JobFilter { actor_id: Some(actor_id("osis_actor_0")), ..Default::default() }, vec![&done]),
        (JobFilter { labels: labels(&[("team", "a")]), ..Default::default() }, vec![&bobs]),
        (JobFilter { labels: labels(&[("team", "a"), ("tier", "2")]), ..Default::default() }, vec![]),
        (JobFilter { priorities: vec![last, Priority::FIRST], ..Default::default() }, vec![&sal]),
        (JobFilter { priorities: vec![usual], ..Default::default() }, vec![&bobs, &done]),
        (JobFilter { id_prefix: Some(bobs.as_str()[..34].to_owned()), ..Default::default() }, vec![&bobs]),
        (JobFilter { id_prefix: Some("x".to_owned()), ..Default::default() }, vec![]),
        (JobFilter { created_after: Some(bobs_time), ..Default::default() }, vec![&sal, &bobs]),
        (JobFilter { created_before: Some(bobs_time), ..Default::default() }, vec![&done]),
        (
            JobFilter {
                created_after: Some(bobs_time),
                created_before: Some(sal_time),
                ..Default::default()
            },
            vec![&bobs],
        ),
    ];
    for (filter, expected) in cases {
        let page = queue.list(&filter, None, 10).await.unwrap();
        let expected: Vec<JobId> = expected.into_iter().cloned().collect();
        assert_eq!(ids(&page.jobs), expected, "{filter:?}");
    }
    queue.close().await;
}

pub(super) async fn pings_are_neither_listed_nor_counted(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let ping = JobSpec { kind: JobKind::Ping, target_actor: Some(actor_id("osis_actor_0")), ..spec("ping") };
    let id = submit(&queue, ping.clone()).await.id;
    assert_eq!(queue.depth(OSIS.into()).await.unwrap(), Default::default());
    let taken = take(&actor, 1).await.remove(0);
    assert_eq!(taken.spec, ping);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap(), Default::default());
    assert_eq!(
        queue.presences(OSIS.into()).await.unwrap()[0].in_flight,
        0,
        "a ping does not make an actor busy"
    );
    assert!(finish(&actor, success(&bench, &taken.lease, text("pong"))).await);
    assert_eq!(read(&queue, &id).await.result, Some(text("pong")));
    assert_eq!(queue.list(&JobFilter::default(), None, 10).await.unwrap().jobs, []);
    actor.announce(false).await.unwrap();
    assert_eq!(queue.presences(OSIS.into()).await.unwrap()[0].last_job_at, None, "a ping is not a job");
    queue.close().await;
}

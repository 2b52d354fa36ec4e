//! Rates of flow keys: how many jobs of one key are handed out in a span of time.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::flow::{FlowPause, FlowRate, FlowRule};
use hero_supervisor::domain::model::job::JobSpec;
use hero_supervisor::ports::queue_admin::FlowHeld;
use hero_supervisor::ports::work_queue::{TakenJob, WorkQueue};
use tokio::time::Instant;

use super::flow::{of, rule, set, take_all};
use super::queue_contract::{
    Kind, OSIS, QueueContract, actor_id, finish, killed, scripts, submit, success, take_one, text,
    with_attempts,
};

/// A rule of so many jobs in so many seconds.
pub(super) fn at_rate(key: &str, jobs: u32, seconds: u64, burst: u32) -> FlowRule {
    let rate = FlowRate::new(jobs, Duration::from_secs(seconds), Some(burst));
    FlowRule { rate: Some(rate), ..rule(key) }
}

pub(super) async fn start(bench: &QueueContract, actor: &Arc<dyn WorkQueue>, jobs: &[TakenJob]) {
    let started: Vec<_> = jobs.iter().map(|job| (job.lease.clone(), bench.now())).collect();
    assert!(actor.start(&started).await.unwrap().is_empty());
}

pub(super) async fn a_key_is_handed_out_at_its_rate_while_others_go_on(kind: Kind) {
    const INTERVAL: Duration = Duration::from_millis(250);
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_rate("a", 4, 1, 2)]).await;
    let begun = Instant::now();
    for name in ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2"] {
        submit(&queue, of(&name[..1], name)).await;
    }
    let first = take_all(&queue, &actor).await;
    start(&bench, &actor, &first).await;
    let mut names = scripts(&first);
    names.sort_unstable();
    assert_eq!(names, ["a0", "a1", "b0", "b1", "b2"]);
    let standing = queue.flow_standing(OSIS.into(), "a", &first[0].lease.job_id).await.unwrap();
    let held = queue.flow_held(OSIS.into()).await.unwrap();
    // A machine that has stood still for so long has opened the key.
    if begun.elapsed() < INTERVAL {
        let opens = standing.opens.expect("the key has had its burst");
        assert!(opens <= bench.now() + INTERVAL + Duration::from_millis(2), "{opens:?}");
        assert_eq!((held.paused, held.at_limit, held.over_rate), (0, 0, 3));
    }
    let other = queue.flow_standing(OSIS.into(), "b", &first[0].lease.job_id).await.unwrap();
    assert_eq!(other.opens, None);
    // No round of maintenance and no end of a job helps these out.
    for (number, name) in ["a2", "a3", "a4"].into_iter().enumerate() {
        let taken = take_one(&actor).await;
        assert_eq!(taken.spec.script, name);
        start(&bench, &actor, from_ref(&taken)).await;
        let least = INTERVAL * (u32::try_from(number).unwrap() + 1);
        assert!(begun.elapsed() + Duration::from_millis(1) >= least, "{name} came too soon");
    }
    queue.close().await;
}

pub(super) async fn a_burst_of_one_is_followed_by_one_in_each_interval(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_rate("a", 10, 1, 1)]).await;
    for number in 0..8 {
        submit(&queue, of("a", &format!("a{number}"))).await;
    }
    let mut before = Instant::now();
    let begun = before;
    for number in 0..8 {
        let taken = take_one(&actor).await;
        assert_eq!(taken.spec.script, format!("a{number}"));
        assert!(number == 0 || before.elapsed() + Duration::from_millis(1) >= Duration::from_millis(100));
        before = Instant::now();
        start(&bench, &actor, from_ref(&taken)).await;
        assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    }
    assert!(begun.elapsed() >= Duration::from_millis(690), "{:?}", begun.elapsed());
    queue.close().await;
}

pub(super) async fn every_attempt_counts_and_what_is_given_back_does_not(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_rate("a", 1, 3600, 3)]).await;
    for name in ["a0", "a1", "a2", "a3", "a4"] {
        let spec = JobSpec { flow_key: Some("a".to_owned()), ..with_attempts(name, 3) };
        submit(&queue, spec).await;
    }
    // Given back: as if it had not been taken.
    let mut taken = take_all(&queue, &actor).await;
    assert_eq!(scripts(&taken), ["a0", "a1", "a2"]);
    let leases: Vec<_> = taken.iter().map(|job| job.lease.clone()).collect();
    actor.release(&leases).await.unwrap();
    taken = take_all(&queue, &actor).await;
    assert_eq!(scripts(&taken), ["a0", "a1", "a2"]);
    // Ended, with a word of its start or without: the others have to wait.
    start(&bench, &actor, &taken[..1]).await;
    for job in &taken[..2] {
        assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
    }
    assert_eq!(take_all(&queue, &actor).await.len(), 0);
    // Its actor dies: it waits like the others.
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 41, &killed()).await.unwrap();
    let actor = bench.actor("osis_actor_0", 42).await;
    assert_eq!(take_all(&queue, &actor).await.len(), 0);
    let standing = queue.flow_standing(OSIS.into(), "a", &taken[2].lease.job_id).await.unwrap();
    let wait = standing.opens.unwrap().duration_since(bench.now()).unwrap();
    assert!(wait > Duration::from_secs(3500) && wait <= Duration::from_secs(3600), "{wait:?}");
    // What is cancelled before anybody takes it has cost nothing.
    set(&queue, 2, vec![at_rate("b", 1, 3600, 1)]).await;
    let first = submit(&queue, of("b", "b0")).await;
    submit(&queue, of("b", "b1")).await;
    queue.cancel(&first.id, "").await.unwrap();
    let mut names: Vec<String> =
        take_all(&queue, &actor).await.into_iter().map(|job| job.spec.script).collect();
    names.sort();
    assert_eq!(names, ["a2", "a3", "a4", "b1"]);
    queue.close().await;
}

pub(super) async fn what_changes_a_rate_holds_at_once(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_rate("a", 1, 86_400, 1)]).await;
    for number in 0..6 {
        submit(&queue, of("a", &format!("a{number}"))).await;
    }
    let taken = take_all(&queue, &actor).await;
    assert_eq!(scripts(&taken), ["a0"]);
    start(&bench, &actor, &taken).await;
    // Faster: what was used before counts for no more than a burst.
    set(&queue, 2, vec![at_rate("a", 2, 1, 1)]).await;
    let taken = take_one(&actor).await;
    assert_eq!(taken.spec.script, "a1");
    start(&bench, &actor, from_ref(&taken)).await;
    // A pause and a limit hold besides.
    let paused = FlowRule { paused: Some(FlowPause::default()), ..at_rate("a", 100, 1, 100) };
    set(&queue, 3, vec![paused]).await;
    assert_eq!(take_all(&queue, &actor).await.len(), 0);
    assert_eq!(queue.flow_held(OSIS.into()).await.unwrap().paused, 4);
    let limited = FlowRule { max_running: Some(3), ..at_rate("a", 100, 1, 100) };
    set(&queue, 4, vec![limited]).await;
    let taken = take_all(&queue, &actor).await;
    assert_eq!(scripts(&taken), ["a2"], "two run already");
    assert_eq!(queue.flow_held(OSIS.into()).await.unwrap().at_limit, 3);
    start(&bench, &actor, &taken).await;
    // Without a rate all come, and a new one begins with what is left of the last one at most.
    set(&queue, 5, vec![rule("a")]).await;
    let taken = take_all(&queue, &actor).await;
    assert_eq!(scripts(&taken), ["a3", "a4", "a5"]);
    start(&bench, &actor, &taken).await;
    set(&queue, 6, Vec::new()).await;
    assert_eq!(queue.flow_held(OSIS.into()).await.unwrap(), FlowHeld::default());
    submit(&queue, of("a", "a6")).await;
    assert_eq!(scripts(&take_all(&queue, &actor).await), ["a6"]);
    queue.close().await;
}

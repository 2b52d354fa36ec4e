//! Flow by key: how many jobs of one key run and wait, whose turn it is, and everything that touches what waits.

use std::collections::BTreeMap;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::backoff::Backoff;
use hero_supervisor::domain::model::flow::{FlowKeyFull, FlowPause, FlowRule, FlowRules};
use hero_supervisor::domain::model::job::{JobSpec, JobState, RetryPolicy};
use hero_supervisor::ports::job_submission::SubmitRefused;
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{TakenJob, Work, WorkQueue};

use super::priorities::level;
use super::queue_contract::{
    Kind, LIMIT, OSIS, actor_id, failure, finish, killed, offer, spec, submission, submit, success,
    take_nothing, text, until_state,
};
use crate::support::wait::eventually;

pub(super) fn rule(key: &str) -> FlowRule {
    FlowRule::new(Some(key.to_owned()))
}

pub(super) fn at_most(key: &str, running: u32) -> FlowRule {
    FlowRule { max_running: Some(running), ..rule(key) }
}

/// Brings rules into force.
pub(super) async fn set(queue: &Arc<dyn Queue>, generation: u64, rules: Vec<FlowRule>) {
    queue.set_flow(OSIS.into(), generation, &FlowRules::new(rules).unwrap());
    queue.push_flow(OSIS.into()).await.unwrap();
}

/// A job of this key, whose script is its name.
pub(super) fn of(key: &str, name: &str) -> JobSpec {
    JobSpec { flow_key: Some(key.to_owned()), ..spec(name) }
}

/// Takes all that there is for an actor with enough room; what it takes makes room at the front.
pub(super) async fn take_all(queue: &Arc<dyn Queue>, actor: &Arc<dyn WorkQueue>) -> Vec<TakenJob> {
    let mut jobs = Vec::new();
    loop {
        queue.maintain().await.unwrap();
        let work = actor.take(20, Duration::ZERO).await.unwrap();
        let before = jobs.len();
        jobs.extend(work.into_iter().filter_map(|work| match work {
            Work::Job(job) => Some(*job),
            Work::Drain { .. } | Work::Cancelled { .. } => None,
        }));
        if jobs.len() == before {
            return jobs;
        }
    }
}

fn keys_of(jobs: &[TakenJob]) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    for job in jobs {
        *keys.entry(job.spec.script.chars().take(1).collect()).or_default() += 1;
    }
    keys
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

pub(super) async fn no_more_jobs_of_a_key_run_than_its_rule_allows(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_most("a", 2), FlowRule { max_running: Some(1), ..FlowRule::new(None) }]).await;
    for number in 0..5 {
        for key in ["a", "b", "c"] {
            submit(&queue, of(key, &format!("{key}{number}"))).await;
        }
    }
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 15);
    let mut held = take_all(&queue, &actor).await;
    assert_eq!(keys_of(&held), counts(&[("a", 2), ("b", 1), ("c", 1)]));
    let standing = queue.flow_standing(OSIS.into(), "a", &held[0].lease.job_id).await.unwrap();
    assert_eq!((standing.running, standing.jobs.len()), (2, 2));
    // Each end makes room for one of the same key.
    while let Some(job) = held.pop() {
        assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
        held.extend(take_all(&queue, &actor).await);
        let keys = keys_of(&held);
        for (key, most) in [("a", 2), ("b", 1), ("c", 1)] {
            assert!(keys.get(key).copied().unwrap_or_default() <= most, "{keys:?}");
        }
    }
    let depth = queue.depth(OSIS.into()).await.unwrap();
    assert_eq!((depth.queued, depth.running), (0, 0));
    queue.close().await;
}

pub(super) async fn a_place_is_given_back_once_however_an_attempt_ends(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_most("a", 1)]).await;
    let mut jobs = Vec::new();
    for name in ["a0", "a1", "a2", "a3"] {
        // Long enough for what comes before the next attempt.
        let backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(4)).unwrap();
        let retry = RetryPolicy { max_attempts: 3, backoff };
        let spec = JobSpec { flow_key: Some("a".to_owned()), retry, ..spec(name) };
        jobs.push(submit(&queue, spec).await.id);
    }
    let only = async |name: &str| {
        let mut taken = take_all(&queue, &actor).await;
        assert_eq!(taken.iter().map(|job| job.spec.script.as_str()).collect::<Vec<_>>(), [name]);
        taken.remove(0)
    };
    // Released: it comes again, and first.
    let taken = only("a0").await;
    actor.release(from_ref(&taken.lease)).await.unwrap();
    let taken = only("a0").await;
    // Failed: the next one runs until its delay is over, and then it is the first one.
    assert!(finish(&actor, failure(&bench, &taken.lease, "bad luck")).await);
    let next = only("a1").await;
    until_state(&queue, &jobs[0], JobState::Queued).await;
    take_nothing(&actor).await;
    assert!(finish(&actor, success(&bench, &next.lease, text("1"))).await);
    // Its actor dies.
    only("a0").await;
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 41, &killed()).await.unwrap();
    let actor = bench.actor("osis_actor_0", 42).await;
    let mut again = take_all(&queue, &actor).await;
    assert_eq!(again.len(), 1);
    let again = again.remove(0);
    assert_eq!((again.spec.script.as_str(), again.attempt), ("a0", 3));
    // Cancelled while an actor has it: the actor has to let go of it first.
    queue.cancel(&jobs[0], "").await.unwrap();
    assert_eq!(take_all(&queue, &actor).await.len(), 0);
    actor.let_go(from_ref(&again.lease)).await.unwrap();
    let last = take_all(&queue, &actor).await;
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].spec.script, "a2");
    // Cancelled, purged and deleted while they wait.
    queue.cancel(&jobs[3], "").await.unwrap();
    submit(&queue, of("a", "a4")).await;
    assert_eq!(queue.purge(OSIS.into(), &[JobState::Queued], "", 9).await.unwrap(), 1);
    assert!(finish(&actor, success(&bench, &last[0].lease, text("1"))).await);
    assert_eq!(take_all(&queue, &actor).await.len(), 0);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 0);
    // A retry by hand is under the rule as well.
    submit(&queue, of("a", "a5")).await;
    queue.retry(&jobs[3], true, None).await.unwrap();
    assert_eq!(take_all(&queue, &actor).await.len(), 1);
    queue.close().await;
}

pub(super) async fn a_paused_key_gives_nothing_until_its_pause_is_over(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![rule("b")]).await;
    for name in ["a0", "a1", "b0", "b1"] {
        submit(&queue, of(&name[..1], name)).await;
    }
    // What is about to be handed out comes back.
    let paused = |until| FlowRule { paused: Some(FlowPause { reason: String::new(), until }), ..rule("a") };
    set(&queue, 2, vec![paused(None)]).await;
    assert_eq!(keys_of(&take_all(&queue, &actor).await), counts(&[("b", 2)]));
    set(&queue, 3, vec![paused(Some(bench.now() + Duration::from_secs(3)))]).await;
    take_nothing(&actor).await;
    let taken = eventually("the pause is over", LIMIT, || async {
        Some(take_all(&queue, &actor).await).filter(|jobs| !jobs.is_empty())
    })
    .await;
    assert_eq!(keys_of(&taken), counts(&[("a", 2)]));
    // Older rules change nothing.
    set(&queue, 4, vec![rule("a")]).await;
    if kind != Kind::Memory {
        set(&queue, 2, vec![paused(None)]).await;
    }
    submit(&queue, of("a", "a2")).await;
    assert_eq!(take_all(&queue, &actor).await.len(), 1);
    queue.close().await;
}

pub(super) async fn a_full_key_refuses_and_leaves_others_alone(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![FlowRule { max_queued: Some(3), ..rule("a") }]).await;
    let batch = (0..5).map(|n| submission(of("a", &format!("a{n}")))).collect();
    let answers = queue.submit(batch).await.unwrap();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    let full = FlowKeyFull { key: "a".to_owned(), queued: 3, limit: 3 };
    let full = SubmitRefused::FlowKeyFull(full);
    assert_eq!(offer(&queue, submission(of("a", "a5"))).await.unwrap_err(), full);
    submit(&queue, of("b", "b0")).await;
    let pinned = JobSpec { target_actor: Some(actor_id("osis_actor_0")), ..of("a", "a6") };
    submit(&queue, pinned).await;
    let taken = take_all(&queue, &actor).await;
    assert_eq!(taken.len(), 5);
    actor.start(&taken.iter().map(|job| (job.lease.clone(), bench.now())).collect::<Vec<_>>()).await.unwrap();
    submit(&queue, of("a", "a7")).await;
    queue.close().await;
}

pub(super) async fn keys_get_their_shares_and_one_that_comes_late_need_not_wait(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let weight = |key, weight| FlowRule { weight, ..rule(key) };
    set(&queue, 1, vec![weight("b", 2), weight("c", 4)]).await;
    for (key, jobs) in [("a", 130), ("b", 240), ("c", 440)] {
        for part in 0..10 {
            let batch = (0..jobs / 10).map(|n| submission(of(key, &format!("{key}{part}{n}")))).collect();
            queue
                .submit(batch)
                .await
                .unwrap()
                .iter()
                .for_each(|answer| assert!(answer.is_ok(), "{answer:?}"));
        }
    }
    let mut order = Vec::new();
    let next = async |order: &mut Vec<String>| {
        let work = actor.take(1, LIMIT).await.unwrap();
        let Some(Work::Job(job)) = work.into_iter().next() else { panic!("a job was expected") };
        order.push(job.spec.script.chars().take(1).collect());
        assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
    };
    for _job in 0..710 {
        next(&mut order).await;
    }
    // The first ones had no competitors.
    let shares = order[10..].iter().fold(BTreeMap::<&str, i32>::new(), |mut all, key| {
        *all.entry(key).or_default() += 1;
        all
    });
    for (key, share) in [("a", 100), ("b", 200), ("c", 400)] {
        assert!((shares[key] - share).abs() * 20 <= share, "{shares:?}");
    }
    submit(&queue, of("d", "d")).await;
    order.clear();
    for _job in 0..20 {
        next(&mut order).await;
    }
    assert!(order.iter().any(|key| key == "d"), "{order:?}");
    queue.close().await;
}

pub(super) async fn within_a_key_priority_and_age_decide(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_most("a", 1)]).await;
    let mut ids = BTreeMap::new();
    for (priority, name) in [(3, "a0"), (3, "a1"), (5, "a2"), (1, "a3"), (3, "a4")] {
        let spec = JobSpec { priority: level(priority), ..of("a", name) };
        ids.insert(name, submit(&queue, spec).await.id);
    }
    queue.reprioritize(&ids["a4"], level(1)).await.unwrap();
    queue.reprioritize(&ids["a1"], level(4)).await.unwrap();
    let mut order = Vec::new();
    loop {
        let mut taken = take_all(&queue, &actor).await;
        assert!(taken.len() <= 1);
        let Some(job) = taken.pop() else { break };
        assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
        order.push(job.spec.script);
    }
    assert_eq!(order, ["a3", "a4", "a0", "a1", "a2"]);
    queue.close().await;
}

pub(super) async fn rules_hold_for_what_waits_and_their_end_frees_all(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    // Of all kinds: in the stream, ranked by priority, delayed, and with an actor.
    submit(&queue, of("a", "a0")).await;
    let held = take_all(&queue, &actor).await;
    for n in 1..40 {
        submit(&queue, JobSpec { priority: level(if n > 20 { 2 } else { 3 }), ..of("a", &format!("a{n}")) })
            .await;
    }
    submit(&queue, JobSpec { caller_id: "bob".to_owned(), ..spec("bob") }).await;
    set(&queue, 1, vec![at_most("a", 2), at_most("bob", 1)]).await;
    let more = take_all(&queue, &actor).await;
    assert_eq!(keys_of(&more), counts(&[("a", 1), ("b", 1)]), "one of a runs already");
    for job in held.iter().chain(&more) {
        assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
    }
    let two = take_all(&queue, &actor).await;
    assert_eq!(keys_of(&two), counts(&[("a", 2)]));
    set(&queue, 2, Vec::new()).await;
    let all = take_all(&queue, &actor).await;
    assert_eq!(all.len(), 36);
    for job in two.iter().chain(&all) {
        assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
    }
    submit(&queue, spec("plain")).await;
    assert_eq!(take_all(&queue, &actor).await.len(), 1);
    queue.close().await;
}

//! Outages of Redis: it is killed, loses its data or its functions, cuts connections.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hero_supervisor::adapters::redis::{RedisConfig, RedisForScripts, RedisQueue};
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobState, JobView, Outcome};
use hero_supervisor::ports::job_queue::QueueError;
use hero_supervisor::ports::job_submission::{Submission, SubmitRefused};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use hero_supervisor::ports::script_redis::{Answer, ScriptRedis};
use hero_supervisor::ports::store_fault::StoreFault;
use hero_supervisor::ports::work_queue::{AttemptEnd, Lease, Work, WorkQueue};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::attempts::hear;
use super::queue_contract::{
    Kind, LIMIT, QueueContract, Settings, finish, read, spec, submission, submit, submit_wanted, success,
    take, take_and_start, take_one, text,
};
use super::redis_only::command;
use crate::support::redis::PrivateRedis;
use crate::support::wait::eventually;

/// A call that fails does so within this time; twice what is promised, since the machine may be busy.
const FAST: Duration = Duration::from_secs(4);

#[tokio::test]
async fn who_follows_a_job_hears_again_after_a_lost_connection() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let job = submit(&queue, spec("1")).await;
    let mut changes = queue.changes(&job.id);
    hear(&mut changes, "the first connection").await;
    let killed = command(&mut bench, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(killed, redis::Value::Int(1));
    hear(&mut changes, "the second connection").await;
    let actor = bench.actor("osis_actor_0", 41).await;
    take_and_start(&bench, &actor).await;
    hear(&mut changes, "the start").await;
    queue.close().await;
}

#[tokio::test]
async fn a_script_finds_redis_again_that_was_restarted_since_the_last_one() {
    let mut redis = PrivateRedis::start().await;
    let scripts = RedisForScripts::new(redis.url());
    let ping = || scripts.ask("ECHO", &["hello"], LIMIT);
    assert_eq!(ping(), Ok(Answer::Text("hello".to_owned())));
    redis.restart().await;
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(ping(), Ok(Answer::Text("hello".to_owned())));
}

#[tokio::test]
async fn a_killed_redis_with_an_append_only_file_loses_no_acknowledged_job() {
    let mut bench = QueueContract::on(PrivateRedis::start_append_only().await, Settings::default());
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    // One actor works all the time; three callers submit until the kill.
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    workers.spawn(work_until(stop.clone(), actor, bench.now()));
    let mut callers: JoinSet<Vec<JobId>> = JoinSet::new();
    for _caller in 0..3 {
        callers.spawn(submit_until_away(Arc::clone(&queue)));
    }
    sleep(Duration::from_millis(500)).await;
    bench.redis().kill9();
    let mut acknowledged = Vec::new();
    while let Some(caller) = callers.join_next().await {
        acknowledged.extend(caller.unwrap());
    }
    assert!(acknowledged.len() > 10, "only {} jobs before the kill", acknowledged.len());
    bench.redis().restart().await;
    eventually("every acknowledged job has ended", LIMIT * 2, || async {
        for id in &acknowledged {
            let job = queue.get(id, JobView::Basic).await.ok()?.expect("an acknowledged job is there");
            if !job.state.is_terminal() {
                return None;
            }
        }
        Some(())
    })
    .await;
    for id in &acknowledged {
        assert_eq!(read(&queue, id).await.state, JobState::Succeeded);
    }
    stop.cancel();
    workers.join_all().await;
    queue.close().await;
}

/// Takes jobs and ends them, also those that came back. Returns the leases whose end was not accepted.
async fn work_until(
    stop: CancellationToken,
    actor: Arc<dyn WorkQueue>,
    started_at: SystemTime,
) -> Vec<Lease> {
    let mut void = Vec::new();
    while !stop.is_cancelled() {
        let Ok(work) = actor.take(16, Duration::from_millis(200)).await else {
            sleep(Duration::from_millis(20)).await;
            if let Ok(recovered) = actor.recover(&[]).await {
                void.extend(complete(&*actor, recovered, started_at).await);
            }
            continue;
        };
        void.extend(complete(&*actor, work, started_at).await);
    }
    void
}

/// Submits one job after the other until Redis is away. Returns those that were acknowledged.
async fn submit_until_away(queue: Arc<dyn Queue>) -> Vec<JobId> {
    let mut acknowledged = Vec::new();
    loop {
        match queue.submit(vec![submission(spec("1"))]).await {
            Ok(mut answers) => match answers.remove(0) {
                Ok(submitted) => acknowledged.push(submitted.job.id),
                // It was on its way when Redis was killed.
                Err(SubmitRefused::Uncertain { .. }) => return acknowledged,
                Err(refused) => panic!("{refused}"),
            },
            Err(error)
                if matches!(error.fault(), StoreFault::Unavailable(_) | StoreFault::TimedOut { .. }) =>
            {
                return acknowledged;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Ends every job that was handed out; answers with those whose end was not accepted.
pub(super) async fn complete(actor: &dyn WorkQueue, work: Vec<Work>, started_at: SystemTime) -> Vec<Lease> {
    let mut ends = Vec::new();
    for work in work {
        if let Work::Job(job) = work {
            ends.push(AttemptEnd {
                lease: job.lease,
                started_at,
                outcome: Ok(text("1")),
                usage: None,
                output: Vec::new(),
            });
        }
    }
    let leases: Vec<_> = ends.iter().map(|end| end.lease.clone()).collect();
    loop {
        match actor.finish(ends.clone()).await {
            Ok(accepted) => {
                return leases
                    .into_iter()
                    .zip(accepted)
                    .filter(|(_, ok)| !ok)
                    .map(|(lease, _)| lease)
                    .collect();
            }
            Err(_away) => sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test]
async fn lost_data_breaks_completions_soon_and_new_jobs_work_by_themselves() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (lost, completion) = submit_wanted(&queue, spec("lost")).await;
    let (held, held_completion) = submit_wanted(&queue, spec("held")).await;
    let taken = take(&actor, 2).await;
    bench.redis().restart().await;
    let restarted = Instant::now();
    // Nobody calls anything: the reader of replies finds out.
    assert_eq!(timeout(LIMIT, completion.wait()).await.expect("it breaks"), None);
    assert_eq!(timeout(LIMIT, held_completion.wait()).await.expect("it breaks"), None);
    assert!(restarted.elapsed() < Duration::from_secs(6), "{:?}", restarted.elapsed());
    for id in [&lost.id, &held.id] {
        assert!(queue.get(id, JobView::Basic).await.unwrap().is_none());
    }
    let leases = [taken[0].lease.clone(), taken[1].lease.clone()];
    let void =
        eventually("the actor is connected again", LIMIT, || async { actor.heartbeat(&leases).await.ok() });
    assert_eq!(void.await, leases);
    assert!(!finish(&actor, success(&bench, &taken[0].lease, text("late"))).await);

    let (_job, completion) = submit_wanted(&queue, spec("new")).await;
    let taken = eventually("the actor takes again", LIMIT, || async {
        actor.take(1, Duration::from_millis(100)).await.ok().filter(|work| !work.is_empty())
    })
    .await;
    let [Work::Job(job)] = &taken[..] else { panic!("{taken:?}") };
    assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
    let end = timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
    assert_eq!(end.outcome, Outcome::Succeeded(text("1")));
    queue.close().await;
}

async fn fails_fast(queue: &Arc<dyn Queue>, what: &str) {
    let id = JobId::mint();
    let asked = Instant::now();
    let answers: [Result<(), QueueError>; 5] = [
        queue.probe().await.map(drop),
        queue.submit(vec![Submission { wanted: true, ..submission(spec("1")) }]).await.map(drop),
        queue.get(&id, JobView::Basic).await.map(drop),
        queue.attach(&id).await.map(drop),
        queue.maintain().await,
    ];
    let took = asked.elapsed();
    for answer in answers {
        let error = answer.expect_err(what);
        assert!(
            matches!(error.fault(), StoreFault::Unavailable(_) | StoreFault::TimedOut { .. }),
            "{what}: {error:?}"
        );
    }
    assert!(took < FAST * 5, "{what}: {took:?}");
}

#[tokio::test]
async fn calls_fail_fast_while_redis_is_away_and_work_again_by_themselves() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    submit(&queue, spec("1")).await;
    bench.redis().kill9();
    fails_fast(&queue, "after a kill").await;
    fails_fast(&queue, "once more").await;
    assert!(actor.take(1, Duration::from_secs(60)).await.is_err());
    bench.redis().restart().await;
    let restarted = Instant::now();
    eventually("it answers again", LIMIT, || async { queue.probe().await.ok() }).await;
    assert!(restarted.elapsed() < FAST, "{:?}", restarted.elapsed());
    eventually("the actor can announce itself", LIMIT, || async { actor.announce(false).await.ok() }).await;
    let job = submit(&queue, spec("2")).await;
    assert_eq!(take_one(&actor).await.lease.job_id, job.id);

    // A server that stands still keeps its sockets open: only a deadline helps.
    bench.redis().freeze();
    let asked = Instant::now();
    let probe = queue.probe().await;
    bench.redis().thaw();
    assert!(probe.is_err());
    assert!(asked.elapsed() < FAST, "{:?}", asked.elapsed());
    eventually("it answers again", LIMIT, || async { queue.probe().await.ok() }).await;
    queue.close().await;
}

#[tokio::test]
async fn a_queue_that_was_never_reached_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("unix://{}/none.sock", dir.path().display());
    let config = RedisConfig { url, ..Default::default() };
    let queue = RedisQueue::new(config).unwrap();
    let error = queue.probe().await.unwrap_err();
    assert!(matches!(error.fault(), StoreFault::Unavailable(_)), "{error:?}");
    queue.close().await;
}

#[tokio::test]
async fn functions_that_were_flushed_come_back() {
    // Its actor may load functions, too: no supervisor has to come first.
    let mut bench = QueueContract::on(PrivateRedis::start().await, Settings::default());
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    command(&mut bench, &["FUNCTION", "FLUSH"]).await;
    let (job, completion) = submit_wanted(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    command(&mut bench, &["FUNCTION", "FLUSH"]).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(completion.wait().await.unwrap().outcome, Outcome::Succeeded(text("1")));
    command(&mut bench, &["FUNCTION", "FLUSH"]).await;
    queue.maintain().await.unwrap();
    assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
    queue.close().await;
}

#[tokio::test]
async fn a_removed_queue_is_made_again() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    command(&mut bench, &["FLUSHALL"]).await;
    let job = submit(&queue, spec("1")).await;
    assert_eq!(take_one(&actor).await.lease.job_id, job.id);
    queue.maintain().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_cut_connection_is_not_noticed_by_callers() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (_first, first_end) = submit_wanted(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    command(&mut bench, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    let (_second, second_end) = submit_wanted(&queue, spec("2")).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(first_end.wait().await.unwrap().outcome, Outcome::Succeeded(text("1")));
    // Only the blocking read of the actor tells, since nobody knows what it was given.
    let taken = match actor.take(1, LIMIT).await {
        Ok(work) => work,
        Err(_cut) => {
            let mut work = actor.recover(&[]).await.unwrap();
            work.extend(actor.take(1, Duration::from_millis(100)).await.unwrap());
            work
        }
    };
    let [Work::Job(job)] = &taken[..] else { panic!("{taken:?}") };
    assert!(finish(&actor, success(&bench, &job.lease, text("2"))).await);
    assert_eq!(second_end.wait().await.unwrap().outcome, Outcome::Succeeded(text("2")));
    queue.close().await;
}

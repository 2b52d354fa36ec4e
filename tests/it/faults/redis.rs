//! Redis dies under load, or is not there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::support::full_service::{
    ACTORS, ALLOWANCE, Client, FullService, JOBS, READY, actor, end_of, osis, run, span, submit, told,
    until_running, until_serves, with_attempts,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Longest time to an answer while Redis is away.
const FAIL_FAST: Duration = Duration::from_secs(2);
/// Longest time until health tells it.
const HEALTH_FLIPS: Duration = Duration::from_secs(5);

/// Sees that calls which need Redis say so, and soon.
async fn every_call_says_so_at_once(client: &Client) {
    let job = || Some(osis("1"));
    let job_id = || "nobody".to_owned();
    let max_wait = || span(LIMIT);
    let mut c = client.clone();
    let check = |what: &str, begun: Instant, status: tonic::Status| {
        let took = begun.elapsed();
        assert!(took < FAIL_FAST + ALLOWANCE, "{what} took {took:?}");
        assert_eq!(told(&status).why(), (Code::Unavailable, "REDIS_UNAVAILABLE"), "{what}: {status:?}");
    };
    let begun = Instant::now();
    let request = pb::SubmitJobRequest { job: job(), ..Default::default() };
    check("SubmitJob", begun, c.submit_job(request).await.unwrap_err());
    let begun = Instant::now();
    let request = pb::RunJobRequest { job: job(), max_wait: max_wait(), ..Default::default() };
    check("RunJob", begun, c.run_job(request).await.unwrap_err());
    let begun = Instant::now();
    let request = pb::AwaitJobRequest { job_id: job_id(), max_wait: max_wait() };
    check("AwaitJob", begun, c.await_job(request).await.unwrap_err());
    let begun = Instant::now();
    let request = pb::GetJobRequest { job_id: job_id(), view: 0 };
    check("GetJob", begun, c.get_job(request).await.unwrap_err());
    let begun = Instant::now();
    check("ListJobs", begun, c.list_jobs(pb::ListJobsRequest::default()).await.unwrap_err());
    let begun = Instant::now();
    let request = pb::CancelJobRequest { job_id: job_id(), reason: String::new() };
    check("CancelJob", begun, c.cancel_job(request).await.unwrap_err());
    let begun = Instant::now();
    check("ListActors", begun, c.list_actors(pb::ListActorsRequest::default()).await.unwrap_err());
    let begun = Instant::now();
    let request =
        pb::StartActorRequest { actor_id: "nobody".to_owned(), max_wait: max_wait(), local_only: false };
    check("StartActor", begun, c.start_actor(request).await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_absent_at_the_start_is_told_and_found_when_it_comes() {
    let mut redis = PrivateRedis::start().await;
    redis.kill9();
    let mut whole = FullService::start_on(redis, &[]).await;
    until_serves(&whole.service, &[("", true), (READY, false), (JOBS, false), (ACTORS, true)]).await;
    every_call_says_so_at_once(&whole.client()).await;
    whole.redis.restart().await;
    until_serves(&whole.service, &[("", true), (READY, true), (JOBS, true), (ACTORS, true)]).await;
    whole.running_actor("osis_actor_0").await;
    assert_eq!(run(&whole.client(), osis("40 + 2")).await.result(), "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_a_redis_that_dies_is_told_and_taken_up_again_by_itself() {
    let mut whole = FullService::start_on(PrivateRedis::start_append_only().await, &[]).await;
    let client = whole.client();
    let before = whole.running_actor("osis_actor_0").await;
    until_serves(&whole.service, &[(READY, true), (JOBS, true)]).await;
    whole.redis.kill9();
    let took = until_serves(&whole.service, &[("", true), (READY, false), (JOBS, false)]).await;
    assert!(took < HEALTH_FLIPS + ALLOWANCE, "{took:?}");
    every_call_says_so_at_once(&client).await;
    assert_eq!(actor(&client, "osis_actor_0").await.pid, before.pid, "its process is known without Redis");
    whole.redis.restart().await;
    until_serves(&whole.service, &[(READY, true), (JOBS, true)]).await;
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
    let after = actor(&client, "osis_actor_0").await;
    assert_eq!((after.pid, after.restart_count), (before.pid, 0), "the actor waited for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_told_like_one_that_is_gone() {
    let whole = FullService::start().await;
    until_serves(&whole.service, &[(READY, true)]).await;
    whole.redis.freeze();
    let took = until_serves(&whole.service, &[(READY, false), (JOBS, false)]).await;
    assert!(took < HEALTH_FLIPS + ALLOWANCE, "{took:?}");
    every_call_says_so_at_once(&whole.client()).await;
    whole.redis.thaw();
    until_serves(&whole.service, &[(READY, true), (JOBS, true)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_job_while_redis_restarts_gets_its_end() {
    let mut whole = FullService::start_on(PrivateRedis::start_append_only().await, &[]).await;
    whole.running_actor("osis_actor_0").await;
    let client = whole.client();
    let id = submit(&client, osis("sleep(3); 7")).await;
    until_running(&client, &id).await;
    let mut waiting = JoinSet::new();
    for _caller in 0..3 {
        let (client, id) = (client.clone(), id.clone());
        waiting.spawn(async move { end_of(&client, &id).await });
    }
    // Seen waiting by Redis, before it goes.
    sleep(Duration::from_millis(300)).await;
    whole.redis.kill9();
    until_serves(&whole.service, &[(JOBS, false)]).await;
    whole.redis.restart().await;
    for ended in waiting.join_all().await {
        assert_eq!((ended.state(), ended.result(), ended.attempt), (JobState::Succeeded, "7", 1));
    }
}

/// Submits jobs one after another until it is told to end; each until it is acknowledged. Answers with their names.
async fn load(mut client: Client, task: usize, acknowledged: Arc<AtomicUsize>, enough: usize) -> Vec<String> {
    let mut names = Vec::new();
    while acknowledged.load(Ordering::Relaxed) < enough {
        let name = format!("job-{task}-{}", names.len());
        let request = pb::SubmitJobRequest {
            job: Some(with_attempts(&format!("\"{name}\""), 3)),
            job_id: name.clone(),
            request_id: name.clone(),
        };
        let deadline = Instant::now() + LIMIT;
        while let Err(status) = client.submit_job(request.clone()).await {
            // What was on its way when Redis was killed may have been done; and Redis has to load what it has kept.
            let away =
                ["REDIS_UNAVAILABLE", "REDIS_BUSY", "TIMED_OUT"].contains(&told(&status).reason.as_str());
            assert!(away, "{status:?}");
            assert!(Instant::now() < deadline, "{status:?}");
            sleep(Duration::from_millis(20)).await;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
        names.push(name);
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_job_is_lost_when_redis_is_killed_under_load() {
    const HALF: usize = 300;
    let mut whole = FullService::start_on(PrivateRedis::start_append_only().await, &[]).await;
    whole.running_actor("osis_actor_0").await;
    whole.running_actor("osis_actor_1").await;
    let client = whole.client();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut submitters = JoinSet::new();
    for task in 0..8 {
        submitters.spawn(load(client.clone(), task, Arc::clone(&acknowledged), 2 * HALF));
    }
    eventually("the load is on", LIMIT, || async {
        (acknowledged.load(Ordering::Relaxed) >= HALF).then_some(())
    })
    .await;
    whole.redis.kill9();
    whole.redis.restart().await;
    let names: Vec<String> = submitters.join_all().await.into_iter().flatten().collect();
    assert!(names.len() >= 2 * HALF);

    let mut ends: BTreeMap<&'static str, usize> = BTreeMap::new();
    for name in &names {
        let ended = end_of(&client, name).await;
        *ends.entry(ended.state().as_str_name()).or_default() += 1;
        if ended.state() == JobState::Succeeded {
            assert_eq!(ended.result(), name);
        }
    }
    assert_eq!(ends, BTreeMap::from([("STATE_SUCCEEDED", names.len())]), "with attempts left all succeed");
}

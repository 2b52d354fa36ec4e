//! Jobs and callers that wait for an actor: how fast they are served, and what they cost.

use std::time::Duration;

use hero_supervisor::proto::{JobSpec, ScriptType, SubmitJobRequest, SubmitJobsRequest, WaitOutcome};
use tokio::time::Instant;

use crate::load::{connect, noop, run_request};
use crate::stage::Stage;

/// What a drain showed.
pub(crate) struct Drain {
    pub(crate) submit_rate: f64,
    pub(crate) drain_rate: f64,
}

/// Queues `jobs` jobs, then starts an actor whose engine does nothing, and waits until all have ended.
pub(crate) async fn drain(stage: &Stage, jobs: usize) -> Drain {
    drain_of(stage, jobs, noop()).await
}

/// Bytes that Redis holds more for each of `jobs` jobs, once they have ended, with a script of `length` bytes.
pub(crate) async fn bytes_of_ended(stage: &Stage, jobs: usize, length: usize) -> f64 {
    let used = async || {
        let client = redis::Client::open(stage.redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let info: redis::InfoDict =
            redis::cmd("INFO").arg("memory").query_async(&mut connection).await.unwrap();
        info.get::<f64>("used_memory").unwrap()
    };
    // What is there once, whatever the number of jobs, is there after the first ones.
    let spec = JobSpec { script: format!("40+2 //{}", "x".repeat(length - 7)), ..noop() };
    drain_of(stage, jobs, spec.clone()).await;
    let before = used().await;
    drain_of(stage, jobs, spec).await;
    (used().await - before) / jobs as f64
}

async fn drain_of(stage: &Stage, jobs: usize, spec: JobSpec) -> Drain {
    const BATCH: usize = 1000;
    let mut client = connect(stage.tcp_address()).await;
    let one = SubmitJobRequest { job: Some(spec), ..SubmitJobRequest::default() };
    let begun = Instant::now();
    for _ in 0..jobs / BATCH {
        let requests = SubmitJobsRequest { requests: vec![one.clone(); BATCH] };
        let answer = client.submit_jobs(requests).await.unwrap().into_inner();
        assert!(answer.results.iter().all(|result| result.error.is_none()));
    }
    let submit_rate = jobs as f64 / begun.elapsed().as_secs_f64();
    // The last job's end is the end of all: one actor takes them in order.
    let _actor = stage.exec_noop_actor();
    let sentinel = client.run_job(run_request());
    let first = Instant::now();
    let answer = sentinel.await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), WaitOutcome::Done);
    Drain { submit_rate, drain_rate: jobs as f64 / first.elapsed().as_secs_f64() }
}

/// What many waiting callers cost.
pub(crate) struct Waiting {
    pub(crate) before_mib: f64,
    pub(crate) after_mib: f64,
    pub(crate) kib_each: f64,
    pub(crate) all_answered: Duration,
}

/// `callers` callers wait, then an actor is started.
pub(crate) async fn awaiters(stage: &Stage, callers: usize) -> Waiting {
    const PER_CHANNEL: usize = 500;
    let before_mib = stage.supervisor().resident_mib();
    let mut waits = tokio::task::JoinSet::new();
    for _ in 0..callers / PER_CHANNEL {
        let client = connect(stage.tcp_address()).await;
        for _ in 0..PER_CHANNEL {
            let mut client = client.clone();
            waits.spawn(
                async move { client.run_job(run_request()).await.unwrap().into_inner().wait_outcome() },
            );
        }
    }
    let queued = || async {
        let mut client = connect(stage.tcp_address()).await;
        let request = hero_supervisor::proto::GetScriptTypeRequest {
            script_type: ScriptType::Osis.into(),
            ..Default::default()
        };
        client.get_script_type(request).await.unwrap().into_inner().status.unwrap().jobs_queued
    };
    while usize::try_from(queued().await).unwrap() < callers {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let after_mib = stage.supervisor().resident_mib();
    let started = Instant::now();
    let _actor = stage.exec_osis_actor("bench_late");
    while let Some(outcome) = waits.join_next().await {
        assert_eq!(outcome.unwrap(), WaitOutcome::Done);
    }
    let all_answered = started.elapsed();
    let kib_each = (after_mib - before_mib) * 1024.0 / callers as f64;
    Waiting { before_mib, after_mib, kib_each, all_answered }
}

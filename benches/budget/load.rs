//! Callers: how fast they are answered.

use std::time::Duration;

use futures::future::join_all;
use hdrhistogram::Histogram;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use hero_supervisor::proto::{
    JobSpec, RunJobRequest, ScriptType, SubmitJobRequest, SubmitJobsRequest, WaitOutcome, job,
};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use crate::stage::Stage;

/// Latencies of one measurement and the time that it took.
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
    took: Duration,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { histogram: Histogram::new(3).unwrap(), took: Duration::ZERO }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.histogram.record(u64::try_from(latency.as_micros()).unwrap()).unwrap();
    }

    pub(crate) fn finish(mut self, took: Duration) -> Self {
        self.took = took;
        self
    }

    /// Microseconds at a percentile.
    pub(crate) fn at(&self, percentile: f64) -> f64 {
        self.histogram.value_at_percentile(percentile) as f64
    }

    pub(crate) fn millis(&self, percentile: f64) -> String {
        format!("{:.2}", self.at(percentile) / 1000.0)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.histogram.len() as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn rate(&self) -> String {
        format!("{:.0}", self.per_second())
    }
}

pub(crate) async fn channel(address: &str) -> Channel {
    let uri = if address.starts_with("unix:") { address.to_owned() } else { format!("http://{address}") };
    Endpoint::from_shared(uri).unwrap().tcp_nodelay(true).connect().await.unwrap()
}

pub(crate) async fn connect(address: &str) -> SupervisorClient<Channel> {
    SupervisorClient::new(channel(address).await)
}

fn noop() -> JobSpec {
    script(ScriptType::Osis, "40+2")
}

fn script(script_type: ScriptType, text: &str) -> JobSpec {
    JobSpec { script_type: script_type.into(), script: text.to_owned(), ..JobSpec::default() }
}

pub(crate) fn run_request() -> RunJobRequest {
    run_request_of(noop())
}

fn run_request_of(job: JobSpec) -> RunJobRequest {
    let max_wait = Some(prost_types::Duration { seconds: 120, nanos: 0 });
    RunJobRequest { job: Some(job), max_wait, ..RunJobRequest::default() }
}

/// `callers` callers, each one no-op OSIS job after the other, for `span` (at least one job each).
pub(crate) async fn run_jobs(client: SupervisorClient<Channel>, callers: usize, span: Duration) -> Latencies {
    run_scripts(client, ScriptType::Osis, "40+2", callers, span).await
}

/// So many jobs, a few at a time.
pub(crate) async fn run_count(stage: &Stage, script_type: ScriptType, text: &str, count: usize) {
    const CALLERS: usize = 8;
    let client = connect(stage.tcp_address()).await;
    let each = (0..CALLERS).map(|_| {
        let mut client = client.clone();
        async move {
            for _ in 0..count / CALLERS {
                let request = run_request_of(script(script_type, text));
                let job = client.run_job(request).await.unwrap().into_inner().job.unwrap();
                assert_eq!(job.state(), job::State::Succeeded, "{:?}", job.error);
            }
        }
    });
    join_all(each).await;
}

/// One caller that runs a script `times` times, after a pause each. What is done before belongs to the time.
pub(crate) async fn run_now_and_then(
    mut client: SupervisorClient<Channel>,
    script_type: ScriptType,
    text: &str,
    times: usize,
    mut before: impl AsyncFnMut(),
) -> Latencies {
    const PAUSE: Duration = Duration::from_millis(50);
    let (begun, mut all) = (Instant::now(), Latencies::new());
    for _ in 0..times {
        tokio::time::sleep(PAUSE).await;
        let sent = Instant::now();
        before().await;
        let request = run_request_of(script(script_type, text));
        let job = client.run_job(request).await.unwrap().into_inner().job.unwrap();
        all.record(sent.elapsed());
        assert_eq!(job.state(), job::State::Succeeded, "{:?}", job.error);
    }
    all.finish(begun.elapsed())
}

/// `callers` callers, each one script after the other, for `span` (at least one each).
pub(crate) async fn run_scripts(
    client: SupervisorClient<Channel>,
    script_type: ScriptType,
    text: &str,
    callers: usize,
    span: Duration,
) -> Latencies {
    let begun = Instant::now();
    let each = (0..callers).map(|_| {
        let mut client = client.clone();
        async move {
            let mut latencies = Vec::new();
            loop {
                let sent = Instant::now();
                let request = run_request_of(script(script_type, text));
                let answer = client.run_job(request).await.unwrap().into_inner();
                latencies.push(sent.elapsed());
                let job = answer.job.unwrap();
                assert_eq!(job.state(), job::State::Succeeded, "{:?}", job.error);
                if begun.elapsed() >= span {
                    return latencies;
                }
            }
        }
    });
    let mut all = Latencies::new();
    for latency in join_all(each).await.into_iter().flatten() {
        all.record(latency);
    }
    all.finish(begun.elapsed())
}

/// What a drain showed.
pub(crate) struct Drain {
    pub(crate) submit_rate: f64,
    pub(crate) drain_rate: f64,
}

/// Queues `jobs` jobs, then starts an actor whose engine does nothing, and waits until all have ended.
pub(crate) async fn drain(stage: &Stage, jobs: usize) -> Drain {
    const BATCH: usize = 1000;
    let mut client = connect(stage.tcp_address()).await;
    let one = SubmitJobRequest { job: Some(noop()), ..SubmitJobRequest::default() };
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

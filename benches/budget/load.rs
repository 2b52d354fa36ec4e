//! Callers: how fast they are answered.

use std::time::Duration;

use futures::future::join_all;
use hdrhistogram::Histogram;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use hero_supervisor::proto::{JobSpec, RunJobRequest, ScriptType, job};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

/// Rounds of each measurement; the median is shown.
pub(crate) const ROUNDS: usize = 3;

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

pub(crate) fn noop() -> JobSpec {
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

/// The same with no-op OSIS jobs for each of the queues in turn: one caller after the other has the next of them.
pub(crate) async fn run_queues(
    client: SupervisorClient<Channel>,
    queues: &[String],
    callers: usize,
    span: Duration,
) -> Latencies {
    let jobs = queues.iter().map(|queue| JobSpec { queue: queue.clone(), ..noop() });
    run_specs(client, &jobs.collect::<Vec<_>>(), callers, span).await
}

/// So many jobs, a few at a time.
pub(crate) async fn run_count(address: &str, script_type: ScriptType, text: &str, count: usize) {
    const CALLERS: usize = 8;
    let client = connect(address).await;
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
    run_specs(client, &[script(script_type, text)], callers, span).await
}

/// The same with these jobs: one caller after the other has the next of them.
async fn run_specs(
    client: SupervisorClient<Channel>,
    jobs: &[JobSpec],
    callers: usize,
    span: Duration,
) -> Latencies {
    let begun = Instant::now();
    let each = jobs.iter().cycle().take(callers).map(|job| {
        let mut client = client.clone();
        async move {
            let mut latencies = Vec::new();
            loop {
                let sent = Instant::now();
                let answer = client.run_job(run_request_of(job.clone())).await.unwrap().into_inner();
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

/// The round in the middle by rate, after one round to warm up.
pub(crate) async fn median<F>(rounds: usize, mut round: impl FnMut() -> F) -> Latencies
where
    F: Future<Output = Latencies>,
{
    let mut all = Vec::with_capacity(rounds);
    for number in 0..=rounds {
        let latencies = round().await;
        if number > 0 {
            all.push(latencies);
        }
    }
    all.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
    all.swap_remove(rounds / 2)
}

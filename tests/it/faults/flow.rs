//! Limits of flow keys, while actors and the supervisor are killed.

use std::time::SystemTime;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::job::State as JobState;
use prost_types::FieldMask;

use crate::support::full_service::{Client, FullService, actor, end_of, osis, signal};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

const JOBS: usize = 120;
const KEYS: [&str; 2] = ["acme", "zoo"];
const ACTORS: [&str; 3] = ["osis_actor_0", "osis_actor_1", "osis_actor_2"];
/// Most jobs of a key that run at a time.
const MOST: usize = 3;

async fn jobs_in(client: &Client, state: JobState) -> Vec<pb::Job> {
    let request = pb::ListJobsRequest { states: vec![state.into()], page_size: 1000, ..Default::default() };
    client.clone().list_jobs(request).await.map_or_else(|_away| Vec::new(), |answer| answer.into_inner().jobs)
}

async fn until_succeeded(whole: &FullService, count: usize) {
    eventually(&format!("{count} jobs have succeeded"), LIMIT, || async {
        (jobs_in(&whole.client(), JobState::Succeeded).await.len() >= count).then_some(())
    })
    .await;
}

/// The most attempts of these that ran at the same time.
fn most_at_once(mut spans: Vec<(SystemTime, SystemTime)>) -> usize {
    spans.sort();
    let at_start =
        |start: SystemTime| spans.iter().filter(move |(begin, end)| *begin <= start && start < *end).count();
    spans.iter().map(|(start, _end)| at_start(*start)).max().unwrap_or_default()
}

/// Starts three actors, and a queue in which this rule holds for each key.
async fn with_rule(rule: pb::FlowRule) -> FullService {
    let whole = FullService::start().await;
    for name in ACTORS {
        whole.running_actor(name).await;
    }
    let settings = pb::ScriptTypeSettings { flow_rules: vec![rule], ..Default::default() };
    let update = pb::UpdateScriptTypeRequest {
        script_type: pb::ScriptType::Osis.into(),
        settings: Some(settings),
        update_mask: Some(FieldMask { paths: vec!["flow_rules".to_owned()] }),
        validate_only: false,
    };
    whole.client().update_script_type(update).await.unwrap();
    whole
}

async fn submit_all(whole: &FullService, script: &str) {
    let request = |number: usize| {
        let retry_policy = pb::RetryPolicy { max_attempts: Some(9), ..Default::default() };
        let flow_key = KEYS[number % KEYS.len()].to_owned();
        let job = pb::JobSpec { retry_policy: Some(retry_policy), flow_key, ..osis(script) };
        pb::SubmitJobRequest { job: Some(job), job_id: format!("job-{number}"), ..Default::default() }
    };
    let batch = pb::SubmitJobsRequest { requests: (0..JOBS).map(request).collect() };
    let answers = whole.client().submit_jobs(batch).await.unwrap().into_inner().results;
    assert!(answers.iter().all(|result| result.job.is_some()));
}

/// Kills one actor after the other, and the supervisor besides, while jobs end.
async fn kill_all(whole: &mut FullService) {
    for (round, name) in ACTORS.into_iter().enumerate() {
        until_succeeded(whole, 25 * (round + 1)).await;
        if let Some(pid) = actor(&whole.client(), name).await.pid {
            signal(pid, Signal::SIGKILL);
        }
        if round == 1 {
            whole.replace().await;
        }
    }
    until_succeeded(whole, JOBS).await;
}

/// Start and end of the last attempt of each job of a key.
async fn spans_of(whole: &FullService, key: usize) -> Vec<(SystemTime, SystemTime)> {
    let client = whole.client();
    let mut spans = Vec::new();
    for number in (key..JOBS).step_by(KEYS.len()) {
        let job = end_of(&client, &format!("job-{number}")).await;
        let time = |at: Option<prost_types::Timestamp>| SystemTime::try_from(at.unwrap()).unwrap();
        spans.push((time(job.start_time), time(job.finish_time)));
    }
    spans
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_and_no_job_is_forgotten_however_actors_die() {
    let rule = pb::FlowRule { max_running: Some(MOST as i32), ..Default::default() };
    let mut whole = with_rule(rule).await;
    submit_all(&whole, "sleep(0.05); 1").await;
    kill_all(&mut whole).await;
    for key in 0..KEYS.len() {
        assert!(most_at_once(spans_of(&whole, key).await) <= MOST);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_and_no_job_is_forgotten_however_actors_die() {
    const A_SECOND: usize = 12;
    const BURST: usize = 3;
    let period = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let rate = pb::FlowRate { jobs: A_SECOND as i32, period, burst: Some(BURST as i32) };
    let mut whole = with_rule(pb::FlowRule { rate: Some(rate), ..Default::default() }).await;
    submit_all(&whole, "1").await;
    kill_all(&mut whole).await;
    for key in 0..KEYS.len() {
        let mut starts: Vec<SystemTime> =
            spans_of(&whole, key).await.into_iter().map(|(start, _end)| start).collect();
        starts.sort();
        for (first, begin) in starts.iter().enumerate() {
            for (last, end) in starts.iter().enumerate().skip(first) {
                // The clock of the actor is read a moment before that of Redis.
                let span = end.duration_since(*begin).unwrap().as_secs_f64();
                let most = BURST as f64 + 1.0 + span * A_SECOND as f64;
                let count = last - first + 1;
                assert!(count as f64 <= most, "{count} jobs in {span} s");
            }
        }
    }
}

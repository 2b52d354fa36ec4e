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

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_and_no_job_is_forgotten_however_actors_die() {
    let mut whole = FullService::start().await;
    for name in ACTORS {
        whole.running_actor(name).await;
    }
    let rule = pb::FlowRule { max_running: Some(MOST as i32), ..Default::default() };
    let settings = pb::ScriptTypeSettings { flow_rules: vec![rule], ..Default::default() };
    let update = pb::UpdateScriptTypeRequest {
        script_type: pb::ScriptType::Osis.into(),
        settings: Some(settings),
        update_mask: Some(FieldMask { paths: vec!["flow_rules".to_owned()] }),
        validate_only: false,
    };
    whole.client().update_script_type(update).await.unwrap();
    let request = |number: usize| {
        let retry_policy = pb::RetryPolicy { max_attempts: Some(9), ..Default::default() };
        let flow_key = KEYS[number % KEYS.len()].to_owned();
        let job = pb::JobSpec { retry_policy: Some(retry_policy), flow_key, ..osis("sleep(0.05); 1") };
        pb::SubmitJobRequest { job: Some(job), job_id: format!("job-{number}"), ..Default::default() }
    };
    let batch = pb::SubmitJobsRequest { requests: (0..JOBS).map(request).collect() };
    let answers = whole.client().submit_jobs(batch).await.unwrap().into_inner().results;
    assert!(answers.iter().all(|result| result.job.is_some()));
    for (round, name) in ACTORS.into_iter().enumerate() {
        until_succeeded(&whole, 25 * (round + 1)).await;
        if let Some(pid) = actor(&whole.client(), name).await.pid {
            signal(pid, Signal::SIGKILL);
        }
        if round == 1 {
            whole.replace().await;
        }
    }
    until_succeeded(&whole, JOBS).await;
    let client = whole.client();
    for key in 0..KEYS.len() {
        let mut spans = Vec::new();
        for number in (key..JOBS).step_by(KEYS.len()) {
            let job = end_of(&client, &format!("job-{number}")).await;
            let time = |at: Option<prost_types::Timestamp>| SystemTime::try_from(at.unwrap()).unwrap();
            spans.push((time(job.start_time), time(job.finish_time)));
        }
        assert!(most_at_once(spans) <= MOST);
    }
}

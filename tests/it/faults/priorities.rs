//! The order of priorities, while actors and supervisors are killed.

use std::time::SystemTime;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::job::State as JobState;

use crate::support::full_service::{Client, FullService, actor, end_of, osis, signal};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Jobs of the test, of all priorities.
const JOBS: i32 = 250;

fn name(number: i32) -> String {
    format!("job-{number:04}")
}

async fn succeeded(client: &Client) -> usize {
    let request = pb::ListJobsRequest {
        states: vec![JobState::Succeeded.into()],
        page_size: 1000,
        ..Default::default()
    };
    client.clone().list_jobs(request).await.map_or(0, |answer| answer.into_inner().jobs.len())
}

async fn until_succeeded(whole: &FullService, count: usize) {
    eventually(&format!("{count} jobs have succeeded"), LIMIT, || async {
        (succeeded(&whole.client()).await >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_keep_their_order_and_none_is_lost_or_run_twice_unasked() {
    let mut whole = FullService::start().await;
    let pid = whole.running_actor("osis_actor_0").await.pid.unwrap();
    let mut client = whole.client();
    let osis_type = pb::ScriptType::Osis.into();
    let pause = pb::PauseQueueRequest { script_type: osis_type, ..Default::default() };
    client.pause_queue(pause).await.unwrap();
    let request = |number: i32| {
        let retry_policy = pb::RetryPolicy { max_attempts: Some(3), ..Default::default() };
        let script = format!("sleep(0.004); {number}");
        let priority = Some(1 + number * 7 % 5);
        let job = pb::JobSpec { retry_policy: Some(retry_policy), priority, ..osis(&script) };
        pb::SubmitJobRequest { job: Some(job), job_id: name(number), ..Default::default() }
    };
    let batch = pb::SubmitJobsRequest { requests: (0..JOBS).map(request).collect() };
    let answers = client.submit_jobs(batch).await.unwrap().into_inner().results;
    assert!(answers.iter().all(|result| result.job.is_some()));

    client
        .resume_queue(pb::ResumeQueueRequest { script_type: osis_type, ..Default::default() })
        .await
        .unwrap();
    until_succeeded(&whole, 40).await;
    signal(pid, Signal::SIGKILL);
    until_succeeded(&whole, 100).await;
    whole.replace().await;
    until_succeeded(&whole, 160).await;
    if let Some(pid) = actor(&whole.client(), "osis_actor_0").await.pid {
        signal(pid, Signal::SIGKILL);
    }
    let client = whole.client();
    let mut first_attempts: Vec<(SystemTime, i32)> = Vec::new();
    for number in 0..JOBS {
        let job = end_of(&client, &name(number)).await;
        assert_eq!(
            (job.state(), job.result()),
            (JobState::Succeeded, number.to_string().as_str()),
            "{job:?}"
        );
        assert!(job.attempt <= 3, "{job:?}");
        if job.attempt == 1 {
            let started = SystemTime::try_from(job.start_time.unwrap()).unwrap();
            first_attempts.push((started, job.spec.unwrap().priority()));
        }
    }
    assert!(first_attempts.len() > 150, "most jobs were not touched: {}", first_attempts.len());
    first_attempts.sort();
    let order: Vec<i32> = first_attempts.iter().map(|(_started, priority)| *priority).collect();
    assert!(order.is_sorted(), "{order:?}");
}

//! Jobs of one unique key, while actors and the supervisor are killed: never two at once, and always one more.

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::job::State as JobState;
use pb::unique_key::OnConflict;

use crate::support::full_service::{Client, actors, end_of, job, signal};
use crate::support::load::MarkedService;
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Submits a job of the key whose script leaves marks until its end; answers with the id of the job that the answer is about.
async fn submit(stage: &MarkedService, word: &str, ticks: u32, on_conflict: OnConflict) -> String {
    let client = stage.client();
    let unique =
        pb::UniqueKey { key: "one".to_owned(), on_conflict: on_conflict.into(), ..Default::default() };
    let retry_policy = Some(pb::RetryPolicy { max_attempts: Some(20), ..Default::default() });
    let job = Some(pb::JobSpec { unique: Some(unique), retry_policy, ..stage.ticking(word, ticks) });
    let request = pb::SubmitJobRequest { job, request_id: word.to_owned(), ..Default::default() };
    let answer = eventually("the job is accepted", LIMIT, || async {
        client.clone().submit_job(request.clone()).await.ok()
    })
    .await;
    answer.into_inner().job.unwrap().job_id
}

/// Waits until the script of the job has left a mark.
async fn until_it_ticks(stage: &MarkedService, word: &str) {
    eventually(&format!("{word} ticks"), LIMIT, || async { (stage.marks(word) > 0).then_some(()) }).await;
}

async fn kill_supervisor(stage: &mut MarkedService) {
    stage.service.signal(Signal::SIGKILL);
    stage.service.ended().await;
    stage.service.restart().await;
}

/// Kills the actor that has the job.
async fn kill_actor_of(client: &Client, id: &str) {
    let name = job(client, id).await.actor_id;
    let all = actors(client).await;
    if let Some(victim) = all.iter().find(|actor| actor.actor_id == name && actor.pid() > 1) {
        signal(victim.pid(), Signal::SIGKILL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_jobs_of_a_key_run_at_once_whatever_is_cancelled_and_killed() {
    let redis = PrivateRedis::start().await;
    let mut stage = MarkedService::start(&redis.url(), &[]).await;
    let mut last = String::new();
    for round in 0..6 {
        let client = stage.client();
        let word = format!("cancel-{round}");
        last = submit(&stage, &word, 50, OnConflict::CancelRunning).await;
        until_it_ticks(&stage, &word).await;
        match round {
            1 => kill_actor_of(&client, &last).await,
            3 => kill_supervisor(&mut stage).await,
            _others => {}
        }
    }
    let end = end_of(&stage.client(), &last).await;
    assert_eq!(end.state(), JobState::Succeeded, "{end:?}");
    let order = stage.order();
    let expected: Vec<String> = (0..6).map(|round| format!("cancel-{round}")).collect();
    assert_eq!(order, expected, "each one begins after the one before it has stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_after_the_last_submission_whatever_is_killed() {
    let redis = PrivateRedis::start().await;
    let mut stage = MarkedService::start(&redis.url(), &[]).await;
    let first = submit(&stage, "first", 250, OnConflict::RunOnceMore).await;
    until_it_ticks(&stage, "first").await;
    let mut answers = Vec::new();
    for round in 0..4 {
        let client = stage.client();
        let id = submit(&stage, &format!("more-{round}"), 5, OnConflict::RunOnceMore).await;
        match round {
            0 => kill_supervisor(&mut stage).await,
            1 => kill_actor_of(&client, &first).await,
            _others => {}
        }
        answers.push(id);
    }
    let last = answers.last().unwrap();
    let end = end_of(&stage.client(), last).await;
    assert_eq!((end.state(), end.result()), (JobState::Succeeded, "more-0"), "{end:?}");
    assert!(answers.iter().all(|id| id == last), "one more run is one job: {answers:?}");
    assert_eq!(stage.order(), ["first", "more-0"]);
}

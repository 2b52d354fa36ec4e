//! The supervisor dies, or is told to end, while callers wait.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::job::State as JobState;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Code;

use crate::support::full_service::{
    ALLOWANCE, Client, FullService, actors, client, end_of, osis, run, span, told, until_running,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// A job that its caller can name and repeat.
fn once(script: &str, name: &str) -> pb::RunJobRequest {
    pb::RunJobRequest {
        job: Some(osis(script)),
        job_id: name.to_owned(),
        request_id: name.to_owned(),
        max_wait: span(LIMIT),
        ..Default::default()
    }
}

/// Waits until a job that somebody else submits is there and runs.
async fn until_it_runs(client: &Client, id: &str) {
    eventually("the job is accepted", LIMIT, || async {
        let request = pb::GetJobRequest { job_id: id.to_owned(), view: 0 };
        client.clone().get_job(request).await.ok()
    })
    .await;
    until_running(client, id).await;
}

async fn pids(client: &Client) -> Vec<Option<i32>> {
    actors(client).await.into_iter().map(|actor| actor.pid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_supervisor_is_killed_finds_its_one_job_at_the_next() {
    let mut whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    let mut waiting = JoinSet::new();
    let mut caller = whole.client();
    waiting.spawn(async move { caller.run_job(once("sleep(4); 7", "mine")).await });
    until_it_runs(&whole.client(), "mine").await;
    whole.replace().await;
    let lost = waiting.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(matches!(lost.code(), Code::Unavailable | Code::Unknown), "the connection broke: {lost:?}");

    let client = whole.client();
    let again = client.clone().run_job(once("sleep(4); 7", "mine")).await.unwrap().into_inner();
    let awaited = end_of(&client, "mine").await;
    assert!(again.deduplicated && again.wait_outcome() == pb::WaitOutcome::Done, "{again:?}");
    assert_eq!(again.job.as_ref(), Some(&awaited));
    assert_eq!((awaited.state(), awaited.result(), awaited.attempt), (JobState::Succeeded, "7", 1));
    let jobs = client.clone().list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_answers_who_waits_and_leaves_actors_and_jobs_alone() {
    let redis = PrivateRedis::start().await;
    let limit = Duration::from_secs(10);
    let mut whole =
        FullService::start_on(redis, &["--drain-delay", "300ms", "--shutdown-timeout", "10s"]).await;
    let client_before = whole.client();
    whole.running_actor("osis_actor_0").await;
    whole.running_actor("osis_actor_1").await;
    let before = pids(&client_before).await;
    let mut waiting = JoinSet::new();
    let mut caller = whole.client();
    let request = pb::RunJobRequest { request_id: String::new(), ..once("sleep(4); 7", "mine") };
    waiting.spawn(async move { caller.run_job(request).await });
    until_it_runs(&client_before, "mine").await;
    // One that never says anything; it is greeted, and then there is silence on both sides.
    let mut idle = UnixStream::connect(whole.service.socket()).await.unwrap();

    let begun = Instant::now();
    whole.service.signal(Signal::SIGTERM);
    let refused = told(&waiting.join_next().await.unwrap().unwrap().unwrap_err());
    assert_eq!(refused.why(), (Code::Unavailable, "SERVER_DRAINING"));
    assert_eq!(refused.metadata["job_id"], "mine", "{refused:?}");
    assert_eq!(whole.service.ended().await.code(), Some(0), "{}", whole.service.stderr());
    let took = begun.elapsed();
    assert!(took < limit + ALLOWANCE, "{took:?}");
    let mut rest = Vec::new();
    let _closed_or_reset = idle.read_to_end(&mut rest).await;

    whole.service = whole.another(&[]).await;
    let client = client(&whole.service);
    eventually("the same actors", LIMIT, || async { (pids(&client).await == before).then_some(()) }).await;
    let ended = end_of(&client, "mine").await;
    assert_eq!((ended.state(), ended.result(), ended.attempt), (JobState::Succeeded, "7", 1));
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
    assert_eq!(pids(&client).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_work_is_refused_from_the_signal_on_and_looking_is_not() {
    let redis = PrivateRedis::start().await;
    let mut whole = FullService::start_on(redis, &["--drain-delay", "3s", "--shutdown-timeout", "20s"]).await;
    let mut client = whole.client();
    assert_eq!(actors(&client).await, []);
    whole.service.signal(Signal::SIGTERM);
    let refused = eventually("new work is refused", LIMIT, || async {
        let request = pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
        client.clone().submit_job(request).await.err()
    })
    .await;
    assert_eq!(told(&refused).why(), (Code::Unavailable, "SERVER_DRAINING"));
    let info = client.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.mode(), pb::get_server_info_response::Mode::Draining);
    assert_eq!(whole.service.ended().await.code(), Some(0), "{}", whole.service.stderr());
}

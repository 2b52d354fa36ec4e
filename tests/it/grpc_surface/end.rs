//! The end of a server: nothing hangs, nobody is left without an answer.

use std::time::Duration;

use hero_supervisor::proto as pb;
use hero_supervisor::proto::get_server_info_response::Mode;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_types::StatusExt;

use super::on_memory::{GrpcOnMemory, osis, soon, told};
use crate::support::wait::eventually;

fn assert_draining(status: &Status) {
    assert_eq!(told(status), (Code::Unavailable, "SERVER_DRAINING".to_owned(), vec![]));
    assert!(status.get_error_details().retry_info().is_some());
}

/// Runs a job that never ends and answers once the server has it.
async fn begin_a_wait(world: &GrpcOnMemory) -> JoinHandle<Status> {
    let mut client = world.client();
    let job_id = "endless".to_owned();
    let run = pb::RunJobRequest { job: osis("sleep"), job_id: job_id.clone(), ..Default::default() };
    #[expect(clippy::disallowed_methods, reason = "the test joins it")]
    let waiting = tokio::spawn(async move { client.run_job(run).await.unwrap_err() });
    world.until_accepted(&job_id).await;
    waiting
}

#[tokio::test]
async fn while_it_drains_new_work_is_refused_and_a_look_is_not() {
    let mut world = GrpcOnMemory::prepare();
    world.drain_delay = Duration::from_secs(3600);
    let world = world.serve_unix();
    let mut client = world.client();
    let submit = pb::SubmitJobRequest { job: osis("sleep"), job_id: "mine".to_owned(), ..Default::default() };
    client.submit_job(submit.clone()).await.unwrap();
    world.shutdown.escalate();

    assert_draining(&client.submit_job(submit).await.unwrap_err());
    let run = pb::RunJobRequest { job: osis("sleep"), ..Default::default() };
    assert_draining(&client.run_job(run).await.unwrap_err());
    let stop = pb::StopActorRequest { actor_id: "a".to_owned(), ..Default::default() };
    assert_draining(&client.stop_actor(stop).await.unwrap_err());
    let info = client.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.mode(), Mode::Draining);
    let get = pb::GetJobRequest { job_id: "mine".to_owned(), view: 0 };
    assert!(client.get_job(get).await.is_ok());
    let health = HealthClient::new(world.channel());
    for name in ["", "hero.supervisor.v1.Supervisor"] {
        eventually("NOT_SERVING", super::on_memory::LIMIT, || async {
            let request = HealthCheckRequest { service: name.to_owned() };
            let answer = health.clone().check(request).await.unwrap().into_inner();
            (answer.status() == ServingStatus::NotServing).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn waits_and_watches_end_and_open_connections_do_not_hold_it_up() {
    let mut world = GrpcOnMemory::start();
    let waiting = begin_a_wait(&world).await;
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = HealthClient::new(world.channel()).watch(request).await.unwrap().into_inner();
    assert!(watch.next().await.is_some());
    // A reflection stream that its caller never closes.
    let mut reflection = ServerReflectionClient::new(world.channel());
    let silent = tokio_stream::pending();
    let _held = soon("reflection", reflection.server_reflection_info(silent)).await.unwrap();

    world.shutdown.escalate();
    let status = soon("the wait", waiting).await.unwrap();
    assert_eq!(told(&status), (Code::Unavailable, "SERVER_DRAINING".to_owned(), vec![]));
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["job_id"], "endless", "where to go on");
    // To call again would make another job.
    assert!(details.retry_info().is_none(), "{status:?}");
    assert!(status.message().contains("endless was accepted and goes on"), "{status:?}");
    assert!(status.message().contains("AwaitJob"), "{status:?}");
    soon("the watch", async { while let Some(Ok(_)) = watch.next().await {} }).await;
    soon("the server", world.tasks.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut world = GrpcOnMemory::prepare();
    world.drain_delay = Duration::from_secs(3600);
    let mut world = world.serve_unix();
    let waiting = begin_a_wait(&world).await;
    world.shutdown.escalate();
    world.shutdown.escalate();
    soon("the wait", waiting).await.unwrap();
    soon("the server", world.tasks.join_next()).await.unwrap().unwrap().unwrap();
}

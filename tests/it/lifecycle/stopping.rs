//! What a stop does to jobs.

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::actor::State;
use pb::job::State as JobState;
use pb::job_error::Kind;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::full_service::{
    FullService, command_line, create, end_of, job, osis, span, submit, told, until_actor, until_running,
};
use crate::support::service::LIMIT;

/// Longer than a test may take.
const AGES: Duration = Duration::from_secs(3600);

fn stop() -> pb::StopActorRequest {
    pb::StopActorRequest { actor_id: "osis_actor_0".to_owned(), max_wait: span(LIMIT), ..Default::default() }
}

/// With an actor that lets its jobs run on for a long time.
async fn patient() -> (FullService, pb::Actor) {
    let whole = FullService::start().await;
    let mut definition = whole.definition("osis_actor_0");
    definition.config.as_mut().unwrap().drain_timeout = span(AGES);
    let actor = create(&mut whole.client(), definition).await;
    (whole, actor)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_the_running_job_end_and_the_waiting_one_wait() {
    let (whole, _) = patient().await;
    let mut client = whole.client();
    let running = submit(&client, osis("sleep(2); 7")).await;
    until_running(&client, &running).await;
    let waiting = submit(&client, osis("8")).await;

    let stopped = client.stop_actor(stop()).await.unwrap().into_inner();
    assert_eq!(stopped.wait_outcome(), pb::WaitOutcome::Done);
    let ended = job(&client, &running).await;
    assert_eq!((ended.state(), ended.result(), ended.attempt), (JobState::Succeeded, "7", 1));
    let left = job(&client, &waiting).await;
    assert_eq!((left.state(), left.attempt), (JobState::Queued, 0));

    let start = pb::StartActorRequest {
        actor_id: "osis_actor_0".to_owned(),
        max_wait: span(LIMIT),
        local_only: false,
    };
    client.start_actor(start).await.unwrap();
    let ended = end_of(&client, &waiting).await;
    assert_eq!((ended.state(), ended.result(), ended.attempt), (JobState::Succeeded, "8", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_the_drain_is_lost_with_its_actor() {
    let (whole, actor) = patient().await;
    let mut client = whole.client();
    let id = submit(&client, osis("sleep(3000)")).await;
    until_running(&client, &id).await;
    let request = pb::StopActorRequest { drain_timeout: span(Duration::from_secs(1)), ..stop() };
    let stopped = client.stop_actor(request).await.unwrap().into_inner();
    assert_eq!(stopped.wait_outcome(), pb::WaitOutcome::Done);
    assert_eq!(stopped.actor.unwrap().state(), State::Stopped);
    assert_eq!(command_line(actor.pid()), None);
    let ended = end_of(&client, &id).await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Failed, 1));
    let error = ended.error.unwrap();
    assert_eq!(error.kind(), Kind::ActorLost);
    assert!(error.message.contains("osis_actor_0 was stopped"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn force_does_not_wait_for_jobs_and_overtakes_a_drain() {
    let (whole, actor) = patient().await;
    let client = whole.client();
    let id = submit(&client, osis("sleep(3000)")).await;
    until_running(&client, &id).await;
    let mut patient_caller = client.clone();
    let mut drain = JoinSet::new();
    drain.spawn(async move { patient_caller.stop_actor(stop()).await });
    until_actor(&client, "osis_actor_0", "drains", |actor| actor.state() == State::Draining).await;

    let request = pb::StopActorRequest { force: true, ..stop() };
    let stopped = client.clone().stop_actor(request).await.unwrap().into_inner();
    assert_eq!(stopped.wait_outcome(), pb::WaitOutcome::Done);
    assert_eq!(stopped.actor.unwrap().state(), State::Stopped);
    assert_eq!(command_line(actor.pid()), None);
    let overtaken = told(&drain.join_next().await.unwrap().unwrap().unwrap_err());
    assert_eq!(overtaken.why(), (Code::Aborted, "OPERATION_IN_PROGRESS"));
    assert_eq!(overtaken.metadata["actor_id"], "osis_actor_0");
    assert_eq!(end_of(&client, &id).await.error.unwrap().kind(), Kind::ActorLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_over_leaves_the_stop_to_go_on() {
    let (whole, _) = patient().await;
    let mut client = whole.client();
    let id = submit(&client, osis("sleep(2); 7")).await;
    until_running(&client, &id).await;
    let request = pb::StopActorRequest { max_wait: span(Duration::from_millis(100)), ..stop() };
    let stopped = client.stop_actor(request).await.unwrap().into_inner();
    assert_eq!((stopped.wait_outcome(), stopped.changed), (pb::WaitOutcome::TimedOut, true));
    until_actor(&client, "osis_actor_0", "is down", |actor| actor.state() == State::Stopped).await;
    assert_eq!(job(&client, &id).await.result(), "7");
}

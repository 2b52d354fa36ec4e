//! Jobs that are for one actor only: such an actor there must be.

use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto as pb;
use pb::job::State;
use pb::job_error::Kind;
use tonic::Code;

use super::on_memory::{GrpcOnMemory, osis, soon, told};
use crate::support::wait::eventually;

fn actor(actor_id: &str, script_type: pb::ScriptType) -> pb::CreateActorRequest {
    pb::CreateActorRequest {
        actor_id: actor_id.to_owned(),
        config: Some(pb::ActorConfig {
            script_type: script_type.into(),
            binary_path: "/bin/actor".to_owned(),
            readiness: pb::actor_config::Readiness::Process.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn pinned(job_id: &str, actor_id: &str) -> pb::SubmitJobRequest {
    let job = osis("40 + 2").map(|job| pb::JobSpec { target_actor_id: actor_id.to_owned(), ..job });
    pb::SubmitJobRequest { job, job_id: job_id.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_job_for_an_actor_that_nobody_knows_or_of_another_type_is_refused() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    soon("CreateActor", client.create_actor(actor("mine", pb::ScriptType::Osis))).await.unwrap();
    soon("CreateActor", client.create_actor(actor("other", pb::ScriptType::Sal))).await.unwrap();
    let unknown = (Code::NotFound, "ACTOR_NOT_FOUND".to_owned(), vec![]);
    let wrong_type =
        (Code::InvalidArgument, "INVALID_FIELD".to_owned(), vec!["job.target_actor_id".to_owned()]);

    assert_eq!(told(&client.submit_job(pinned("", "nobody")).await.unwrap_err()), unknown);
    assert_eq!(told(&client.submit_job(pinned("", "other")).await.unwrap_err()), wrong_type);
    let run = pb::RunJobRequest { job: pinned("", "nobody").job, ..Default::default() };
    assert_eq!(told(&client.run_job(run).await.unwrap_err()), unknown);
    let requests =
        vec![pinned("a", "mine"), pinned("b", "nobody"), pinned("c", "mine"), pinned("d", "other")];
    let results = client.submit_jobs(pb::SubmitJobsRequest { requests }).await.unwrap().into_inner().results;
    let reasons: Vec<_> = results
        .iter()
        .map(|result| result.error.as_ref().map_or("", |error| error.reason.as_str()))
        .collect();
    assert_eq!(reasons[..3], ["", "ACTOR_NOT_FOUND", ""]);
    assert!(!reasons[3].is_empty(), "{results:?}");
}

#[tokio::test]
async fn a_job_for_an_actor_that_is_deleted_fails_whenever_it_is_due_and_is_not_tried_again() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    soon("CreateActor", client.create_actor(actor("mine", pb::ScriptType::Osis))).await.unwrap();
    let stop = pb::StopActorRequest { actor_id: "mine".to_owned(), ..Default::default() };
    soon("StopActor", client.stop_actor(stop)).await.unwrap();
    let request = pb::SubmitJobRequest { request_id: "r".to_owned(), ..pinned("waits", "mine") };
    client.submit_job(request.clone()).await.unwrap();
    let mut scheduled = pinned("scheduled", "mine");
    let in_an_hour = world.broker.clock().now() + std::time::Duration::from_secs(3600);
    scheduled.job.as_mut().unwrap().schedule_time = Some(in_an_hour.into());
    client.submit_job(scheduled).await.unwrap();
    let status = pb::GetScriptTypeRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    let status = client.get_script_type(status).await.unwrap().into_inner().status.unwrap();
    assert_eq!((status.jobs_queued, status.jobs_delayed), (1, 1), "it waits for the actor");

    let delete = pb::DeleteActorRequest { actor_id: "mine".to_owned(), ..Default::default() };
    soon("DeleteActor", client.delete_actor(delete)).await.unwrap();
    for id in ["waits", "scheduled"] {
        let job = eventually("it has failed", super::on_memory::LIMIT, || async {
            let get = pb::GetJobRequest { job_id: id.to_owned(), view: 0 };
            let job = world.client().get_job(get).await.unwrap().into_inner().job.unwrap();
            (job.state() == State::Failed).then_some(job)
        })
        .await;
        assert_eq!(job.error.unwrap().kind(), Kind::ActorLost, "{id}");
        let retry = pb::RetryJobRequest { job_id: id.to_owned(), reset_attempts: true, ..Default::default() };
        assert_eq!(told(&client.retry_job(retry).await.unwrap_err()).1, "ACTOR_NOT_FOUND");
    }
    let again = client.submit_job(request).await.unwrap().into_inner();
    assert!(again.deduplicated, "what made a job answers with it, also when its actor is gone");
    assert_eq!(told(&client.submit_job(pinned("late", "mine")).await.unwrap_err()).1, "ACTOR_NOT_FOUND");
}

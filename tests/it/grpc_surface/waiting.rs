//! Jobs that wait: why, behind what, and until when.

use std::time::Duration;

use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto as pb;
use hero_supervisor::proto::job::State;
use hero_supervisor::proto::job_wait::Reason;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use tonic::Code;
use tonic::transport::Channel;

use super::on_memory::{GrpcOnMemory, millis, osis, soon};

#[tokio::test]
async fn a_job_that_waits_says_why_in_every_answer_about_it() {
    let mut world = GrpcOnMemory::start();
    let mut client = world.client();
    let run = pb::RunJobRequest { job: osis("40 + 2"), max_wait: millis(50), ..Default::default() };
    let job = soon("RunJob", client.run_job(run)).await.unwrap().into_inner().job.unwrap();
    let why = job.wait.clone().unwrap();
    assert_eq!(why.reason(), Reason::NoRunningActor);
    assert_eq!(why.message, "no osis actor runs (there is none: create or scale one)");
    let wait = pb::AwaitJobRequest { job_id: job.job_id.clone(), max_wait: millis(50) };
    assert_eq!(
        client.await_job(wait.clone()).await.unwrap().into_inner().job.unwrap().wait,
        Some(why.clone())
    );
    let get = pb::GetJobRequest { job_id: job.job_id.clone(), view: 0 };
    assert_eq!(client.get_job(get.clone()).await.unwrap().into_inner().job.unwrap().wait, Some(why));

    let pause = pb::PauseQueueRequest {
        script_type: pb::ScriptType::Osis.into(),
        reason: "inventory".to_owned(),
        ..Default::default()
    };
    client.pause_queue(pause).await.unwrap();
    let why = client.get_job(get.clone()).await.unwrap().into_inner().job.unwrap().wait.unwrap();
    assert_eq!(why.reason(), Reason::QueuePaused);
    assert!(why.message.ends_with("(inventory)"), "{why:?}");

    let resume = pb::ResumeQueueRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    client.resume_queue(resume).await.unwrap();
    world.start_osis_worker();
    let wait = pb::AwaitJobRequest { max_wait: millis(20_000), ..wait };
    let ended = soon("AwaitJob", client.await_job(wait)).await.unwrap().into_inner().job.unwrap();
    assert_eq!((ended.state(), ended.wait), (State::Succeeded, None));
}

#[tokio::test]
async fn a_job_is_explained_in_every_state() {
    let mut world = GrpcOnMemory::start();
    let mut client = world.client();
    let in_an_hour = world.broker.clock().now() + Duration::from_secs(3600);
    let submit = async |client: &mut SupervisorClient<Channel>, id: &str, later: bool| {
        let schedule_time = later.then(|| in_an_hour.into());
        let job = pb::JobSpec { schedule_time, ..osis("40 + 2").unwrap() };
        let request = pb::SubmitJobRequest { job: Some(job), job_id: id.to_owned(), ..Default::default() };
        client.submit_job(request).await.unwrap();
    };
    let explain = async |client: &mut SupervisorClient<Channel>, id: &str| {
        let request = pb::ExplainJobRequest { job_id: id.to_owned() };
        soon("ExplainJob", client.explain_job(request)).await.unwrap().into_inner()
    };
    let reasons =
        |answer: &pb::ExplainJobResponse| answer.reasons.iter().map(|why| why.reason()).collect::<Vec<_>>();
    submit(&mut client, "first", false).await;
    submit(&mut client, "second", false).await;
    submit(&mut client, "later", true).await;
    let pause = pb::PauseQueueRequest {
        script_type: pb::ScriptType::Osis.into(),
        reason: "inventory".to_owned(),
        ..Default::default()
    };
    client.pause_queue(pause).await.unwrap();

    let answer = explain(&mut client, "second").await;
    assert_eq!(reasons(&answer), [Reason::QueuePaused, Reason::NoRunningActor]);
    assert_eq!((answer.jobs_ahead, answer.jobs_ahead_estimated, answer.start), (Some(1), false, None));
    assert!(answer.message.starts_with("job second waits: the osis queue is paused"), "{}", answer.message);
    assert!(answer.message.ends_with("; 1 job is ahead of it"), "{}", answer.message);
    let later = explain(&mut client, "later").await;
    assert_eq!(reasons(&later), [Reason::Scheduled, Reason::QueuePaused, Reason::NoRunningActor]);
    assert_eq!((later.jobs_ahead, later.start), (None, None));
    assert_eq!(later.reasons[0].until, later.job.unwrap().spec.unwrap().schedule_time);

    let resume = pb::ResumeQueueRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    client.resume_queue(resume).await.unwrap();
    world.start_osis_worker();
    let wait = pb::AwaitJobRequest { job_id: "second".to_owned(), max_wait: millis(20_000) };
    soon("AwaitJob", client.await_job(wait)).await.unwrap();
    let ended = explain(&mut client, "second").await;
    assert_eq!((ended.reasons.len(), ended.jobs_ahead, ended.start), (0, None, None));
    assert!(ended.message.starts_with("job second has succeeded at "), "{}", ended.message);
    assert_eq!(ended.job.unwrap().spec.unwrap().script, "", "an explanation has no script");

    let unknown =
        client.explain_job(pb::ExplainJobRequest { job_id: "nobody".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let none = client.explain_job(pb::ExplainJobRequest::default()).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
}

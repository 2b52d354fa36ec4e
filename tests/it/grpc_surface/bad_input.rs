//! What is refused, with which code, reason and fields.

use hero_supervisor::proto as pb;
use tonic::Code;

use super::on_memory::{GrpcOnMemory, millis, osis, told};

fn invalid(fields: &[&str]) -> (Code, String, Vec<String>) {
    let fields = fields.iter().map(|&field| field.to_owned()).collect();
    (Code::InvalidArgument, "INVALID_FIELD".to_owned(), fields)
}

fn refused(code: Code, reason: &str) -> (Code, String, Vec<String>) {
    (code, reason.to_owned(), Vec::new())
}

fn keyed(key: &str, change: impl FnOnce(&mut pb::UniqueKey)) -> Option<pb::JobSpec> {
    let mut unique = pb::UniqueKey { key: key.to_owned(), ..Default::default() };
    change(&mut unique);
    Some(pb::JobSpec { unique: Some(unique), ..osis("40 + 2").unwrap() })
}

#[tokio::test]
async fn bad_jobs_are_refused_with_every_field_that_is_wrong() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let spec = || osis("40 + 2").unwrap();
    let table = [
        (None, vec!["job"]),
        (Some(pb::JobSpec { script_type: 0, ..spec() }), vec!["job.script_type"]),
        (Some(pb::JobSpec { script_type: 99, ..spec() }), vec!["job.script_type"]),
        (Some(pb::JobSpec { script_type: -1, ..spec() }), vec!["job.script_type"]),
        (osis(""), vec!["job.script"]),
        (osis(" \n"), vec!["job.script"]),
        (osis(&"x".repeat(1024 * 1024 + 1)), vec!["job.script"]),
        (Some(pb::JobSpec { script_type: 99, ..osis("").unwrap() }), vec!["job.script_type", "job.script"]),
        (Some(pb::JobSpec { run_timeout: millis(-1000), ..spec() }), vec!["job.run_timeout"]),
        (Some(pb::JobSpec { run_timeout: millis(0), ..spec() }), vec!["job.run_timeout"]),
        (Some(pb::JobSpec { queue_timeout: millis(i64::MAX), ..spec() }), vec!["job.queue_timeout"]),
        (Some(pb::JobSpec { target_actor_id: "No Actor".to_owned(), ..spec() }), vec!["job.target_actor_id"]),
        (keyed("", |_unique| ()), vec!["job.unique.key"]),
        (keyed(&"x".repeat(257), |_unique| ()), vec!["job.unique.key"]),
        (keyed("k", |unique| unique.held_while = 9), vec!["job.unique.held_while"]),
        (keyed("k", |unique| unique.on_conflict = 9), vec!["job.unique.on_conflict"]),
        (keyed("k", |unique| unique.held_after_end = millis(-1)), vec!["job.unique.held_after_end"]),
        (keyed("k", |unique| unique.held_after_end = millis(86_400_001)), vec!["job.unique.held_after_end"]),
        (
            keyed("k", |unique| {
                unique.set_held_while(pb::unique_key::HeldWhile::Queued);
                unique.set_on_conflict(pb::unique_key::OnConflict::RunOnceMore);
                unique.held_after_end = millis(1000);
            }),
            vec!["job.unique.held_after_end", "job.unique.on_conflict"],
        ),
    ];
    for (job, fields) in table {
        let request = pb::SubmitJobRequest { job, ..Default::default() };
        let status = client.submit_job(request).await.unwrap_err();
        assert_eq!(told(&status), invalid(&fields), "{}", status.message());
        for field in fields {
            assert!(status.message().contains(field), "{}", status.message());
        }
    }
    let request = pb::RunJobRequest {
        job: osis("40 + 2"),
        job_id: "no id".to_owned(),
        request_id: "no id".to_owned(),
        max_wait: millis(-5),
        on_wait_end: 7,
    };
    let status = client.run_job(request).await.unwrap_err();
    assert_eq!(told(&status), invalid(&["job_id", "request_id", "max_wait", "on_wait_end"]));
}

#[tokio::test]
async fn batches_of_none_and_of_too_many_are_refused() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    for count in [0, 1001] {
        let one = pb::SubmitJobRequest { job: osis("40 + 2"), ..Default::default() };
        let requests = vec![one; count];
        let status = client.submit_jobs(pb::SubmitJobsRequest { requests }).await.unwrap_err();
        assert_eq!(told(&status), invalid(&["requests"]));
    }
}

#[tokio::test]
async fn a_label_without_a_name_is_not_called_too_long() {
    let world = GrpcOnMemory::start();
    let mut job = osis("1").unwrap();
    job.labels.insert(String::new(), "x".to_owned());
    let request = pb::SubmitJobRequest { job: Some(job), ..Default::default() };
    let refused = world.client().submit_job(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("has no name: names have 1 to 63 bytes"), "{}", refused.message());
}

#[tokio::test]
async fn bad_ids_and_unknown_ones_are_told_apart() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    for (job_id, expected) in [
        (String::new(), invalid(&["job_id"])),
        ("a b".to_owned(), invalid(&["job_id"])),
        ("x".repeat(65), invalid(&["job_id"])),
        ("unknown".to_owned(), refused(Code::NotFound, "JOB_NOT_FOUND")),
        // A UUIDv7 of the year 2020: a record of that time is gone by now.
        ("016f5e66-e800-7000-8000-000000000000".to_owned(), refused(Code::NotFound, "JOB_EXPIRED")),
    ] {
        let get = pb::GetJobRequest { job_id: job_id.clone(), view: 0 };
        assert_eq!(told(&client.get_job(get).await.unwrap_err()), expected);
        let wait = pb::AwaitJobRequest { job_id, max_wait: None };
        assert_eq!(told(&client.await_job(wait).await.unwrap_err()), expected);
    }
    for (actor_id, expected) in [
        (String::new(), invalid(&["actor_id"])),
        ("Osis".to_owned(), invalid(&["actor_id"])),
        ("../etc".to_owned(), invalid(&["actor_id"])),
        ("unknown".to_owned(), refused(Code::NotFound, "ACTOR_NOT_FOUND")),
    ] {
        let get = pb::GetActorRequest { actor_id: actor_id.clone(), ..Default::default() };
        assert_eq!(told(&client.get_actor(get).await.unwrap_err()), expected);
        let start = pb::StartActorRequest { actor_id, max_wait: None, local_only: false };
        assert_eq!(told(&client.start_actor(start).await.unwrap_err()), expected);
    }
    let view = pb::GetJobRequest { job_id: "a b".to_owned(), view: 9 };
    assert_eq!(told(&client.get_job(view).await.unwrap_err()), invalid(&["job_id", "view"]));
}

#[tokio::test]
async fn bad_pages_are_refused() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    for page_size in [-1, 1001, i32::MAX] {
        let jobs = pb::ListJobsRequest { page_size, ..Default::default() };
        assert_eq!(told(&client.list_jobs(jobs).await.unwrap_err()), invalid(&["page_size"]));
        let actors = pb::ListActorsRequest { page_size, ..Default::default() };
        assert_eq!(told(&client.list_actors(actors).await.unwrap_err()), invalid(&["page_size"]));
    }
    for page_token in ["x", "00", "017f", "é", &"0".repeat(100_000)].map(str::to_owned) {
        let expected = refused(Code::InvalidArgument, "INVALID_PAGE_TOKEN");
        let jobs = pb::ListJobsRequest { page_token: page_token.clone(), ..Default::default() };
        assert_eq!(told(&client.list_jobs(jobs).await.unwrap_err()), expected);
        let actors = pb::ListActorsRequest { page_token, ..Default::default() };
        assert_eq!(told(&client.list_actors(actors).await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn bad_actors_selectors_and_numbers_are_refused() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let empty = pb::CreateActorRequest::default();
    let status = client.create_actor(empty).await.unwrap_err();
    assert_eq!(told(&status), invalid(&["actor_id", "config"]));

    let required = refused(Code::InvalidArgument, "SELECTOR_REQUIRED");
    assert_eq!(told(&client.stop_actors(pb::StopActorsRequest::default()).await.unwrap_err()), required);
    let nobody = Some(pb::ActorSelector::default());
    let request = pb::StartActorsRequest { selector: nobody, ..Default::default() };
    assert_eq!(told(&client.start_actors(request).await.unwrap_err()), required);

    let all = Some(pb::ActorSelector { all: true, ..Default::default() });
    let request = pb::RestartActorsRequest { selector: all, max_unavailable: -1, ..Default::default() };
    assert_eq!(told(&client.restart_actors(request).await.unwrap_err()), invalid(&["max_unavailable"]));

    let request = pb::ScaleActorsRequest { drain_timeout: millis(-1), ..Default::default() };
    let fields = ["script_type", "replicas", "drain_timeout"];
    assert_eq!(told(&client.scale_actors(request).await.unwrap_err()), invalid(&fields));

    let request = pb::GetScriptTypeRequest { script_type: 99, ..Default::default() };
    let expected = refused(Code::NotFound, "SCRIPT_TYPE_NOT_FOUND");
    assert_eq!(told(&client.get_script_type(request).await.unwrap_err()), expected);
}

//! Jobs: submit, run, await, look, cancel, delete.

use std::time::Duration;

use hero_supervisor::proto as pb;
use hero_supervisor::proto::job::State;
use prost_types::FieldMask;
use tokio::time::Instant;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::on_memory::{GrpcOnMemory, millis, osis, soon, told};

#[tokio::test]
async fn a_job_that_is_run_answers_with_its_result() {
    let mut world = GrpcOnMemory::start();
    world.start_osis_worker();
    let request = pb::RunJobRequest { job: osis("40 + 2"), max_wait: millis(20_000), ..Default::default() };
    let answer = soon("RunJob", world.client().run_job(request)).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done);
    let job = answer.job.unwrap();
    assert_eq!((job.state(), job.result.as_deref()), (State::Succeeded, Some("42")));
    assert_eq!(job.result_kind(), pb::job::ResultKind::Json);
    assert_eq!((job.actor_id.as_str(), job.attempt), ("osis_actor_0", 1));
    assert!(job.create_time.is_some() && job.finish_time.is_some() && job.run_duration.is_some());
    assert_eq!(job.spec.unwrap().script, "", "the caller knows what it sent");
}

#[tokio::test]
async fn a_job_that_fails_is_no_error_of_the_call() {
    let mut world = GrpcOnMemory::start();
    world.start_osis_worker();
    let request = pb::RunJobRequest { job: osis("boom"), ..Default::default() };
    let answer = soon("RunJob", world.client().run_job(request)).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done);
    let job = answer.job.unwrap();
    assert_eq!((job.state(), job.result), (State::Failed, None));
    let error = job.error.unwrap();
    assert_eq!((error.kind(), error.message.as_str()), (pb::job_error::Kind::ScriptError, "boom"));
}

#[tokio::test]
async fn a_wait_that_is_over_is_no_error_and_the_job_goes_on() {
    let mut world = GrpcOnMemory::start();
    let mut client = world.client();
    let request = pb::RunJobRequest { job: osis("40 + 2"), max_wait: millis(50), ..Default::default() };
    let answer = soon("RunJob", client.run_job(request)).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::TimedOut);
    let job = answer.job.unwrap();
    assert_eq!(job.state(), State::Queued);

    let peek = pb::AwaitJobRequest { job_id: job.job_id.clone(), max_wait: millis(0) };
    let answer = soon("AwaitJob", client.await_job(peek)).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::TimedOut);

    world.start_osis_worker();
    let request = pb::AwaitJobRequest { job_id: job.job_id, max_wait: millis(20_000) };
    let answer = soon("AwaitJob", client.await_job(request)).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done);
    assert_eq!(answer.job.unwrap().result.as_deref(), Some("42"));
}

#[tokio::test]
async fn a_wait_ends_before_the_deadline_of_its_caller() {
    let world = GrpcOnMemory::start();
    let mut request = Request::new(pb::RunJobRequest { job: osis("sleep"), ..Default::default() });
    request.set_timeout(Duration::from_secs(10));
    let begun = Instant::now();
    let answer = world.client().run_job(request).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::TimedOut);
    assert!(begun.elapsed() >= Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_job_ends_with_the_wait_if_its_caller_wants_that() {
    let mut world = GrpcOnMemory::start();
    world.start_osis_worker();
    let request = pb::RunJobRequest {
        job: osis("sleep"),
        max_wait: millis(100),
        on_wait_end: pb::run_job_request::OnWaitEnd::Cancel.into(),
        ..Default::default()
    };
    let answer = soon("RunJob", world.client().run_job(request)).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done);
    let job = answer.job.unwrap();
    assert_eq!(job.state(), State::Cancelled);
    assert!(!job.cancel_reason.is_empty());
}

#[tokio::test]
async fn one_request_id_is_one_job_however_it_is_asked_for() {
    let mut world = GrpcOnMemory::start();
    let mut client = world.client();
    let request_id = "9b2f".to_owned();
    let submit =
        pb::SubmitJobRequest { job: osis("40 + 2"), request_id: request_id.clone(), ..Default::default() };
    let first = client.submit_job(submit.clone()).await.unwrap().into_inner();
    assert!(!first.deduplicated);
    let again = client.submit_job(submit.clone()).await.unwrap().into_inner();
    assert!(again.deduplicated);

    world.start_osis_worker();
    let run =
        pb::RunJobRequest { job: osis("40 + 2"), request_id, max_wait: millis(20_000), ..Default::default() };
    let attached = soon("RunJob", client.run_job(run)).await.unwrap().into_inner();
    assert!(attached.deduplicated);
    let (first, attached) = (first.job.unwrap(), attached.job.unwrap());
    assert_eq!((&attached.job_id, attached.result.as_deref()), (&first.job_id, Some("42")));

    let other = pb::SubmitJobRequest { job: osis("boom"), ..submit };
    let refused = client.submit_job(other).await.unwrap_err();
    let expected = (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned(), vec![]);
    assert_eq!(told(&refused), expected);
}

/// Asks for `job_id` once more, with this input.
fn again(job_id: &str, input: &str, request_id: &str) -> pb::RetryJobRequest {
    let (job_id, request_id) = (job_id.to_owned(), request_id.to_owned());
    pb::RetryJobRequest { job_id, input: Some(input.to_owned()), request_id, ..Default::default() }
}

#[tokio::test]
async fn a_job_that_has_ended_is_run_again_as_a_new_one_with_another_input() {
    let mut world = GrpcOnMemory::start();
    world.start_osis_worker();
    let mut client = world.client();
    let labels = [("team".to_owned(), "a".to_owned())].into();
    let spec = osis("40 + 2").map(|job| pb::JobSpec { input: "[1]".to_owned(), labels, ..job });
    let run = pb::RunJobRequest { job: spec, max_wait: millis(20_000), ..Default::default() };
    let old = soon("RunJob", client.run_job(run)).await.unwrap().into_inner().job.unwrap();
    assert_eq!(old.state(), State::Succeeded);

    let first = client.retry_job(again(&old.job_id, "[2]", "r1")).await.unwrap().into_inner();
    let new = first.job.unwrap();
    assert!(new.job_id != old.job_id && new.retry_of == old.job_id && !first.deduplicated);
    let repeat = client.retry_job(again(&old.job_id, "[2]", "r1")).await.unwrap().into_inner();
    assert!(repeat.deduplicated);
    let same = repeat.job.unwrap();
    assert_eq!((&same.job_id, &same.retry_of), (&new.job_id, &old.job_id));
    let other = client.retry_job(again(&old.job_id, "[3]", "r1")).await.unwrap_err();
    assert_eq!(told(&other).1, "REQUEST_ID_REUSED");

    let end = pb::AwaitJobRequest { job_id: new.job_id, max_wait: millis(20_000) };
    let ended = soon("AwaitJob", client.await_job(end)).await.unwrap().into_inner().job.unwrap();
    assert_eq!((ended.result.as_deref(), &ended.retry_of), (Some("42"), &old.job_id));
    let full = |id: &str| pb::GetJobRequest { job_id: id.to_owned(), view: pb::JobView::Full.into() };
    let spec = client.get_job(full(&ended.job_id)).await.unwrap().into_inner().job.unwrap().spec.unwrap();
    assert_eq!(
        (spec.script.as_str(), spec.input.as_str(), spec.labels["team"].as_str()),
        ("40 + 2", "[2]", "a")
    );
    let kept = client.get_job(full(&old.job_id)).await.unwrap().into_inner().job.unwrap();
    assert_eq!((kept.spec.unwrap().input.as_str(), kept.retry_of.as_str()), ("[1]", ""));

    let none = client.retry_job(again(&ended.job_id, "", "")).await.unwrap().into_inner().job.unwrap();
    let spec = client.get_job(full(&none.job_id)).await.unwrap().into_inner().job.unwrap().spec.unwrap();
    assert_eq!((spec.input.as_str(), none.retry_of), ("", ended.job_id));
}

#[tokio::test]
async fn a_job_is_not_run_again_before_its_end_nor_with_a_bad_input() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let submit = pb::SubmitJobRequest { job: osis("1"), job_id: "waits".to_owned(), ..Default::default() };
    client.submit_job(submit).await.unwrap();
    assert_eq!(told(&client.retry_job(again("waits", "1", "")).await.unwrap_err()).1, "INVALID_STATE");
    assert_eq!(told(&client.retry_job(again("nothing", "1", "")).await.unwrap_err()).1, "JOB_NOT_FOUND");
    let cancel = pb::CancelJobRequest { job_id: "waits".to_owned(), ..Default::default() };
    client.cancel_job(cancel).await.unwrap();
    let long = format!("\"{}\"", "x".repeat(1024 * 1024));
    for (request, field) in [
        (again("waits", "{", ""), "input"),
        (again("waits", &long, ""), "input"),
        (again("waits", "1", "two words"), "request_id"),
        (pb::RetryJobRequest { input: None, ..again("waits", "", "r1") }, "request_id"),
        (again("two words", "1", ""), "job_id"),
    ] {
        let (code, reason, fields) = told(&client.retry_job(request).await.unwrap_err());
        assert_eq!(
            (code, reason.as_str(), fields),
            (Code::InvalidArgument, "INVALID_FIELD", vec![field.to_owned()])
        );
    }
}

fn update(job_id: &str, priority: Option<i32>, paths: &[&str]) -> pb::UpdateJobRequest {
    let job = Some(pb::JobSpec { priority, ..Default::default() });
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateJobRequest { job_id: job_id.to_owned(), job, update_mask: Some(FieldMask { paths }) }
}

#[tokio::test]
async fn a_waiting_job_gets_another_priority_and_an_event_says_so() {
    let mut world = GrpcOnMemory::start();
    let mut client = world.client();
    for (id, priority) in [("usual", None), ("lazy", Some(5)), ("urgent", Some(1))] {
        let job = osis("40 + 2").map(|job| pb::JobSpec { priority, ..job });
        let submit = pb::SubmitJobRequest { job, job_id: id.to_owned(), ..Default::default() };
        let job = client.submit_job(submit).await.unwrap().into_inner().job.unwrap();
        assert_eq!(job.spec.unwrap().priority, Some(priority.unwrap_or(3)), "defaults are filled in");
    }
    let changed = client.update_job(update("lazy", Some(2), &["priority"])).await.unwrap().into_inner();
    assert!(changed.changed);
    assert_eq!(changed.job.unwrap().spec.unwrap().priority, Some(2));
    let again = client.update_job(update("lazy", Some(2), &["priority"])).await.unwrap().into_inner();
    assert!(!again.changed);
    let usual = client.update_job(update("urgent", None, &["priority"])).await.unwrap().into_inner();
    assert_eq!(usual.job.unwrap().spec.unwrap().priority, Some(3), "an unset field becomes the default");
    let events =
        client.list_events(pb::ListEventsRequest { job_ids: vec!["lazy".to_owned()], ..Default::default() });
    let events = events.await.unwrap().into_inner().events;
    let told = events.iter().find(|event| event.r#type() == pb::event::Type::JobUpdated).unwrap();
    let change = pb::JobUpdate { old_priority: 5, new_priority: 2 };
    assert_eq!(told.detail, Some(pb::event::Detail::JobUpdate(change)));
    assert_eq!(told.message, "job lazy has priority 2 instead of 5");

    world.start_osis_worker();
    let end = pb::AwaitJobRequest { job_id: "usual".to_owned(), max_wait: millis(20_000) };
    soon("AwaitJob", client.await_job(end)).await.unwrap();
    let ended = client.update_job(update("usual", Some(1), &["priority"])).await.unwrap_err();
    assert_eq!(told_of(&ended), "INVALID_STATE");
}

fn told_of(status: &tonic::Status) -> String {
    told(status).1
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_with_its_field_and_the_remedy() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let table = [
        (update("j", Some(0), &["priority"]), "job.priority", "is 0: use 1 (first) to 5 (last)"),
        (update("j", Some(6), &["priority"]), "job.priority", "is 6: use 1 (first) to 5 (last)"),
        (update("j", Some(-1), &["priority"]), "job.priority", "is -1: use 1 (first) to 5 (last)"),
        (update("j", Some(1), &[]), "update_mask.paths", "name what to change"),
        (update("j", Some(1), &["nope"]), "update_mask.paths[0]", "no field of JobSpec"),
        (
            update("j", Some(1), &["priority", "script"]),
            "update_mask.paths[1]",
            "cannot be changed: use \"priority\"",
        ),
        (update("j", Some(1), &["*"]), "update_mask.paths[0]", "cannot be changed"),
        (update("two words", Some(1), &["priority"]), "job_id", "use 1 to 64"),
        (pb::UpdateJobRequest { job: None, ..update("j", None, &["priority"]) }, "job", "is missing"),
    ];
    for (request, field, remedy) in table {
        let refused = client.update_job(request).await.unwrap_err();
        let details = refused.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert!(
            violations.iter().any(|one| one.field == field && one.description.contains(remedy)),
            "{violations:?}"
        );
    }
    assert_eq!(
        told_of(&client.update_job(update("j", Some(1), &["priority"])).await.unwrap_err()),
        "JOB_NOT_FOUND"
    );
    let job = osis("1").map(|job| pb::JobSpec { priority: Some(9), ..job });
    let refused = client.submit_job(pb::SubmitJobRequest { job, ..Default::default() }).await.unwrap_err();
    assert_eq!(
        told(&refused),
        (Code::InvalidArgument, "INVALID_FIELD".to_owned(), vec!["job.priority".to_owned()])
    );
}

#[tokio::test]
async fn good_jobs_of_a_batch_are_accepted_whatever_the_others_are() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let taken =
        pb::SubmitJobRequest { job: osis("40 + 2"), job_id: "taken".to_owned(), ..Default::default() };
    client.submit_job(taken.clone()).await.unwrap();
    let requests = vec![
        pb::SubmitJobRequest { job: osis("40 + 2"), ..Default::default() },
        pb::SubmitJobRequest { job: osis(""), job_id: "bad id".to_owned(), ..Default::default() },
        taken,
        pb::SubmitJobRequest { job: osis("boom"), job_id: "last".to_owned(), ..Default::default() },
    ];
    let answer = client.submit_jobs(pb::SubmitJobsRequest { requests }).await.unwrap().into_inner();
    let [first, second, third, last] = answer.results.try_into().unwrap();
    assert!(first.job.is_some() && first.error.is_none());
    assert_eq!(last.job.unwrap().job_id, "last");
    let error = second.error.unwrap();
    assert_eq!((error.code, error.reason.as_str()), (3, "INVALID_FIELD"));
    let fields: Vec<&str> = error.field_violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["job_id", "job.script"]);
    let error = third.error.unwrap();
    assert_eq!((error.code, error.reason.as_str()), (6, "JOB_EXISTS"));
    assert_eq!(error.metadata["job_id"], "taken");
}

#[tokio::test]
async fn a_job_is_read_cancelled_and_deleted() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let job_id = "mine".to_owned();
    let submit = pb::SubmitJobRequest { job: osis("sleep"), job_id: job_id.clone(), ..Default::default() };
    client.submit_job(submit).await.unwrap();

    let full = pb::GetJobRequest { job_id: job_id.clone(), view: pb::JobView::Full.into() };
    let job = client.get_job(full).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.spec.unwrap().script, "sleep");

    let delete = pb::DeleteJobRequest { job_id: job_id.clone(), allow_missing: false };
    let refused = client.delete_job(delete.clone()).await.unwrap_err();
    assert_eq!(told(&refused).1, "INVALID_STATE");

    let cancel = pb::CancelJobRequest { job_id: job_id.clone(), reason: "enough".to_owned() };
    let cancelled = client.cancel_job(cancel.clone()).await.unwrap().into_inner();
    assert!(cancelled.changed);
    assert_eq!(cancelled.job.unwrap().cancel_reason, "enough");
    assert!(!client.cancel_job(cancel).await.unwrap().into_inner().changed, "a repeat is harmless");

    assert!(client.delete_job(delete.clone()).await.unwrap().into_inner().changed);
    let gone = client.delete_job(delete.clone()).await.unwrap_err();
    assert_eq!(told(&gone).0, Code::NotFound);
    let missing = pb::DeleteJobRequest { allow_missing: true, ..delete };
    assert!(!client.delete_job(missing).await.unwrap().into_inner().changed);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_its_job_along() {
    let mut world = GrpcOnMemory::start();
    let mut client = world.client();
    let job_id = "orphan".to_owned();
    let run = pb::RunJobRequest { job: osis("40 + 2"), job_id: job_id.clone(), ..Default::default() };
    let mut leaving = client.clone();
    let called = leaving.run_job(run);
    tokio::select! {
        answer = called => panic!("nobody works on it: {answer:?}"),
        () = world.until_accepted(&job_id) => {}
    }
    world.start_osis_worker();
    let request = pb::AwaitJobRequest { job_id, max_wait: millis(20_000) };
    let answer = soon("AwaitJob", client.await_job(request)).await.unwrap();
    assert_eq!(answer.into_inner().job.unwrap().result.as_deref(), Some("42"));
}

#[tokio::test]
async fn a_job_of_a_unique_key_is_told_with_what_waits_for_it() {
    let mut world = GrpcOnMemory::start();
    let mut client = world.client();
    let keyed = |on_conflict: pb::unique_key::OnConflict| {
        let unique =
            pb::UniqueKey { key: "k".to_owned(), on_conflict: on_conflict.into(), ..Default::default() };
        Some(pb::JobSpec { unique: Some(unique), ..osis("40 + 2").unwrap() })
    };
    let submit = |on_conflict| pb::SubmitJobRequest { job: keyed(on_conflict), ..Default::default() };
    let first =
        client.submit_job(submit(pb::unique_key::OnConflict::RunOnceMore)).await.unwrap().into_inner();
    assert!(!first.existing);
    let first = first.job.unwrap();
    let again =
        client.submit_job(submit(pb::unique_key::OnConflict::RunOnceMore)).await.unwrap().into_inner();
    assert_eq!((again.job.unwrap().job_id, again.existing), (first.job_id.clone(), true));
    let refused = client.submit_job(submit(pb::unique_key::OnConflict::Reject)).await.unwrap_err();
    assert_eq!((refused.code(), told(&refused).1.as_str()), (Code::AlreadyExists, "UNIQUE_KEY_HELD"));
    assert!(refused.message().contains(&first.job_id), "{}", refused.message());
    // A job that was there before is not cancelled with the wait of another caller.
    let request = pb::RunJobRequest {
        job: keyed(pb::unique_key::OnConflict::ReturnExisting),
        max_wait: millis(20),
        on_wait_end: pb::run_job_request::OnWaitEnd::Cancel.into(),
        ..Default::default()
    };
    let answer = soon("RunJob", client.run_job(request)).await.unwrap().into_inner();
    assert_eq!((answer.existing, answer.job.unwrap().state()), (true, State::Queued));
    let request = pb::ListJobsRequest { unique_key: "k".to_owned(), ..Default::default() };
    let listed = client.list_jobs(request).await.unwrap().into_inner().jobs;
    assert_eq!(listed.iter().map(|job| &job.job_id).collect::<Vec<_>>(), [&first.job_id]);
    world.start_osis_worker();
    let request = pb::AwaitJobRequest { job_id: first.job_id, max_wait: millis(20_000) };
    let answer = soon("AwaitJob", client.await_job(request)).await.unwrap().into_inner();
    assert_eq!(answer.job.unwrap().result.as_deref(), Some("42"));
}

//! A submitter has its own callers; jobs of others do not exist for it.

use hero_supervisor::domain::access::{Role, Scopes};
use hero_supervisor::proto as pb;
use hero_supervisor::proto::watch_events_response::Item;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::caller::{Caller, Guarded, patterns};
use crate::grpc_surface::on_memory::{osis, soon, told};

fn job(caller_id: &str) -> Option<pb::JobSpec> {
    osis("sleep").map(|spec| pb::JobSpec { caller_id: caller_id.to_owned(), ..spec })
}

fn submit(job: Option<pb::JobSpec>) -> pb::SubmitJobRequest {
    pb::SubmitJobRequest { job, ..Default::default() }
}

fn scope(status: &Status) -> (String, String) {
    let details = status.get_error_details();
    let metadata = &details.error_info().unwrap().metadata;
    (metadata["field"].clone(), metadata["allowed"].clone())
}

#[tokio::test]
async fn the_caller_is_filled_in_and_a_foreign_one_is_refused_with_those_that_are_allowed() {
    let billing = Caller::submitter("a", &["billing", "billing-*"]);
    let server = Guarded::start(&[&billing]).await;
    let mut client = server.client(&billing);
    let accepted = client.submit_job(submit(job(""))).await.unwrap().into_inner().job.unwrap();
    assert_eq!(accepted.spec.unwrap().caller_id, "billing");
    client.submit_job(submit(job("billing-eu"))).await.unwrap();
    let with = |change: fn(&mut pb::JobSpec)| {
        let mut spec = job("").unwrap();
        change(&mut spec);
        submit(Some(spec))
    };
    let table = [
        (submit(job("payroll")), "caller_id", "billing, billing-*"),
        (with(|spec| spec.context_id = "prod".to_owned()), "context_id", "nothing"),
        (with(|spec| spec.script_type = pb::ScriptType::Sal.into()), "script_type", "osis"),
        (with(|spec| spec.target_actor_id = "osis_actor_0".to_owned()), "target_actor_id", "nothing"),
        (
            with(|spec| drop(spec.labels.insert("hero.config".to_owned(), "x".to_owned()))),
            "labels",
            "labels that do not begin with hero.",
        ),
    ];
    for (request, field, allowed) in table {
        let run = pb::RunJobRequest { job: request.job.clone(), ..Default::default() };
        let refused = client.run_job(run).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert_eq!(scope(&refused), (field.to_owned(), allowed.to_owned()));
        let refused = client.submit_job(request.clone()).await.unwrap_err();
        assert_eq!(scope(&refused), (field.to_owned(), allowed.to_owned()));
        // Of many, only this one is refused.
        let requests = vec![submit(job("")), request];
        let results =
            client.submit_jobs(pb::SubmitJobsRequest { requests }).await.unwrap().into_inner().results;
        assert!(results[0].job.is_some());
        let error = results[1].error.as_ref().unwrap();
        assert_eq!((error.reason.as_str(), error.metadata["field"].as_str()), ("PERMISSION_DENIED", field));
    }
}

#[tokio::test]
async fn a_job_of_another_caller_does_not_exist() {
    let (one, other) = (Caller::submitter("a", &["billing"]), Caller::submitter("b", &["payroll"]));
    let server = Guarded::start(&[&one, &other]).await;
    let (mut mine, mut theirs) = (server.client(&one), server.client(&other));
    let job_id = mine.submit_job(submit(job(""))).await.unwrap().into_inner().job.unwrap().job_id;
    assert_eq!(
        theirs.get_job(pb::GetJobRequest { job_id: "nothing".to_owned(), view: 0 }).await.unwrap_err().code(),
        Code::NotFound
    );

    let id = || job_id.clone();
    let refusals = [
        theirs.get_job(pb::GetJobRequest { job_id: id(), view: 0 }).await.err(),
        theirs.get_job(pb::GetJobRequest { job_id: id(), view: pb::JobView::Full.into() }).await.err(),
        theirs.await_job(pb::AwaitJobRequest { job_id: id(), ..Default::default() }).await.err(),
        theirs.cancel_job(pb::CancelJobRequest { job_id: id(), ..Default::default() }).await.err(),
        theirs.retry_job(pb::RetryJobRequest { job_id: id(), ..Default::default() }).await.err(),
        theirs
            .retry_job(pb::RetryJobRequest {
                job_id: id(),
                input: Some("1".to_owned()),
                ..Default::default()
            })
            .await
            .err(),
        theirs.delete_job(pb::DeleteJobRequest { job_id: id(), allow_missing: false }).await.err(),
        theirs
            .watch_job(pb::WatchJobRequest { job_id: id(), include_logs: true, ..Default::default() })
            .await
            .err(),
    ];
    for refused in refusals {
        let (code, reason, _) = told(&refused.unwrap());
        assert_eq!((code, reason.as_str()), (Code::NotFound, "JOB_NOT_FOUND"));
    }
    let missing = pb::DeleteJobRequest { job_id: id(), allow_missing: true };
    assert!(!theirs.delete_job(missing).await.unwrap().into_inner().changed);
    let listed = theirs.list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert!(listed.is_empty(), "{listed:?}");
    let asked_for = pb::ListJobsRequest { caller_id: "billing".to_owned(), ..Default::default() };
    assert!(theirs.list_jobs(asked_for).await.unwrap().into_inner().jobs.is_empty());

    // For its own caller it is all there.
    assert_eq!(mine.list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs.len(), 1);
    let full =
        mine.get_job(pb::GetJobRequest { job_id: id(), view: pb::JobView::Full.into() }).await.unwrap();
    assert_eq!(full.into_inner().job.unwrap().spec.unwrap().script, "sleep");
    assert!(
        mine.cancel_job(pb::CancelJobRequest { job_id: id(), ..Default::default() })
            .await
            .unwrap()
            .into_inner()
            .changed
    );
}

#[tokio::test]
async fn events_of_others_are_neither_listed_nor_watched() {
    let (one, other) = (Caller::submitter("a", &["billing"]), Caller::submitter("b", &["payroll"]));
    let viewer =
        Caller::new("v", &[Role::Viewer], Scopes { callers: patterns(&["payroll"]), ..Scopes::default() });
    let server = Guarded::start(&[&one, &other, &viewer]).await;
    let mut watches = Vec::new();
    for caller in [&other, &viewer] {
        let request = pb::WatchEventsRequest::default();
        watches.push(server.client(caller).watch_events(request).await.unwrap().into_inner());
    }
    let mut mine = server.client(&one);
    let hidden = mine.submit_job(submit(job(""))).await.unwrap().into_inner().job.unwrap().job_id;
    let shown =
        server.client(&other).submit_job(submit(job(""))).await.unwrap().into_inner().job.unwrap().job_id;
    for watch in &mut watches {
        loop {
            let message = soon("an event", watch.message()).await.unwrap().unwrap();
            match message.item.unwrap() {
                Item::Event(event) if event.job_id == shown => break,
                Item::Event(event) => assert_ne!(event.job_id, hidden),
                Item::SnapshotItem(_) | Item::Bookmark(_) => {}
                Item::Usage(usage) => panic!("not for a submitter: {usage:?}"),
            }
        }
    }
    // The snapshot of a later watch, and the list.
    let mut watch =
        server.client(&other).watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    let mut jobs = Vec::new();
    loop {
        match soon("the snapshot", watch.message()).await.unwrap().unwrap().item.unwrap() {
            Item::SnapshotItem(item) => {
                let item = item.item.unwrap();
                let pb::snapshot_item::Item::Job(job) = item else { panic!("not for a submitter: {item:?}") };
                jobs.push(job.job_id);
            }
            Item::Bookmark(_) => break,
            Item::Event(_) | Item::Usage(_) => panic!("no snapshot: {jobs:?}"),
        }
    }
    assert_eq!(jobs, std::slice::from_ref(&shown));
    let listed = server
        .client(&other)
        .list_events(pb::ListEventsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .events;
    assert!(listed.iter().any(|event| event.job_id == shown), "{listed:?}");
    assert!(listed.iter().all(|event| event.job_id == shown), "{listed:?}");
}

#[tokio::test]
async fn request_ids_of_two_callers_have_nothing_to_do_with_each_other() {
    let (one, other) = (Caller::submitter("a", &["billing"]), Caller::submitter("b", &["payroll"]));
    let server = Guarded::start(&[&one, &other]).await;
    let request = pb::SubmitJobRequest { request_id: "daily".to_owned(), ..submit(job("")) };
    let mut ids = Vec::new();
    for caller in [&one, &other, &one] {
        let accepted = server.client(caller).submit_job(request.clone()).await.unwrap().into_inner();
        ids.push((accepted.job.unwrap().job_id, accepted.deduplicated));
    }
    assert_ne!(ids[0].0, ids[1].0);
    assert_eq!(ids[2], (ids[0].0.clone(), true));
}

#[tokio::test]
async fn events_of_a_named_queue_are_seen_by_those_whose_jobs_they_are_about() {
    let (one, other) = (Caller::submitter("a", &["billing"]), Caller::submitter("b", &["payroll"]));
    let admin = Caller::new("root", &[Role::Admin], Scopes::default());
    let server = Guarded::start(&[&one, &other, &admin]).await;
    let gpu = pb::CreateQueueRequest { queue: "gpu".to_owned(), script_type: pb::ScriptType::Osis.into() };
    server.client(&admin).create_queue(gpu).await.unwrap();
    let in_gpu = job("").map(|spec| pb::JobSpec { queue: "gpu".to_owned(), ..spec });
    let id = server.client(&one).submit_job(submit(in_gpu)).await.unwrap().into_inner().job.unwrap().job_id;
    let listed = async |caller: &Caller| {
        let request = pb::ListEventsRequest { queues: vec!["gpu".to_owned()], ..Default::default() };
        let events = server.client(caller).list_events(request).await.unwrap().into_inner().events;
        events.into_iter().map(|event| event.job_id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&one).await, [id]);
    assert_eq!(listed(&other).await, Vec::<String>::new());
}

//! Scripts, results and logs are for those who may see them; the parts of calls that need more say so.

use hero_supervisor::domain::access::{Role, Scopes};
use hero_supervisor::proto as pb;
use tonic::Code;
use tonic_types::StatusExt;

use super::caller::{Caller, Guarded};
use crate::grpc_surface::on_memory::{osis, soon};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

#[tokio::test]
async fn a_viewer_gets_no_script_and_no_result_unless_it_may_see_payloads() {
    let operator = Caller::new("operator", &[Role::Operator], Scopes::default());
    let blind = Caller::new("blind", &[Role::Viewer], Scopes::default());
    let seeing = Caller::new("seeing", &[Role::Viewer], Scopes { see_payloads: true, ..Scopes::default() });
    let server = Guarded::start_with_worker(&[&operator, &blind, &seeing]).await;
    let run = pb::RunJobRequest { job: osis("40 + 2"), ..Default::default() };
    let job = soon("the job", server.client(&operator).run_job(run)).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.result.as_deref(), Some("42"));

    let full = |view: pb::JobView| pb::GetJobRequest { job_id: job.job_id.clone(), view: view.into() };
    let mut client = server.client(&blind);
    let shown = client.get_job(full(pb::JobView::Basic)).await.unwrap().into_inner().job.unwrap();
    assert_eq!((shown.state(), shown.result), (pb::job::State::Succeeded, None));
    let listed = client.list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert!(listed.iter().all(|job| job.result.is_none()), "{listed:?}");
    let awaited = pb::AwaitJobRequest { job_id: job.job_id.clone(), ..Default::default() };
    assert_eq!(client.await_job(awaited).await.unwrap().into_inner().job.unwrap().result, None);
    let logs = pb::WatchJobRequest { job_id: job.job_id.clone(), include_logs: true, ..Default::default() };
    let refusals =
        [client.get_job(full(pb::JobView::Full)).await.err(), client.watch_job(logs.clone()).await.err()];
    for refused in refusals {
        let refused = refused.unwrap();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert_eq!(refused.get_error_details().error_info().unwrap().metadata["needed"], "see_payloads");
    }
    let mut watch =
        client.watch_job(pb::WatchJobRequest { include_logs: false, ..logs }).await.unwrap().into_inner();
    let item = soon("the job", watch.message()).await.unwrap().unwrap().item.unwrap();
    let pb::watch_job_response::Item::Job(job) = item else { panic!("{item:?}") };
    assert_eq!(job.result, None);

    let shown =
        server.client(&seeing).get_job(full(pb::JobView::Full)).await.unwrap().into_inner().job.unwrap();
    assert_eq!((shown.result.as_deref(), shown.spec.unwrap().script.as_str()), (Some("42"), "40 + 2"));
}

#[tokio::test]
async fn the_part_of_a_call_that_needs_another_role_says_which() {
    let viewer = Caller::new("viewer", &[Role::Viewer], Scopes::default());
    let operator = Caller::new("operator", &[Role::Operator], Scopes::default());
    let server = Guarded::start(&[&viewer, &operator]).await;
    let needed = |status: tonic::Status| {
        let details = status.get_error_details();
        let metadata = &details.error_info().unwrap().metadata;
        (metadata["role"].clone(), metadata["needed"].clone())
    };
    let selector = Some(pb::ActorSelector { all: true, ..Default::default() });
    let ping = pb::CheckHealthRequest { selector, ..Default::default() };
    let look = pb::CheckHealthRequest { scope: pb::check_health_request::Scope::None.into(), ..ping.clone() };
    assert!(server.client(&viewer).check_health(look).await.is_ok());
    let refused = server.client(&viewer).check_health(ping.clone()).await.unwrap_err();
    assert_eq!(needed(refused), ("viewer".to_owned(), "operator or admin".to_owned()));
    assert!(server.client(&operator).check_health(ping).await.is_ok());

    let settings = |settings: pb::ScriptTypeSettings| pb::UpdateScriptTypeRequest {
        script_type: pb::ScriptType::Osis.into(),
        settings: Some(settings),
        ..Default::default()
    };
    let depth = settings(pb::ScriptTypeSettings { max_queue_depth: Some(7), ..Default::default() });
    assert!(server.client(&operator).update_script_type(depth).await.is_ok());
    let program = pb::ActorConfig { binary_path: "/bin/sh".to_owned(), script_type: 1, ..Default::default() };
    let template = settings(pb::ScriptTypeSettings { actor_template: Some(program), ..Default::default() });
    let mut whole = settings(pb::ScriptTypeSettings::default());
    whole.update_mask = Some(prost_types::FieldMask { paths: vec!["*".to_owned()] });
    for request in [template, whole] {
        let refused = server.client(&operator).update_script_type(request).await.unwrap_err();
        assert_eq!(needed(refused), ("operator".to_owned(), "admin".to_owned()));
    }
}

#[tokio::test]
async fn who_has_no_identity_learns_the_version_and_no_names() {
    let admin = Caller::new("admin", &[Role::Admin], Scopes::default());
    let server = Guarded::start(&[&admin]).await;
    let mut anybody = pb::supervisor_client::SupervisorClient::new(server.channel());
    let open = anybody.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((open.api_version.as_str(), open.node.as_str()), ("v1", ""));
    assert!(open.dependencies.is_empty() && open.limits.is_some());
    let known =
        server.client(&admin).get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(known.node, "here");
}

#[tokio::test]
async fn who_calls_more_often_than_its_quota_is_told_when_to_come_back() {
    let mut caller = Caller::new("busy", &[Role::Viewer], Scopes::default());
    caller.identity.quotas.rps = Some(2);
    let other = Caller::new("other", &[Role::Viewer], Scopes::default());
    let server = Guarded::start(&[&caller, &other]).await;
    let client = server.client(&caller);
    // Many at once: on a slow machine one after the other would be seldom enough.
    let calls = (0..20).map(|_| {
        let mut client = client.clone();
        async move { client.list_actors(pb::ListActorsRequest::default()).await.err() }
    });
    let refused =
        futures::future::join_all(calls).await.into_iter().flatten().next().expect("one is refused");
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((refused.code(), info.reason.as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    assert_eq!((info.metadata["quota"].as_str(), info.metadata["limit"].as_str()), ("rps", "2"));
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(wait <= std::time::Duration::from_secs(1));
    assert!(server.client(&other).list_actors(pb::ListActorsRequest::default()).await.is_ok());
    eventually("the caller may call again", LIMIT, || async {
        client.clone().list_actors(pb::ListActorsRequest::default()).await.ok()
    })
    .await;
}

//! Quotas on the jobs of an identity, and who a job says that it was submitted by.

use hero_supervisor::domain::access::{Role, Scopes};
use hero_supervisor::domain::model::job::JobQuota;
use hero_supervisor::proto as pb;
use tonic::Code;
use tonic_types::StatusExt;

use super::caller::{Caller, Guarded};
use crate::grpc_surface::on_memory::osis;

#[tokio::test]
async fn who_has_as_many_jobs_as_its_quota_is_told_which_quota_and_when_to_come_back() {
    let mut caller = Caller::new("busy", &[Role::Operator], Scopes::default());
    caller.identity.quotas.jobs = JobQuota { max_queued: Some(1), max_running: None };
    let other = Caller::new("other", &[Role::Operator], Scopes::default());
    let server = Guarded::start(&[&caller, &other]).await;
    let submit = || pb::SubmitJobRequest { job: osis("1"), ..Default::default() };
    let mut client = server.client(&caller);
    let job = client.submit_job(submit()).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.submitted_by, caller.identity.to_string());
    let refused = client.submit_job(submit()).await.unwrap_err();
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((refused.code(), info.reason.as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    let metadata = ["quota", "limit", "used"].map(|key| info.metadata[key].as_str());
    assert_eq!(metadata, ["max_queued", "1", "1"]);
    assert!(details.retry_info().is_some());
    assert!(refused.message().contains("wait until some have ended"), "{}", refused.message());

    let many = pb::SubmitJobsRequest { requests: vec![submit(), submit()] };
    let answers = client.submit_jobs(many).await.unwrap().into_inner();
    let reasons: Vec<_> =
        answers.results.iter().map(|one| one.error.as_ref().unwrap().reason.as_str()).collect();
    assert_eq!(reasons, ["QUOTA_EXCEEDED"; 2]);

    let job = server.client(&other).submit_job(submit()).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.submitted_by, other.identity.to_string());
    let listed = client.list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert_eq!(listed.len(), 2);
    client
        .cancel_job(pb::CancelJobRequest { job_id: listed[1].job_id.clone(), ..Default::default() })
        .await
        .unwrap();
    assert!(client.submit_job(submit()).await.is_ok());

    let retry = || pb::RetryJobRequest { job_id: listed[1].job_id.clone(), ..Default::default() };
    let refused = client.retry_job(retry()).await.unwrap_err();
    let reason = refused.get_error_details().error_info().unwrap().reason.clone();
    assert_eq!((refused.code(), reason.as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    assert!(server.client(&other).retry_job(retry()).await.is_ok(), "it is no job of that caller");
}

//! `durability = "replicated"`: nothing is accepted, and nothing run, that a failover could cost.

use std::time::Duration;

use hero_supervisor::proto as pb;
use tonic::Code;

use super::failover::Stage;
use crate::support::full_service::{end_of, run, told};
use crate::support::wait::eventually;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replica_a_submit_is_uncertain_and_can_be_repeated() {
    let mut stage = Stage::start(&["--durability", "replicated"]).await;
    let client = stage.marked.client();
    assert_eq!(run(&client, stage.marked.marking("first")).await.result(), "first");
    let (primary, _port) = stage.sentinels.primary().await.unwrap();
    let replicas: Vec<usize> = (0..3).filter(|place| *place != primary).collect();
    for replica in &replicas {
        stage.sentinels.kill9(*replica);
    }

    let request = pb::SubmitJobRequest {
        job: Some(stage.marked.marking("second")),
        request_id: "second".to_owned(),
        ..Default::default()
    };
    let refused = told(&client.clone().submit_job(request.clone()).await.unwrap_err());
    assert_eq!(refused.why(), (Code::DeadlineExceeded, "TIMED_OUT"), "{refused:?}");
    assert!(refused.message.contains("no replica has acknowledged"), "{refused:?}");
    assert!(refused.message.contains("repeat it with the request_id"), "{refused:?}");
    let id = refused.metadata["job_id"].clone();
    assert_eq!(stage.marked.marks("second"), 0, "it is not run, since no replica knows that it was taken");

    stage.sentinels.restart(replicas[0]);
    let accepted = eventually("it is accepted", LIMIT, || async {
        client.clone().submit_job(request.clone()).await.ok()
    })
    .await
    .into_inner();
    assert_eq!(accepted.job.unwrap().job_id, id);
    assert_eq!(end_of(&client, &id).await.result(), "second");
    assert_eq!(stage.marked.marks("second"), 1);
}

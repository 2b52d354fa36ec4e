//! What makes watches fall behind: more events than anything holds for a reader, and a log that forgets.

use hero_supervisor::proto as pb;

use crate::support::full_service::patient_client;
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};

/// As many as one call takes, long names included.
const BATCH: usize = 1000;
/// As long as reasons may be, so that few events fill what a connection and a client hold for a reader: grpc-core alone
/// takes more than 4 MiB.
const REASON: usize = 1000;

/// Submits jobs which nobody runs, for there is no actor of their type, and cancels them. Each is two events.
pub(super) async fn flood(service: &Service, caller: &str, jobs: usize) {
    let mut client = patient_client(service, LIMIT);
    let numbers: Vec<usize> = (0..jobs).collect();
    for batch in numbers.chunks(BATCH) {
        let submission = |number: &usize| pb::SubmitJobRequest {
            job: Some(pb::JobSpec {
                script_type: pb::ScriptType::Sal.into(),
                script: "1".to_owned(),
                caller_id: caller.to_owned(),
                ..Default::default()
            }),
            job_id: format!("{caller}-{number}"),
            ..Default::default()
        };
        let request = pb::SubmitJobsRequest { requests: batch.iter().map(submission).collect() };
        let results = client.submit_jobs(request).await.unwrap().into_inner().results;
        let refused = results.iter().find_map(|result| result.error.as_ref());
        assert!(refused.is_none(), "{refused:?}");
    }
    let request = pb::PurgeQueueRequest {
        script_type: pb::ScriptType::Sal.into(),
        reason: "x".repeat(REASON),
        ..Default::default()
    };
    let purged = client.purge_queue(request).await.unwrap().into_inner().purged_count;
    assert_eq!(usize::try_from(purged), Ok(jobs));
}

/// Trims every stream of events, as their bounds do when much more happens than here.
pub(super) async fn forget(redis: &PrivateRedis) {
    let mut connection = redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("hero:{*").query_async(&mut connection).await.unwrap();
    let streams: Vec<&String> =
        keys.iter().filter(|key| key.ends_with("}:events") || *key == "hero:{events}:log").collect();
    assert!(!streams.is_empty(), "no stream of events among {keys:?}");
    for stream in streams {
        let mut trim = redis::cmd("XTRIM");
        trim.arg(stream).arg("MAXLEN").arg(0);
        let _trimmed: u64 = trim.query_async(&mut connection).await.unwrap();
    }
}

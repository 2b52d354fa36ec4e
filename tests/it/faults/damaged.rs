//! Damaged records: the call that needs one names it.

use hero_supervisor::proto as pb;
use tonic::Code;

use crate::support::full_service::{JOBS, client, told, until_serves};
use crate::support::redis::PrivateRedis;
use crate::support::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_damaged_settings_is_data_loss_and_no_conflict() {
    let redis = PrivateRedis::start().await;
    let service = Service::serve(&["--redis-url", &redis.url(), "--process-manager", "local"]).await;
    until_serves(&service, &[(JOBS, true)]).await;
    let mut connection = redis.connection().await;
    let mut damage = redis::cmd("HSET");
    damage.arg("hero:settings").arg("osis").arg("{");
    damage.query_async::<()>(&mut connection).await.unwrap();

    let update = |script_type: pb::ScriptType| pb::UpdateScriptTypeRequest {
        script_type: script_type.into(),
        settings: Some(pb::ScriptTypeSettings { max_queue_depth: Some(5), ..Default::default() }),
        ..Default::default()
    };
    let mut client = client(&service);
    let refused = client.update_script_type(update(pb::ScriptType::Osis)).await.unwrap_err();
    assert_eq!(told(&refused).why(), (Code::DataLoss, "RECORD_DAMAGED"));
    client.update_script_type(update(pb::ScriptType::Sal)).await.unwrap();
}

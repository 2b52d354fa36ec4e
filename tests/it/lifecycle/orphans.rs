//! What a real Zinit runs and no record names.

use std::time::Duration;

use tokio::time::sleep;

use crate::support::full_service::FullService;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_made_for_an_actor_goes_with_its_record_and_foreign_ones_stay() {
    let whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    whole.running_actor("osis_actor_1").await;
    let foreign = serde_json::json!({"config": {"service": {"name": "foreign", "exec": "sleep 1000", "oneshot": false}}});
    whole.zinit.call("service.set", foreign).await;
    assert_eq!(whole.services().await, ["osis_actor_0", "osis_actor_1", "foreign"]);
    // As a start does that crosses a delete: the process is there, and its record is not.
    let removed: i64 = redis::cmd("HDEL")
        .arg("hero:actors")
        .arg("osis_actor_1")
        .query_async(&mut whole.redis.connection().await)
        .await
        .unwrap();
    assert_eq!(removed, 1);
    eventually("the orphan is removed", LIMIT, || async {
        (whole.services().await == ["osis_actor_0", "foreign"]).then_some(())
    })
    .await;
    sleep(Duration::from_secs(8)).await;
    assert_eq!(whole.services().await, ["osis_actor_0", "foreign"]);
}

//! Redis' clock steps: leases are counted in heartbeats and not in its time of day.

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use tokio::time::sleep;

use crate::support::full_service::{
    FullService, create, end_of, osis, run, submit, until_running, with_attempts,
};
use crate::support::redis::PrivateRedis;

/// Half an hour, which is longer than any lease and shorter than what records are kept for.
const STEP_MILLIS: i64 = 1_800_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_keeps_its_lease_whatever_the_time_of_day_does() {
    let whole = FullService::start_on(PrivateRedis::start_with_clock().await, &["--lease", "2s"]).await;
    let client = whole.client();
    let mut definition = whole.definition("osis_actor_0");
    definition.config.as_mut().unwrap().args.push("--lease=2s".to_owned());
    create(&mut whole.client(), definition).await;

    let id = submit(&client, with_attempts("sleep(8); 1", 3)).await;
    until_running(&client, &id).await;
    for millis in [STEP_MILLIS, -STEP_MILLIS, 0] {
        whole.redis.step_clock(millis);
        // Long enough for leases to be looked at several times.
        sleep(Duration::from_secs(2)).await;
        assert_eq!(run_beside(&whole).await, "42", "{millis}");
    }
    let ended = end_of(&client, &id).await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Succeeded, 1), "{ended:?}");
}

/// Another job, for which the actor has room.
async fn run_beside(whole: &FullService) -> String {
    run(&whole.client(), osis("40 + 2")).await.result().to_owned()
}

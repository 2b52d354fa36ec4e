//! Redis' clock steps: leases are counted in heartbeats and not in its time of day.

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use tokio::time::sleep;

use crate::support::full_service::{
    FullService, create, end_of, osis, run, submit, until_running, with_attempts,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_of_redis_that_is_not_that_of_this_machine_is_told() {
    let whole = FullService::start_on(PrivateRedis::start_with_clock().await, &[]).await;
    let mut client = whole.client();
    for (millis, clause) in [
        (0, ""),
        (2_000, "; its clock is more than a second ahead of this machine's"),
        (-2_000, "; its clock is more than a second behind this machine's"),
        (0, ""),
    ] {
        whole.redis.step_clock(millis);
        eventually(&format!("{millis} ms are told"), LIMIT, || async {
            let request = pb::GetServerInfoRequest::default();
            let info = client.clone().get_server_info(request).await.ok()?.into_inner();
            let redis = info.dependencies.into_iter().find(|known| known.name == "redis")?;
            (redis.message == format!("answers{clause}")).then_some(())
        })
        .await;
        let doctor = whole.service.run(["doctor", "--redis-url", &whole.redis.url()]).stdout;
        let line =
            doctor.lines().find(|line| line.contains("redis clock")).unwrap_or_else(|| panic!("{doctor}"));
        let way = if millis < 0 { "s behind this machine's" } else { "s ahead of this machine's" };
        assert_eq!(line.contains("are off by as much"), millis != 0, "{line}");
        assert!(millis == 0 || line.contains(way), "{line}");
    }
    let topics = vec![pb::event::Topic::Server.into()];
    let request = pb::ListEventsRequest { topics, ..Default::default() };
    let events = client.list_events(request).await.unwrap().into_inner().events;
    for told in ["a second ahead of", "a second behind"] {
        assert!(events.iter().any(|event| event.message.contains(told)), "{told}: {events:?}");
    }
}

/// Another job, for which the actor has room.
async fn run_beside(whole: &FullService) -> String {
    run(&whole.client(), osis("40 + 2")).await.result().to_owned()
}

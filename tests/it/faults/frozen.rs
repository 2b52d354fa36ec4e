//! An actor that sleeps through its lease comes back too late.

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::job::State as JobState;
use pb::job_error::Kind;

use crate::support::full_service::{
    FullService, create, end_of, job, osis, pinned, run, signal, submit, until_running, with_attempts,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// With a lease that a test can wait for.
async fn short_lease() -> FullService {
    FullService::start_on(PrivateRedis::start().await, &["--lease", "2s"]).await
}

async fn actor(whole: &FullService, id: &str) -> pb::Actor {
    let mut definition = whole.definition(id);
    definition.config.as_mut().unwrap().args.push("--lease=2s".to_owned());
    create(&mut whole.client(), definition).await
}

/// Waits until an actor has tried to write an end that was no longer its own to write.
async fn until_refused(whole: &FullService, id: &str) {
    eventually("the late result is refused", LIMIT, || async {
        whole.log_of(id).await.contains("came too late").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_comes_after_the_lease_is_refused() {
    let whole = short_lease().await;
    let client = whole.client();
    let frozen = actor(&whole, "osis_actor_0").await;
    let id = submit(&client, osis("sleep(0.5); 1")).await;
    until_running(&client, &id).await;
    signal(frozen.pid(), Signal::SIGSTOP);
    let ended = end_of(&client, &id).await;
    assert_eq!(ended.state(), JobState::Failed);
    assert_eq!(ended.error.as_ref().unwrap().kind(), Kind::ActorLost);
    signal(frozen.pid(), Signal::SIGCONT);
    until_refused(&whole, "osis_actor_0").await;
    assert_eq!(job(&client, &id).await, ended, "the first end is the only one");
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
    assert_eq!(job(&client, &id).await, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attempt_of_another_actor_is_the_one_that_counts() {
    let whole = short_lease().await;
    let client = whole.client();
    let frozen = actor(&whole, "osis_actor_0").await;
    let id = submit(&client, with_attempts("sleep(1); 1", 2)).await;
    until_running(&client, &id).await;
    signal(frozen.pid(), Signal::SIGSTOP);
    actor(&whole, "osis_actor_1").await;
    let ended = end_of(&client, &id).await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Succeeded, 2), "{ended:?}");
    assert_eq!(ended.actor_id, "osis_actor_1");
    signal(frozen.pid(), Signal::SIGCONT);
    until_refused(&whole, "osis_actor_0").await;
    assert_eq!(job(&client, &id).await, ended);
    assert_eq!(run(&client, pinned("40 + 2", "osis_actor_0")).await.result(), "42", "it works again");
}

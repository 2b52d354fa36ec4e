//! Actors and their engine hosts are killed in the middle of a job.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use pb::job::State as JobState;
use pb::job_error::Kind;
use tokio::time::Instant;

use crate::support::full_service::{
    ALLOWANCE, FullService, actor, children_of, end_of, job, osis, run, signal, submit, until_actor,
    until_running, with_attempts,
};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// From the death of an actor to the end, or the next start, of the job that it had: the lease is not waited for.
const AFTER_DEATH: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_may_run_once_fails_with_its_killed_actor_and_says_how() {
    let whole = FullService::start().await;
    let client = whole.client();
    let victim = whole.running_actor("osis_actor_0").await;
    let id = submit(&client, osis("sleep(3000)")).await;
    until_running(&client, &id).await;
    let begun = Instant::now();
    signal(victim.pid(), Signal::SIGKILL);
    let ended = end_of(&client, &id).await;
    let took = begun.elapsed();
    assert!(took < AFTER_DEATH + ALLOWANCE, "{took:?}");
    assert_eq!((ended.state(), ended.attempt), (JobState::Failed, 1));
    assert_eq!(ended.actor_id, "osis_actor_0");
    let error = ended.error.unwrap();
    assert_eq!((error.kind(), error.signal, error.exit_code), (Kind::ActorLost, Some(9), None));
    assert!(error.log_tail.join("\n").contains("osis_actor_0: starts (osis_actor, queue osis)"), "{error:?}");

    until_actor(&client, "osis_actor_0", "is back", |actor| {
        actor.state() == State::Running && actor.pid != victim.pid
    })
    .await;
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
    let same = job(&client, &id).await;
    assert_eq!((same.state(), same.finish_time), (JobState::Failed, ended.finish_time), "one end only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_may_run_again_does_so_at_once_and_succeeds() {
    let whole = FullService::start().await;
    let client = whole.client();
    let victim = whole.running_actor("osis_actor_0").await;
    let id = submit(&client, with_attempts("sleep(1); 7", 3)).await;
    let first = until_running(&client, &id).await;
    let begun = Instant::now();
    signal(victim.pid(), Signal::SIGKILL);
    eventually("the second start", LIMIT, || async {
        let job = job(&client, &id).await;
        (job.attempt == 2 && job.start_time != first.start_time).then_some(())
    })
    .await;
    let took = begun.elapsed();
    assert!(took < AFTER_DEATH + ALLOWANCE, "{took:?}");
    let ended = end_of(&client, &id).await;
    assert_eq!((ended.state(), ended.result(), ended.attempt), (JobState::Succeeded, "7", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_engine_host_costs_its_job_and_not_the_actor() {
    let whole = FullService::start().await;
    let client = whole.client();
    let before = whole.running_actor("osis_actor_0").await;
    let id = submit(&client, osis("sleep(3000)")).await;
    until_running(&client, &id).await;
    let hosts = children_of(before.pid());
    assert_eq!(hosts.len(), 1, "{hosts:?}");
    signal(hosts[0], Signal::SIGKILL);
    let ended = end_of(&client, &id).await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Failed, 1));
    let error = ended.error.unwrap();
    assert_eq!((error.kind(), error.signal), (Kind::EngineCrash, Some(9)));
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
    let after = actor(&client, "osis_actor_0").await;
    assert_eq!((after.pid, after.restart_count, after.last_exit), (before.pid, 0, None));
}

//! Zinit is not there, hangs or dies.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::support::full_service::{
    ACTORS, ALLOWANCE, Client, FullService, JOBS, READY, actor, assert_true_pid, command_line, osis, run,
    span, told, until_actor, until_serves,
};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Longest time to an answer while Zinit is away.
const FAIL_FAST: Duration = Duration::from_secs(2);
/// Longest time until health tells it.
const HEALTH_FLIPS: Duration = Duration::from_secs(5);

fn check(what: &str, begun: Instant, status: &Status) {
    let took = begun.elapsed();
    assert!(took < FAIL_FAST + ALLOWANCE, "{what} took {took:?}");
    assert_eq!(told(status).why(), (Code::Unavailable, "ZINIT_UNAVAILABLE"), "{what}: {status:?}");
}

/// Sees that an actor cannot be restarted, whichever way, and works on.
async fn nobody_can_restart_it(client: &Client) {
    for force in [true, false] {
        let request = pb::RestartActorRequest {
            actor_id: "osis_actor_0".to_owned(),
            force,
            max_wait: span(LIMIT),
            ..Default::default()
        };
        let begun = Instant::now();
        check("RestartActor", begun, &client.clone().restart_actor(request).await.unwrap_err());
        jobs_go_on(client).await;
    }
}

async fn jobs_go_on(client: &Client) {
    assert_eq!(run(client, osis("40 + 2")).await.result(), "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zinit_that_is_absent_at_the_start_is_told_and_found_when_it_comes() {
    let mut whole = FullService::start().await;
    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    whole.zinit.kill_server();
    whole.service = whole.another(&[]).await;
    let mut client = whole.client();
    until_serves(&whole.service, &[("", true), (READY, false), (JOBS, true), (ACTORS, false)]).await;
    let begun = Instant::now();
    let refused = client.create_actor(whole.definition("osis_actor_0")).await.unwrap_err();
    check("CreateActor", begun, &refused);
    whole.zinit.launch().await;
    until_serves(&whole.service, &[("", true), (READY, true), (JOBS, true), (ACTORS, true)]).await;
    // The wish was accepted before the start failed, so it comes up by itself.
    until_actor(&client, "osis_actor_0", "comes up", |actor| actor.state() == State::Running).await;
    jobs_go_on(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_while_zinit_hangs_jobs_go_on_and_actors_are_unknown_and_untouched() {
    let whole = FullService::start().await;
    let client = whole.client();
    let before = whole.running_actor("osis_actor_0").await;
    until_serves(&whole.service, &[(READY, true), (ACTORS, true)]).await;
    whole.zinit.signal_server(Signal::SIGSTOP);
    let took = until_serves(&whole.service, &[(READY, false), (JOBS, true), (ACTORS, false)]).await;
    assert!(took < HEALTH_FLIPS + ALLOWANCE, "{took:?}");
    jobs_go_on(&client).await;
    let unknown =
        until_actor(&client, "osis_actor_0", "is unknown", |actor| actor.state() == State::Unknown).await;
    assert!(!unknown.status_message.is_empty(), "{unknown:?}");
    nobody_can_restart_it(&client).await;

    whole.zinit.signal_server(Signal::SIGCONT);
    until_serves(&whole.service, &[(READY, true), (ACTORS, true)]).await;
    let after =
        until_actor(&client, "osis_actor_0", "is seen again", |actor| actor.state() == State::Running).await;
    assert_eq!((after.pid, after.restart_count), (before.pid, 0));
    jobs_go_on(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zinit_that_dies_takes_no_job_along_and_its_successor_runs_the_actors() {
    let mut whole = FullService::start().await;
    let client = whole.client();
    let before = whole.running_actor("osis_actor_0").await;
    until_serves(&whole.service, &[(ACTORS, true)]).await;
    whole.zinit.kill_server();
    let took = until_serves(&whole.service, &[(READY, false), (JOBS, true), (ACTORS, false)]).await;
    assert!(took < HEALTH_FLIPS + ALLOWANCE, "{took:?}");
    jobs_go_on(&client).await;
    nobody_can_restart_it(&client).await;

    whole.zinit.launch().await;
    until_serves(&whole.service, &[(READY, true), (ACTORS, true)]).await;
    let after = until_actor(&client, "osis_actor_0", "runs under the new one", |actor| {
        actor.state() == State::Running && actor.pid != before.pid && actor.pid.is_some()
    })
    .await;
    assert_true_pid(&after);
    // Its predecessor left the process behind: it is ended, so that the actor runs once.
    eventually("the old process is gone", LIMIT, || async {
        command_line(before.pid()).is_none().then_some(())
    })
    .await;
    jobs_go_on(&client).await;
    assert_eq!(actor(&client, "osis_actor_0").await.pid, after.pid);
}

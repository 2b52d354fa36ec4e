//! Actors that end again and again.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pb::actor::{DesiredState, State};
use tokio::time::sleep;
use tonic::Code;

use crate::support::full_service::{
    Client, FullService, actor, client, create, definition, osis, run, span, told, until_actor,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn p9_too_many_ends_are_a_crash_loop_that_disturbs_no_other_actor() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let steady = whole.running_actor("steady").await;
    let mut crashing = whole.definition("crashing");
    let config = crashing.config.as_mut().unwrap();
    config.binary_path = "/bin/sh".to_owned();
    // Long enough to count as started, and no longer.
    config.args = ["-c", "echo 'out of luck' >&2; sleep 0.6; exit 7"].map(str::to_owned).to_vec();
    config.readiness = pb::actor_config::Readiness::Process.into();
    config.restart_policy = Some(pb::RestartPolicy {
        initial_backoff: span(Duration::from_millis(10)),
        max_backoff: span(Duration::from_millis(10)),
        max_restarts: Some(2),
        ..Default::default()
    });
    create(&mut client, crashing).await;
    let given_up =
        until_actor(&client, "crashing", "is given up", |actor| actor.state() == State::CrashLoop).await;
    assert_eq!((given_up.pid, given_up.desired_state()), (None, DesiredState::Down));
    assert_eq!(given_up.restart_count, 3);
    let end = given_up.last_exit.as_ref().unwrap();
    assert_eq!((end.exit_code, end.requested), (Some(7), false), "{given_up:?}");
    assert!(end.log_tail.join("\n").contains("out of luck"), "{given_up:?}");
    assert!(given_up.status_message.contains("exit code 7"), "{given_up:?}");

    // It stays down, although Zinit would restart it.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(actor(&client, "crashing").await, given_up);
    let after = actor(&client, "steady").await;
    assert_eq!((after.pid, after.restart_count), (steady.pid, 0));
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");

    // Whoever starts it gives it all its restarts once more.
    let start =
        pb::StartActorRequest { actor_id: "crashing".to_owned(), max_wait: span(LIMIT), local_only: false };
    let started = client.start_actor(start).await.unwrap().into_inner();
    assert_eq!((started.wait_outcome(), started.changed), (pb::WaitOutcome::Done, true));
    until_actor(&client, "crashing", "is given up again", |actor| {
        actor.state() == State::CrashLoop && actor.restart_count == 6
    })
    .await;
    let delete = pb::DeleteActorRequest { actor_id: "crashing".to_owned(), ..Default::default() };
    client.delete_actor(delete).await.unwrap();
    let request = pb::GetActorRequest { actor_id: "crashing".to_owned(), ..Default::default() };
    assert_eq!(told(&client.get_actor(request).await.unwrap_err()).code, Code::NotFound);
    assert_eq!(whole.services().await, ["steady"]);
}

/// The definition of an actor that runs, with this health check.
fn checked(mut definition: pb::CreateActorRequest, check: &str) -> pb::CreateActorRequest {
    let config = definition.config.as_mut().unwrap();
    config.binary_path = "/bin/sleep".to_owned();
    config.args = vec!["1000".to_owned()];
    config.readiness = pb::actor_config::Readiness::Process.into();
    config.health_check = check.to_owned();
    config.start_timeout = span(Duration::from_secs(3));
    definition
}

/// Has an actor started whose health check never passes, and looks at everything that is told of it.
async fn is_told_of_a_failing_check(client: &mut Client, definition: pb::CreateActorRequest) {
    let definition = checked(definition, "echo no route to host; exit 3");
    let refused = told(&client.create_actor(definition).await.unwrap_err());
    assert_eq!(refused.why(), (Code::FailedPrecondition, "ACTOR_START_FAILED"));
    let shown = until_actor(client, "unchecked", "is given up and has ended", |actor| {
        actor.state() == State::Failed && actor.last_exit.is_some()
    })
    .await;
    let events = eventually("its end is told", LIMIT, || async {
        let all =
            client.clone().list_events(pb::ListEventsRequest::default()).await.unwrap().into_inner().events;
        all.iter().any(|event| event.r#type() == pb::event::Type::ActorExited).then_some(all)
    })
    .await;
    let of_type = |wanted| events.iter().find(|event| event.r#type() == wanted).unwrap().message.as_str();
    // The same by the process manager as by the supervisor, which gives the start up first on a busy machine.
    for said in [
        refused.message.as_str(),
        &shown.status_message,
        of_type(pb::event::Type::ActorStateChanged),
        &shown.last_exit.as_ref().unwrap().reason,
        of_type(pb::event::Type::ActorExited),
    ] {
        assert!(said.contains("its health check \"echo no route to host; exit 3\""), "{said}");
        assert!(said.contains("ended with exit code 3 and wrote: no route to host"), "{said}");
    }
    assert_eq!(shown.restart_count, 0, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_fails_is_named_and_is_no_restart() {
    let whole = FullService::start().await;
    is_told_of_a_failing_check(&mut whole.client(), whole.definition("unchecked")).await;

    let redis = PrivateRedis::start().await;
    let url = redis.url();
    let service = Service::serve(&["--redis-url", &url, "--process-manager", "local"]).await;
    is_told_of_a_failing_check(&mut client(&service), definition("unchecked", &redis)).await;
}

/// Has an actor started whose health check takes longer than anybody waits.
async fn is_told_of_an_endless_check(client: &mut Client, definition: pb::CreateActorRequest) {
    client.create_actor(checked(definition, "sleep 1000")).await.unwrap_err();
    let shown = until_actor(client, "endless", "has ended", |actor| actor.last_exit.is_some()).await;
    let reason = &shown.last_exit.as_ref().unwrap().reason;
    assert!(reason.contains("its health check \"sleep 1000\""), "{shown:?}");
    assert!(reason.contains("within 3s") && shown.restart_count == 0, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_takes_longer_than_the_start_is_why_the_process_ended() {
    let whole = FullService::start().await;
    is_told_of_an_endless_check(&mut whole.client(), whole.definition("endless")).await;

    let redis = PrivateRedis::start().await;
    let url = redis.url();
    let service = Service::serve(&["--redis-url", &url, "--process-manager", "local"]).await;
    is_told_of_an_endless_check(&mut client(&service), definition("endless", &redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_fails_after_a_crash_is_named_as_well() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let flag = whole.zinit.path("flag");
    std::fs::write(&flag, "").unwrap();
    let check = format!("test -e {} || {{ echo the flag is gone; exit 4; }}", flag.display());
    let actor = create(&mut client, checked(whole.definition("relapsing"), &check)).await;
    std::fs::remove_file(&flag).unwrap();
    kill(Pid::from_raw(actor.pid.unwrap()), Signal::SIGKILL).unwrap();
    let why = "the last check ended with exit code 4 and wrote: the flag is gone";
    until_actor(&client, "relapsing", "fails its check", |actor| {
        actor.last_exit.as_ref().is_some_and(|exit| exit.reason.contains(why))
    })
    .await;
    // Once it passes, it runs.
    std::fs::write(&flag, "").unwrap();
    until_actor(&client, "relapsing", "runs", |actor| actor.state() == State::Running).await;
    assert!(!whole.zinit.path("z.sock.check-relapsing").exists());
}

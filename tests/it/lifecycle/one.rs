//! One actor, from its making to its deletion.

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::{DesiredState, State};
use tonic::Code;

use crate::support::full_service::{
    FullService, actor, actors, assert_true_pid, command_line, create, osis, run, signal, span, told,
    until_actor,
};
use crate::support::service::LIMIT;

fn start(id: &str) -> pb::StartActorRequest {
    pb::StartActorRequest { actor_id: id.to_owned(), max_wait: span(LIMIT), local_only: false }
}

fn stop(id: &str) -> pb::StopActorRequest {
    pb::StopActorRequest { actor_id: id.to_owned(), max_wait: span(LIMIT), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_is_made_stopped_started_restarted_and_deleted() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let made = whole.running_actor("osis_actor_0").await;
    assert_true_pid(&made);
    assert_eq!((made.desired_state(), made.restart_count), (DesiredState::Up, 0));
    assert!(made.create_time.is_some() && made.start_time.is_some() && made.last_exit.is_none(), "{made:?}");
    assert_eq!(whole.services().await, ["osis_actor_0"], "the service bears the actor's own name");
    assert_eq!(actor(&client, "osis_actor_0").await.pid, made.pid);
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");

    let stopped = client.stop_actor(stop("osis_actor_0")).await.unwrap().into_inner();
    assert_eq!((stopped.wait_outcome(), stopped.changed), (pb::WaitOutcome::Done, true));
    let stopped = stopped.actor.unwrap();
    assert_eq!((stopped.state(), stopped.desired_state()), (State::Stopped, DesiredState::Down));
    assert_eq!((stopped.pid, stopped.restart_count), (None, 0));
    assert_eq!(command_line(made.pid()), None, "the process is gone when the answer comes");
    let end = stopped.last_exit.unwrap();
    assert_eq!((end.exit_code, end.signal, end.pid, end.requested), (Some(0), None, made.pid(), true));

    let started = client.start_actor(start("osis_actor_0")).await.unwrap().into_inner();
    assert_eq!((started.wait_outcome(), started.changed), (pb::WaitOutcome::Done, true));
    let started = started.actor.unwrap();
    assert_true_pid(&started);
    assert_ne!(started.pid, made.pid);

    let request = pb::RestartActorRequest {
        actor_id: "osis_actor_0".to_owned(),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    let restarted = client.restart_actor(request).await.unwrap().into_inner();
    assert_eq!((restarted.wait_outcome(), restarted.changed), (pb::WaitOutcome::Done, true));
    let restarted = restarted.actor.unwrap();
    assert_true_pid(&restarted);
    assert!(restarted.pid != started.pid && command_line(started.pid()).is_none());
    assert_eq!(restarted.restart_count, 0, "ends that were asked for are not counted");
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");

    let request = pb::DeleteActorRequest { actor_id: "osis_actor_0".to_owned(), ..Default::default() };
    let deleted = client.delete_actor(request.clone()).await.unwrap().into_inner().actor.unwrap();
    assert_eq!(deleted.actor_id, "osis_actor_0");
    assert_eq!(command_line(restarted.pid()), None);
    assert_eq!(actors(&client).await, []);
    assert_eq!(whole.services().await, Vec::<String>::new());
    let again = told(&client.delete_actor(request.clone()).await.unwrap_err());
    assert_eq!(again.why(), (Code::NotFound, "ACTOR_NOT_FOUND"));
    let lenient = pb::DeleteActorRequest { allow_missing: true, ..request };
    assert_eq!(client.delete_actor(lenient).await.unwrap().into_inner().actor, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_wish_again_changes_nothing() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let idle = pb::CreateActorRequest { start: Some(false), ..whole.definition("osis_actor_0") };
    let made = client.create_actor(idle.clone()).await.unwrap().into_inner();
    assert!(made.changed);
    assert_eq!(made.actor.unwrap().state(), State::Stopped);
    assert!(!client.create_actor(idle).await.unwrap().into_inner().changed);
    assert!(!client.stop_actor(stop("osis_actor_0")).await.unwrap().into_inner().changed);

    let running = create(&mut client, whole.definition("osis_actor_0")).await;
    let again = client.create_actor(whole.definition("osis_actor_0")).await.unwrap().into_inner();
    assert!(!again.changed, "{again:?}");
    let again = client.start_actor(start("osis_actor_0")).await.unwrap().into_inner();
    assert!(!again.changed, "{again:?}");
    assert_eq!(again.actor.unwrap().pid, running.pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_nobody_asked_for_is_counted_and_shown_with_its_last_words() {
    let whole = FullService::start().await;
    let client = whole.client();
    let before = whole.running_actor("osis_actor_0").await;
    signal(before.pid(), Signal::SIGKILL);
    let after = until_actor(&client, "osis_actor_0", "is back", |actor| {
        actor.state() == State::Running && actor.pid != before.pid && actor.pid.is_some()
    })
    .await;
    assert_true_pid(&after);
    assert_eq!(after.restart_count, 1);
    let end = after.last_exit.unwrap();
    assert_eq!((end.exit_code, end.signal, end.pid, end.requested), (None, Some(9), before.pid(), false));
    let words = end.log_tail.join("\n");
    assert!(words.contains("osis_actor_0: starts (osis_actor, queue osis)"), "{words:?}");
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
}

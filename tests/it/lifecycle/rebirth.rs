//! The supervisor holds nothing: another one in its place, or beside it, sees the same.

use std::time::{Duration, SystemTime};

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::Code;

use crate::support::full_service::{
    Client, FullService, actors, assert_true_pid, client, command_line, end_of, osis, run, signal, span,
    submit, told, until_actor, until_running,
};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// All that must not change with the supervisor.
async fn view(client: &Client) -> Vec<pb::Actor> {
    let kept = |actor: pb::Actor| pb::Actor {
        // What the observer itself has seen, not what is kept.
        start_time: None,
        state_time: None,
        last_job_time: None,
        jobs_in_flight: 0,
        etag: String::new(),
        ..actor
    };
    actors(client).await.into_iter().map(kept).collect()
}

/// The start times of the processes that run.
async fn starts(client: &Client) -> Vec<SystemTime> {
    let running = actors(client).await.into_iter().filter(|actor| actor.pid.is_some());
    running.map(|actor| SystemTime::try_from(actor.start_time.unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_after_a_kill_the_next_supervisor_has_the_same_view_and_no_actor_noticed() {
    let mut whole = FullService::start().await;
    for name in ["osis_actor_0", "osis_actor_1", "osis_actor_2"] {
        whole.running_actor(name).await;
    }
    let old = whole.client();
    let killed = actors(&old).await[1].pid();
    signal(killed, Signal::SIGKILL);
    until_actor(&old, "osis_actor_1", "is back", |actor| {
        actor.state() == State::Running && actor.restart_count == 1 && actor.pid != Some(killed)
    })
    .await;
    let stop = pb::StopActorRequest {
        actor_id: "osis_actor_2".to_owned(),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    old.clone().stop_actor(stop).await.unwrap();
    let slow = submit(&old, osis("sleep(3); 7")).await;
    until_running(&old, &slow).await;
    let (before, starts) = (view(&old).await, self::starts(&old).await);

    whole.replace().await;
    let new = whole.client();
    eventually("the same view", LIMIT, || async {
        let seen = new.clone().list_actors(pb::ListActorsRequest::default()).await;
        seen.ok()?;
        (view(&new).await == before).then_some(())
    })
    .await;
    let ended = end_of(&new, &slow).await;
    assert_eq!((ended.result(), ended.attempt), ("7", 1), "the job was not touched");
    assert_eq!(run(&new, osis("40 + 2")).await.result(), "42");
    assert_eq!(view(&new).await, before, "and it stays so");
    let again = self::starts(&new).await;
    assert!(again.len() == 2 && starts.len() == 2, "{starts:?} {again:?}");
    for (was, is) in starts.into_iter().zip(again) {
        let off = if was > is { was.duration_since(is) } else { is.duration_since(was) };
        assert!(off.unwrap() < Duration::from_millis(100), "they are as old as they are: {was:?} {is:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_was_under_way_is_brought_to_its_end_by_the_next_supervisor() {
    let mut whole = FullService::start().await;
    let old = whole.client();
    let running = whole.running_actor("osis_actor_0").await;
    let slow = submit(&old, osis("sleep(3); 7")).await;
    until_running(&old, &slow).await;
    let mut callers = JoinSet::new();
    let mut caller = old.clone();
    let stop = pb::StopActorRequest { actor_id: "osis_actor_0".to_owned(), ..Default::default() };
    callers.spawn(async move { caller.stop_actor(stop).await });
    until_actor(&old, "osis_actor_0", "drains", |actor| actor.state() == State::Draining).await;

    whole.replace().await;
    let new = whole.client();
    let ended = end_of(&new, &slow).await;
    assert_eq!((ended.result(), ended.attempt), ("7", 1), "the drain goes on");
    let stopped = until_actor(&new, "osis_actor_0", "is down", |actor| actor.state() == State::Stopped).await;
    assert_eq!(command_line(running.pid()), None);
    assert_eq!(stopped.restart_count, 0, "{stopped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_supervisors_of_one_machine_share_its_actors() {
    let whole = FullService::start().await;
    let second = whole.another(&[]).await;
    let (mut one, mut two) = (whole.client(), client(&second));
    let made = whole.running_actor("osis_actor_0").await;
    let seen = until_actor(&two, "osis_actor_0", "is seen", |actor| actor.state() == State::Running).await;
    assert_eq!(seen.pid, made.pid);

    // Each of them may change it, and the other one follows instead of working against it.
    let stop = pb::StopActorRequest {
        actor_id: "osis_actor_0".to_owned(),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    two.stop_actor(stop).await.unwrap();
    until_actor(&one, "osis_actor_0", "is down", |actor| actor.state() == State::Stopped).await;
    let start = pb::StartActorRequest {
        actor_id: "osis_actor_0".to_owned(),
        max_wait: span(LIMIT),
        local_only: false,
    };
    let started = one.start_actor(start).await.unwrap().into_inner().actor.unwrap();
    until_actor(&two, "osis_actor_0", "is up", |actor| actor.state() == State::Running).await;
    assert_eq!(run(&two, osis("40 + 2")).await.result(), "42");
    settled(&[&one, &two], started.pid).await;

    let delete = pb::DeleteActorRequest { actor_id: "osis_actor_0".to_owned(), ..Default::default() };
    two.delete_actor(delete).await.unwrap();
    for client in [&one, &two] {
        eventually("it is gone for both", LIMIT, || async {
            let request = pb::GetActorRequest { actor_id: "osis_actor_0".to_owned(), ..Default::default() };
            let refused = client.clone().get_actor(request).await.err()?;
            (told(&refused).why() == (Code::NotFound, "ACTOR_NOT_FOUND")).then_some(())
        })
        .await;
    }
    // Nobody brings it back.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(whole.services().await, Vec::<String>::new());
    assert_eq!((actors(&one).await, actors(&two).await), (Vec::new(), Vec::new()));
    assert_eq!(command_line(started.pid()), None);
}

/// Sees that supervisors leave an actor alone for a while.
async fn settled(clients: &[&Client], pid: Option<i32>) {
    sleep(Duration::from_secs(2)).await;
    for client in clients {
        let all = actors(client).await;
        assert_eq!((all[0].state(), all[0].pid), (State::Running, pid), "{all:?}");
        assert_eq!(all[0].restart_count, 0, "no end was unasked: {all:?}");
        assert_true_pid(&all[0]);
    }
}

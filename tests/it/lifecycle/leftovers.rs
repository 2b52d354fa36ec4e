//! What killed Zinits leave behind: in the end each actor runs once, whoever saw its processes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use pb::event::Type;
use tokio::time::sleep;

use crate::support::full_service::{
    Client, FullService, actor, assert_true_pid, command_line, osis, run, signal, until_actor,
};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Waits until the living processes of an actor are others than these as well; answers with the new one.
async fn until_started_beside(whole: &FullService, name: &str, known: &[i32]) -> i32 {
    eventually("Zinit starts it once more", LIMIT, || async {
        let living = whole.zinit.living_actors().remove(name).unwrap_or_default();
        living.into_iter().find(|pid| !known.contains(pid))
    })
    .await
}

/// Kills Zinit twice, and the first successor as soon as it has started the actor, while nobody looks. Answers with the
/// pids that the second and the third Zinit gave.
async fn kill_zinit_twice_unseen(whole: &mut FullService, name: &str, first: i32) -> (i32, i32) {
    whole.service.signal(Signal::SIGSTOP);
    whole.zinit.kill_server();
    whole.zinit.launch().await;
    let second = until_started_beside(whole, name, &[first]).await;
    whole.zinit.kill_server();
    whole.zinit.launch().await;
    let third = until_started_beside(whole, name, &[first, second]).await;
    whole.service.signal(Signal::SIGCONT);
    (second, third)
}

/// Waits until these are all processes of actors that live.
async fn until_living(whole: &FullService, expected: &[(&str, i32)]) {
    let expected: BTreeMap<String, BTreeSet<i32>> =
        expected.iter().map(|(name, pid)| ((*name).to_owned(), BTreeSet::from([*pid]))).collect();
    eventually(&format!("{expected:?} are all that live"), LIMIT, || async {
        (whole.zinit.living_actors() == expected).then_some(())
    })
    .await;
}

/// The pids whose end was told, the oldest first.
async fn told_ends(client: &Client, name: &str) -> Vec<i32> {
    let request = pb::ListEventsRequest { page_size: 1000, ..Default::default() };
    let events = client.clone().list_events(request).await.unwrap().into_inner().events;
    let ends = events.into_iter().rev().filter(|event| event.actor_id == name);
    ends.filter(|event| event.r#type() == Type::ActorExited)
        .filter_map(|event| match event.detail {
            Some(pb::event::Detail::ActorExit(exit)) => Some(exit.pid),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_nobody_saw_between_two_deaths_of_zinit_is_ended() {
    let mut whole = FullService::start().await;
    let client = whole.client();
    let first = whole.running_actor("osis_actor_0").await.pid();
    let foreign = serde_json::json!({"config": {"service": {"name": "foreign", "exec": "sleep 1000"}}});
    whole.zinit.call("service.set", foreign).await;
    let (_second, third) = kill_zinit_twice_unseen(&mut whole, "osis_actor_0", first).await;

    until_living(&whole, &[("osis_actor_0", third)]).await;
    let shown = until_actor(&client, "osis_actor_0", "runs and its predecessor has ended", |actor| {
        actor.state() == State::Running && actor.pid == Some(third) && actor.restart_count == 1
    })
    .await;
    assert_true_pid(&shown);
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
    // Nobody goes on ending things, and only the end of what was shown is told.
    sleep(Duration::from_secs(2)).await;
    let after = actor(&client, "osis_actor_0").await;
    assert_eq!((after.state(), after.pid(), after.restart_count), (State::Running, third, 1), "{after:?}");
    assert_eq!(told_ends(&client, "osis_actor_0").await, [first]);
    until_living(&whole, &[("osis_actor_0", third)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_crash_and_return_nobody_saw_is_ended_when_zinit_has_died() {
    let mut whole = FullService::start().await;
    let client = whole.client();
    let first = whole.running_actor("osis_actor_0").await.pid();
    whole.service.signal(Signal::SIGSTOP);
    signal(first, Signal::SIGKILL);
    let second = until_started_beside(&whole, "osis_actor_0", &[first]).await;
    whole.zinit.kill_server();
    whole.zinit.launch().await;
    let third = until_started_beside(&whole, "osis_actor_0", &[first, second]).await;
    whole.service.signal(Signal::SIGCONT);
    until_living(&whole, &[("osis_actor_0", third)]).await;
    let shown = until_actor(&client, "osis_actor_0", "runs", |actor| {
        actor.state() == State::Running && actor.pid == Some(third) && actor.restart_count == 1
    })
    .await;
    assert_true_pid(&shown);
    assert_eq!(told_ends(&client, "osis_actor_0").await, [first]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_over_ends_with_its_actor_and_that_of_other_records_stays() {
    let mut whole = FullService::start().await;
    let first = whole.running_actor("osis_actor_0").await.pid();
    // The same name in the records of somebody else, whose Zinit was killed as well.
    let mut elsewhere = FullService::start().await;
    let theirs = elsewhere.running_actor("osis_actor_0").await.pid();
    elsewhere.service.signal(Signal::SIGSTOP);
    elsewhere.zinit.kill_server();

    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    whole.zinit.kill_server();
    whole.zinit.launch().await;
    let second = until_started_beside(&whole, "osis_actor_0", &[first]).await;
    whole.service = whole.another(&[]).await;
    let mut new = whole.client();
    let delete =
        pb::DeleteActorRequest { actor_id: "osis_actor_0".to_owned(), force: true, ..Default::default() };
    eventually("it is deleted", LIMIT, || {
        let (mut new, delete) = (new.clone(), delete.clone());
        async move { new.delete_actor(delete).await.ok() }
    })
    .await;
    until_living(&whole, &[]).await;
    assert_eq!((command_line(first), command_line(second)), (None, None));
    assert!(new.list_actors(pb::ListActorsRequest::default()).await.unwrap().into_inner().actors.is_empty());
    assert!(command_line(theirs).is_some(), "it belongs to other records");
}

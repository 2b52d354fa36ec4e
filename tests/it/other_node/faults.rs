//! Another machine that is away, killed, or frozen while it works at a call.

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use tokio::task::JoinSet;
use tonic::Code;

use super::{Pair, client, create, osis, run, serve, told, until_actor};
use crate::support::full_service::{submit, until_running};
use crate::support::wait::eventually;

fn stop(id: &str) -> pb::StopActorRequest {
    pb::StopActorRequest { actor_id: id.to_owned(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_its_supervisor_is_unavailable_and_nothing_happens_there_later() {
    let mut pair = Pair::start().await;
    let mut caller = pair.client();
    create(&mut caller, pair.definition("a")).await;
    pair.there.signal(Signal::SIGKILL);
    pair.there.ended().await;

    let refused = told(&caller.stop_actor(stop("a")).await.unwrap_err());
    assert_eq!(refused.why(), (Code::Unavailable, "NODE_UNAVAILABLE"));
    assert_eq!((&*refused.metadata["node"], &*refused.metadata["outcome"]), ("there", "none"));
    assert!(refused.message.contains("node there is unavailable"), "{}", refused.message);
    let names = vec!["a".to_owned()];
    let selector = Some(pb::ActorSelector { actor_ids: names, ..Default::default() });
    let request = pb::StopActorsRequest { selector, ..Default::default() };
    let results = caller.stop_actors(request).await.unwrap().into_inner().results;
    assert_eq!(results[0].error.as_ref().unwrap().reason, "NODE_UNAVAILABLE");

    // The next supervisor of that machine finds no call that is to be carried out, and takes those that come.
    pair.there = serve(&pair.here.redis, &pair.their_zinit, &["--node", "there"]).await;
    until_actor(&client(&pair.there), "a", "runs", |actor| actor.state() == State::Running).await;
    assert_eq!(run(&caller, osis("40 + 2")).await.result(), "42");
    let stopped = caller.stop_actor(stop("a")).await.unwrap().into_inner();
    assert!(stopped.changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_freezes_at_a_call_leaves_its_outcome_unknown() {
    let pair = Pair::start().await;
    let mut caller = pair.client();
    create(&mut caller, pair.definition("a")).await;
    let job = submit(&caller, osis("sleep(3000)")).await;
    until_running(&caller, &job).await;
    // The stop waits for the job, so the call is under way when that machine freezes.
    let mut stopping = JoinSet::new();
    let mut other = caller.clone();
    stopping.spawn(async move { other.stop_actor(stop("a")).await });
    let stops = |actor: &pb::Actor| [State::Draining, State::Stopping].contains(&actor.state());
    until_actor(&client(&pair.there), "a", "stops", stops).await;
    pair.there.signal(Signal::SIGSTOP);
    let lost = told(&stopping.join_next().await.unwrap().unwrap().unwrap_err());
    assert_eq!(lost.why(), (Code::Unavailable, "NODE_UNAVAILABLE"));
    assert_eq!(lost.metadata["outcome"], "unknown");
    pair.there.signal(Signal::SIGCONT);
    let force = pb::StopActorRequest { force: true, ..stop("a") };
    eventually("that machine answers again", crate::support::service::LIMIT, || async {
        caller.clone().stop_actor(force.clone()).await.ok()
    })
    .await;
    until_actor(&client(&pair.there), "a", "has stopped", |actor| actor.state() == State::Stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_ends_answers_the_calls_that_it_has_taken() {
    let mut pair = Pair::start().await;
    let mut caller = pair.client();
    create(&mut caller, pair.definition("a")).await;
    let job = submit(&caller, osis("sleep(2)")).await;
    until_running(&caller, &job).await;
    let mut stopping = JoinSet::new();
    let mut other = caller.clone();
    stopping.spawn(async move { other.stop_actor(stop("a")).await });
    let stops = |actor: &pb::Actor| [State::Draining, State::Stopping].contains(&actor.state());
    until_actor(&client(&pair.there), "a", "stops", stops).await;
    pair.there.signal(Signal::SIGTERM);
    // Either the actor was stopped in time, or the caller hears that this server ends; in no case does the caller hang.
    match stopping.join_next().await.unwrap().unwrap() {
        Ok(stopped) => assert_eq!(stopped.into_inner().actor.unwrap().state(), State::Stopped),
        Err(status) => assert_eq!(told(&status).why(), (Code::Unavailable, "SERVER_DRAINING")),
    }
    pair.there.ended().await;
    caller.stop_actor(stop("a")).await.unwrap_err();
}

//! Calls about actors of another machine: any supervisor takes them, and the one of that machine carries them out.

mod faults;
mod logs;

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::actor::State;
use tonic::{Code, Request};

use crate::support::full_service::{
    Client, FullService, actor, client, create, definition, osis, run, serve, span, told, until_actor,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::zinit::PrivateZinit;

/// Two machines. The tests call the first one; the actors are at the second one.
struct Pair {
    here: FullService,
    there: Service,
    their_zinit: PrivateZinit,
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(flags: &[&str]) -> Self {
        let here =
            FullService::start_on(PrivateRedis::start().await, &[&["--node", "here"], flags].concat()).await;
        let their_zinit = PrivateZinit::start().await;
        let there = serve(&here.redis, &their_zinit, &["--node", "there"]).await;
        Self { here, there, their_zinit }
    }

    /// A caller of the first machine.
    fn client(&self) -> Client {
        self.here.client()
    }

    /// What makes an actor at the second machine.
    fn definition(&self, id: &str) -> pb::CreateActorRequest {
        pb::CreateActorRequest { node: "there".to_owned(), ..definition(id, &self.here.redis) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_of_another_machine_lives_its_whole_life_by_calls_to_this_one() {
    let pair = Pair::start().await;
    let mut client = pair.client();
    let made = create(&mut client, pair.definition("a")).await;
    assert_eq!(made.node, "there");
    let again = client.create_actor(pair.definition("a")).await.unwrap().into_inner();
    assert!(!again.changed, "a repeat changes nothing there either");
    assert_eq!(pair.here.services().await, [""; 0], "it runs at the other Zinit");
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");

    let restart = pb::RestartActorRequest { actor_id: "a".to_owned(), ..Default::default() };
    let restarted = client.restart_actor(restart).await.unwrap().into_inner();
    assert_eq!(restarted.wait_outcome(), pb::WaitOutcome::Done);
    assert_ne!(restarted.actor.unwrap().pid, made.pid);

    let stop = pb::StopActorRequest { actor_id: "a".to_owned(), ..Default::default() };
    let stopped = client.stop_actor(stop.clone()).await.unwrap().into_inner();
    assert_eq!((stopped.changed, stopped.actor.unwrap().state()), (true, State::Stopped));
    assert!(!client.stop_actor(stop).await.unwrap().into_inner().changed);

    let config =
        pb::ActorConfig { labels: [("from".to_owned(), "afar".to_owned())].into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["labels".to_owned()] });
    let request = pb::UpdateActorRequest {
        actor_id: "a".to_owned(),
        config: Some(config),
        update_mask,
        ..Default::default()
    };
    client.update_actor(request).await.unwrap();
    assert_eq!(actor(&client, "a").await.config.unwrap().labels["from"], "afar");

    let start = pb::StartActorRequest { actor_id: "a".to_owned(), ..Default::default() };
    let started = client.start_actor(start).await.unwrap().into_inner();
    assert_eq!((started.changed, started.actor.unwrap().state()), (true, State::Running));

    let delete = pb::DeleteActorRequest { actor_id: "a".to_owned(), ..Default::default() };
    client.delete_actor(delete.clone()).await.unwrap();
    let gone = told(&client.delete_actor(delete).await.unwrap_err());
    assert_eq!(gone.why(), (Code::NotFound, "ACTOR_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_other_machine_is_the_error_of_the_call() {
    let pair = Pair::start().await;
    let mut client = pair.client();
    let mut request = pair.definition("a");
    request.config.as_mut().unwrap().binary_path = "/nowhere/osis".to_owned();
    let missing = told(&client.create_actor(request).await.unwrap_err());
    assert_eq!(missing.why(), (Code::FailedPrecondition, "BINARY_INVALID"));
    assert_eq!(missing.metadata["path"], "/nowhere/osis");

    let request = pb::CreateActorRequest { node: "no node".to_owned(), ..pair.definition("a") };
    let refused = told(&client.create_actor(request).await.unwrap_err());
    assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(refused.fields, ["node"]);

    create(&mut client, pair.definition("a")).await;
    let drain_timeout = span(Duration::from_secs(90_000));
    let request = pb::StopActorRequest { actor_id: "a".to_owned(), drain_timeout, ..Default::default() };
    let refused = told(&client.stop_actor(request).await.unwrap_err());
    assert_eq!(refused.fields, ["drain_timeout"]);
    let taken = pb::CreateActorRequest { node: String::new(), ..pair.definition("a") };
    let taken = told(&client.create_actor(taken).await.unwrap_err());
    assert_eq!(taken.why(), (Code::FailedPrecondition, "WRONG_NODE"), "a name means one actor");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_names_the_call_that_another_machine_has_passed_on() {
    let pair = Pair::start().await;
    let mut client = pair.client();
    create(&mut client, pair.definition("a")).await;
    let reason = "by hand, from afar".to_owned();
    let mut request = Request::new(pb::StopActorRequest {
        actor_id: "a".to_owned(),
        reason: reason.clone(),
        ..Default::default()
    });
    request.metadata_mut().insert("x-request-id", "call-7".parse().unwrap());
    client.stop_actor(request).await.unwrap();
    let listed = client.list_events(pb::ListEventsRequest::default()).await.unwrap().into_inner();
    let told = listed
        .events
        .iter()
        .find(|event| event.cause.as_ref().is_some_and(|cause| cause.request_id == "call-7"));
    let told = told.unwrap_or_else(|| panic!("{:?}", listed.events));
    assert_eq!((told.actor_id.as_str(), told.node.as_str()), ("a", "there"));
    assert_eq!(told.cause.as_ref().unwrap().reason, reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn named_actors_of_several_machines_are_changed_by_one_call() {
    let pair = Pair::start().await;
    let mut client = pair.client();
    create(&mut client, pair.definition("at_there")).await;
    pair.here.running_actor("at_here").await;
    let names = ["at_there", "nowhere", "at_here"].map(str::to_owned).to_vec();
    let selector = || Some(pb::ActorSelector { actor_ids: names.clone(), ..Default::default() });

    let request = pb::RestartActorsRequest { selector: selector(), max_unavailable: 1, ..Default::default() };
    let results = client.restart_actors(request).await.unwrap().into_inner().results;
    let shown: Vec<_> = results
        .iter()
        .map(|result| {
            let node = result.actor.as_ref().map(|actor| actor.node.as_str());
            (result.actor_id.as_str(), node, result.error.as_ref().map(|error| error.reason.as_str()))
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("at_here", Some("here"), None),
            ("at_there", Some("there"), None),
            ("nowhere", None, Some("ACTOR_NOT_FOUND")),
        ]
    );

    let request = pb::CheckHealthRequest {
        selector: Some(pb::ActorSelector {
            actor_ids: vec!["at_there".to_owned(), "at_here".to_owned()],
            ..Default::default()
        }),
        scope: pb::check_health_request::Scope::All.into(),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    let reports = client.check_health(request).await.unwrap().into_inner().reports;
    let pinged: Vec<_> =
        reports.iter().map(|report| (report.actor_id.as_str(), report.last_ping.is_some())).collect();
    assert_eq!(pinged, [("at_here", true), ("at_there", true)]);

    let request = pb::StopActorsRequest { selector: selector(), local_only: true, ..Default::default() };
    let results = client.stop_actors(request).await.unwrap().into_inner().results;
    let refused = results.iter().find(|result| result.actor_id == "at_there").unwrap();
    assert_eq!(refused.error.as_ref().unwrap().reason, "WRONG_NODE");
    until_actor(&client, "at_there", "runs on", |actor| actor.state() == State::Running).await;

    let all = Some(pb::ActorSelector { all: true, ..Default::default() });
    let request = pb::StartActorsRequest { selector: all, ..Default::default() };
    let results = client.start_actors(request).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 1, "all means all of one's own: {results:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actors_of_another_machine_are_scaled() {
    let pair = Pair::start().await;
    let mut client = pair.client();
    create(&mut client, pair.definition("a")).await;
    let request = pb::ScaleActorsRequest {
        script_type: pb::ScriptType::Osis.into(),
        replicas: Some(2),
        node: "there".to_owned(),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    let scaled = client.scale_actors(request).await.unwrap().into_inner();
    assert_eq!((scaled.added_actor_ids.len(), scaled.wait_outcome()), (1, pb::WaitOutcome::Done));
    let runs = |actor: &pb::Actor| actor.state() == State::Running;
    let added = until_actor(&client, &scaled.added_actor_ids[0], "runs", runs).await;
    assert_eq!(added.node, "there");
    let request = pb::ScaleActorsRequest {
        script_type: pb::ScriptType::Osis.into(),
        replicas: Some(0),
        ..Default::default()
    };
    client.scale_actors(request).await.unwrap();
    // Without a node only this machine is meant.
    assert_eq!(actor(&client, "a").await.state(), State::Running);
}

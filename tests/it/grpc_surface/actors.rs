//! Actors: make, look, start, stop, scale, delete.

use hero_supervisor::proto as pb;
use hero_supervisor::proto::actor::State;
use tonic::Code;

use super::on_memory::{GrpcOnMemory, soon, told};

pub(crate) fn create(actor_id: &str) -> pb::CreateActorRequest {
    pb::CreateActorRequest {
        actor_id: actor_id.to_owned(),
        config: Some(pb::ActorConfig {
            script_type: pb::ScriptType::Sal.into(),
            binary_path: "/bin/sal_actor".to_owned(),
            readiness: pb::actor_config::Readiness::Process.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_actor_is_made_stopped_started_and_deleted_and_repeats_are_harmless() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let made = soon("CreateActor", client.create_actor(create("sal_actor_0"))).await.unwrap().into_inner();
    assert!(made.changed);
    assert_eq!(made.wait_outcome(), pb::WaitOutcome::Done);
    let actor = made.actor.unwrap();
    assert_eq!(actor.state(), State::Running);
    assert_eq!(actor.desired_state(), pb::actor::DesiredState::Up);
    assert!(actor.pid.is_some() && !actor.etag.is_empty());
    assert_eq!(actor.node, "here");
    let again = soon("CreateActor", client.create_actor(create("sal_actor_0"))).await.unwrap();
    assert!(!again.into_inner().changed);

    let stop = pb::StopActorRequest { actor_id: "sal_actor_0".to_owned(), ..Default::default() };
    let stopped = soon("StopActor", client.stop_actor(stop.clone())).await.unwrap().into_inner();
    assert!(stopped.changed);
    assert_eq!(stopped.actor.unwrap().state(), State::Stopped);
    assert!(!soon("StopActor", client.stop_actor(stop)).await.unwrap().into_inner().changed);

    let start =
        pb::StartActorRequest { actor_id: "sal_actor_0".to_owned(), max_wait: None, local_only: false };
    let started = soon("StartActor", client.start_actor(start)).await.unwrap().into_inner();
    assert_eq!(started.actor.unwrap().state(), State::Running);

    let delete = pb::DeleteActorRequest { actor_id: "sal_actor_0".to_owned(), ..Default::default() };
    let deleted = soon("DeleteActor", client.delete_actor(delete.clone())).await.unwrap().into_inner();
    assert_eq!(deleted.actor.unwrap().actor_id, "sal_actor_0");
    let gone = client.delete_actor(delete.clone()).await.unwrap_err();
    assert_eq!(told(&gone).1, "ACTOR_NOT_FOUND");
    let missing = pb::DeleteActorRequest { allow_missing: true, ..delete };
    assert!(client.delete_actor(missing).await.unwrap().into_inner().actor.is_none());
}

#[tokio::test]
async fn a_definition_without_a_program_gets_that_of_this_machine() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let without = |actor_id: &str, script_type: pb::ScriptType| {
        let mut request = create(actor_id);
        let config = request.config.as_mut().unwrap();
        (config.binary_path, config.script_type) = (String::new(), script_type.into());
        request
    };
    let sal = without("sal_actor_0", pb::ScriptType::Sal);
    let made = soon("CreateActor", client.create_actor(sal.clone())).await.unwrap().into_inner();
    assert_eq!(made.actor.unwrap().config.unwrap().binary_path, "/usr/bin/sal_actor");
    assert!(!soon("a repeat", client.create_actor(sal.clone())).await.unwrap().into_inner().changed);
    for validate_only in [false, true] {
        let request = pb::CreateActorRequest { validate_only, ..without("v_actor_0", pb::ScriptType::V) };
        let refused = client.create_actor(request).await.unwrap_err();
        assert_eq!(told(&refused).2, ["config.binary_path"]);
        assert!(
            refused.message().contains("no program for v actors is beside the supervisor"),
            "{refused:?}"
        );
    }
    // What scaling makes actors from is completed as well.
    let template = pb::ScriptTypeSettings { actor_template: sal.config, ..Default::default() };
    let update = pb::UpdateScriptTypeRequest {
        script_type: pb::ScriptType::Sal.into(),
        settings: Some(template),
        ..Default::default()
    };
    let trial = pb::UpdateScriptTypeRequest { validate_only: true, ..update.clone() };
    assert_eq!(client.update_script_type(trial).await.unwrap().into_inner().status, None);
    let before = pb::GetScriptTypeRequest { script_type: update.script_type, view: 0 };
    let before = client.get_script_type(before).await.unwrap().into_inner().status.unwrap();
    assert_ne!(before.settings, update.settings, "it was only tried");
    client.update_script_type(update).await.unwrap();
    let get = pb::GetScriptTypeRequest { script_type: pb::ScriptType::Sal.into(), ..Default::default() };
    let status = client.get_script_type(get).await.unwrap().into_inner();
    assert!(format!("{status:?}").contains("/usr/bin/sal_actor"), "{status:?}");
}

#[tokio::test]
async fn what_stands_in_the_way_of_an_actor_is_told() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let mut missing = create("a");
    missing.config.as_mut().unwrap().binary_path = "/missing".to_owned();
    let status = client.create_actor(missing).await.unwrap_err();
    assert_eq!((told(&status).0, told(&status).1.as_str()), (Code::FailedPrecondition, "BINARY_INVALID"));

    let mut lonely = create("b");
    lonely.config.as_mut().unwrap().dependencies = vec!["b".to_owned()];
    let status = client.create_actor(lonely).await.unwrap_err();
    assert_eq!(told(&status).2, ["config.dependencies[0]"]);

    soon("CreateActor", client.create_actor(create("c"))).await.unwrap();
    let mut other = create("c");
    other.config.as_mut().unwrap().args = vec!["--other".to_owned()];
    let status = client.create_actor(other).await.unwrap_err();
    assert_eq!((told(&status).0, told(&status).1.as_str()), (Code::AlreadyExists, "ACTOR_EXISTS"));

    let trial = pb::CreateActorRequest { validate_only: true, ..create("d") };
    assert!(client.create_actor(trial).await.unwrap().into_inner().actor.is_none());
    let get = pb::GetActorRequest { actor_id: "d".to_owned(), ..Default::default() };
    assert_eq!(told(&client.get_actor(get).await.unwrap_err()).1, "ACTOR_NOT_FOUND");
}

#[tokio::test]
async fn actors_are_filtered_and_listed_page_by_page() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    for name in ["a", "b", "c"] {
        let request = pb::CreateActorRequest { start: Some(false), ..create(name) };
        client.create_actor(request).await.unwrap();
    }
    let request = pb::ListActorsRequest { page_size: 2, ..Default::default() };
    let first = client.list_actors(request.clone()).await.unwrap().into_inner();
    assert_eq!((first.actors.len(), first.total_size), (2, 3));
    let next = pb::ListActorsRequest { page_token: first.next_page_token, ..request };
    let second = client.list_actors(next).await.unwrap().into_inner();
    assert_eq!(second.actors[0].actor_id, "c");
    assert!(second.next_page_token.is_empty());

    let script_types = vec![pb::ScriptType::Osis.into()];
    let other = pb::ListActorsRequest { script_types, ..Default::default() };
    assert_eq!(client.list_actors(other).await.unwrap().into_inner().total_size, 0);
    let states = vec![State::Stopped.into()];
    let stopped = pb::ListActorsRequest { states, ..Default::default() };
    assert_eq!(client.list_actors(stopped).await.unwrap().into_inner().total_size, 3);
}

#[tokio::test]
async fn many_actors_are_started_and_each_has_its_result() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    for name in ["a", "b"] {
        let request = pb::CreateActorRequest { start: Some(false), ..create(name) };
        client.create_actor(request).await.unwrap();
    }
    let actor_ids = ["a", "b", "unknown"].map(str::to_owned).to_vec();
    let selector = Some(pb::ActorSelector { actor_ids, ..Default::default() });
    let request = pb::StartActorsRequest { selector, max_wait: None, local_only: false };
    let answer = soon("StartActors", client.start_actors(request)).await.unwrap().into_inner();
    let result = |name| answer.results.iter().find(|result| result.actor_id == name).unwrap().clone();
    assert!(result("a").changed && result("b").changed);
    assert_eq!(result("b").actor.unwrap().state(), State::Running);
    let error = result("unknown").error.unwrap();
    assert_eq!((error.code, error.reason.as_str()), (5, "ACTOR_NOT_FOUND"));

    let all = Some(pb::ActorSelector { all: true, ..Default::default() });
    let request = pb::StopActorsRequest { selector: all, ..Default::default() };
    let answer = soon("StopActors", client.stop_actors(request)).await.unwrap().into_inner();
    assert_eq!(answer.results.iter().filter(|result| result.changed).count(), 2);
}

#[tokio::test]
async fn scaling_says_what_it_did_and_what_it_would_do() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let script_type = pb::ScriptType::Sal.into();
    let scale = pb::ScaleActorsRequest { script_type, replicas: Some(2), ..Default::default() };
    let status = client.scale_actors(scale.clone()).await.unwrap_err();
    assert_eq!(told(&status).1, "NO_ACTORS_FOR_SCRIPT_TYPE");

    soon("CreateActor", client.create_actor(create("sal_actor_0"))).await.unwrap();
    let trial = pb::ScaleActorsRequest { validate_only: true, ..scale.clone() };
    let answer = client.scale_actors(trial).await.unwrap().into_inner();
    assert_eq!(answer.added_actor_ids, ["sal_actor_1"]);
    assert_eq!(answer.status.unwrap().actors_total, 1);
    let answer = soon("ScaleActors", client.scale_actors(scale)).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done);
    assert_eq!((answer.status.unwrap().actors_running, answer.added_actor_ids.len()), (2, 1));

    let get = pb::GetScriptTypeRequest { script_type, ..Default::default() };
    let status = client.get_script_type(get).await.unwrap().into_inner().status.unwrap();
    assert_eq!((status.actors_total, status.actors_busy, status.jobs_queued), (2, 0, 0));
    let list = client.list_script_types(pb::ListScriptTypesRequest {}).await.unwrap().into_inner();
    assert_eq!(list.script_types.len(), 4);
}

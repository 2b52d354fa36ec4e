//! Views: which parts of a definition are told to whom.

use hero_supervisor::proto as pb;

use super::on_memory::{GrpcOnMemory, told};

#[tokio::test]
async fn values_of_an_environment_are_told_to_who_asks_for_them() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Osis.into(),
        binary_path: "/bin/a".to_owned(),
        env: [("REDIS_URL".to_owned(), "redis://:hidden-value@here".to_owned())].into(),
        ..Default::default()
    };
    let request = pb::CreateActorRequest {
        actor_id: "a".to_owned(),
        config: Some(config.clone()),
        start: Some(false),
        ..Default::default()
    };
    let created = client.create_actor(request.clone()).await.unwrap().into_inner();
    let listed = client.list_actors(pb::ListActorsRequest::default()).await.unwrap().into_inner();
    let (id, usage_history) = ("a".to_owned(), None);
    let get = |view| pb::GetActorRequest { actor_id: id.clone(), view: i32::from(view), usage_history };
    let read = client.get_actor(get(pb::ActorView::Unspecified)).await.unwrap().into_inner();
    let of_type = |view: pb::ActorView| {
        let script_type = pb::ScriptType::Osis.into();
        pb::GetScriptTypeRequest { script_type, view: view.into() }
    };
    let kind = client.get_script_type(of_type(pb::ActorView::Basic)).await.unwrap().into_inner();
    let mut watch = client.watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    let first = format!("{:?}", watch.message().await.unwrap());
    assert!(first.contains("REDIS_URL"), "{first}");
    for told in
        [format!("{created:?}"), format!("{listed:?}"), format!("{read:?}"), format!("{kind:?}"), first]
    {
        assert!(told.contains("REDIS_URL") && !told.contains("hidden-value"), "{told}");
    }
    let full = client.get_actor(get(pb::ActorView::Full)).await.unwrap().into_inner().actor.unwrap();
    assert_eq!(full.config.as_ref().unwrap().env, config.env);
    let list = pb::ListActorsRequest { view: pb::ActorView::Full.into(), ..Default::default() };
    let listed = client.list_actors(list).await.unwrap().into_inner();
    assert_eq!(listed.actors[0].config.as_ref().unwrap().env, config.env);
    let kind = client.get_script_type(of_type(pb::ActorView::Full)).await.unwrap().into_inner();
    assert_eq!(kind.status.unwrap().settings.unwrap().actor_template.unwrap().env, config.env);

    // What was read can be changed and sent back, and nothing is lost.
    let read = read.actor.unwrap();
    let changed = pb::ActorConfig { args: vec!["--new".to_owned()], ..read.config.unwrap() };
    let update = pb::UpdateActorRequest {
        actor_id: "a".to_owned(),
        config: Some(changed.clone()),
        etag: read.etag,
        ..Default::default()
    };
    client.update_actor(update).await.unwrap();
    let full = client.get_actor(get(pb::ActorView::Full)).await.unwrap().into_inner().actor.unwrap();
    let after = full.config.unwrap();
    assert_eq!((after.env, after.args), (config.env.clone(), vec!["--new".to_owned()]));
    // A new actor cannot be made of values that were not read.
    let copy = pb::CreateActorRequest { actor_id: "b".to_owned(), config: Some(changed), ..request };
    assert_eq!(told(&client.create_actor(copy).await.unwrap_err()).2, ["config.env_names"]);
}

//! UpdateActor: its mask, its etag, its refusals.

use hero_supervisor::proto as pb;
use hero_supervisor::proto::actor::State;
use prost_types::FieldMask;
use tonic::Code;

use super::on_memory::{GrpcOnMemory, soon, told};

fn config() -> pb::ActorConfig {
    pb::ActorConfig {
        script_type: pb::ScriptType::Sal.into(),
        binary_path: "/bin/sal_actor".to_owned(),
        readiness: pb::actor_config::Readiness::Process.into(),
        ..Default::default()
    }
}

fn update(paths: &[&str], config: pb::ActorConfig) -> pb::UpdateActorRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateActorRequest {
        actor_id: "a".to_owned(),
        config: Some(config),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    }
}

async fn with_actor() -> GrpcOnMemory {
    let world = GrpcOnMemory::start();
    let create =
        pb::CreateActorRequest { actor_id: "a".to_owned(), config: Some(config()), ..Default::default() };
    soon("CreateActor", world.client().create_actor(create)).await.unwrap();
    world
}

#[tokio::test]
async fn the_named_fields_are_changed_and_the_actor_restarted_if_asked() {
    let world = with_actor().await;
    let mut client = world.client();
    let new = pb::ActorConfig { args: vec!["--new".to_owned()], ..Default::default() };
    let later =
        soon("UpdateActor", client.update_actor(update(&["args"], new.clone()))).await.unwrap().into_inner();
    let actor = later.actor.unwrap();
    assert!(!later.restarted && actor.status_message.contains("earlier definition"), "{actor:?}");
    let config = actor.config.unwrap();
    assert_eq!(
        (config.args.as_slice(), config.binary_path.as_str()),
        (&["--new".to_owned()][..], "/bin/sal_actor")
    );
    assert_eq!(world.processes.spec("a").unwrap().args, Vec::<String>::new());

    let now = pb::UpdateActorRequest {
        apply: pb::update_actor_request::Apply::Restart.into(),
        ..update(&["args"], new)
    };
    let now = soon("UpdateActor", client.update_actor(now)).await.unwrap().into_inner();
    assert!(now.restarted);
    assert_eq!(now.actor.unwrap().state(), State::Running);
    assert_eq!(world.processes.spec("a").unwrap().args, ["--new"]);
}

#[tokio::test]
async fn an_etag_that_is_no_longer_true_is_a_conflict() {
    let world = with_actor().await;
    let mut client = world.client();
    let get = pb::GetActorRequest { actor_id: "a".to_owned(), ..Default::default() };
    let etag = client.get_actor(get).await.unwrap().into_inner().actor.unwrap().etag;
    let guarded = |value: &str| pb::UpdateActorRequest {
        etag: etag.clone(),
        ..update(
            &["labels"],
            pb::ActorConfig { labels: [("x".to_owned(), value.to_owned())].into(), ..config() },
        )
    };
    let first = client.update_actor(guarded("1")).await.unwrap().into_inner();
    assert_ne!(first.actor.unwrap().etag, etag);
    let second = client.update_actor(guarded("2")).await.unwrap_err();
    let (code, reason, _) = told(&second);
    assert_eq!((code, reason.as_str()), (Code::Aborted, "CONFLICT"));
}

#[tokio::test]
async fn every_field_of_the_definition_can_be_named_in_a_mask() {
    let world = with_actor().await;
    let mut client = world.client();
    let pool = prost_reflect::DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    let message = pool.get_message_by_name("hero.supervisor.v1.ActorConfig").unwrap();
    let fields: Vec<String> = message.fields().map(|field| field.name().to_owned()).collect();
    assert!(fields.len() > 10);
    for field in fields {
        let answer = client.update_actor(update(&[&field], config())).await;
        assert!(answer.is_ok(), "{field}: {answer:?}");
    }
}

#[tokio::test]
async fn an_empty_mask_means_the_fields_that_are_set_and_a_star_means_all() {
    let world = with_actor().await;
    let mut client = world.client();
    let args = pb::ActorConfig { args: vec!["--new".to_owned()], ..Default::default() };
    let change = pb::UpdateActorRequest { update_mask: None, ..update(&[], args) };
    let changed = soon("UpdateActor", client.update_actor(change)).await.unwrap().into_inner();
    let merged = changed.actor.unwrap().config.unwrap();
    assert_eq!((merged.args, merged.binary_path.as_str()), (vec!["--new".to_owned()], "/bin/sal_actor"));
    assert_eq!(merged.readiness, i32::from(pb::actor_config::Readiness::Process));
    let replaced = soon("UpdateActor", client.update_actor(update(&["*"], config()))).await.unwrap();
    assert!(replaced.into_inner().actor.unwrap().config.unwrap().args.is_empty());
}

#[tokio::test]
async fn a_template_whose_program_is_not_there_is_refused_at_once() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let with = |binary: &str| {
        let template = pb::ActorConfig { binary_path: binary.to_owned(), ..config() };
        let settings = pb::ScriptTypeSettings { actor_template: Some(template), ..Default::default() };
        let script_type = pb::ScriptType::Sal.into();
        pb::UpdateScriptTypeRequest { script_type, settings: Some(settings), ..Default::default() }
    };
    let refused =
        Box::pin(soon("UpdateScriptType", client.update_script_type(with("/missing")))).await.unwrap_err();
    let (code, reason, _) = told(&refused);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "BINARY_INVALID"));
    Box::pin(soon("UpdateScriptType", client.update_script_type(with("/bin/sal_actor")))).await.unwrap();
}

#[tokio::test]
async fn unknown_paths_and_other_script_types_are_violations() {
    let world = with_actor().await;
    let mut client = world.client();
    let refused = client.update_actor(update(&["ghost", "config.env"], config())).await.unwrap_err();
    let (code, reason, fields) = told(&refused);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(fields, ["update_mask.paths[0]", "update_mask.paths[1]"]);
    let python = pb::ActorConfig { script_type: pb::ScriptType::Python.into(), ..config() };
    let refused = client.update_actor(update(&[], python)).await.unwrap_err();
    assert_eq!(told(&refused).2, ["config.script_type"]);
    let none = pb::UpdateActorRequest { actor_id: "ghost".to_owned(), ..update(&["env"], config()) };
    assert_eq!(told(&client.update_actor(none).await.unwrap_err()).1, "ACTOR_NOT_FOUND");
}

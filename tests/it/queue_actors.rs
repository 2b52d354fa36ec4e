//! Actors of the supervisor at a queue that was created by name: a real Redis, Zinit, supervisor and actors.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use pb::job::State as JobState;
use tonic::Code;

use crate::support::full_service::{
    Client, FullService, actors, create, end_of, job, osis, run, signal, span, submit, told, until_actor,
};
use crate::support::service::LIMIT;

const QUEUE: &str = "osis-big";

async fn queue(client: &mut Client, name: &str, script_type: pb::ScriptType) {
    let request = pb::CreateQueueRequest { queue: name.to_owned(), script_type: script_type.into() };
    client.create_queue(request).await.unwrap();
}

/// The definition of an actor at a queue.
fn at(world: &FullService, id: &str, queue: &str) -> pb::CreateActorRequest {
    let mut definition = world.definition(id);
    definition.config.as_mut().unwrap().queue = queue.to_owned();
    definition
}

fn for_queue(script: &str) -> pb::JobSpec {
    pb::JobSpec { queue: QUEUE.to_owned(), ..osis(script) }
}

async fn listed(client: &mut Client, queue: &str) -> Vec<String> {
    let request = pb::ListActorsRequest { queues: vec![queue.to_owned()], ..Default::default() };
    let actors = client.list_actors(request).await.unwrap().into_inner().actors;
    actors.into_iter().map(|actor| actor.actor_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_of_the_supervisor_serves_a_named_queue_also_after_a_restart_of_the_supervisor() {
    let mut world = FullService::start().await;
    let mut caller = world.client();
    queue(&mut caller, QUEUE, pb::ScriptType::Osis).await;
    let big = create(&mut caller, at(&world, "big_0", QUEUE)).await;
    assert_eq!(big.config.as_ref().unwrap().queue, QUEUE);
    let default = create(&mut caller, at(&world, "osis_actor_0", "osis")).await;
    assert_eq!(default.config.unwrap().queue, "", "the default queue is not shown");

    let ran = run(&caller, for_queue("40 + 2")).await;
    assert_eq!((ran.result(), ran.actor_id.as_str()), ("42", "big_0"));
    assert_eq!(run(&caller, osis("1")).await.actor_id, "osis_actor_0");
    assert_eq!(listed(&mut caller, QUEUE).await, ["big_0"]);
    assert_eq!(listed(&mut caller, "osis").await, ["osis_actor_0"]);
    let osis_type = pb::GetScriptTypeRequest { script_type: pb::ScriptType::Osis.into(), view: 0 };
    let counted = caller.get_script_type(osis_type).await.unwrap().into_inner().status.unwrap();
    assert_eq!((counted.actors_total, counted.actors_running), (1, 1));

    // Scaling of the script type means its default queue.
    let none = pb::ScaleActorsRequest {
        script_type: pb::ScriptType::Osis.into(),
        replicas: Some(0),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    let scaled = caller.scale_actors(none).await.unwrap().into_inner();
    assert_eq!(scaled.removed_actor_ids, ["osis_actor_0"]);
    let waits = submit(&caller, osis("1")).await;
    assert_eq!(job(&caller, &waits).await.state(), JobState::Queued);

    world.replace().await;
    let caller = world.client();
    let after = until_actor(&caller, "big_0", "runs", |actor| actor.state() == State::Running).await;
    assert_eq!((after.pid, after.config.unwrap().queue.as_str()), (big.pid, QUEUE));
    assert_eq!(run(&caller, for_queue("1")).await.actor_id, "big_0");
    assert_eq!(job(&caller, &waits).await.state(), JobState::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_is_pinged_through_its_own_queue_and_replaced_after_three_misses() {
    let world = FullService::start().await;
    let mut caller = world.client();
    queue(&mut caller, QUEUE, pb::ScriptType::Osis).await;
    let mut definition = at(&world, "big_0", QUEUE);
    definition.config.as_mut().unwrap().health_policy = Some(pb::HealthPolicy {
        idle_after: span(Duration::from_secs(1)),
        ping_timeout: span(Duration::from_secs(1)),
        ping_interval_after_failure: span(Duration::from_millis(200)),
        ..Default::default()
    });
    let before = create(&mut caller, definition).await;
    let healthy = |actor: &pb::Actor| actor.health() == pb::actor::Health::Healthy;
    until_actor(&caller, "big_0", "answers a ping", healthy).await;
    signal(before.pid(), Signal::SIGSTOP);
    until_actor(&caller, "big_0", "is another process", |actor| {
        actor.state() == State::Running && actor.pid() != before.pid()
    })
    .await;
    assert_eq!(run(&caller, for_queue("40 + 2")).await.result(), "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_fit_is_refused() {
    let world = FullService::start().await;
    let mut caller = world.client();
    queue(&mut caller, QUEUE, pb::ScriptType::Osis).await;
    queue(&mut caller, "v-2", pb::ScriptType::V).await;
    let refused = async |queue: &str| {
        let definition = at(&world, "big_0", queue);
        let checked = pb::CreateActorRequest { validate_only: true, ..definition.clone() };
        let dry = told(&world.client().create_actor(checked).await.unwrap_err());
        let told = told(&world.client().create_actor(definition).await.unwrap_err());
        assert_eq!(dry.message, told.message);
        told
    };
    assert_eq!(refused("none").await.why(), (Code::NotFound, "QUEUE_NOT_FOUND"));
    for (bad, what) in [("v-2", "takes v jobs"), ("sal", "takes sal jobs"), ("Big", "not a queue name")] {
        let told = refused(bad).await;
        assert_eq!(told.why(), (Code::InvalidArgument, "INVALID_FIELD"), "{bad}");
        assert!(told.fields == ["config.queue"] && told.message.contains(what), "{told:?}");
    }
    assert!(actors(&caller).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_actors_stays_and_their_jobs_name_it() {
    let world = FullService::start().await;
    let mut caller = world.client();
    queue(&mut caller, QUEUE, pb::ScriptType::Osis).await;
    // A stopped actor is meant for its queue as well.
    let definition = pb::CreateActorRequest { start: Some(false), ..at(&world, "big_0", QUEUE) };
    caller.create_actor(definition).await.unwrap();
    let delete = async || {
        let request = pb::DeleteQueueRequest { queue: QUEUE.to_owned() };
        world.client().delete_queue(request).await.map_err(|status| told(&status))
    };
    let stays = delete().await.unwrap_err();
    assert_eq!(stays.why(), (Code::FailedPrecondition, "QUEUE_IN_USE"));
    assert_eq!((&*stays.metadata["actors"], &*stays.metadata["actor_ids"]), ("1", "big_0"));
    assert!(stays.message.contains("queue osis-big has actors: big_0"), "{}", stays.message);

    // A job for that actor waits where it will look, and nowhere else.
    let pinned = |queue: &str| pb::JobSpec {
        target_actor_id: "big_0".to_owned(),
        queue: queue.to_owned(),
        ..osis("6 * 7")
    };
    let elsewhere = pb::SubmitJobRequest { job: Some(pinned("")), ..Default::default() };
    let elsewhere = told(&caller.submit_job(elsewhere).await.unwrap_err());
    assert_eq!(elsewhere.fields, ["job.target_actor_id"]);
    assert!(elsewhere.message.contains("serves queue osis-big"), "{}", elsewhere.message);
    let waits = submit(&caller, pinned(QUEUE)).await;
    let start =
        pb::StartActorRequest { actor_id: "big_0".to_owned(), max_wait: span(LIMIT), local_only: false };
    caller.start_actor(start).await.unwrap();
    assert_eq!(end_of(&caller, &waits).await.result(), "42");

    let config = pb::ActorConfig { queue: "osis".to_owned(), ..Default::default() };
    let update = pb::UpdateActorRequest {
        actor_id: "big_0".to_owned(),
        config: Some(config),
        update_mask: Some(prost_types::FieldMask { paths: vec!["queue".to_owned()] }),
        ..Default::default()
    };
    assert_eq!(told(&caller.update_actor(update).await.unwrap_err()).fields, ["config.queue"]);

    let gone = pb::DeleteActorRequest { actor_id: "big_0".to_owned(), ..Default::default() };
    caller.delete_actor(gone).await.unwrap();
    delete().await.unwrap();
}

//! A number of actors instead of names.

use hero_supervisor::proto as pb;
use pb::actor::State;
use tonic::Code;

use crate::support::full_service::{Client, FullService, actors, assert_true_pid, pinned, run, span, told};
use crate::support::service::LIMIT;

fn scale(replicas: i32) -> pb::ScaleActorsRequest {
    pb::ScaleActorsRequest {
        script_type: pb::ScriptType::Osis.into(),
        replicas: Some(replicas),
        max_wait: span(LIMIT),
        ..Default::default()
    }
}

async fn names(client: &Client) -> Vec<(String, State)> {
    actors(client).await.into_iter().map(|actor| (actor.actor_id.clone(), actor.state())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_are_made_from_the_first_one_and_go_again() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let refused = told(&client.scale_actors(scale(1)).await.unwrap_err());
    assert_eq!(refused.why(), (Code::FailedPrecondition, "NO_ACTORS_FOR_SCRIPT_TYPE"));
    whole.running_actor("osis_actor_0").await;

    let trial = pb::ScaleActorsRequest { validate_only: true, ..scale(3) };
    let trial = client.scale_actors(trial).await.unwrap().into_inner();
    assert_eq!(trial.added_actor_ids, ["osis_actor_1", "osis_actor_2"]);
    assert_eq!(names(&client).await.len(), 1, "a trial makes nothing");

    let more = client.scale_actors(scale(3)).await.unwrap().into_inner();
    assert_eq!(more.wait_outcome(), pb::WaitOutcome::Done);
    assert_eq!(more.added_actor_ids, ["osis_actor_1", "osis_actor_2"]);
    assert_eq!(more.status.unwrap().actors_running, 3);
    for actor in actors(&client).await {
        assert_eq!(actor.state(), State::Running);
        assert_true_pid(&actor);
        let ran = run(&client, pinned("40 + 2", &actor.actor_id)).await;
        assert_eq!((ran.result(), &ran.actor_id), ("42", &actor.actor_id));
    }

    let none = client.scale_actors(scale(0)).await.unwrap().into_inner();
    assert_eq!(none.wait_outcome(), pb::WaitOutcome::Done);
    assert_eq!(none.removed_actor_ids.len(), 3);
    let kept = [("osis_actor_0".to_owned(), State::Stopped)];
    assert_eq!(names(&client).await, kept, "what a caller has made is not deleted by a number");
    assert_eq!(whole.services().await.iter().filter(|name| *name != "osis_actor_0").count(), 0);

    let one = client.scale_actors(scale(1)).await.unwrap().into_inner();
    assert_eq!(one.added_actor_ids, ["osis_actor_0"]);
    assert_eq!(names(&client).await, [("osis_actor_0".to_owned(), State::Running)]);
    let same = client.scale_actors(scale(1)).await.unwrap().into_inner();
    assert!(same.added_actor_ids.is_empty() && same.removed_actor_ids.is_empty(), "{same:?}");
}

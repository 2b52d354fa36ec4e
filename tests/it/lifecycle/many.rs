//! Many actors in one call: each has its own answer.

use hero_supervisor::proto as pb;
use pb::actor::State;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::full_service::{Client, FullService, actors, assert_true_pid, span, told};
use crate::support::service::LIMIT;

const NAMES: [&str; 3] = ["red_0", "red_1", "blue_0"];

/// With three actors, two of them red, none of which runs.
async fn three() -> (FullService, Client) {
    let whole = FullService::start().await;
    let mut client = whole.client();
    for name in NAMES {
        let mut definition = whole.definition(name);
        let colour = name.split_once('_').unwrap().0;
        definition.config.as_mut().unwrap().labels.insert("colour".to_owned(), colour.to_owned());
        definition.start = Some(false);
        client.create_actor(definition).await.unwrap();
    }
    (whole, client)
}

fn red() -> Option<pb::ActorSelector> {
    let labels = [("colour".to_owned(), "red".to_owned())].into();
    Some(pb::ActorSelector { labels, ..Default::default() })
}

fn named(names: &[&str]) -> Option<pb::ActorSelector> {
    let actor_ids = names.iter().map(|&name| name.to_owned()).collect();
    Some(pb::ActorSelector { actor_ids, ..Default::default() })
}

fn all() -> Option<pb::ActorSelector> {
    Some(pb::ActorSelector { all: true, ..Default::default() })
}

fn start(selector: Option<pb::ActorSelector>) -> pb::StartActorsRequest {
    pb::StartActorsRequest { selector, max_wait: span(LIMIT), local_only: false }
}

/// Who was meant, whether something had to be done, and where it is now.
fn summary(results: &[pb::ActorResult]) -> Vec<(&str, bool, Option<State>)> {
    let state = |result: &pb::ActorResult| result.actor.as_ref().map(pb::Actor::state);
    results.iter().map(|result| (result.actor_id.as_str(), result.changed, state(result))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_means_those_that_match_and_each_has_its_answer() {
    let (_whole, mut client) = three().await;
    let running = Some(State::Running);
    let started = client.start_actors(start(red())).await.unwrap().into_inner().results;
    assert_eq!(summary(&started), [("red_0", true, running), ("red_1", true, running)]);
    let mixed =
        client.start_actors(start(named(&["red_0", "ghost", "blue_0"]))).await.unwrap().into_inner().results;
    assert_eq!(
        summary(&mixed),
        [("blue_0", true, running), ("ghost", false, None), ("red_0", false, running)]
    );
    let ghost = mixed[1].error.as_ref().unwrap();
    assert_eq!((ghost.code, ghost.reason.as_str()), (Code::NotFound.into(), "ACTOR_NOT_FOUND"));
    assert_eq!(ghost.metadata["actor_id"], "ghost");
    for actor in actors(&client).await {
        assert_true_pid(&actor);
    }

    let request = pb::StopActorsRequest { selector: red(), max_wait: span(LIMIT), ..Default::default() };
    let stopped = client.stop_actors(request).await.unwrap().into_inner().results;
    let down = Some(State::Stopped);
    assert_eq!(summary(&stopped), [("red_0", true, down), ("red_1", true, down)]);
    let left: Vec<State> = actors(&client).await.iter().map(pb::Actor::state).collect();
    assert_eq!(left, [State::Running, State::Stopped, State::Stopped]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_means_everybody_unless_they_say_so() {
    let (_whole, mut client) = three().await;
    let empty = Some(pb::ActorSelector::default());
    let refused = [
        client.start_actors(start(None)).await.unwrap_err(),
        client.start_actors(start(empty.clone())).await.unwrap_err(),
        client
            .stop_actors(pb::StopActorsRequest { selector: empty.clone(), ..Default::default() })
            .await
            .unwrap_err(),
        client
            .restart_actors(pb::RestartActorsRequest { selector: empty, ..Default::default() })
            .await
            .unwrap_err(),
    ];
    for status in &refused {
        assert_eq!(told(status).why(), (Code::InvalidArgument, "SELECTOR_REQUIRED"));
    }
    let started = client.start_actors(start(all())).await.unwrap().into_inner().results;
    assert_eq!(started.len(), NAMES.len());
    assert!(started.iter().all(|result| result.error.is_none()), "{started:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_gives_every_actor_a_new_process_and_keeps_the_others_up() {
    let (_whole, mut client) = three().await;
    client.start_actors(start(all())).await.unwrap();
    let before = actors(&client).await;
    let request = pb::RestartActorsRequest {
        selector: all(),
        max_unavailable: 1,
        max_wait: span(LIMIT),
        ..Default::default()
    };
    let mut caller = client.clone();
    let mut restart = JoinSet::new();
    restart.spawn(async move { caller.restart_actors(request).await });
    let results = loop {
        tokio::select! {
            answer = restart.join_next() => break answer.unwrap().unwrap().unwrap().into_inner().results,
            seen = actors(&client) => {
                let up = seen.iter().filter(|actor| actor.state() == State::Running).count();
                assert!(up + 1 >= NAMES.len(), "{seen:?}");
            }
        }
    };
    assert_eq!(results.len(), NAMES.len());
    for (old, new) in before.iter().zip(actors(&client).await) {
        assert_eq!((&old.actor_id, new.state()), (&new.actor_id, State::Running));
        assert_true_pid(&new);
        assert_ne!(old.pid, new.pid);
    }
}

//! Queues that were created by name have what a script type has: settings, pause, purge, scaling. All of it is real.

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::actor::State;
use pb::job::State as JobState;
use prost_types::FieldMask;
use tonic::Code;

use crate::support::full_service::{
    Client, FullService, actors, client, create, end_of, job, osis, run, span, submit, told, until_actor,
};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

const QUEUE: &str = "osis-big";

/// A service with the queue.
async fn with_queue() -> (FullService, Client) {
    let world = FullService::start().await;
    let mut caller = world.client();
    let script_type = pb::ScriptType::Osis.into();
    caller.create_queue(pb::CreateQueueRequest { queue: QUEUE.to_owned(), script_type }).await.unwrap();
    (world, caller)
}

fn for_queue(script: &str) -> pb::JobSpec {
    pb::JobSpec { queue: QUEUE.to_owned(), ..osis(script) }
}

async fn get(client: &mut Client, queue: &str) -> pb::Queue {
    let request = pb::GetQueueRequest { queue: queue.to_owned() };
    client.get_queue(request).await.unwrap().into_inner().queue.unwrap()
}

fn change(queue: &str, paths: &[&str], settings: pb::ScriptTypeSettings) -> pb::UpdateQueueRequest {
    pb::UpdateQueueRequest {
        queue: queue.to_owned(),
        settings: Some(settings),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    }
}

fn most_waiting(most: i32) -> pb::ScriptTypeSettings {
    pb::ScriptTypeSettings { max_queue_depth: Some(most), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_queue_is_paused_resumed_and_purged_by_itself() {
    let (world, mut caller) = with_queue().await;
    let mut definition = world.definition("big_0");
    definition.config.as_mut().unwrap().queue = QUEUE.to_owned();
    create(&mut caller, definition).await;
    world.running_actor("osis_actor_0").await;

    let queue = QUEUE.to_owned();
    let pause =
        pb::PauseQueueRequest { queue: queue.clone(), reason: "a look".to_owned(), ..Default::default() };
    let paused = caller.pause_queue(pause.clone()).await.unwrap().into_inner();
    let status = paused.status.unwrap();
    assert!(paused.changed && status.paused && status.queue == QUEUE, "{status:?}");
    assert!(!caller.pause_queue(pause).await.unwrap().into_inner().changed);
    let (waits, other) = (submit(&caller, for_queue("1")).await, submit(&caller, for_queue("2")).await);
    assert_eq!(run(&caller, osis("6 * 7")).await.result(), "42", "the default queue is open");
    assert_eq!(job(&caller, &waits).await.state(), JobState::Queued);
    let seen = get(&mut caller, QUEUE).await.status.unwrap();
    assert_eq!((seen.pause_reason.as_str(), seen.jobs_queued), ("a look", 2));
    assert!(seen.oldest_queued_age.is_some() && seen.actors_running == 1, "{seen:?}");
    assert!(!get(&mut caller, "osis").await.status.unwrap().paused);

    // The event is about that queue, and no news of the script type.
    let events = pb::ListEventsRequest { topics: vec![pb::event::Topic::Queue.into()], ..Default::default() };
    let events = caller.list_events(events).await.unwrap().into_inner().events;
    let about: Vec<_> = events.iter().map(|event| (event.queue.as_str(), event.script_type)).collect();
    assert_eq!(about, [(QUEUE, 0)]);

    let purge = pb::PurgeQueueRequest { queue: queue.clone(), validate_only: true, ..Default::default() };
    assert_eq!(caller.purge_queue(purge.clone()).await.unwrap().into_inner().purged_count, 2);
    let cancel = pb::CancelJobRequest { job_id: other.clone(), ..Default::default() };
    caller.cancel_job(cancel).await.unwrap();
    let guarded = pb::PurgeQueueRequest { validate_only: false, expected_count: Some(0), ..purge.clone() };
    let guarded = told(&caller.purge_queue(guarded).await.unwrap_err());
    assert_eq!(guarded.metadata["queue"], QUEUE);
    let resume = pb::ResumeQueueRequest { queue: queue.clone(), ..Default::default() };
    assert!(caller.resume_queue(resume.clone()).await.unwrap().into_inner().changed);
    assert_eq!(end_of(&caller, &waits).await.result(), "1");

    let unknown = pb::PauseQueueRequest { queue: "none".to_owned(), ..Default::default() };
    assert_eq!(
        told(&caller.pause_queue(unknown).await.unwrap_err()).why(),
        (Code::NotFound, "QUEUE_NOT_FOUND")
    );
    let neither = told(&caller.pause_queue(pb::PauseQueueRequest::default()).await.unwrap_err());
    assert_eq!(neither.fields, ["script_type"]);
    let both = pb::PauseQueueRequest { queue, script_type: pb::ScriptType::V.into(), ..Default::default() };
    assert_eq!(told(&caller.pause_queue(both).await.unwrap_err()).fields, ["queue"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_with_one_etag_at_once_one_is_made() {
    let (_world, mut caller) = with_queue().await;
    for round in 1..=5 {
        let etag = get(&mut caller, QUEUE).await.etag;
        let changes = (0..8).map(|number| {
            let update = change(QUEUE, &["max_queue_depth"], most_waiting(round * 100 + number));
            let (update, mut caller) =
                (pb::UpdateQueueRequest { etag: etag.clone(), ..update }, caller.clone());
            async move { caller.update_queue(update).await }
        });
        let answers = futures::future::join_all(changes).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        for refused in answers.into_iter().filter_map(Result::err) {
            assert_eq!(told(&refused).why(), (Code::Aborted, "CONFLICT"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_queue_has_settings_of_its_own_and_a_default_queue_those_of_its_script_type() {
    let (world, mut caller) = with_queue().await;
    let before = get(&mut caller, QUEUE).await;
    let trial = pb::UpdateQueueRequest {
        validate_only: true,
        ..change(QUEUE, &["max_queue_depth"], most_waiting(1))
    };
    assert_eq!(caller.update_queue(trial).await.unwrap().into_inner().queue, None);
    assert_eq!(get(&mut caller, QUEUE).await.status.unwrap().settings.unwrap().max_queue_depth, None);
    let limits = pb::ScriptTypeSettings {
        job_defaults: Some(pb::JobDefaults {
            run_timeout: span(Duration::from_secs(7)),
            ..Default::default()
        }),
        ..most_waiting(1)
    };
    let update = change(QUEUE, &["max_queue_depth", "job_defaults.run_timeout"], limits);
    let update = pb::UpdateQueueRequest { etag: before.etag, ..update };
    let after = caller.update_queue(update.clone()).await.unwrap().into_inner().queue.unwrap();
    assert_eq!(after.status.unwrap().queue_limit, Some(1));
    let stale = told(&caller.update_queue(update).await.unwrap_err());
    assert_eq!((stale.why(), stale.metadata["queue"].as_str()), ((Code::Aborted, "CONFLICT"), QUEUE));

    // They hold here at once, and for another supervisor within a second.
    let waits = submit(&caller, for_queue("1")).await;
    let timeout = job(&caller, &waits).await.spec.unwrap().run_timeout;
    assert_eq!(timeout, span(Duration::from_secs(7)));
    let other = world.another(&[]).await;
    for caller in [&caller, &client(&other)] {
        let full = eventually("the limit holds", LIMIT, || async {
            let request = pb::SubmitJobRequest { job: Some(for_queue("2")), ..Default::default() };
            let refused = caller.clone().submit_job(request).await.err()?;
            Some(told(&refused))
        })
        .await;
        assert_eq!(full.why(), (Code::ResourceExhausted, "QUEUE_FULL"));
    }
    submit(&caller, osis("1")).await;

    caller.update_queue(change("osis", &["max_queue_depth"], most_waiting(9))).await.unwrap();
    let of_type = pb::GetScriptTypeRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    let of_type = caller.get_script_type(of_type).await.unwrap().into_inner().status.unwrap();
    assert_eq!((of_type.queue_limit, of_type.queue.as_str()), (Some(9), ""));
    let unknown = change("none", &["max_queue_depth"], most_waiting(9));
    let unknown = told(&caller.update_queue(unknown).await.unwrap_err());
    assert_eq!(unknown.why(), (Code::NotFound, "QUEUE_NOT_FOUND"));

    // A queue that is created anew has none of them.
    let queue = || QUEUE.to_owned();
    let purge = pb::PurgeQueueRequest { queue: queue(), ..Default::default() };
    assert!(caller.purge_queue(purge).await.unwrap().into_inner().purged_count > 0);
    caller.delete_queue(pb::DeleteQueueRequest { queue: queue() }).await.unwrap();
    let script_type = pb::ScriptType::Osis.into();
    caller.create_queue(pb::CreateQueueRequest { queue: queue(), script_type }).await.unwrap();
    let settings = get(&mut caller, QUEUE).await.status.unwrap().settings.unwrap();
    assert_eq!((settings.max_queue_depth, settings.job_defaults.unwrap().run_timeout), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_queue_is_scaled_by_number_and_automatically_from_the_template_of_its_type() {
    let (world, mut caller) = with_queue().await;
    world.running_actor("osis_actor_0").await;
    let scale = |replicas: i32| pb::ScaleActorsRequest {
        queue: QUEUE.to_owned(),
        replicas: Some(replicas),
        max_wait: span(LIMIT),
        take_over: true,
        ..Default::default()
    };
    let scaled = caller.scale_actors(scale(2)).await.unwrap().into_inner();
    assert_eq!(scaled.added_actor_ids, ["osis-big_actor_0", "osis-big_actor_1"]);
    assert_eq!(scaled.status.unwrap().actors_total, 2);
    assert!(run(&caller, for_queue("1")).await.actor_id.starts_with("osis-big_actor_"));
    let scaled = caller.scale_actors(scale(0)).await.unwrap().into_inner();
    assert_eq!(scaled.removed_actor_ids.len(), 2);
    let left: Vec<String> = actors(&caller).await.into_iter().map(|actor| actor.actor_id).collect();
    assert_eq!(left, ["osis_actor_0"], "the default queue has its own");

    let policy = pb::ScalingPolicy {
        mode: pb::scaling_policy::Mode::Auto.into(),
        max_replicas: Some(1),
        scale_in_delay: span(Duration::from_millis(100)),
        scale_to_zero_delay: span(Duration::from_millis(100)),
        scale_out_delay: span(Duration::ZERO),
        ..Default::default()
    };
    let settings = pb::ScriptTypeSettings { scaling_policy: Some(policy), ..Default::default() };
    caller.update_queue(change(QUEUE, &["scaling_policy"], settings)).await.unwrap();
    let waits = submit(&caller, for_queue("sleep(1); 42")).await;
    until_actor(&caller, "osis-big_actor_0", "is made", |actor| actor.state() == State::Running).await;
    assert_eq!(end_of(&caller, &waits).await.result(), "42");
    eventually("the actor goes", LIMIT, || async { (actors(&caller).await.len() == 1).then_some(()) }).await;
    let scaled =
        pb::ListEventsRequest { topics: vec![pb::event::Topic::Scaling.into()], ..Default::default() };
    let scaled = caller.list_events(scaled).await.unwrap().into_inner().events;
    assert!(scaled.iter().all(|event| event.queue == QUEUE && event.script_type == 0), "{scaled:?}");
}

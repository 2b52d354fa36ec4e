//! Events of jobs in queues by name: as they happen, from a cursor, and as a list.

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::snapshot_item::Item as Part;
use pb::watch_events_response::Item;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::support::full_service::{Client, FullService, client, osis, submit, told};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;

type Watch = Streaming<pb::WatchEventsResponse>;

async fn create(client: &Client, queue: &str) {
    let request =
        pb::CreateQueueRequest { queue: queue.to_owned(), script_type: pb::ScriptType::Osis.into() };
    client.clone().create_queue(request).await.unwrap();
}

async fn submit_to(client: &Client, queue: &str) -> String {
    submit(client, pb::JobSpec { queue: queue.to_owned(), ..osis("1") }).await
}

fn of_queues(queues: &[&str]) -> pb::WatchEventsRequest {
    let queues = queues.iter().map(|&queue| queue.to_owned()).collect();
    pb::WatchEventsRequest { queues, ..Default::default() }
}

async fn watch(client: &Client, request: pb::WatchEventsRequest) -> Watch {
    client.clone().watch_events(request).await.unwrap().into_inner()
}

async fn message(watch: &mut Watch) -> pb::WatchEventsResponse {
    timeout(LIMIT, watch.message()).await.expect("a watch is never silent for long").unwrap().unwrap()
}

/// The snapshot: its queues and its jobs.
async fn snapshot(watch: &mut Watch) -> (Vec<pb::Queue>, Vec<String>) {
    let (mut queues, mut jobs) = (Vec::new(), Vec::new());
    loop {
        match message(watch).await.item.unwrap() {
            Item::SnapshotItem(item) => match item.item.unwrap() {
                Part::Queue(queue) => queues.push(queue),
                Part::Job(job) => jobs.push(job.job_id),
                other @ (Part::Actor(_) | Part::ScriptType(_)) => panic!("not of this queue: {other:?}"),
            },
            Item::Bookmark(_) => return (queues, jobs),
            other @ (Item::Event(_) | Item::Usage(_)) => panic!("before the end of the snapshot: {other:?}"),
        }
    }
}

/// Queue and job of the next event, and the cursor of its message.
async fn event(watch: &mut Watch) -> (String, String, String) {
    loop {
        let pb::WatchEventsResponse { cursor, item } = message(watch).await;
        match item.unwrap() {
            Item::Event(event) => return (event.queue, event.job_id, cursor),
            Item::Bookmark(_) => {}
            other @ (Item::SnapshotItem(_) | Item::Usage(_)) => panic!("no event: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_watch_of_a_queue_has_its_jobs_and_goes_on_at_another_supervisor() {
    let world = FullService::start().await;
    let caller = world.client();
    create(&caller, "gpu").await;
    create(&caller, "cpu").await;
    let before = submit_to(&caller, "gpu").await;
    let mut live = watch(&caller, of_queues(&["gpu"])).await;
    let (queues, jobs) = snapshot(&mut live).await;
    assert_eq!(jobs, [before]);
    assert_eq!(queues.len(), 1);
    assert_eq!((queues[0].queue.as_str(), queues[0].jobs_queued), ("gpu", 1));

    submit_to(&caller, "cpu").await;
    submit(&caller, osis("1")).await;
    let first = submit_to(&caller, "gpu").await;
    let (queue, job, cursor) = event(&mut live).await;
    assert_eq!((queue.as_str(), &job), ("gpu", &first));
    let pause = pb::PauseQueueRequest { queue: "gpu".to_owned(), ..Default::default() };
    caller.clone().pause_queue(pause).await.unwrap();
    let (queue, job, _cursor) = event(&mut live).await;
    assert_eq!((queue.as_str(), job.as_str()), ("gpu", ""), "what happens to the queue itself");

    drop(live);
    let second = submit_to(&caller, "gpu").await;
    let supervisor = world.another(&[]).await;
    let other = client(&supervisor);
    let resumed = pb::WatchEventsRequest { resume_after: cursor, ..of_queues(&["gpu"]) };
    let mut resumed = watch(&other, resumed).await;
    let seen = [event(&mut resumed).await, event(&mut resumed).await].map(|(_queue, job, _cursor)| job);
    // The job and the queue are in two streams, which have no order between them.
    assert!(seen.contains(&second) && seen.contains(&String::new()), "{seen:?}");

    let list = pb::ListEventsRequest {
        topics: vec![pb::event::Topic::Job.into()],
        queues: vec!["gpu".to_owned()],
        ..Default::default()
    };
    let listed = other.clone().list_events(list).await.unwrap().into_inner().events;
    assert_eq!(listed[..2].iter().map(|event| &event.job_id).collect::<Vec<_>>(), [&second, &first]);
    assert!(listed.iter().all(|event| event.queue == "gpu"), "{listed:?}");
}

#[tokio::test]
async fn a_filter_with_a_queue_that_is_not_there_is_refused() {
    let world = FullService::start().await;
    let refused =
        async |queues: &[&str]| told(&world.client().watch_events(of_queues(queues)).await.unwrap_err());
    assert_eq!(refused(&["none"]).await.why(), (Code::NotFound, "QUEUE_NOT_FOUND"));
    assert_eq!(refused(&["No"]).await.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(refused(&["osis"; 21]).await.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    let list = pb::ListEventsRequest { queues: vec!["none".to_owned()], ..Default::default() };
    let refused = told(&world.client().list_events(list).await.unwrap_err());
    assert_eq!(refused.why(), (Code::NotFound, "QUEUE_NOT_FOUND"));
}

/// Commands of Redis in a second.
async fn commands_per_second(redis: &PrivateRedis) -> u64 {
    let count = async || {
        let stats: String =
            redis::cmd("INFO").arg("stats").query_async(&mut redis.connection().await).await.unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = count().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    (count().await - before) / 3
}

#[tokio::test]
async fn queues_that_no_watch_names_cost_nothing_while_others_are_watched() {
    let world = FullService::start().await;
    let caller = world.client();
    for n in 0..300 {
        create(&caller, &format!("pool-{n}")).await;
    }
    let _usual = watch(&caller, pb::WatchEventsRequest::default()).await;
    let without = commands_per_second(&world.redis).await;
    let mut named = watch(&caller, of_queues(&["pool-1"])).await;
    assert_eq!(snapshot(&mut named).await.0.len(), 1);
    let with = commands_per_second(&world.redis).await;
    assert!(with <= without + 15, "{without} commands a second without, {with} with it");
}

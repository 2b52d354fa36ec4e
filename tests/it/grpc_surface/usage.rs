//! Usage of actors as a caller sees it.

use std::time::Duration;

use hero_supervisor::domain::model::usage::TreeReading;
use hero_supervisor::proto as pb;
use pb::watch_events_response::Item;
use tonic::Code;

use super::actors::create;
use super::on_memory::{GrpcOnMemory, millis, soon, told};

const READING: TreeReading = TreeReading {
    started: 1,
    cpu: Duration::from_secs(1),
    memory_bytes: 3 << 20,
    open_files: Some(12),
    threads: 9,
    processes: 2,
};

async fn next_usage(watch: &mut tonic::Streaming<pb::WatchEventsResponse>) -> pb::UsageUpdate {
    loop {
        let message = soon("usage", watch.message()).await.unwrap().expect("the watch goes on");
        assert!(!message.cursor.is_empty());
        match message.item.unwrap() {
            Item::Usage(usage) => return usage,
            Item::SnapshotItem(_) | Item::Event(_) | Item::Bookmark(_) => {}
        }
    }
}

#[tokio::test]
async fn usage_comes_with_the_events_that_it_is_asked_with_and_is_of_living_actors() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    world.usage.set("a", READING);
    world.usage.set("b", READING);
    for name in ["a", "b"] {
        soon("CreateActor", client.create_actor(create(name))).await.unwrap();
    }
    let asked = pb::WatchEventsRequest { include_usage: true, ..Default::default() };
    let mut watch = client.watch_events(asked.clone()).await.unwrap().into_inner();
    let seen = loop {
        let usage = next_usage(&mut watch).await;
        if usage.actors.len() == 2 && usage.actors["a"].cpu_millicores.is_some() {
            break usage;
        }
    };
    let of_a = &seen.actors["a"];
    assert_eq!((of_a.memory_bytes, of_a.open_files, of_a.threads, of_a.processes), (3 << 20, Some(12), 9, 2));
    assert_eq!(of_a.cpu_millicores, Some(0), "it has used none since the sample before");

    let one = pb::WatchEventsRequest { actor_ids: vec!["b".to_owned()], ..asked };
    let mut of_one = client.watch_events(one).await.unwrap().into_inner();
    assert_eq!(next_usage(&mut of_one).await.actors.into_keys().collect::<Vec<_>>(), ["b"]);

    let get = pb::GetActorRequest {
        actor_id: "a".to_owned(),
        usage_history: millis(3_600_000),
        ..Default::default()
    };
    let actor = client.get_actor(get.clone()).await.unwrap().into_inner().actor.unwrap();
    assert_eq!(actor.usage.unwrap().memory_bytes, 3 << 20);
    let times: Vec<_> = actor.usage_history.iter().map(|usage| usage.time.unwrap()).collect();
    assert!(times.len() >= 2 && times.is_sorted_by_key(|time| (time.seconds, time.nanos)), "{times:?}");
    let plain = pb::GetActorRequest { usage_history: None, ..get.clone() };
    assert!(client.get_actor(plain).await.unwrap().into_inner().actor.unwrap().usage_history.is_empty());
    let long = pb::GetActorRequest { usage_history: millis(86_400_001), ..get };
    let refused = told(&client.get_actor(long).await.unwrap_err());
    assert_eq!((refused.0, refused.2), (Code::InvalidArgument, vec!["usage_history".to_owned()]));

    let stop = pb::StopActorRequest { actor_id: "b".to_owned(), ..Default::default() };
    soon("StopActor", client.stop_actor(stop)).await.unwrap();
    while next_usage(&mut watch).await.actors.contains_key("b") {}
}

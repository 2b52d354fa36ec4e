//! Processes without a record: those that we have made go, all others stay.

use std::collections::BTreeMap;

use hero_supervisor::ports::actor_store::ActorStore;
use hero_supervisor::ports::process_manager::{ProcessManager, ProcessSpec};

use super::*;

fn spec(world: &LifecycleOnMemory, name: &str, env: &[(&str, &str)]) -> ProcessSpec {
    let env: BTreeMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ProcessSpec { name: name.to_owned(), env, ..world.processes.spec("a").unwrap() }
}

async fn names(world: &LifecycleOnMemory) -> Vec<String> {
    world.processes.list().await.unwrap().into_iter().map(|info| info.name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_process_of_ours_whose_record_is_gone_is_removed_and_no_other() {
    let world = LifecycleOnMemory::new();
    world.start(config("a")).await.unwrap();
    let epoch = world.broker.actor_store().epoch().await.unwrap().unwrap();
    for (name, env) in [
        ("orphan", [("HERO_ACTOR_ID", "orphan"), ("HERO_REALM", epoch.as_str())]),
        ("elsewhere", [("HERO_ACTOR_ID", "elsewhere"), ("HERO_REALM", "other records")]),
        ("copied", [("HERO_ACTOR_ID", "somebody"), ("HERO_REALM", epoch.as_str())]),
    ] {
        world.processes.start(&spec(&world, name, &env)).await.unwrap();
    }
    world.processes.start(&spec(&world, "redis", &[])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(names(&world).await.contains(&"orphan".to_owned()), "not at the first look");
    eventually("the orphan is gone", WAIT, || async {
        (!names(&world).await.contains(&"orphan".to_owned())).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(names(&world).await, ["a", "copied", "elsewhere", "redis"]);
    assert_eq!(world.manager.actor(&id("a")).await.unwrap().state, ActorState::Running);
}

#[tokio::test(start_paused = true)]
async fn an_actor_of_another_node_is_no_orphan() {
    let world = LifecycleOnMemory::new();
    world.start(config("a")).await.unwrap();
    let other = manager(&world.broker, &world.processes, "there", Vec::new());
    other.create(config("b"), true, WAIT).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(names(&world).await, ["a", "b"]);
}

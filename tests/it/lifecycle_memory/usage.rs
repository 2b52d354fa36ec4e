//! Usage of actors: the last hour on their node, and what another node knows of it.

use std::time::SystemTime;

use hero_supervisor::domain::model::usage::TreeReading;
use hero_supervisor::ports::clock::Clock;

use super::*;

const READING: TreeReading = TreeReading {
    started: 1,
    cpu: Duration::from_secs(1),
    memory_bytes: 3 << 20,
    open_files: None,
    threads: 9,
    processes: 2,
};

#[tokio::test(start_paused = true)]
async fn another_node_knows_the_latest_sample_and_the_points_of_five_minutes() {
    let world = LifecycleOnMemory::new();
    let there = manager(&world.broker, &Arc::new(MemoryProcessManager::new()), "there", Vec::new());
    there.open().await.unwrap();
    world.usage.set("a", READING);
    let actor = world.start(config("a")).await.unwrap();
    let clock = world.broker.clock();
    let known = eventually("the other node knows it", WAIT * 10, || async {
        there.usage().latest(&actor, clock.now())
    })
    .await;
    assert_eq!((known.memory_bytes, known.open_files, known.threads), (3 << 20, None, 9));

    let history = async |manager: &ActorLifecycleManager| {
        manager.usage_history(&actor, SystemTime::UNIX_EPOCH).await.unwrap()
    };
    eventually("points were written", WAIT * 60, || async {
        (history(&there).await.len() >= 2).then_some(())
    })
    .await;
    let here = history(&world.manager).await;
    assert!(here.len() > 50 && here.is_sorted_by_key(|usage| usage.at), "{} samples", here.len());
    let at: Vec<_> = here.iter().map(|usage| usage.at).collect();
    assert!(at.windows(2).all(|pair| pair[0] < pair[1]), "none is there twice");

    world.manager.stop(&actor, StopOptions::default(), WAIT).await.unwrap();
    eventually("it has no process", WAIT, || async {
        there.usage().latest(&actor, clock.now()).is_none().then_some(())
    })
    .await;
}

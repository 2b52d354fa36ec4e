//! Rates of flow keys where only Redis has something to lose.

use std::slice::from_ref;
use std::time::{Duration, SystemTime};

use hero_supervisor::domain::model::job::JobSpec;
use tokio::time::Instant;

use super::flow::{of, set, take_all};
use super::flow_rate::{at_rate, start};
use super::queue_contract::{Kind, LIMIT, OSIS, QueueContract, scripts, spec, submit, take_one};
use super::redis_only::command;

const DAYS: Duration = Duration::from_secs(10 * 24 * 3600);

fn millis_ahead(bench: &QueueContract, by: Duration) -> String {
    let at = bench.now() + by;
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis().to_string()
}

#[tokio::test]
async fn a_clock_that_has_stepped_back_keeps_no_key_closed() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_rate("a", 1, 1, 1)]).await;
    for name in ["a0", "a1", "a2"] {
        submit(&queue, of("a", name)).await;
    }
    let taken = take_all(&queue, &actor).await;
    assert_eq!(scripts(&taken), ["a0"]);
    start(&bench, &actor, &taken).await;
    // All that was noted by the clock of before lies far ahead.
    let ahead = millis_ahead(&bench, DAYS);
    command(&mut bench, &["HSET", "hero:{osis}:flow", "tat:a", &ahead]).await;
    command(&mut bench, &["ZADD", "hero:{osis}:flow-later", &ahead, "ka", &ahead, "ta"]).await;
    command(&mut bench, &["HSET", "hero:{osis}:tick", "at", &ahead]).await;
    queue.maintain().await.unwrap();
    for name in ["a1", "a2"] {
        let taken = take_one(&actor).await;
        assert_eq!(taken.spec.script, name);
        start(&bench, &actor, from_ref(&taken)).await;
    }
    queue.close().await;
}

/// There are no rounds of maintenance here.
#[tokio::test]
async fn a_key_opens_at_its_time_and_not_with_a_round() {
    let bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_rate("a", 8, 1, 1)]).await;
    for number in 0..12 {
        submit(&queue, of("a", &format!("a{number}"))).await;
    }
    let begun = Instant::now();
    for _job in 0..12 {
        let taken = take_one(&actor).await;
        start(&bench, &actor, from_ref(&taken)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(11 * 124), "{:?}", begun.elapsed());
    queue.close().await;
}

/// The key of these is the empty text, which is before all others.
#[tokio::test]
async fn jobs_without_a_key_hide_no_held_ones() {
    let bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    set(&queue, 1, vec![at_rate("a", 1, 3600, 1)]).await;
    for name in ["a0", "a1", "a2"] {
        submit(&queue, of("a", name)).await;
    }
    for number in 0..20 {
        submit(&queue, JobSpec { caller_id: String::new(), ..spec(&number.to_string()) }).await;
    }
    let held = queue.flow_held(OSIS.into()).await.unwrap();
    assert_eq!((held.paused, held.at_limit, held.over_rate), (0, 0, 2));
    queue.close().await;
}

#[tokio::test]
async fn an_older_supervisor_does_not_take_a_rate_away() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 7, vec![at_rate("a", 1, 3600, 1)]).await;
    for name in ["a0", "a1", "a2"] {
        submit(&queue, of("a", name)).await;
    }
    let older = |generation: &'static str| {
        ["FCALL", "hero_tick", "1", "hero:{osis}:q", "15000", "500", generation, r#"{"keys":{"a":{"w":1}}}"#]
    };
    // It reads the same settings and knows less of them.
    command(&mut bench, &older("7")).await;
    let taken = take_all(&queue, &actor).await;
    assert_eq!(scripts(&taken), ["a0"]);
    start(&bench, &actor, &taken).await;
    command(&mut bench, &older("7")).await;
    assert_eq!(take_all(&queue, &actor).await.len(), 0);
    // Something else of the settings has changed, and the rules have not.
    set(&queue, 8, vec![at_rate("a", 1, 3600, 1)]).await;
    command(&mut bench, &older("8")).await;
    assert_eq!(take_all(&queue, &actor).await.len(), 0);
    // It has written settings of its own, without a rate.
    command(&mut bench, &older("9")).await;
    assert_eq!(scripts(&take_all(&queue, &actor).await), ["a1", "a2"]);
    queue.close().await;
}

#[tokio::test]
async fn what_is_lost_of_a_rate_is_made_anew_and_what_is_used_up_is_forgotten() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_rate("a", 2, 1, 1)]).await;
    for name in ["a0", "a1", "a2", "a3"] {
        submit(&queue, of("a", name)).await;
    }
    for (name, lost) in [("a0", "hero:{osis}:flow-later"), ("a1", "hero:{osis}:flow-ready")] {
        let taken = take_one(&actor).await;
        assert_eq!(taken.spec.script, name);
        start(&bench, &actor, from_ref(&taken)).await;
        command(&mut bench, &["DEL", lost]).await;
        command(&mut bench, &["HDEL", "hero:{osis}:flow", "compared"]).await;
        command(&mut bench, &["FCALL", "hero_sweep", "1", "hero:{osis}:q", "600000"]).await;
        queue.maintain().await.unwrap();
    }
    for name in ["a2", "a3"] {
        let taken = take_one(&actor).await;
        assert_eq!(taken.spec.script, name);
        start(&bench, &actor, from_ref(&taken)).await;
    }
    let used = ["HEXISTS", "hero:{osis}:flow", "tat:a"];
    assert_eq!(command(&mut bench, &used).await, redis::Value::Int(1));
    let deadline = Instant::now() + LIMIT;
    while command(&mut bench, &used).await != redis::Value::Int(0) {
        assert!(Instant::now() < deadline, "it is kept");
        queue.maintain().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    queue.close().await;
}

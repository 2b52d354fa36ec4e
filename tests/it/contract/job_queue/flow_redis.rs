//! Flow by key where only Redis has something to lose.

use std::slice::from_ref;

use hero_supervisor::domain::model::flow::FlowRule;
use hero_supervisor::domain::model::job::{JobSpec, Priority};

use super::flow::{at_most, of, set, take_all};
use super::queue_contract::{Kind, finish, spec, submit, success, take_one, text};
use super::redis_only::command;

const PARTS: [&str; 7] = [
    "hero:{osis}:flow",
    "hero:{osis}:flow-backlog",
    "hero:{osis}:flow-waiting",
    "hero:{osis}:flow-busy",
    "hero:{osis}:flow-ready",
    "hero:{osis}:flow-idle",
    "hero:{osis}:flow-later",
];

#[tokio::test]
async fn indexes_that_are_lost_are_made_from_the_records() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_most("a", 2)]).await;
    for n in 0..30 {
        submit(&queue, of("a", &format!("a{n}"))).await;
    }
    let mut held = take_all(&queue, &actor).await;
    let mut ended = 0;
    for lost in PARTS {
        command(&mut bench, &["DEL", lost]).await;
        command(&mut bench, &["HDEL", "hero:{osis}:flow", "compared"]).await;
        command(&mut bench, &["FCALL", "hero_sweep", "1", "hero:{osis}:q", "600000"]).await;
        queue.maintain().await.unwrap();
        queue.maintain().await.unwrap();
        let more = take_all(&queue, &actor).await;
        assert_eq!(more.len(), 0, "{lost}: the places of two jobs are counted again");
        for job in held.drain(..) {
            assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
            ended += 1;
        }
        held = take_all(&queue, &actor).await;
        assert_eq!(held.len(), 2, "{lost}");
    }
    while !held.is_empty() {
        for job in held.drain(..) {
            assert!(finish(&actor, success(&bench, &job.lease, text("1"))).await);
            ended += 1;
        }
        held = take_all(&queue, &actor).await;
    }
    assert_eq!(ended, 30);
    queue.close().await;
}

#[tokio::test]
async fn a_key_that_waits_is_not_passed_over_by_ever_new_ones() {
    let bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_most("none", 1)]).await;
    for n in 0..20 {
        submit(&queue, of(&format!("k{n:02}"), "other")).await;
    }
    submit(&queue, of("zoo", "zoo")).await;
    for n in 0..60 {
        submit(&queue, of(&format!("a{n:02}"), "new")).await;
        let taken = take_one(&actor).await;
        assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
        if taken.spec.script == "zoo" {
            queue.close().await;
            return;
        }
    }
    panic!("it was not its turn");
}

#[tokio::test]
async fn a_job_of_the_default_priority_comes_before_lower_ones_of_its_key() {
    let bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_most("none", 1)]).await;
    for n in 0..5 {
        submit(&queue, JobSpec { priority: Priority::LAST, ..of("a", &format!("low{n}")) }).await;
    }
    submit(&queue, of("a", "default")).await;
    let mut order = Vec::new();
    for _job in 0..6 {
        let taken = take_one(&actor).await;
        assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
        order.push(taken.spec.script);
    }
    assert_eq!(order, ["default", "low0", "low1", "low2", "low3", "low4"]);
    queue.close().await;
}

/// Its user has the commands of a supervisor from before there were rules.
#[tokio::test]
async fn rules_that_a_user_has_no_rights_for_are_refused_and_hold_nothing_up() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    submit(&queue, of("a", "a0")).await;
    let user = ["ACL", "SETUSER", "old", "on", "nopass", "~*", "&*", "+@all", "-zrangebylex", "-zlexcount"];
    command(&mut bench, &user).await;
    let mut connection = bench.redis().connection().await;
    redis::cmd("AUTH").arg("old").arg("").query_async::<()>(&mut connection).await.unwrap();
    let mut rules = redis::cmd("FCALL");
    rules.arg("hero_flow").arg(1).arg("hero:{osis}:q").arg(1).arg(r#"{"others":{"r":1}}"#);
    let refused = rules.query_async::<redis::Value>(&mut connection).await.unwrap_err().to_string();
    assert!(refused.contains("ZRANGEBYLEX") && refused.contains("--print-acl"), "{refused}");
    let mut exists = vec!["EXISTS"];
    exists.extend(PARTS);
    assert_eq!(command(&mut bench, &exists).await, redis::Value::Int(0));
    let actor = bench.actor("osis_actor_0", 41).await;
    take_one(&actor).await;
    queue.close().await;
}

#[tokio::test]
async fn a_place_that_nobody_gives_back_is_found() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![at_most("a", 1)]).await;
    command(&mut bench, &["ZADD", "hero:{osis}:flow-busy", "0", "a\0qgone"]).await;
    submit(&queue, of("a", "a0")).await;
    let taken = take_all(&queue, &actor).await;
    assert_eq!(taken.len(), 1, "a round of maintenance has compared it with its record");
    queue.close().await;
}

#[tokio::test]
async fn without_rules_nothing_is_left_behind() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    set(&queue, 1, vec![FlowRule { weight: 3, ..at_most("a", 1) }]).await;
    for name in ["a0", "a1", "a2"] {
        submit(&queue, of("a", name)).await;
    }
    let taken = take_one(&actor).await;
    actor.start(&[(taken.lease.clone(), bench.now())]).await.unwrap();
    set(&queue, 2, Vec::new()).await;
    let mut exists = vec!["EXISTS"];
    exists.extend(PARTS);
    assert_eq!(command(&mut bench, &exists).await, redis::Value::Int(0));
    actor.release(from_ref(&taken.lease)).await.unwrap();
    submit(&queue, spec("plain")).await;
    let mut names: Vec<String> =
        take_all(&queue, &actor).await.into_iter().map(|job| job.spec.script).collect();
    names.sort();
    assert_eq!(names, ["a0", "a1", "a2", "plain"]);
    queue.close().await;
}

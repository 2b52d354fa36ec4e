//! What a fixed history of jobs costs Redis, counted and not timed, so that a costlier way shows on any machine.

use std::collections::BTreeMap;

use hero_supervisor::domain::model::output::{LogStream, OutputChunk, OutputItem};

use super::queue_contract::{
    Kind, QueueContract, finish, spec, submission, submit_wanted, success, take, take_one, text,
};
use super::redis_only::command;

/// Jobs of a history.
const JOBS: u64 = 100;
/// Commands that stand for background work, which goes on by the clock and not by the job.
const BACKGROUND: [&str; 9] = ["auth", "config", "hello", "hget", "info", "ping", "select", "time", "xtrim"];
/// Calls that the background may add to one command in the time of a history.
const SLACK: u64 = 5;

/// How often each command was called since the last look, those within functions included.
async fn calls(bench: &mut QueueContract) -> BTreeMap<String, u64> {
    let stats: String = redis::from_redis_value(command(bench, &["INFO", "commandstats"]).await).unwrap();
    command(bench, &["CONFIG", "RESETSTAT"]).await;
    let lines = stats.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    lines.filter(|(name, _)| !BACKGROUND.contains(&name.as_str())).collect()
}

/// Compares calls with the most that a history may need.
fn check(what: &str, calls: &BTreeMap<String, u64>, budget: &[(&str, u64)]) {
    let most: BTreeMap<&str, u64> = budget.iter().copied().collect();
    for (name, count) in calls {
        let most = most.get(name.as_str()).copied().unwrap_or_default();
        assert!(*count <= most + SLACK, "{what}: {count} calls of {name}, {most} are the budget: {calls:#?}");
    }
    for (name, most) in most {
        let count = calls.get(name).copied().unwrap_or_default();
        assert!(
            count + SLACK >= most,
            "{what}: {count} calls of {name} instead of {most}: lower the budget to that"
        );
    }
}

#[tokio::test]
async fn a_line_that_comes_with_the_end_costs_no_command() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut counted = Vec::new();
    for says_something in [false, true] {
        for round in 0..=JOBS {
            if round == 1 {
                calls(&mut bench).await;
            }
            let (_job, completion) = submit_wanted(&queue, spec("1")).await;
            let taken = take_one(&actor).await;
            let mut end = success(&bench, &taken.lease, text("1"));
            let item = OutputItem::Line { stream: LogStream::Stdout, text: "hello".to_owned() };
            end.output.extend(says_something.then(|| OutputChunk { number: 1, at: bench.now(), item }));
            assert!(finish(&actor, end).await);
            completion.wait().await.unwrap();
        }
        counted.push(calls(&mut bench).await);
    }
    let silent: Vec<_> = counted[0].iter().map(|(name, count)| (name.as_str(), *count)).collect();
    check("a line each", &counted[1], &silent);
    queue.close().await;
}

#[tokio::test]
async fn jobs_one_at_a_time_cost_no_more_commands_than_their_budget() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    for round in 0..=JOBS {
        if round == 1 {
            calls(&mut bench).await;
        }
        let (_job, completion) = submit_wanted(&queue, spec("1")).await;
        let taken = take_one(&actor).await;
        assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
        completion.wait().await.unwrap();
    }
    let of_each = [
        ("exists", 3),
        ("fcall", 2),
        ("hincrby", 3),
        ("hmget", 1),
        ("hset", 2),
        ("pexpire", 1),
        ("xack", 1),
        ("xadd", 5),
        ("xdel", 1),
        ("xlen", 2),
        ("xread", 1),
        ("xreadgroup", 1),
        ("zadd", 3),
        ("zcard", 1),
        ("zrem", 1),
    ];
    let budget = of_each.map(|(name, count)| (name, count * JOBS));
    check("one at a time", &calls(&mut bench).await, &budget);
    queue.close().await;
}

#[tokio::test]
async fn jobs_by_the_hundred_cost_no_more_commands_than_their_budget() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    for round in 0..2 {
        if round == 1 {
            calls(&mut bench).await;
        }
        let batch = (0..JOBS).map(|_| submission(spec("1"))).collect();
        assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
        let held = take(&actor, 100).await;
        let ends: Vec<_> = held.iter().map(|taken| success(&bench, &taken.lease, text("1"))).collect();
        assert!(actor.finish(ends).await.unwrap().iter().all(|stood| *stood));
    }
    let of_each = [("exists", 1), ("hmget", 1), ("hset", 2), ("pexpire", 1), ("xack", 1), ("xadd", 4)];
    let budget = of_each.map(|(name, count)| (name, count * JOBS));
    check("by the hundred", &calls(&mut bench).await, &budget);
    queue.close().await;
}

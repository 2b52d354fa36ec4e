//! The index of unfinished jobs in Redis: what is over costs nothing, and what older supervisors have accepted is in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobState, JobUsage};
use hero_supervisor::ports::job_queue::JobFilter;
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::store_fault::{Refusal, StoreFault};
use hero_supervisor::ports::work_queue::AttemptEnd;

use super::queue_contract::{
    Kind, QueueContract, finish, ids, read, spec, submission, submit, success, take, text, with_attempts,
};
use super::redis_only::command;

const INDEX: &str = "hero:{osis}:unfinished";
const CLOCK: &str = "hero:{osis}:tick";

/// The jobs that have not ended, the newest first.
async fn unfinished(queue: &Arc<dyn Queue>) -> Vec<JobId> {
    let states = JobState::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
    let filter = JobFilter { states, ..JobFilter::default() };
    ids(&queue.list(&filter, None, 500).await.unwrap().jobs)
}

/// The members of the index.
async fn indexed(bench: &mut QueueContract) -> Vec<JobId> {
    let members: Vec<String> =
        redis::from_redis_value(command(bench, &["ZRANGE", INDEX, "0", "-1", "REV"]).await).unwrap();
    members.iter().map(|id| JobId::parse(id).unwrap()).collect()
}

/// The library that is loaded, as one of an earlier revision.
pub(super) async fn older_library(bench: &mut QueueContract, revision: u32) -> String {
    let listed = command(bench, &["FUNCTION", "LIST", "WITHCODE"]).await;
    let [library]: [HashMap<String, redis::Value>; 1] = redis::from_redis_value(listed).unwrap();
    let code: String = redis::from_redis_value(library["library_code"].clone()).unwrap();
    let (before, rest) = code.split_once("local REVISION = ").unwrap();
    let (_ours, after) = rest.split_once('\n').unwrap();
    format!("{before}local REVISION = {revision}\n{after}")
}

/// The revision of the library that is loaded.
pub(super) async fn revision(bench: &mut QueueContract) -> u32 {
    redis::from_redis_value(command(bench, &["FCALL", "hero_revision", "0"]).await).unwrap()
}

async fn run(bench: &QueueContract, queue: &Arc<dyn Queue>, count: usize) {
    let actor = bench.actor("osis_actor_0", 41).await;
    let batch = (0..count).map(|_| submission(spec("1"))).collect();
    assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
    for taken in take(&actor, count).await {
        assert!(finish(&actor, success(bench, &taken.lease, text("1"))).await);
    }
}

/// How often Redis has been asked for records of jobs.
async fn records_read(bench: &mut QueueContract) -> u64 {
    let stats: String = redis::from_redis_value(command(bench, &["INFO", "commandstats"]).await).unwrap();
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hmget:calls=")?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[tokio::test]
async fn ended_jobs_cost_a_list_of_unfinished_ones_nothing() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    run(&bench, &queue, 300).await;
    let waits = submit(&queue, spec("2")).await.id;
    queue.maintain().await.unwrap();
    let before = records_read(&mut bench).await;
    assert_eq!(unfinished(&queue).await, [waits]);
    assert_eq!(records_read(&mut bench).await - before, 1, "records of jobs that have ended were read");
    queue.close().await;
}

#[tokio::test]
async fn jobs_that_an_older_supervisor_has_accepted_are_listed_before_and_after_they_are_indexed() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    run(&bench, &queue, 250).await;
    let old: Vec<JobId> = {
        let batch: Vec<_> = (0..250).map(|_| submission(spec("2"))).collect();
        let accepted = queue.submit(batch).await.unwrap();
        accepted.into_iter().map(|accepted| accepted.unwrap().job.id).collect()
    };
    command(&mut bench, &["DEL", INDEX]).await;
    command(&mut bench, &["HDEL", CLOCK, "indexed"]).await;
    let new = submit(&queue, spec("3")).await.id;
    let before = unfinished(&queue).await;
    assert_eq!(before.len(), old.len() + 1);
    assert_eq!(before[0], new);

    queue.maintain().await.unwrap();
    let word: String =
        redis::from_redis_value(command(&mut bench, &["HGET", CLOCK, "indexed"]).await).unwrap();
    assert_eq!(word, "all");
    assert_eq!(unfinished(&queue).await, before);
    assert_eq!(indexed(&mut bench).await, before);
    queue.close().await;
}

#[tokio::test]
async fn jobs_that_an_older_library_has_accepted_are_listed_once_ours_is_loaded_again() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    let older = older_library(&mut bench, 11).await;
    let old = submit(&queue, spec("1")).await.id;
    command(&mut bench, &["FUNCTION", "FLUSH"]).await;
    command(&mut bench, &["FUNCTION", "LOAD", &older]).await;
    command(&mut bench, &["ZREM", INDEX, old.as_str()]).await;

    queue.maintain().await.unwrap();
    assert!(revision(&mut bench).await > 11, "ours is there again");
    assert_eq!(unfinished(&queue).await, std::slice::from_ref(&old));
    assert_eq!(indexed(&mut bench).await, [old]);
    queue.close().await;
}

/// Functions of before revision 18 do not know what an attempt has used, and cannot be replaced while the memory is full.
#[tokio::test]
async fn ends_are_written_by_older_functions_until_there_is_memory_for_ours() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        jobs.push(submit(&queue, spec("1")).await.id);
    }
    let held = take(&actor, 2).await;
    let older = older_library(&mut bench, 17).await.replace("freeing('hero_end'", "freeing('hero_later'");
    command(&mut bench, &["FUNCTION", "LOAD", "REPLACE", &older]).await;
    command(&mut bench, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let usage = Some(JobUsage { cpu: Duration::from_micros(7), peak_memory: None });
    let end = |lease| AttemptEnd { usage, ..success(&bench, lease, text("1")) };
    let ends = [end(&held[0].lease), end(&held[1].lease)];
    assert!(finish(&actor, ends[0].clone()).await);
    assert!(read(&queue, &jobs[0]).await.usage.is_none());
    assert_eq!(revision(&mut bench).await, 17);

    command(&mut bench, &["CONFIG", "SET", "maxmemory", "0"]).await;
    queue.maintain().await.unwrap();
    assert!(finish(&actor, ends[1].clone()).await);
    assert_eq!(read(&queue, &jobs[1]).await.usage, usage);
    // The actor has tried to load ours.
    command(&mut bench, &["ACL", "LOG", "RESET"]).await;
    queue.close().await;
}

/// An actor of before revision 18 tells nothing of what an attempt has used.
#[tokio::test]
async fn an_end_without_usage_is_an_end_and_rubbish_is_no_usage() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let rubbish = ["12;", "-", "1 2 3", &"9".repeat(40), "1\n2"];
    for usage in [None].into_iter().chain(rubbish.map(Some)) {
        let job = submit(&queue, spec("1")).await.id;
        let taken = take(&actor, 1).await.remove(0);
        let place =
            command(&mut bench, &["HGET", &format!("hero:job:{{osis}}:{}", taken.lease.job_id), "at"]).await;
        let place: String = redis::from_redis_value(place).unwrap();
        let entry = place.split_once(':').unwrap().1;
        let name = if usage.is_some() { "hero_end" } else { "hero_finish" };
        let begin = ["FCALL", name, "1", "hero:{osis}:q", "osis_actor_0", "q", entry, job.as_str(), "1", "5"];
        let call: Vec<&str> = begin.into_iter().chain(["ok", "42", "json", "0"]).chain(usage).collect();
        let answer: Vec<i64> = redis::from_redis_value(command(&mut bench, &call).await).unwrap();
        assert_eq!(answer, [1], "{usage:?}");
        let ended = read(&queue, &job).await;
        assert_eq!((ended.state, ended.usage), (JobState::Succeeded, None), "{usage:?}");
    }
    queue.close().await;
}

/// A Redis whose memory is full takes no functions.
#[tokio::test]
async fn older_functions_serve_until_there_is_memory_for_ours() {
    let mut bench = Kind::Redis.bench().await;
    let older = older_library(&mut bench, 12).await;
    let unusable = older_library(&mut bench, 11).await;
    command(&mut bench, &["FUNCTION", "LOAD", "REPLACE", &older]).await;
    let full = ["CONFIG", "SET", "maxmemory", "1"];
    command(&mut bench, &full).await;
    let queue = bench.supervisor();
    queue.maintain().await.unwrap();
    assert_eq!(unfinished(&queue).await, []);
    assert_eq!(revision(&mut bench).await, 12);
    let roomy = ["CONFIG", "SET", "maxmemory", "0"];
    command(&mut bench, &roomy).await;
    queue.maintain().await.unwrap();
    assert!(revision(&mut bench).await > 12, "ours is loaded as soon as there is memory");
    queue.close().await;

    command(&mut bench, &["FUNCTION", "LOAD", "REPLACE", &unusable]).await;
    command(&mut bench, &full).await;
    let queue = bench.supervisor();
    let fault = queue.probe().await.unwrap_err().into_fault();
    let StoreFault::Refused { refusal: Refusal::Full, reason } = fault else { panic!("{fault:?}") };
    assert!(reason.contains("of an older version, and cannot be loaded until there is memory"), "{reason}");
    command(&mut bench, &roomy).await;
    queue.close().await;
}

#[tokio::test]
async fn a_retried_job_is_in_the_index_again_and_one_without_a_record_leaves_it() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let retried = submit(&queue, with_attempts("1", 2)).await.id;
    queue.cancel(&retried, "enough").await.unwrap();
    assert_eq!(indexed(&mut bench).await, []);
    let lost = submit(&queue, spec("2")).await.id;
    queue.retry(&retried, true, None).await.unwrap();
    assert_eq!(indexed(&mut bench).await, [lost.clone(), retried.clone()]);

    command(&mut bench, &["DEL", &format!("hero:job:{{osis}}:{lost}")]).await;
    queue.maintain().await.unwrap();
    assert_eq!(indexed(&mut bench).await, [retried]);
    queue.close().await;
}

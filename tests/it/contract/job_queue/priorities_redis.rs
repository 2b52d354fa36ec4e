//! Priorities as Redis keeps them: what is stored, what is not moved, and what is mended.

use hero_supervisor::domain::model::job::JobState;
use hero_supervisor::ports::store_fault::StoreFault;

use super::priorities::{at, drain};
use super::queue_contract::{
    Kind, OSIS, QueueContract, finish, read, scripts, spec, submission, submit, success, take, take_one, text,
};
use super::redis_only::command;

async fn number(bench: &mut QueueContract, words: &[&str]) -> i64 {
    redis::from_redis_value(command(bench, words).await).unwrap()
}

#[tokio::test]
async fn a_job_of_the_default_priority_stores_nothing_more_and_waits_in_the_stream() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let job = submit(&queue, spec("1")).await;
    let fields = command(&mut bench, &["HKEYS", &format!("hero:job:{{osis}}:{}", job.id)]).await;
    let fields: Vec<String> = redis::from_redis_value(fields).unwrap();
    assert!(!fields.iter().any(|field| field == "priority" || field == "rank_shift"), "{fields:?}");
    assert_eq!(number(&mut bench, &["EXISTS", "hero:{osis}:backlog"]).await, 0);
    assert_eq!(number(&mut bench, &["XLEN", "hero:{osis}:q"]).await, 1);
    queue.close().await;
}

#[tokio::test]
async fn a_long_stream_stays_where_it_is_and_the_backlog_goes_when_nothing_is_in_it() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    for _ in 0..4 {
        let batch = (0..200).map(|n| submission(spec(&n.to_string()))).collect();
        assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
    }
    submit(&queue, at(5, "lazy")).await;
    submit(&queue, at(1, "urgent")).await;
    assert_eq!(number(&mut bench, &["XLEN", "hero:{osis}:q"]).await, 800);
    assert_eq!(number(&mut bench, &["XLEN", "hero:{osis}:front"]).await, 1, "the urgent one alone");
    let order = drain(&bench, &queue, &actor).await;
    assert_eq!((order.len(), order[0].as_str(), order[801].as_str()), (802, "urgent", "lazy"));
    assert_eq!(number(&mut bench, &["EXISTS", "hero:{osis}:backlog"]).await, 0);
    queue.close().await;
}

#[tokio::test]
async fn a_backlog_that_somebody_has_removed_is_restored_from_the_records() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(submit(&queue, at(5 - n % 2, &format!("{n:02}"))).await.id);
    }
    command(&mut bench, &["DEL", "hero:{osis}:backlog"]).await;
    // A record that is gone costs no other job its place.
    command(&mut bench, &["UNLINK", &format!("hero:job:{{osis}}:{}", ids[30])]).await;
    // The first round of a supervisor sweeps.
    queue.maintain().await.unwrap();
    let order = drain(&bench, &queue, &actor).await;
    let mut expected: Vec<String> = (0..20).map(|n| format!("{:02}", 2 * n + 1)).collect();
    expected.extend((0..20).filter(|n| *n != 15).map(|n| format!("{:02}", 2 * n)));
    assert_eq!(order, expected);
    queue.close().await;
}

#[tokio::test]
async fn a_damaged_backlog_keeps_no_job_from_its_end_and_refuses_what_cannot_wait_in_it() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    command(&mut bench, &["SET", "hero:{osis}:backlog", "x"]).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
    let refused = queue.submit(vec![submission(at(1, "2"))]).await;
    match refused {
        Err(error) => assert!(!matches!(error.fault(), StoreFault::Unavailable(_)), "{error:?}"),
        Ok(answers) => assert!(answers[0].is_err(), "{answers:?}"),
    }
    command(&mut bench, &["DEL", "hero:{osis}:backlog"]).await;
    submit(&queue, at(1, "3")).await;
    assert_eq!(scripts(&take(&actor, 1).await), ["3"]);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 0);
    queue.close().await;
}

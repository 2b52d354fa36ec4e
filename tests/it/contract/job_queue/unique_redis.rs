//! Unique keys where only Redis has something to break.

use std::slice::from_ref;

use hero_supervisor::domain::model::job::{JobState, OnConflict};
use hero_supervisor::ports::job_submission::SubmitRefused;

use super::queue_contract::{Kind, finish, offer, read, spec, submission, submit, success, take_one, text};
use super::redis_only::command;
use super::unique::{keyed, new_job};

const KEY: &str = "hero:{osis}:unique:0 nightly report";

#[tokio::test]
async fn an_index_is_kept_no_longer_than_its_jobs_need() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    let taken = take_one(&actor).await;
    let next = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let taken = take_one(&actor).await;
    assert_eq!(taken.lease.job_id, next.id);
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let left = command(&mut bench, &["EXISTS", KEY]).await;
    assert_eq!(left, redis::Value::Int(0));
    queue.close().await;
}

#[tokio::test]
async fn a_blocked_job_whose_holder_is_gone_is_released_by_a_sweep() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    take_one(&actor).await;
    let next = new_job(&queue, keyed(OnConflict::RunOnceMore)).await;
    command(&mut bench, &["DEL", &format!("hero:job:{{osis}}:{}", first.id), KEY]).await;
    command(&mut bench, &["FCALL", "hero_sweep", "1", "hero:{osis}:q", "600000"]).await;
    assert_eq!(read(&queue, &next.id).await.state, JobState::Queued);
    queue.close().await;
}

#[tokio::test]
async fn a_damaged_key_fails_its_own_jobs_only_and_keeps_none_from_its_end() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let first = new_job(&queue, keyed(OnConflict::Reject)).await;
    let taken = take_one(&actor).await;
    command(&mut bench, &["DEL", KEY]).await;
    command(&mut bench, &["SET", KEY, "nonsense"]).await;
    let refused = offer(&queue, submission(keyed(OnConflict::Reject))).await.unwrap_err();
    assert!(matches!(refused, SubmitRefused::Damaged { .. }), "{refused}");
    submit(&queue, spec("other")).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(read(&queue, &first.id).await.state, JobState::Succeeded);
    command(&mut bench, &["DEL", KEY]).await;
    new_job(&queue, keyed(OnConflict::Reject)).await;
    actor.let_go(from_ref(&taken.lease)).await.unwrap();
    queue.close().await;
}

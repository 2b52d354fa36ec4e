//! The disk of Redis is full: its append-only file cannot grow.

use std::process::Command;

use hero_supervisor::proto as pb;
use tonic::Code;

use crate::support::full_service::{
    FullService, JOBS, end_of, osis, run, submit, told, until_running, until_serves,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// No file that Redis writes may grow beyond this.
fn limit_files(redis: &PrivateRedis, bytes: &str) {
    let arguments = [format!("--fsize={bytes}:"), format!("--pid={}", redis.pid())];
    assert!(Command::new("prlimit").args(&arguments).status().unwrap().success(), "{arguments:?}");
}

async fn ask<T: redis::FromRedisValue>(redis: &PrivateRedis, words: &[&str]) -> T {
    let (mut connection, mut command) = (redis.connection().await, redis::cmd(words[0]));
    command.arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_what_ran_meanwhile_has_run_once() {
    let whole = FullService::start_on(PrivateRedis::start_append_only().await, &[]).await;
    let client = whole.client();
    whole.running_actor("osis_actor_0").await;
    let id = submit(&client, osis("sleep(2); 1")).await;
    until_running(&client, &id).await;

    // With every write synced, Redis ends at such an error instead of telling it.
    ask::<String>(&whole.redis, &["CONFIG", "SET", "appendfsync", "everysec"]).await;
    limit_files(&whole.redis, "1000");
    until_serves(&whole.service, &[(JOBS, false)]).await;
    let request = pb::SubmitJobRequest { job: Some(osis("2")), ..Default::default() };
    let refused = told(&client.clone().submit_job(request).await.unwrap_err());
    assert_eq!(refused.why(), (Code::Unavailable, "REDIS_NOT_DURABLE"), "{refused:?}");
    eventually("the script has ended, and its end is refused", LIMIT, || async {
        whole.log_of("osis_actor_0").await.contains("MISCONF").then_some(())
    })
    .await;

    limit_files(&whole.redis, "unlimited");
    until_serves(&whole.service, &[(JOBS, true)]).await;
    let ended = end_of(&client, &id).await;
    assert_eq!((ended.result(), ended.attempt), ("1", 1), "{ended:?}");
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
}

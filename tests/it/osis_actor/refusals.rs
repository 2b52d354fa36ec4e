//! A Redis that refuses, or is away, while scripts end; an actor that is frozen.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobState, Outcome, RetryPolicy};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::actor_presence::ActorPresence;
use hero_supervisor::ports::job_queue::JobQueue;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::osis_program::{OsisProgram, SOON, end, script};
use crate::support::redis::PrivateRedis;
use crate::support::wait::eventually;

const LEASE: Duration = Duration::from_secs(2);

async fn ask<T: redis::FromRedisValue>(redis: &PrivateRedis, words: &[&str]) -> T {
    let mut connection = redis.connection().await;
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

/// How often a script has run that counts itself as an object.
fn counting(name: &str, seconds: f64) -> String {
    format!(
        "let n = osis_get(\"runs\", \"{name}\"); osis_set(\"runs\", #{{id: \"{name}\", n: if n == () {{ 1 }} else {{ n.n + 1 }} }}); sleep({seconds}); 7"
    )
}

/// Until the script has counted itself; what it stores after Redis has begun to refuse would be its error.
async fn until_counted(rig: &OsisProgram) {
    eventually("the script has counted itself", SOON, || async {
        (ask::<i64>(&rig.redis, &["EXISTS", "hero:obj:{obj:}:runs"]).await == 1).then_some(())
    })
    .await;
}

async fn runs(rig: &OsisProgram, name: &str) -> String {
    rig.run(&format!("osis_get(\"runs\", \"{name}\").n")).await.text
}

/// Upkeep as a supervisor does it, until `work` is done.
async fn with_upkeep<T>(rig: &OsisProgram, work: impl Future<Output = T>) -> T {
    let upkeep = async {
        loop {
            drop(rig.queue.maintain().await);
            sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = upkeep => unreachable!(),
    }
}

#[tokio::test]
async fn what_ends_while_redis_refuses_has_run_once_and_its_end_is_told() {
    for attempts in [1, 3] {
        let rig = OsisProgram::with_lease(LEASE).await;
        let actor = rig.ready_actor("osis_actor_0").await;
        let mut spec = script(&counting("a", 0.5));
        spec.retry = RetryPolicy { max_attempts: attempts, ..RetryPolicy::default() };
        let (id, completion) = rig.submit(spec).await;
        rig.until_running(&id).await;
        until_counted(&rig).await;
        ask::<String>(&rig.redis, &["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
        with_upkeep(&rig, sleep(LEASE * 3)).await;
        assert_eq!(rig.job(&id).await.state, JobState::Running);
        assert!(actor.log().contains("they are kept until it does"), "it is told");
        ask::<String>(&rig.redis, &["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
        let finished = with_upkeep(&rig, end(&id, completion)).await;
        assert_eq!((finished.outcome.state(), finished.attempt), (JobState::Succeeded, 1));
        with_upkeep(&rig, sleep(LEASE * 2)).await;
        assert_eq!(runs(&rig, "a").await, "1");
        eventually("the refusal is counted", SOON, || async {
            let presence = rig.queue.presences(ScriptType::OSIS.into()).await.ok()?;
            (presence[0].refused_ends > 0 && presence[0].pending_ends == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_ends_while_an_append_only_redis_is_away_for_long_has_run_once_and_its_end_is_told() {
    let mut rig = OsisProgram::append_only(Duration::from_secs(4)).await;
    let _actor = rig.ready_actor("osis_actor_0").await;
    let (id, completion) = rig.submit(script(&counting("a", 0.5))).await;
    rig.until_running(&id).await;
    until_counted(&rig).await;
    rig.redis.kill9();
    sleep(Duration::from_secs(9)).await;
    rig.redis.restart().await;
    drop(completion);
    let job = with_upkeep(&rig, async {
        eventually("the job has ended", SOON, || async {
            let job =
                rig.queue.get(&id, hero_supervisor::domain::model::job::JobView::Basic).await.ok()??;
            job.state.is_terminal().then_some(job)
        })
        .await
    })
    .await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1), "{:?}", job.error);
    assert_eq!(runs(&rig, "a").await, "1");
}

#[tokio::test]
async fn what_was_delivered_to_a_frozen_actor_is_not_started_after_its_lease() {
    let rig = OsisProgram::with_lease(LEASE).await;
    let actor = rig.ready_actor("osis_actor_0").await;
    for _turn in 0..3 {
        rig.run("osis_set(\"runs\", #{id: \"a\", n: 0}); 1").await;
        sleep(Duration::from_millis(200)).await;
        actor.signal(Signal::SIGSTOP);
        let (id, completion) = rig.submit(script(&counting("a", 0.0))).await;
        let finished = with_upkeep(&rig, end(&id, completion)).await;
        let Outcome::Failed(error) = finished.outcome else { panic!("the lease ends") };
        assert_eq!(error.kind, JobErrorKind::ActorLost);
        actor.signal(Signal::SIGCONT);
        assert_eq!(
            with_upkeep(&rig, runs(&rig, "a")).await,
            "0",
            "it was told that it is lost, so it does not run"
        );
    }
}

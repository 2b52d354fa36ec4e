//! Things that die, freeze or go away.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobState, Outcome, RetryPolicy};
use hero_supervisor::ports::job_queue::JobQueue;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::osis_program::{OsisProgram, SOON, end, is_alive, script};
use crate::support::wait::eventually;

#[tokio::test]
async fn a_killed_host_costs_the_running_job_only() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let host = actor.host().await;
    // While it is idle: nobody notices.
    kill(Pid::from_raw(host), Signal::SIGKILL).unwrap();
    eventually("a new host", SOON, || async {
        let children = actor.children();
        (children.len() == 1 && children != [host]).then_some(())
    })
    .await;
    assert_eq!(rig.run("1").await.text, "1");
    let mut jobs = rig.submit_all(["sleep(60)", "2", "3"].map(script).into()).await.into_iter();
    let (id, completion) = jobs.next().unwrap();
    rig.until_running(&id).await;
    kill(Pid::from_raw(actor.host().await), Signal::SIGKILL).unwrap();
    let Outcome::Failed(error) = end(&id, completion).await.outcome else { panic!("it was killed") };
    assert_eq!((error.kind, error.signal), (JobErrorKind::EngineCrash, Some(9)));
    for (id, completion) in jobs {
        let finished = end(&id, completion).await;
        assert_eq!((finished.outcome.state(), finished.attempt), (JobState::Succeeded, 1));
    }
}

#[tokio::test]
async fn a_crashed_job_with_attempts_left_is_tried_again() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let mut spec = script("sleep(2); 5");
    let backoff = hero_supervisor::domain::model::backoff::Backoff::capped(Duration::ZERO, Duration::ZERO);
    spec.retry = RetryPolicy { max_attempts: 2, backoff };
    let (id, completion) = rig.submit(spec).await;
    rig.until_running(&id).await;
    kill(Pid::from_raw(actor.host().await), Signal::SIGKILL).unwrap();
    let upkeep = async {
        loop {
            rig.queue.maintain().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let finished = tokio::select! {
        finished = end(&id, completion) => finished,
        () = upkeep => unreachable!(),
    };
    assert_eq!((finished.outcome.state(), finished.attempt), (JobState::Succeeded, 2));
}

#[tokio::test]
async fn a_cancelled_job_is_stopped_within_a_second() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    for text in ["sleep(300)", "loop {}"] {
        let host = actor.host().await;
        let (id, completion) = rig.submit(script(text)).await;
        rig.until_running(&id).await;
        let begun = Instant::now();
        rig.queue.cancel(&id, "not wanted").await.unwrap();
        assert!(matches!(end(&id, completion).await.outcome, Outcome::Cancelled(_)));
        eventually("the host is gone", SOON, || async { (!is_alive(host)).then_some(()) }).await;
        // A second, and what a busy machine needs.
        assert!(begun.elapsed() < Duration::from_secs(3), "{text}: {:?}", begun.elapsed());
        assert_eq!(rig.run("1").await.text, "1");
    }
}

#[tokio::test]
async fn the_result_of_an_actor_that_slept_through_its_lease_is_refused() {
    let rig = OsisProgram::with_lease(Duration::from_secs(1)).await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let (id, completion) = rig.submit(script("sleep(0.5); 1")).await;
    rig.until_running(&id).await;
    actor.signal(Signal::SIGSTOP);
    let upkeep = async {
        loop {
            rig.queue.maintain().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let finished = tokio::select! {
        finished = end(&id, completion) => finished,
        () = upkeep => unreachable!(),
    };
    actor.signal(Signal::SIGCONT);
    let Outcome::Failed(error) = &finished.outcome else { panic!("{finished:?}") };
    assert_eq!(error.kind, JobErrorKind::ActorLost);
    assert_eq!(rig.run("2").await.text, "2");
    assert_eq!(rig.job(&id).await.state, JobState::Failed, "the first terminal state stays");
}

#[tokio::test]
async fn an_actor_outlives_its_redis() {
    let mut rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let pid = actor.pid();
    rig.redis.kill9();
    eventually("the actor notices", SOON, || async { actor.log().contains("trying again").then_some(()) })
        .await;
    rig.redis.restart().await;
    eventually("the queue answers", SOON, || async { rig.queue.probe().await.ok() }).await;
    assert_eq!(rig.run("1").await.text, "1");
    assert!(is_alive(pid));
}

#[tokio::test]
async fn a_slow_job_does_not_hold_up_those_that_another_actor_can_take() {
    let rig = OsisProgram::start().await;
    let slow = rig.ready_actor("osis_actor_0").await;
    let mut scripts = vec![script("sleep(300)")];
    scripts.extend((0..40).map(|number| script(&number.to_string())));
    let mut jobs = rig.submit_all(scripts).await.into_iter();
    let (slow_id, _still_running) = jobs.next().unwrap();
    rig.until_running(&slow_id).await;
    let _other = rig.actor("osis_actor_1");
    for (id, completion) in jobs {
        let finished = end(&id, completion).await;
        assert_eq!((finished.outcome.state(), finished.attempt), (JobState::Succeeded, 1));
        assert_eq!(finished.actor_id.unwrap().as_str(), "osis_actor_1");
    }
    assert_eq!(rig.job(&slow_id).await.state, JobState::Running);
    drop(slow);
}

#[tokio::test]
async fn jobs_of_mixed_length_run_once_each_while_actors_come_and_go() {
    let rig = OsisProgram::start().await;
    let mut actors = vec![rig.actor("osis_actor_0"), rig.actor("osis_actor_1")];
    let texts = (0..300).map(|number| match number % 10 {
        0 => format!("sleep(0.08); {number}"),
        1 => format!("sleep(0.02); {number}"),
        _ => number.to_string(),
    });
    let jobs = rig.submit_all(texts.map(|text| script(&text)).collect()).await;
    let mut gone = Vec::new();
    for (number, (id, completion)) in jobs.into_iter().enumerate() {
        let finished = end(&id, completion).await;
        let Outcome::Succeeded(result) = &finished.outcome else { panic!("{number}: {finished:?}") };
        assert_eq!((result.text.as_str(), finished.attempt), (number.to_string().as_str(), 1));
        if number % 100 == 50 {
            let actor = actors.remove(0);
            actor.signal(Signal::SIGTERM);
            gone.push(actor);
            actors.push(rig.actor(&format!("osis_actor_{}", number / 50 + 2)));
        }
    }
    for mut actor in gone {
        assert_eq!(actor.exit().await.code(), Some(0));
        assert!(!actor.log().contains("came too late"), "no job was run twice");
    }
}

//! The process that waits for the next job.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::osis_program::{Actor, OsisProgram, SOON};
use crate::support::full_service::children_of;
use crate::support::wait::eventually;

/// Below the actor is its host, below that the Python server, and below that the one that waits.
async fn waiting(actor: &Actor) -> (i32, i32) {
    let server = children_of(actor.host().await)[0];
    eventually("a process waits", SOON, || async {
        match children_of(server)[..] {
            [one] => Some((server, one)),
            [] | [_, _, ..] => None,
        }
    })
    .await
}

#[tokio::test]
async fn the_one_that_waits_gets_the_job_and_no_other() {
    let rig = OsisProgram::start().await;
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    // A host begins with its first job at the latest.
    run(&rig, "1").await;
    for _ in 0..3 {
        let (_, waits) = waiting(&actor).await;
        assert_eq!(run(&rig, "import os\nos.getpid()").await, waits.to_string());
    }
    run(&rig, "import json\njson.mine = 1\nglobals().update(seen=2)").await;
    assert_eq!(run(&rig, "import json\n[hasattr(json, 'mine'), 'seen' in globals()]").await, "[false,false]");
}

#[tokio::test]
async fn a_job_is_not_the_worse_for_it_when_the_one_that_waits_is_killed() {
    let rig = OsisProgram::start().await;
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    run(&rig, "1").await;
    let (server, waits) = waiting(&actor).await;
    kill(Pid::from_raw(waits), Signal::SIGKILL).unwrap();
    // A script that does not fit into the pipe to it, as well.
    let long = format!("# {}\n40 + 2", "x".repeat(500_000));
    assert_eq!(run(&rig, &long).await, "42");
    let (same, next) = waiting(&actor).await;
    assert_eq!(same, server, "the server is not replaced");
    assert_ne!(next, waits);
    assert_eq!(run(&rig, "6 * 7").await, "42");
}

#[tokio::test]
async fn the_one_that_waits_goes_with_its_server() {
    let rig = OsisProgram::start().await;
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    run(&rig, "1").await;
    let (server, waits) = waiting(&actor).await;
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    eventually("the one that waited is gone", SOON, || async {
        (!crate::engines::is_alive(waits)).then_some(())
    })
    .await;
    // And no job has to pay for it.
    assert_eq!(run(&rig, "6 * 7").await, "42");
}

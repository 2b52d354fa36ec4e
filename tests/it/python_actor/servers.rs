//! The Python process that forks.

use std::fs;

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, Outcome};
use hero_supervisor::domain::model::script_type::ScriptType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::osis_program::{OsisProgram, SOON};
use crate::support::full_service::children_of;
use crate::support::wait::eventually;

#[tokio::test]
async fn a_server_that_cannot_be_replaced_costs_its_host_and_not_the_actor() {
    let rig = OsisProgram::start().await;
    let folder = tempfile::tempdir().unwrap();
    let handlers = folder.path().join("handlers.py");
    fs::write(&handlers, "").unwrap();
    let flag = format!("--handlers={}", handlers.display());
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1", &flag]);
    assert_eq!(run(&rig, "1").await, "1");
    let server = children_of(actor.host().await)[0];
    fs::remove_file(&handlers).unwrap();
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    eventually("the server is gone", SOON, || async { (!crate::engines::is_alive(server)).then_some(()) })
        .await;
    let error = rig.error(JobSpec::new(ScriptType::Python, "1")).await;
    assert_eq!(error.kind, JobErrorKind::EngineCrash, "{error:?}");
    assert!(error.log_tail.iter().any(|line| line.contains("handlers.py")), "{error:?}");
    fs::write(&handlers, "").unwrap();
    // Hosts are tried again by and by; until then jobs are told what is missing.
    eventually("a job runs again", SOON, || async {
        match rig.end_of(JobSpec::new(ScriptType::Python, "2")).await.outcome {
            Outcome::Succeeded(result) => Some(result.text),
            Outcome::Failed(_) | Outcome::Cancelled(_) => None,
        }
    })
    .await;
}

#[tokio::test]
async fn too_little_memory_for_a_script_is_a_limit() {
    let rig = OsisProgram::start().await;
    let flags = ["--concurrency=1", "--max-memory=16MiB"];
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &flags);
    let long = format!("x = {:?}\nlen(x)", "y".repeat(900_000));
    let large = format!("{}{long}", "# comment\n".repeat(9_000));
    let error = rig.error(JobSpec::new(ScriptType::Python, format!("{large}\nz = x * 1000"))).await;
    assert_eq!(error.kind, JobErrorKind::LimitExceeded, "{error:?}");
    assert_eq!(run(&rig, "1").await, "1");
}

//! What a script has started ends with its job, its host and its actor.

use std::fs;
use std::path::Path;

use hero_supervisor::domain::model::job::JobSpec;
use hero_supervisor::domain::model::script_type::ScriptType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PYTHON_ACTOR, run};
use crate::engines::is_alive;
use crate::osis_actor::osis_program::{Actor, OsisProgram, SOON};
use crate::support::wait::eventually;

/// A job that has started programs in its group, in a session of their own and without a parent, and waits.
async fn busy(rig: &OsisProgram, folder: &Path) -> (Actor, Vec<i32>) {
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    assert_eq!(run(rig, "1").await, "1");
    let text = format!(
        "import os, subprocess, time\n\
         place = '{}'\n\
         def note(name, pid):\n    open(f'{{place}}/.{{name}}', 'w').write(str(pid))\n    \
         os.rename(f'{{place}}/.{{name}}', f'{{place}}/{{name}}')\n\
         note('script', os.getpid())\n\
         note('child', subprocess.Popen(['sleep', '600']).pid)\n\
         note('session', subprocess.Popen(['sleep', '600'], start_new_session=True).pid)\n\
         daemon = f'setsid sleep 600 & echo $! > {{place}}/.daemon; mv {{place}}/.daemon {{place}}/daemon'\n\
         subprocess.Popen(['bash', '-c', daemon])\n\
         time.sleep(600)",
        folder.display()
    );
    let (_id, _completion) = rig.submit(JobSpec::new(ScriptType::Python, text)).await;
    let names = ["script", "child", "session", "daemon"];
    let pids = eventually("all of them run", SOON, || async {
        let read = |name: &&str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<i32>().ok();
        names.iter().map(read).collect::<Option<Vec<i32>>>()
    })
    .await;
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    (actor, pids)
}

async fn gone(pids: &[i32]) {
    eventually("all of them are gone", SOON, || async {
        (!pids.iter().any(|pid| is_alive(*pid))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn processes_end_with_an_actor_that_is_killed() {
    let (rig, folder) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let (mut actor, pids) = busy(&rig, folder.path()).await;
    actor.signal(Signal::SIGKILL);
    actor.exit().await;
    gone(&pids).await;
}

#[tokio::test]
async fn processes_end_with_host_and_actor_that_are_killed_at_once() {
    let (rig, folder) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let (mut actor, pids) = busy(&rig, folder.path()).await;
    let host = actor.host().await;
    // Neither sees the other's end.
    for pid in [actor.pid(), host] {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    }
    for pid in [host, actor.pid()] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    actor.exit().await;
    gone(&pids).await;
}

#[tokio::test]
async fn processes_end_with_a_host_that_is_killed() {
    let (rig, folder) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let (actor, pids) = busy(&rig, folder.path()).await;
    kill(Pid::from_raw(actor.host().await), Signal::SIGKILL).unwrap();
    gone(&pids).await;
    assert_eq!(run(&rig, "42").await, "42");
}

#[tokio::test]
async fn processes_end_with_a_server_that_is_killed() {
    let (rig, folder) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let (actor, pids) = busy(&rig, folder.path()).await;
    let server = crate::support::full_service::children_of(actor.host().await)[0];
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    gone(&pids).await;
    assert_eq!(run(&rig, "42").await, "42");
}

#[tokio::test]
async fn processes_end_with_their_job() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    let text = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True).pid";
    for _ in 0..3 {
        let pid: i32 = run(&rig, text).await.parse().unwrap();
        assert!(!is_alive(pid), "{pid}");
    }
}

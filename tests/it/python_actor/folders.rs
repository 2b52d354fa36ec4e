//! The folder of a job.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec};
use hero_supervisor::domain::model::script_type::ScriptType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::osis_program::{OsisProgram, SOON};
use crate::support::wait::eventually;

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[tokio::test]
async fn a_job_leaves_nothing_for_the_next_one() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    let leaves = "import os\n\
        here = os.getcwd()\n\
        number = int(os.path.basename(here))\n\
        os.makedirs(f'../{number + 1}')\n\
        open(f'../{number + 1}/.netrc', 'w').write('mine')\n\
        open('../beside', 'w').write('mine')\n\
        os.symlink('/etc', '../link')\n\
        os.listdir('.')";
    assert_eq!(run(&rig, leaves).await, "[]");
    let looks = "import os\n[os.listdir('.'), os.listdir('..') == [os.path.basename(os.getcwd())], os.path.exists('/etc/passwd')]";
    assert_eq!(run(&rig, looks).await, "[[],true,true]");
}

#[tokio::test]
async fn a_job_cannot_lead_the_next_one_into_another_folder() {
    let (rig, base, victim) =
        (OsisProgram::start().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(victim.path().join("precious"), "x").unwrap();
    let work_dir = format!("--work-dir={}", base.path().display());
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1", &work_dir]);
    let moves = format!(
        "import os\n\
         host = os.path.dirname(os.getcwd())\n\
         open('secret', 'w').write('of this job')\n\
         os.rename(host, host + '-moved')\n\
         os.symlink('{}', host)\n\
         host",
        victim.path().display()
    );
    let host = run(&rig, &moves).await;
    let real = run(&rig, "import os\n[os.path.realpath('.'), oct(os.stat('..').st_mode)]").await;
    assert!(
        real.starts_with(&format!("[\"{}/", base.path().display())) && real.ends_with("\"0o40700\"]"),
        "{real}"
    );
    assert_eq!(files_in(victim.path()), [victim.path().join("precious")]);
    assert!(files_in(Path::new(&format!("{host}-moved"))).is_empty());
}

#[tokio::test]
async fn the_folders_of_dead_hosts_go_with_the_next_actor_of_their_user() {
    let (rig, base) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let work_dir = format!("--work-dir={}", base.path().display());
    let flags = ["--concurrency=1", work_dir.as_str()];
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &flags);
    let waits = "open('secret', 'w').write('of this job')\nimport time\ntime.sleep(600)";
    let (id, _completion) = rig.submit(JobSpec::new(ScriptType::Python, waits)).await;
    rig.until_running(&id).await;
    let secrets = || {
        let jobs = files_in(base.path()).into_iter().flat_map(|host| files_in(&host));
        jobs.flat_map(|job| files_in(&job)).collect::<Vec<_>>()
    };
    eventually("the job has written", SOON, || async { (secrets().len() == 1).then_some(()) }).await;
    let host = actor.host().await;
    // Both at once, so that neither can clean up.
    for pid in [actor.pid(), host] {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    }
    for pid in [host, actor.pid()] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    eventually("both are gone", SOON, || async { (!crate::engines::is_alive(host)).then_some(()) }).await;
    assert_eq!(secrets().len(), 1);
    let mut next = rig.start_actor(PYTHON_ACTOR, "python_actor_1", &flags);
    eventually("the secret is gone", SOON, || async { secrets().is_empty().then_some(()) }).await;
    next.signal(Signal::SIGTERM);
    assert!(next.exit().await.success());
    assert!(files_in(base.path()).is_empty(), "{:?}", files_in(base.path()));
}

#[tokio::test]
async fn an_actor_that_ends_early_finishes_what_it_has_begun_to_remove() {
    const FILES: usize = 20_000;
    let (rig, base) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let work_dir = format!("--work-dir={}", base.path().display());
    let left = base.path().join("hero-job-1-0123abcd");
    fs::create_dir_all(left.join("1")).unwrap();
    for number in 0..FILES {
        fs::write(left.join("1").join(number.to_string()), "").unwrap();
    }
    let mut actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1", &work_dir]);
    let some_are_gone = || async { (files_in(&left.join("1")).len() < FILES).then_some(()) };
    eventually("the actor removes what a dead host has left", SOON, some_are_gone).await;
    actor.signal(Signal::SIGTERM);
    assert!(actor.exit().await.success());
    assert!(files_in(base.path()).is_empty(), "{:?}", files_in(base.path()));
}

#[tokio::test]
async fn a_folder_that_other_users_can_exchange_is_refused() {
    let (rig, base) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let open = base.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let work_dir = format!("--work-dir={}/work", open.display());
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &[&work_dir]);
    let error = rig.error(JobSpec::new(ScriptType::Python, "1")).await;
    assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
    let (open, message) = (open.display().to_string(), &error.message);
    assert!(["--work-dir", &open, "mode 0777"].iter().all(|part| message.contains(part)), "{message}");
}

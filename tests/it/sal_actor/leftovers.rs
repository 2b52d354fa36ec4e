//! What a job leaves behind: nothing.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, Outcome};
use hero_supervisor::ports::job_queue::JobQueue;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::{error, script, text};
use crate::osis_actor::osis_program::{OsisProgram, SOON, end};
use crate::support::wait::eventually;

/// True while a process with this command line lives.
fn lives(line: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.into_iter().any(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end() == line)
}

async fn gone(line: &str) {
    eventually(&format!("{line} is gone"), SOON, || async { (!lives(line)).then_some(()) }).await;
}

#[tokio::test]
async fn processes_in_the_background_end_with_their_job() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    // One in the group of its host, one that has left it, and one below that.
    let source = "sh(\"sleep 7001 & setsid sleep 7002 & setsid bash -c 'sleep 7003 & sleep 7004' & sleep 0.3; echo ok\").stdout";
    assert_eq!(text(&rig, source).await, "ok\n");
    for number in 7001..=7004 {
        assert!(!lives(&format!("sleep {number}")), "{number}");
    }
    assert_eq!(text(&rig, "sh(\"echo next\").stdout").await, "next\n");
}

#[tokio::test]
async fn a_cancelled_job_takes_its_processes_with_it() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    let source = "sh(\"sleep 7011 & setsid bash -c 'trap : TERM; sleep 7012; sleep 7013' & sleep 7014\")";
    let (id, completion) = rig.submit(script(source)).await;
    eventually("they run", SOON, || async { (lives("sleep 7012") && lives("sleep 7014")).then_some(()) })
        .await;
    rig.queue.cancel(&id, "not wanted").await.unwrap();
    assert!(matches!(end(&id, completion).await.outcome, Outcome::Cancelled(_)));
    for number in 7011..=7014 {
        gone(&format!("sleep {number}")).await;
    }
    assert_eq!(text(&rig, "sh(\"echo next\").stdout").await, "next\n");
}

#[tokio::test]
async fn processes_die_with_their_actor() {
    let rig = OsisProgram::start().await;
    let mut actor = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    let (_id, _completion) = rig.submit(script("sh(\"sleep 7021 & sleep 7022\")")).await;
    eventually("they run", SOON, || async { (lives("sleep 7021") && lives("sleep 7022")).then_some(()) })
        .await;
    actor.signal(Signal::SIGKILL);
    actor.exit().await;
    gone("sleep 7021").await;
    gone("sleep 7022").await;
}

#[tokio::test]
async fn a_native_sleep_ends_at_the_timeout_within_a_tenth() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    assert_eq!(text(&rig, "1").await, "1");
    for source in
        ["sh(\"sleep 7031\")", "sh(\"exec >&- 2>&-; sleep 7032\")", "sh(\"trap '' TERM; sleep 7033\")"]
    {
        let begun = Instant::now();
        let failed = error(&rig, JobSpec { run_timeout: Duration::from_secs(3), ..script(source) }).await;
        let took = begun.elapsed().as_secs_f64();
        assert_eq!(failed.kind, JobErrorKind::RunTimeout, "{source}: {failed:?}");
        // A tenth, and what a busy machine needs.
        assert!((3.0..3.3 + 1.0).contains(&took), "{source}: {took}");
    }
    for number in 7031..=7033 {
        gone(&format!("sleep {number}")).await;
    }
}

#[tokio::test]
async fn a_changed_folder_does_not_reach_the_next_job() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    let here = "sh(\"[ \\\"$PWD\\\" = \\\"$HOME\\\" ] && [ \\\"$PWD\\\" = \\\"$TMPDIR\\\" ] && ls -A | wc -l\").stdout";
    assert_eq!(text(&rig, here).await, "0\n");
    assert_eq!(text(&rig, "chdir(\"/usr\"); sh(\"pwd\").stdout").await, "/usr\n");
    assert_eq!(text(&rig, here).await, "0\n");
    drop(error(&rig, script("chdir(\"/usr\"); throw 1")).await);
    assert_eq!(text(&rig, here).await, "0\n");
}

#[tokio::test]
async fn files_of_a_job_go_with_it() {
    let (rig, base) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let flag = format!("--work-dir={}", base.path().display());
    let _actor = rig.sal_actor("sal_actor_0", &["--concurrency=1", &flag]);
    let leaves = "file_write(\"left.txt\", \"from job A\"); mkdir(\"../beside\"); sh(\"pwd\").stdout.trim()";
    let folder = text(&rig, &format!("let f = {leaves}; sh(\"pwd\").stdout")).await;
    assert!(folder.starts_with(&base.path().canonicalize().unwrap().display().to_string()), "{folder}");
    assert_eq!(text(&rig, "exist(\"left.txt\")").await, "false");
    assert_eq!(std::fs::read_dir(folder.trim()).unwrap().count(), 0, "{folder}");
    assert_eq!(text(&rig, "sh(\"ls ..\").stdout.split(\"\\n\").len()").await, "2");
}

#[tokio::test]
async fn a_job_that_stops_its_host_at_its_end_costs_no_other() {
    let rig = OsisProgram::start().await;
    let actor = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    assert_eq!(text(&rig, "1").await, "1");
    // As if the signal of `kill -STOP $PPID` came right behind the answer.
    let host = nix::unistd::Pid::from_raw(actor.host().await);
    nix::sys::signal::kill(host, Signal::SIGSTOP).unwrap();
    let next = JobSpec { run_timeout: Duration::from_secs(600), ..script("40 + 2") };
    let Outcome::Succeeded(result) = rig.end_of(next).await.outcome else { panic!("it waits") };
    assert_eq!(result.text, "42");
}

#[tokio::test]
async fn what_breaks_the_engine_costs_one_job() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &["--concurrency=1", "--max-memory=256MiB"]);
    for source in [
        "const E = #{a: 1}; E.b = 2;",
        "sh(\"kill -9 $PPID\")",
        "let s = \"x\"; for i in 0..23 { s += s; } let a = []; loop { a.push(s + a.len()); }",
        "sh(\"exit 1\")",
    ] {
        drop(rig.end_of(script(source)).await);
        assert_eq!(text(&rig, "sh(\"echo $((6 * 7))\").stdout").await, "42\n", "after {source}");
    }
}

#[tokio::test]
async fn processes_end_when_the_actor_is_started_again_after_it_was_killed_with_its_host() {
    let rig = OsisProgram::start().await;
    let mut actor = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    let source =
        "sh(\"sleep 7041 & setsid sleep 7042 & setsid bash -c 'sleep 7043 & sleep 7044' & sleep 7045\")";
    let (_id, _completion) = rig.submit(script(source)).await;
    let all = || (7041..=7045).all(|number| lives(&format!("sleep {number}")));
    eventually("they run", SOON, || async { all().then_some(()) }).await;
    let host = nix::unistd::Pid::from_raw(actor.host().await);
    // Neither sees the other's end.
    actor.signal(Signal::SIGSTOP);
    nix::sys::signal::kill(host, Signal::SIGSTOP).unwrap();
    nix::sys::signal::kill(host, Signal::SIGKILL).unwrap();
    actor.signal(Signal::SIGKILL);
    actor.exit().await;
    let _other = rig.sal_actor("sal_actor_1", &["--concurrency=1"]);
    let _again = rig.sal_actor("sal_actor_0", &["--concurrency=1"]);
    for number in 7041..=7045 {
        gone(&format!("sleep {number}")).await;
    }
}

#[tokio::test]
async fn files_that_an_actor_has_inherited_reach_neither_its_host_nor_its_scripts() {
    use std::os::unix::fs::PermissionsExt;
    let (rig, folder) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    let starter = folder.path().join("starter");
    let program = env!("CARGO_BIN_EXE_sal_actor");
    let lines = format!("#!/bin/sh\nexec 7<'{}' 9>&7\nexec {program} \"$@\"\n", secret.display());
    std::fs::write(&starter, lines).unwrap();
    std::fs::set_permissions(&starter, std::fs::Permissions::from_mode(0o755)).unwrap();
    let actor = rig.start_actor(starter.to_str().unwrap(), "sal_actor_0", &["--concurrency=1"]);
    let seen = text(&rig, "sh(\"ls -l /proc/self/fd\").stdout").await;
    assert!(!seen.contains("secret"), "{seen}");
    let open = std::fs::read_dir(format!("/proc/{}/fd", actor.host().await)).unwrap();
    let open: Vec<_> = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
    assert!(!open.contains(&secret), "{open:?}");
}

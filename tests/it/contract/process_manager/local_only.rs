//! What only the local runner promises: its processes are children of ours, and share our fate.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::exec_shim::exec_shim;
use hero_supervisor::adapters::local::{LocalOptions, LocalRunner};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::model::actor::ExitStatus;
use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessState};
use tokio::time::{Instant, sleep};

use super::process_manager_contract::{Does, GRACE, LIMIT, ProcessManagerContract, lives, shell};
use crate::support::wait::eventually;

/// Tells the process below to be a supervisor, and where to write the pids of its children.
const HOST: &str = "HERO_TEST_RUNNER_HOST";
/// Tells it to use our own shim.
const SHIM: &str = "HERO_TEST_RUNNER_SHIM";
/// Tells the process below to be the shim, with these words, one a line.
const SHIM_WORDS: &str = "HERO_TEST_SHIM_WORDS";

/// Not a test by itself: the body of a supervisor that is killed by the tests below.
#[tokio::test]
async fn host_of_children() {
    let Some(file) = std::env::var_os(HOST) else { return };
    let mut options = LocalOptions::new(Arc::new(SystemClock));
    options.shim = std::env::var_os(SHIM).map(|_any| this_program_as_shim());
    let runner = LocalRunner::new(options);
    let mut pids = Vec::new();
    for name in ["a", "b"] {
        runner.start(&shell(name, "exec sleep 1000")).await.unwrap();
        let list = runner.list().await.unwrap();
        pids.push(list.iter().find(|info| info.name == name).unwrap().state.pid().unwrap().to_string());
    }
    for pid in &pids {
        // Only what has become the program has set its signal.
        let comm = || async { std::fs::read_to_string(format!("/proc/{pid}/comm")).ok() };
        eventually("it sleeps", LIMIT, || async { comm().await.filter(|comm| comm.trim() == "sleep") }).await;
    }
    let new = Path::new(&file).with_extension("new");
    std::fs::write(&new, pids.join(" ")).unwrap();
    std::fs::rename(new, file).unwrap();
    sleep(Duration::from_secs(600)).await;
}

/// Not a test by itself either: the body of the shim.
#[test]
fn shim_of_children() {
    let Ok(words) = std::env::var(SHIM_WORDS) else { return };
    panic!("{}", exec_shim(words.lines().map(OsString::from)).unwrap_err());
}

/// Words in front of a program that have it started through our shim, which needs a program of its own.
fn this_program_as_shim() -> Vec<OsString> {
    let test = concat!(module_path!(), "::shim_of_children");
    let test = test.split_once("::").unwrap().1;
    let own = std::env::current_exe().unwrap();
    let script = format!(
        "{SHIM_WORDS}=\"$(printf '%s\\n' \"$@\")\"; export {SHIM_WORDS}; exec '{}' --exact {test} --nocapture",
        own.display()
    );
    ["/bin/sh", "-c", &script, "sh", "--pdeathsig"].map(OsString::from).to_vec()
}

async fn children_of_a_killed_host(shim: bool) {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let file = dir.path().join("pids");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "contract::process_manager::local_only::host_of_children"]).env(HOST, &file);
    if shim {
        command.env(SHIM, "1");
    }
    let mut host = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pids = eventually("children run", LIMIT, || async { std::fs::read_to_string(&file).ok() }).await;
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("all are gone", LIMIT, || async { pids.iter().all(|pid| !lives(*pid)).then_some(()) }).await;
}

#[tokio::test]
async fn children_die_with_a_supervisor_that_is_killed() {
    children_of_a_killed_host(false).await;
}

#[tokio::test]
async fn children_behind_our_own_shim_die_with_it_too() {
    children_of_a_killed_host(true).await;
}

#[tokio::test]
async fn closing_ends_all_and_nothing_can_be_started_afterwards() {
    let stage = ProcessManagerContract::local();
    stage.manager.start(&stage.spec("polite", Does::Runs)).await.unwrap();
    let mut stubborn = stage.spec("stubborn", Does::IgnoresTerm);
    stubborn.stop_grace = Duration::from_millis(300);
    stage.manager.start(&stubborn).await.unwrap();
    let pids = [stage.running("polite").await, stage.armed("stubborn").await];
    stage.manager.close().await;
    assert!(pids.iter().all(|pid| !lives(*pid)));
    assert!(matches!(stage.manager.start(&stubborn).await, Err(ProcessError::Unavailable(_))));
    assert!(matches!(stage.manager.probe().await, Err(ProcessError::Unavailable(_))));
    stage.manager.close().await;
}

#[tokio::test]
async fn dropping_the_runner_ends_whole_groups() {
    let stage = ProcessManagerContract::local();
    let file = stage.path("grandchild");
    let script = format!("sleep 1000 & echo $! > {0}.new && mv {0}.new {0}; wait", file.display());
    stage.manager.start(&shell("a", &script)).await.unwrap();
    let child = stage.running("a").await;
    let grandchild =
        eventually("it has a child", LIMIT, || async { std::fs::read_to_string(&file).ok() }).await;
    let grandchild = grandchild.trim().parse().unwrap();
    assert!(lives(child) && lives(grandchild));
    drop(stage);
    eventually("both are gone", LIMIT, || async { (!lives(child) && !lives(grandchild)).then_some(()) })
        .await;
}

#[tokio::test]
async fn output_that_nobody_reads_blocks_no_child() {
    let stage = ProcessManagerContract::local();
    // 20 MB in one line, then 100 000 lines, then bytes that are not text.
    let script =
        "head -c 20000000 /dev/zero | tr '\\0' x; echo; seq 100000; printf 'bad \\377 byte\\nlast\\n'";
    stage.manager.start(&shell("loud", script)).await.unwrap();
    assert_eq!(stage.down("loud").await, Some(ExitStatus::Code(0)));
    let lines = stage.manager.log_tail("loud", usize::MAX).await.unwrap();
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts.len(), 1000);
    assert_eq!(&texts[997..], ["100000", "bad \u{fffd} byte", "last"]);
}

#[tokio::test]
async fn a_process_that_ends_during_its_health_check_is_restarted_by_its_policy() {
    let stage = ProcessManagerContract::local();
    let mut spec = stage.with_health(shell("a", "exit 5"), Does::Exits(5), None);
    spec.restart = super::process_manager_contract::policy(Duration::from_secs(3600));
    stage.manager.start(&spec).await.unwrap();
    let exit = stage
        .until("a", "waits", |state| match state {
            ProcessState::Backoff { exit } => Some(exit),
            _other => None,
        })
        .await;
    assert_eq!(exit, ExitStatus::Code(5));
    let detail = stage.info("a").await.unwrap().detail;
    assert!(detail.starts_with("ended with exit code 5; restart 1 in "), "{detail}");
    stage.manager.stop("a", GRACE).await.unwrap();
}

#[tokio::test]
async fn one_definition_is_started_once_however_often_it_is_asked_for() {
    let stage = ProcessManagerContract::local();
    let file = stage.path("starts");
    let spec = shell("a", &format!("echo $$ >> {}; exec sleep 1000", file.display()));
    let starts = (0..50).map(|_again| stage.manager.start(&spec));
    let begun = Instant::now();
    assert!(futures::future::join_all(starts).await.iter().all(Result::is_ok));
    assert!(begun.elapsed() < LIMIT);
    let pid = stage.running("a").await;
    // The shell opens the file before it writes its line.
    let written = || async { std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n')) };
    let pids = eventually("it wrote its pid", LIMIT, written).await;
    let pids: BTreeSet<&str> = pids.lines().collect();
    assert_eq!(pids, BTreeSet::from([pid.to_string().as_str()]));
}

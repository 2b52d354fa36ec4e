//! Programs that are not ours, whose output goes through a filter: what is not UTF-8 ends neither the output nor the program,
//! and nothing else is different.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::domain::model::actor::ExitStatus;
use hero_supervisor::domain::model::confinement::{Confinement, ResourceLimits, RunAs};
use hero_supervisor::domain::model::output::LogStream;
use hero_supervisor::ports::process_manager::{ProcessManager, ProcessSpec, ProcessState};
use nix::sys::signal::Signal;
use nix::unistd::Uid;

use super::stage::{DefectiveZinit, GRACE, LIMIT, lives, policy, shell};
use crate::support::service::PROGRAM;
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

async fn with_shim() -> DefectiveZinit {
    let zinit = PrivateZinit::start().await;
    let manager = ZinitProcessManager::with_shim(zinit.socket(), Some(Path::new(PROGRAM)));
    DefectiveZinit { zinit, manager }
}

/// The script goes on when this file is there.
fn gate(file: &Path) -> String {
    format!("while ! test -e {}; do sleep 0.05; done", file.display())
}

async fn texts(stage: &DefectiveZinit, name: &str) -> Vec<String> {
    let lines = stage.manager.log_tail(name, 10_000).await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

async fn said(stage: &DefectiveZinit, name: &str, last: &str) -> Vec<String> {
    let is_said = || async {
        let texts = texts(stage, name).await;
        (texts.last().map(String::as_str) == Some(last)).then_some(texts)
    };
    eventually(&format!("{name} has said {last:?}"), LIMIT, is_said).await
}

/// The pipe that is standard output of a process.
fn output_pipe(pid: u32) -> Option<PathBuf> {
    let file = std::fs::read_link(format!("/proc/{pid}/fd/1")).ok()?;
    file.to_str().is_some_and(|file| file.starts_with("pipe:")).then_some(file)
}

/// The filter that reads what this process writes.
async fn filter_of(pid: u32) -> u32 {
    let find = || async {
        let pipe = output_pipe(pid)?;
        let all = std::fs::read_dir("/proc").ok()?;
        let mut pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        pids.find(|candidate| {
            let command = std::fs::read_to_string(format!("/proc/{candidate}/cmdline")).unwrap_or_default();
            let files = std::fs::read_dir(format!("/proc/{candidate}/fd")).into_iter().flatten().flatten();
            command.contains("--run-filter")
                && files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| link == pipe)
        })
    };
    eventually("the process has a filter", LIMIT, find).await
}

fn status_line(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_byte_that_is_not_utf8_costs_a_program_nothing() {
    let stage = with_shim().await;
    let (first, second) = (stage.zinit.path("first"), stage.zinit.path("second"));
    let script = format!(
        "printf 'caf\\351\\n'; printf 'err \\377\\n' >&2; {}; echo gr\u{fc}n; {}; printf 'end \\342\\202'; exit 3",
        gate(&first),
        gate(&second)
    );
    stage.manager.start(&shell("a", &script)).await.unwrap();
    let pid = stage.running("a").await;
    // The script waits, so what it has written was not held back.
    let both = || async { (texts(&stage, "a").await.len() == 2).then_some(()) };
    eventually("both lines are there", LIMIT, both).await;
    let mut lines = stage.manager.log_tail("a", 10).await.unwrap();
    lines.sort_by_key(|line| line.stream != LogStream::Stdout);
    let lines: Vec<_> = lines.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(lines, [(LogStream::Stdout, "caf\u{fffd}"), (LogStream::Stderr, "err \u{fffd}")]);
    std::fs::write(&first, "").unwrap();
    said(&stage, "a", "gr\u{fc}n").await;
    assert_eq!(stage.running("a").await, pid);
    std::fs::write(&second, "").unwrap();
    assert_eq!(stage.down("a").await, Some(ExitStatus::Code(3)));
    said(&stage, "a", "end \u{fffd}").await;
}

#[tokio::test]
async fn last_words_before_an_end_arrive_whole() {
    let stage = with_shim().await;
    let script =
        "i=0; while [ $i -lt 900 ]; do echo \"line $i\"; i=$((i+1)); done; echo last >&2; kill -9 $$";
    for round in 0..5 {
        let name = format!("a{round}");
        stage.manager.start(&shell(&name, script)).await.unwrap();
        assert_eq!(stage.down(&name).await, Some(ExitStatus::Signal(9)));
        let whole = || async { (texts(&stage, &name).await.len() == 901).then_some(()) };
        eventually("all lines are there", LIMIT, whole).await;
    }
}

#[tokio::test]
async fn the_filter_is_nobodys_child_and_ends_with_its_program() {
    let stage = with_shim().await;
    let program = "import os, time\ntry:\n os.wait()\nexcept ChildProcessError:\n print('no child', flush=True)\ntime.sleep(1000)";
    let spec = ProcessSpec {
        program: "/usr/bin/env".into(),
        args: ["python3", "-c", program].map(str::to_owned).to_vec(),
        ..shell("a", "")
    };
    stage.manager.start(&spec).await.unwrap();
    let pid = stage.running("a").await;
    said(&stage, "a", "no child").await;
    let filter = filter_of(pid).await;
    assert_ne!(status_line(filter, "PPid"), pid.to_string());
    assert_eq!(
        std::fs::read(format!("/proc/{filter}/environ")).unwrap(),
        b"",
        "it bears no mark of the actor"
    );
    stage.manager.stop("a", GRACE).await.unwrap();
    eventually("the filter is gone", LIMIT, || async { (!lives(filter)).then_some(()) }).await;
}

/// Zinit signals the group of a service, and drains may be long.
#[tokio::test]
async fn what_a_program_says_after_the_request_to_end_arrives() {
    let stage = with_shim().await;
    let script = "exec 2>/dev/null; trap 'printf \"bye \\351\\n\"; sleep 0.3; echo gone; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    stage.manager.start(&shell("a", script)).await.unwrap();
    said(&stage, "a", "up").await;
    stage.manager.stop("a", GRACE).await.unwrap();
    assert_eq!(said(&stage, "a", "gone").await, ["up", "bye \u{fffd}", "gone"]);
}

#[tokio::test]
async fn a_zinit_that_does_not_read_stops_the_writer_and_loses_nothing() {
    let stage = with_shim().await;
    let (begin, written) = (stage.zinit.path("begin"), stage.zinit.path("written"));
    // Some 400 KB, more than all pipes on the way hold; fewer lines than Zinit keeps.
    let script = format!(
        "{}; i=0; while [ $i -lt 400 ]; do printf '%01000d\\n' $i; i=$((i+1)); done; : > {}; exec sleep 1000",
        gate(&begin),
        written.display()
    );
    stage.manager.start(&shell("a", &script)).await.unwrap();
    stage.running("a").await;
    stage.zinit.signal_server(Signal::SIGSTOP);
    std::fs::write(&begin, "").unwrap();
    // This long it does not get through: a pause of fixed length shows that something does not happen.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let blocked = !written.exists();
    stage.zinit.signal_server(Signal::SIGCONT);
    assert!(blocked, "nobody read, and all was written");
    eventually("all is written", LIMIT, || async { written.exists().then_some(()) }).await;
    let numbers: Vec<usize> =
        said(&stage, "a", &format!("{:01000}", 399)).await.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(numbers, (0..400).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_program_whose_zinit_was_killed_learns_it_by_its_output() {
    let mut stage = with_shim().await;
    let script = "while echo line; do sleep 0.05; done 2>/dev/null; exit 0";
    stage.manager.start(&shell("a", script)).await.unwrap();
    let pid = stage.running("a").await;
    said(&stage, "a", "line").await;
    let filter = filter_of(pid).await;
    stage.zinit.kill_server();
    eventually("both are gone", LIMIT, || async { (!lives(pid) && !lives(filter)).then_some(()) }).await;
}

/// The filter counts as none of the processes of the confined program, and has its own memory.
#[tokio::test]
async fn a_confined_program_has_a_filter_that_is_not() {
    let stage = with_shim().await;
    let root = Uid::effective().is_root();
    let limits = ResourceLimits {
        memory_bytes: Some(16 << 20),
        processes: root.then_some(1),
        open_files: Some(16),
        ..ResourceLimits::default()
    };
    let run_as =
        root.then(|| RunAs { user: "54321".to_owned(), group: Some("54321".to_owned()), ..RunAs::default() });
    let confinement = Confinement { limits, run_as, no_new_privileges: true, ..Confinement::default() };
    let spec =
        ProcessSpec { confinement, ..shell("a", "printf 'caf\\351\\n'; exec 3>&1; echo done; read x") };
    stage.manager.start(&spec).await.unwrap();
    assert_eq!(said(&stage, "a", "done").await, ["caf\u{fffd}", "done"]);
}

#[tokio::test]
async fn each_restart_has_a_filter_of_its_own() {
    let stage = with_shim().await;
    let mut spec = shell("a", "printf '\\377 %s\\n' here; exec sleep 1000");
    spec.restart = policy(Duration::from_millis(100));
    stage.manager.start(&spec).await.unwrap();
    let first = stage.running("a").await;
    said(&stage, "a", "\u{fffd} here").await;
    let old = filter_of(first).await;
    stage.manager.signal("a", 9).await.unwrap();
    let second = stage.running_anew("a", first).await;
    let new = filter_of(second).await;
    assert_ne!(old, new);
    eventually("the old one is gone", LIMIT, || async { (!lives(old)).then_some(()) }).await;
    let twice = || async { (texts(&stage, "a").await == ["\u{fffd} here", "\u{fffd} here"]).then_some(()) };
    eventually("it spoke twice", LIMIT, twice).await;
    assert!(matches!(stage.info("a").await.unwrap().state, ProcessState::Running { .. }));
}

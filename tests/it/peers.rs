//! The comparison with other systems (`benches/peers`): its programs compile, a run is reported, and no run leaves a process
//! behind. Nothing is measured here.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::wait::eventually;

/// For fetching and building the caller and asynq, on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn its_programs_compile_and_its_arithmetic_is_right() {
    let mut check = Command::new(root().join("benches/peers/check"));
    let ran = tokio::time::timeout(LIMIT, check.kill_on_drop(true).output()).await.expect("it ends").unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A comparison with asynq, which needs nothing but Go. Everything that it writes or starts is in a folder of the test's.
struct Comparison(TempDir);

impl Comparison {
    fn start(&self, arguments: &[&str]) -> Child {
        let programs = Path::new(env!("CARGO_BIN_EXE_hero-supervisor")).parent().unwrap();
        let mut run = Command::new("python3");
        run.arg(root().join("benches/peers")).arg("--programs").arg(programs).args(["--peers", "asynq"]);
        run.args(arguments).env("CARGO_TARGET_DIR", self.0.path()).env("TMPDIR", self.0.path());
        run.env("PYTHONDONTWRITEBYTECODE", "1").stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
    }

    /// The processes that work in the folder, by their command lines.
    fn processes(&self) -> Vec<String> {
        let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let ours = all.filter(|process| {
            std::fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(self.0.path()))
        });
        let command = |process: std::path::PathBuf| std::fs::read_to_string(process.join("cmdline"));
        ours.filter_map(|process| command(process).ok()).map(|line| line.replace('\0', " ")).collect()
    }
}

async fn ended(run: &mut Child) -> ExitStatus {
    tokio::time::timeout(LIMIT, run.wait()).await.expect("the comparison ends").unwrap()
}

#[tokio::test]
async fn a_run_is_reported_or_interrupted_and_leaves_no_process() {
    let comparison = Comparison(tempfile::tempdir().unwrap());
    let short = ["--rows", "one,drain", "--rounds", "1", "--seconds", "0.05"];
    assert!(ended(&mut comparison.start(&short)).await.success());
    let report = std::fs::read(comparison.0.path().join("bench/peers.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let results = report["results"].as_array().unwrap();
    let rows: Vec<_> = results.iter().map(|result| (&result["row"], &result["peer"])).collect();
    assert_eq!(rows, [(&"one".into(), &"asynq".into()), (&"drain".into(), &"asynq".into())]);
    assert!(results.iter().all(|result| result["ratio"].as_f64().unwrap() > 0.0), "{report:#}");
    let page = std::fs::read_to_string(comparison.0.path().join("bench/peers.md")).unwrap();
    assert!(page.contains("| a full queue, one worker process | **"), "{page}");
    assert_eq!(comparison.processes(), [""; 0]);

    let mut long = comparison.start(&["--rows", "one", "--seconds", "60"]);
    eventually("all processes of a row are there", LIMIT, || {
        let processes = comparison.processes().join("\n");
        let parts = ["redis-server", "serve", "osis_actor", "go/hero", "asynq worker", "asynq caller"];
        async move { parts.iter().all(|part| processes.contains(part)).then_some(()) }
    })
    .await;
    kill(Pid::from_raw(long.id().unwrap().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(ended(&mut long).await.code(), Some(130));
    assert_eq!(comparison.processes(), [""; 0]);
}

//! Deleting one service must not touch another one.

use std::collections::BTreeMap;
use std::time::Duration;

use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessSpec, ProcessState};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::stage::{DefectiveZinit, GRACE, LIMIT, policy, shell, sleeper};
use crate::support::wait::eventually;

const SIGKILL: i32 = 9;

/// Says its name, then works as a sleeper; its command line tells it apart from all others.
fn talker(stage: &DefectiveZinit, name: &str) -> ProcessSpec {
    let script = format!("echo I am {name}; exec sleep 1000 {}", stage.zinit.path(name).display());
    // `sleep` takes several spans; one that is no span ends it, so let the marker be an argument of a shell.
    let script = script.replace("exec sleep 1000", "while :; do sleep 0.2; done; :");
    ProcessSpec { restart: policy(Duration::from_millis(100)), ..shell(name, &script) }
}

/// Living processes whose command line holds the marker of this service.
fn processes_of(stage: &DefectiveZinit, name: &str) -> Vec<u32> {
    let marker = format!("{};", stage.zinit.path(name).display());
    let marker = marker.trim_end_matches(';').to_owned();
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &u32| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.trim_end_matches('\0').ends_with(&marker)
    };
    pids.filter(is_ours).collect()
}

/// There is one process and it has this pid. Its shell has a second one for a moment, before that becomes `sleep`.
async fn assert_single(stage: &DefectiveZinit, name: &str, pid: u32) {
    let single = || async { (processes_of(stage, name) == [pid]).then_some(()) };
    eventually(&format!("{name} runs once, as {pid}"), LIMIT, single).await;
}

/// A crash is noticed and mended, logs are its own, and there is exactly one process.
async fn assert_sound(stage: &DefectiveZinit, name: &str) {
    let pid = stage.running(name).await;
    assert_single(stage, name, pid).await;
    stage.manager.signal(name, SIGKILL).await.unwrap();
    let pid = stage.running_anew(name, pid).await;
    assert_single(stage, name, pid).await;
    let own = format!("I am {name}");
    let lines = || async {
        let lines = stage.manager.log_tail(name, 1000).await.unwrap();
        assert!(lines.iter().all(|line| line.text == own), "{name}: {lines:?}");
        (lines.len() >= 2).then_some(())
    };
    eventually(&format!("{name} has said its name twice"), LIMIT, lines).await;
}

#[tokio::test]
async fn deleting_in_the_middle_leaves_the_others_alone() {
    let stage = DefectiveZinit::start().await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        stage.manager.start(&talker(&stage, name)).await.unwrap();
    }
    let mut pids = BTreeMap::new();
    for name in names {
        pids.insert(name, stage.running(name).await);
    }
    for name in ["a", "c"] {
        stage.manager.stop(name, GRACE).await.unwrap();
        stage.manager.remove(name).await.unwrap();
    }
    for name in ["b", "d", "e"] {
        assert_eq!(stage.running(name).await, pids[name]);
        assert_sound(&stage, name).await;
    }
    // The next one takes the place behind them, and nothing of theirs.
    stage.manager.start(&talker(&stage, "f")).await.unwrap();
    stage.manager.start(&talker(&stage, "a")).await.unwrap();
    for name in ["b", "d", "e", "f", "a"] {
        assert_sound(&stage, name).await;
    }
}

#[tokio::test]
async fn a_restart_timer_of_another_service_survives_a_deletion() {
    let stage = DefectiveZinit::start().await;
    let mut late = talker(&stage, "late");
    late.restart = policy(Duration::from_secs(2));
    for spec in [talker(&stage, "first"), talker(&stage, "second"), late] {
        stage.manager.start(&spec).await.unwrap();
    }
    let old = stage.running("late").await;
    stage.manager.signal("late", SIGKILL).await.unwrap();
    stage.until("late", "waits", |state| matches!(state, ProcessState::Backoff { .. }).then_some(())).await;
    let second = stage.running("second").await;
    stage.manager.stop("first", GRACE).await.unwrap();
    stage.manager.remove("first").await.unwrap();
    stage.running_anew("late", old).await;
    assert_eq!(stage.running("second").await, second);
    assert_sound(&stage, "second").await;
}

#[expect(clippy::print_stdout, reason = "the test harness shows it when the test fails")]
fn show_if_failed(what: &str) {
    println!("{what}");
}

#[tokio::test]
async fn random_changes_never_mix_up_services() {
    let stage = DefectiveZinit::start().await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let names: Vec<String> = (0..6).map(|number| format!("s{number}")).collect();
    let mut wanted: BTreeMap<&str, bool> = BTreeMap::new();
    let mut revision = 0;
    for _step in 0..60 {
        let name = names[random.usize(..names.len())].as_str();
        match random.u8(..5) {
            0 | 1 => {
                stage.manager.start(&talker(&stage, name)).await.unwrap();
                wanted.insert(name, true);
            }
            2 => {
                revision += 1;
                let mut spec = talker(&stage, name);
                spec.env.insert("REVISION".to_owned(), revision.to_string());
                stage.manager.start(&spec).await.unwrap();
                wanted.insert(name, true);
            }
            3 => {
                // Maybe while it is in backoff.
                drop(stage.manager.signal(name, SIGKILL).await);
                stage.manager.stop(name, GRACE).await.unwrap();
                wanted.insert(name, false);
            }
            _ => {
                stage.manager.stop(name, GRACE).await.unwrap();
                stage.manager.remove(name).await.unwrap();
                wanted.remove(name);
            }
        }
    }
    show_if_failed(&format!("seed {seed}, and at the end: {wanted:?}"));
    for name in &names {
        if wanted.get(name.as_str()) == Some(&true) {
            assert_sound(&stage, name).await;
        } else {
            stage.assert_down(name).await;
            assert_eq!(processes_of(&stage, name), [0; 0], "seed {seed}: {name}");
        }
    }
    stage.manager.probe().await.unwrap();
}

#[tokio::test]
async fn a_running_service_is_stopped_before_it_is_deleted() {
    let stage = DefectiveZinit::start().await;
    for name in ["a", "b"] {
        stage.manager.start(&sleeper(name)).await.unwrap();
        stage.running(name).await;
    }
    assert!(matches!(stage.manager.remove("a").await, Err(ProcessError::Rejected { .. })));
    let mut changed = sleeper("a");
    changed.env.insert("REVISION".to_owned(), "2".to_owned());
    let begun = Instant::now();
    stage.manager.start(&changed).await.unwrap();
    stage.running("a").await;
    // The server would be blocked for 5.2 s otherwise.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_others_depend_on_is_not_deleted() {
    let stage = DefectiveZinit::start().await;
    stage.manager.start(&sleeper("base")).await.unwrap();
    let foreign = json!({"config": {
        "service": {"name": "foreign", "exec": "sleep 1000"},
        "dependencies": {"after": ["base"]},
    }});
    stage.zinit.call("service.set", foreign).await;
    stage.running("foreign").await;
    stage.manager.stop("base", GRACE).await.unwrap();
    let refused = stage.manager.remove("base").await.unwrap_err().to_string();
    assert!(refused.contains("foreign"), "{refused}");
    assert!(stage.info("foreign").await.is_some());
    stage.manager.start(&sleeper("base")).await.unwrap();
    stage.running("base").await;
}

#[tokio::test]
async fn tombstones_are_hidden_and_deleted_once_they_are_last() {
    let stage = DefectiveZinit::start().await;
    for name in ["a", "b", "c"] {
        stage.manager.start(&sleeper(name)).await.unwrap();
        stage.running(name).await;
    }
    let remove = async |name| {
        stage.manager.stop(name, GRACE).await.unwrap();
        stage.manager.remove(name).await.unwrap();
    };
    remove("b").await;
    let services = stage.zinit.call("service.list", json!({})).await;
    assert!(services[1].as_str().unwrap().starts_with("hero-tombstone-"), "{services}");
    assert_eq!(stage.manager.list().await.unwrap().len(), 2);
    remove("c").await;
    assert_eq!(stage.zinit.call("service.list", json!({})).await, json!(["a"]));
    let files: Vec<_> =
        std::fs::read_dir(stage.zinit.config_dir()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["a.toml"]);
}

#[tokio::test]
async fn last_lines_survive_a_deletion_that_was_needed() {
    let stage = DefectiveZinit::start().await;
    let mut spec = shell("a", "echo a last word; exit 3");
    spec.restart = policy(Duration::from_secs(3600));
    stage.manager.start(&spec).await.unwrap();
    stage.until("a", "waits", |state| matches!(state, ProcessState::Backoff { .. }).then_some(())).await;
    let said = || async {
        let lines = stage.manager.log_tail("a", 10).await.unwrap();
        (lines.len() == 1).then_some(lines)
    };
    let before = eventually("it spoke", LIMIT, said).await;
    stage.manager.stop("a", GRACE).await.unwrap();
    assert_eq!(stage.info("a").await, None, "only a deletion ends its timer");
    assert_eq!(stage.manager.log_tail("a", 10).await.unwrap(), before);
    stage.manager.remove("a").await.unwrap();
    assert_eq!(stage.manager.log_tail("a", 10).await.unwrap(), []);
    timeout(LIMIT, stage.manager.probe()).await.unwrap().unwrap();
}

//! The defects of Zinit 0.3.9, each met on a real server, and what the adapter makes of it.
//!
//! That a start in `stopping` is not lost, that a stop in backoff holds, that the pid is the program's own, and that
//! awkward arguments arrive is part of the contract of all process managers, which runs on a real server as well.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one state of many")]

mod deleting;
mod elsewhere;
mod filtered_output;
mod left;
mod many;
mod owners;
mod restarts;
mod stage;
mod unanswered;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use futures::future::join_all;
use hero_supervisor::domain::model::actor::ExitStatus;
use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessState};
use serde_json::json;

use self::stage::{DefectiveZinit, GRACE, LIMIT, lives, policy, shell, sleeper};
use crate::support::wait::eventually;

#[tokio::test]
async fn a_changed_definition_never_defines_a_name_twice() {
    let stage = DefectiveZinit::start().await;
    let mut spec = sleeper("a");
    for revision in 0..5 {
        spec.env.insert("REVISION".to_owned(), revision.to_string());
        stage.manager.start(&spec).await.unwrap();
        let pid = stage.running("a").await;
        // It is listed before it has become the program.
        let variable = format!("REVISION={revision}\0");
        let environ = || async { std::fs::read_to_string(format!("/proc/{pid}/environ")).ok() };
        let arrived = || async { environ().await.filter(|environ| environ.contains(&variable)).map(drop) };
        eventually(&variable, LIMIT, arrived).await;
    }
    // A server that hangs still answers to pings, but not to this.
    assert_eq!(stage.zinit.call("service.list", json!({})).await, json!(["a"]));
}

#[tokio::test]
async fn two_supervisors_that_start_the_same_names_do_not_hang_the_server() {
    let stage = DefectiveZinit::start().await;
    let other = stage.another_manager();
    let specs: Vec<_> = (0..10).map(|number| sleeper(&format!("a{number}"))).collect();
    for _round in 0..3 {
        let ours = specs.iter().map(|spec| stage.manager.start(spec));
        let theirs = specs.iter().map(|spec| other.start(spec));
        let (ours, theirs) = tokio::join!(join_all(ours), join_all(theirs));
        assert!(ours.iter().chain(&theirs).all(Result::is_ok), "{ours:?} {theirs:?}");
        for spec in &specs {
            stage.running(&spec.name).await;
        }
        let ours = specs.iter().map(|spec| stage.manager.stop(&spec.name, GRACE));
        let theirs = specs.iter().map(|spec| other.stop(&spec.name, GRACE));
        let (ours, theirs) = tokio::join!(join_all(ours), join_all(theirs));
        assert!(ours.iter().chain(&theirs).all(Result::is_ok), "{ours:?} {theirs:?}");
        let (ours, theirs) = tokio::join!(
            join_all(specs.iter().map(|spec| stage.manager.remove(&spec.name))),
            join_all(specs.iter().map(|spec| other.remove(&spec.name))),
        );
        assert!(ours.iter().chain(&theirs).all(Result::is_ok), "{ours:?} {theirs:?}");
    }
    stage.manager.probe().await.unwrap();
}

#[tokio::test]
async fn files_with_an_environment_are_private() {
    let stage = DefectiveZinit::start().await;
    let mut spec = sleeper("a");
    spec.env.insert("TOKEN".to_owned(), "secret".to_owned());
    stage.manager.start(&spec).await.unwrap();
    stage.running("a").await;
    let modes = || {
        let files = std::fs::read_dir(stage.zinit.config_dir()).unwrap().map(|entry| entry.unwrap());
        files
            .map(|file| (file.file_name(), file.metadata().unwrap().permissions().mode() & 0o777))
            .collect::<Vec<_>>()
    };
    assert_eq!(modes(), [("a.toml".into(), 0o600)]);
    stage.manager.stop("a", GRACE).await.unwrap();
    let private = |(_name, mode): &(_, u32)| *mode == 0o600;
    assert!(modes().iter().all(private), "{:?}", modes());
    assert!(!stage.zinit.log().contains("secret"));
}

/// Zinit stops to read an output at the first byte that is not UTF-8, so the next line of the program hits a closed pipe.
/// Without the shim there is nothing to keep other bytes than text from Zinit's pipes; with it see [`filtered_output`].
#[tokio::test]
async fn a_byte_that_is_not_text_ends_the_output_and_the_program_without_the_shim() {
    let stage = DefectiveZinit::start().await;
    let script =
        "echo before; printf 'bad \\377\\n'; sleep 0.3; while echo after; do sleep 0.05; done; exit 3";
    stage.manager.start(&shell("a", script)).await.unwrap();
    let exit = stage.down("a").await.unwrap();
    let broken_pipe = matches!(exit, ExitStatus::Signal(13) | ExitStatus::Code(3));
    assert!(broken_pipe, "{exit:?}");
    let lines = stage.manager.log_tail("a", 10).await.unwrap();
    let texts: Vec<&str> =
        lines.iter().map(|line| line.text.as_str()).filter(|text| !text.contains("sh:")).collect();
    assert_eq!(texts, ["before"]);
    stage.manager.start(&sleeper("b")).await.unwrap();
    stage.running("b").await;
}

#[tokio::test]
async fn a_service_that_somebody_started_during_its_backoff_is_still_stopped_for_good() {
    let stage = DefectiveZinit::start().await;
    let flag = stage.zinit.path("fails");
    std::fs::write(&flag, "").unwrap();
    let mut spec = shell("a", &format!("test -e {} && exit 3; exec sleep 1000", flag.display()));
    spec.restart = policy(Duration::from_secs(3600));
    stage.manager.start(&spec).await.unwrap();
    stage.until("a", "waits", |state| matches!(state, ProcessState::Backoff { .. }).then_some(())).await;
    std::fs::remove_file(&flag).unwrap();
    stage.zinit.call("service.start", json!({"name": "a"})).await;
    let pid = stage.running("a").await;
    stage.manager.stop("a", GRACE).await.unwrap();
    assert!(!lives(pid));
    stage.assert_down("a").await;
}

#[tokio::test]
async fn a_stop_right_after_the_start_is_not_refused() {
    let stage = DefectiveZinit::start().await;
    for _round in 0..50 {
        stage.manager.start(&sleeper("a")).await.unwrap();
        stage.manager.stop("a", GRACE).await.unwrap();
        stage.assert_down("a").await;
    }
}

#[tokio::test]
async fn a_process_that_ends_slowly_is_waited_for_and_a_second_stop_can_hurry_it() {
    let stage = DefectiveZinit::start().await;
    let armed = stage.zinit.path("armed");
    let script = format!("trap '' TERM; : > {}; while :; do sleep 0.1; done", armed.display());
    stage.manager.start(&shell("a", &script)).await.unwrap();
    let pid = stage.running("a").await;
    eventually("the trap is set", LIMIT, || async { armed.exists().then_some(()) }).await;
    let patient = stage.manager.stop("a", Duration::from_secs(3600));
    let hurried = async {
        stage.until("a", "stops", |state| matches!(state, ProcessState::Stopping { .. }).then_some(())).await;
        stage.manager.stop("a", Duration::ZERO).await
    };
    let both = tokio::time::timeout(LIMIT, async { tokio::join!(patient, hurried) });
    let (patient, hurried) = both.await.unwrap();
    patient.unwrap();
    hurried.unwrap();
    assert!(!lives(pid));
}

#[tokio::test]
async fn what_zinit_cannot_run_exactly_is_refused_before_it_is_tried() {
    let stage = DefectiveZinit::start().await;
    let mut long = sleeper("long");
    long.args.push("x".repeat(200_000));
    let mut name = sleeper("name");
    name.name = "hero-tombstone-1".to_owned();
    let mut slash = sleeper("slash");
    slash.name = "a/b".to_owned();
    for spec in [long, name, slash] {
        let refused = stage.manager.start(&spec).await;
        assert!(matches!(refused, Err(ProcessError::Rejected { .. })), "{refused:?}");
    }
    assert_eq!(stage.manager.list().await.unwrap(), []);
}

//! Promises that need no real process to be seen.

use std::time::Duration;

use futures::future::join_all;
use hero_supervisor::domain::model::actor::{ExitStatus, RestartMode};
use hero_supervisor::ports::process_manager::{ProcessError, ProcessState};
use tokio::time::{Instant, sleep};

use super::process_manager_contract::{Does, GRACE, ProcessManagerContract, policy};
use crate::support::wait::eventually;

const SIGKILL: i32 = 9;

pub(super) async fn a_started_process_runs_and_a_second_start_leaves_it_alone(stage: ProcessManagerContract) {
    let spec = stage.spec("a", Does::Runs);
    stage.manager.start(&spec).await.unwrap();
    let pid = stage.running("a").await;
    stage.manager.start(&spec).await.unwrap();
    assert_eq!(stage.running("a").await, pid);
    let probe = stage.manager.probe().await.unwrap();
    assert!(!probe.name.is_empty());
}

pub(super) async fn unknown_names_are_fine_or_not_found(stage: ProcessManagerContract) {
    stage.manager.stop("nobody", GRACE).await.unwrap();
    stage.manager.remove("nobody").await.unwrap();
    assert_eq!(stage.manager.log_tail("nobody", 10).await.unwrap(), []);
    assert_eq!(stage.manager.list().await.unwrap(), []);
    let signalled = stage.manager.signal("nobody", SIGKILL).await;
    assert!(matches!(signalled, Err(ProcessError::NotFound { name }) if name == "nobody"));
}

pub(super) async fn a_stopped_process_is_down_and_can_be_started_again(stage: ProcessManagerContract) {
    let mut spec = stage.spec("a", Does::Runs);
    spec.restart = policy(Duration::from_millis(100));
    stage.manager.start(&spec).await.unwrap();
    let mut pid = stage.running("a").await;
    for _round in 0..3 {
        stage.manager.stop("a", GRACE).await.unwrap();
        stage.assert_down("a").await;
        stage.assert_gone(pid);
        stage.manager.stop("a", GRACE).await.unwrap();
        sleep(Duration::from_millis(400)).await;
        stage.assert_down("a").await;
        stage.manager.start(&spec).await.unwrap();
        pid = stage.running_anew("a", pid).await;
    }
}

pub(super) async fn a_removed_process_is_not_listed(stage: ProcessManagerContract) {
    let names = ["a", "b", "c", "d"];
    for name in names {
        stage.manager.start(&stage.spec(name, Does::Runs)).await.unwrap();
    }
    let pid = stage.running("d").await;
    for name in ["b", "a"] {
        stage.running(name).await;
        stage.manager.stop(name, GRACE).await.unwrap();
        stage.manager.remove(name).await.unwrap();
        stage.manager.remove(name).await.unwrap();
        assert_eq!(stage.info(name).await, None);
    }
    let mut listed: Vec<String> = stage.manager.list().await.unwrap().into_iter().map(|p| p.name).collect();
    listed.sort();
    assert_eq!(listed, ["c", "d"]);
    assert_eq!(stage.running("d").await, pid);
    stage.manager.start(&stage.spec("a", Does::Runs)).await.unwrap();
    stage.running("a").await;
}

pub(super) async fn a_running_process_is_not_removed(stage: ProcessManagerContract) {
    stage.manager.start(&stage.spec("a", Does::Runs)).await.unwrap();
    let pid = stage.running("a").await;
    assert!(matches!(stage.manager.remove("a").await, Err(ProcessError::Rejected { .. })));
    assert_eq!(stage.running("a").await, pid);
}

pub(super) async fn exits_are_told_exactly(stage: ProcessManagerContract) {
    let ends = [
        ("zero", Does::Exits(0), ExitStatus::Code(0)),
        ("seven", Does::Exits(7), ExitStatus::Code(7)),
        ("most", Does::Exits(255), ExitStatus::Code(255)),
        ("killed", Does::KillsItself(9), ExitStatus::Signal(9)),
        ("aborted", Does::KillsItself(6), ExitStatus::Signal(6)),
    ];
    for (name, does, _exit) in ends {
        stage.manager.start(&stage.spec(name, does)).await.unwrap();
    }
    for (name, _does, exit) in ends {
        assert_eq!(stage.down(name).await, Some(exit), "{name}");
        stage.manager.remove(name).await.unwrap();
    }
}

pub(super) async fn restarts_follow_the_mode(stage: ProcessManagerContract) {
    let cases = [
        ("always_0", RestartMode::Always, 0, true),
        ("always_3", RestartMode::Always, 3, true),
        ("failure_0", RestartMode::OnFailure, 0, false),
        ("failure_3", RestartMode::OnFailure, 3, true),
        ("never_3", RestartMode::Never, 3, false),
    ];
    for (name, mode, code, _again) in cases {
        let mut spec = stage.spec(name, Does::Exits(code));
        spec.restart = policy(Duration::from_secs(60));
        spec.restart.mode = mode;
        stage.manager.start(&spec).await.unwrap();
    }
    for (name, _mode, code, again) in cases {
        let backoff = stage
            .until(name, "ends", |state| match state {
                ProcessState::Backoff { exit } => Some((true, exit)),
                ProcessState::Down { exit } => exit.map(|exit| (false, exit)),
                _other => None,
            })
            .await;
        assert_eq!(backoff, (again, ExitStatus::Code(code)), "{name}");
        stage.manager.stop(name, GRACE).await.unwrap();
    }
}

pub(super) async fn a_crash_is_followed_by_a_new_pid(stage: ProcessManagerContract) {
    let mut spec = stage.spec("a", Does::Runs);
    spec.restart = policy(Duration::from_millis(600));
    stage.manager.start(&spec).await.unwrap();
    let pid = stage.running("a").await;
    stage.manager.signal("a", SIGKILL).await.unwrap();
    let exit = stage
        .until("a", "waits for its restart", |state| match state {
            ProcessState::Backoff { exit } => Some(exit),
            _other => None,
        })
        .await;
    assert_eq!(exit, ExitStatus::Signal(SIGKILL));
    stage.running_anew("a", pid).await;
    stage.assert_gone(pid);
}

pub(super) async fn a_stop_during_backoff_is_final(stage: ProcessManagerContract) {
    let mut bystander = stage.spec("other", Does::Runs);
    bystander.restart = policy(Duration::from_millis(200));
    let mut spec = stage.spec("a", Does::Exits(3));
    spec.restart = policy(Duration::from_secs(1));
    stage.manager.start(&spec).await.unwrap();
    stage.manager.start(&bystander).await.unwrap();
    let pid = stage.running("other").await;
    stage.until("a", "waits", |state| matches!(state, ProcessState::Backoff { .. }).then_some(())).await;
    stage.manager.stop("a", GRACE).await.unwrap();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        stage.assert_down("a").await;
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.running("other").await, pid);
    stage.manager.signal("other", SIGKILL).await.unwrap();
    stage.running_anew("other", pid).await;
}

pub(super) async fn a_start_during_backoff_runs_at_once(stage: ProcessManagerContract) {
    let mut spec = stage.spec("a", Does::Exits(3));
    spec.restart = policy(Duration::from_secs(3600));
    stage.manager.start(&spec).await.unwrap();
    stage.until("a", "waits", |state| matches!(state, ProcessState::Backoff { .. }).then_some(())).await;
    let mut spec = stage.spec("a", Does::Runs);
    spec.restart = policy(Duration::from_secs(3600));
    stage.manager.start(&spec).await.unwrap();
    stage.running("a").await;
}

pub(super) async fn a_stop_while_starting_is_final(stage: ProcessManagerContract) {
    let spec = stage.with_health(stage.spec("a", Does::Runs), Does::Runs, None);
    stage.manager.start(&spec).await.unwrap();
    let pid = stage
        .until("a", "starts", |state| match state {
            ProcessState::Starting { pid } => pid,
            _other => None,
        })
        .await;
    stage.manager.stop("a", GRACE).await.unwrap();
    stage.assert_down("a").await;
    stage.assert_gone(pid);
    sleep(Duration::from_secs(1)).await;
    stage.assert_down("a").await;
}

pub(super) async fn two_stops_at_once_both_return(stage: ProcessManagerContract) {
    stage.manager.start(&stage.spec("a", Does::EndsSlowly)).await.unwrap();
    let pid = stage.armed("a").await;
    let (first, second) = tokio::join!(stage.manager.stop("a", GRACE), stage.manager.stop("a", GRACE));
    first.unwrap();
    second.unwrap();
    stage.assert_down("a").await;
    stage.assert_gone(pid);
}

pub(super) async fn a_start_while_stopping_is_not_lost(stage: ProcessManagerContract) {
    let spec = stage.spec("a", Does::EndsSlowly);
    stage.manager.start(&spec).await.unwrap();
    let pid = stage.armed("a").await;
    let start = async {
        stage.until("a", "stops", |state| matches!(state, ProcessState::Stopping { .. }).then_some(())).await;
        stage.manager.start(&spec).await.unwrap();
    };
    let (stop, ()) = tokio::join!(stage.manager.stop("a", GRACE), start);
    stop.unwrap();
    stage.running_anew("a", pid).await;
    stage.assert_gone(pid);
}

pub(super) async fn sigterm_is_followed_by_sigkill_after_the_grace(stage: ProcessManagerContract) {
    stage.manager.start(&stage.spec("a", Does::IgnoresTerm)).await.unwrap();
    let pid = stage.armed("a").await;
    let begun = Instant::now();
    stage.manager.stop("a", Duration::from_millis(700)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < GRACE, "{:?}", begun.elapsed());
    stage.assert_gone(pid);
    stage.assert_down("a").await;
}

pub(super) async fn a_longer_grace_than_defined_is_kept(stage: ProcessManagerContract) {
    let mut spec = stage.spec("a", Does::EndsSlowly);
    spec.stop_grace = Duration::from_millis(1);
    spec.restart = policy(Duration::from_millis(100));
    stage.manager.start(&spec).await.unwrap();
    let pid = stage.armed("a").await;
    let begun = Instant::now();
    stage.manager.stop("a", GRACE).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    stage.assert_gone(pid);
    sleep(Duration::from_millis(500)).await;
    stage.assert_down("a").await;
}

pub(super) async fn a_changed_definition_replaces_the_process(stage: ProcessManagerContract) {
    let mut spec = stage.spec("a", Does::Runs);
    stage.manager.start(&stage.spec("b", Does::Runs)).await.unwrap();
    stage.manager.start(&spec).await.unwrap();
    let bystander = stage.running("b").await;
    let mut pid = stage.running("a").await;
    for value in ["1", "2", "3"] {
        spec.env.insert("REVISION".to_owned(), value.to_owned());
        stage.manager.start(&spec).await.unwrap();
        let new = stage.running_anew("a", pid).await;
        stage.assert_gone(pid);
        pid = new;
    }
    assert_eq!(stage.running("b").await, bystander);
    let names: Vec<String> = stage.manager.list().await.unwrap().into_iter().map(|p| p.name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

pub(super) async fn a_health_check_gates_running(stage: ProcessManagerContract) {
    let after = Duration::from_millis(800);
    let spec = stage.with_health(stage.spec("a", Does::Runs), Does::Runs, Some(after));
    let begun = Instant::now();
    stage.manager.start(&spec).await.unwrap();
    stage.until("a", "starts", |state| matches!(state, ProcessState::Starting { .. }).then_some(())).await;
    stage.running("a").await;
    assert!(begun.elapsed() >= after, "{:?}", begun.elapsed());
}

pub(super) async fn a_health_check_that_never_passes_ends_the_process(stage: ProcessManagerContract) {
    let mut spec = stage.with_health(stage.spec("a", Does::Runs), Does::Runs, None);
    spec.start_timeout = Duration::from_secs(1);
    stage.manager.start(&spec).await.unwrap();
    let pid = stage.until("a", "starts", ProcessState::pid).await;
    assert_eq!(stage.down("a").await, Some(ExitStatus::Signal(SIGKILL)));
    stage.assert_gone(pid);
}

pub(super) async fn fifty_processes_at_once(stage: ProcessManagerContract) {
    let specs: Vec<_> = (0..50).map(|number| stage.spec(&format!("actor_{number}"), Does::Runs)).collect();
    let started = join_all(specs.iter().map(|spec| stage.manager.start(spec))).await;
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    let running = || async {
        let list = stage.manager.list().await.unwrap();
        let pids: std::collections::HashSet<u32> = list.iter().filter_map(|info| info.state.pid()).collect();
        (pids.len() == 50).then_some(())
    };
    eventually("fifty run", super::process_manager_contract::LIMIT, running).await;
    let stopped = join_all(specs.iter().map(|spec| stage.manager.stop(&spec.name, GRACE))).await;
    assert!(stopped.iter().all(Result::is_ok), "{stopped:?}");
    let left = stage.manager.list().await.unwrap();
    assert!(left.iter().all(|info| info.state.pid().is_none()), "{left:?}");
    let removed = join_all(specs.iter().map(|spec| stage.manager.remove(&spec.name))).await;
    assert!(removed.iter().all(Result::is_ok), "{removed:?}");
    assert_eq!(stage.manager.list().await.unwrap(), []);
}

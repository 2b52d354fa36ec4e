//! Zinit, or we, are killed and started again.

use std::time::Duration;

use hero_supervisor::domain::model::actor::RestartMode;
use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessState};
use tokio::time::Instant;

use super::stage::{DefectiveZinit, GRACE, LIMIT, policy, shell, sleeper};
use crate::support::wait::eventually;

#[tokio::test]
async fn a_stop_holds_when_zinit_is_restarted_and_so_does_a_start_after_it() {
    let mut stage = DefectiveZinit::start().await;
    for name in ["up", "down", "again"] {
        stage.manager.start(&sleeper(name)).await.unwrap();
        stage.running(name).await;
    }
    stage.manager.stop("down", GRACE).await.unwrap();
    stage.manager.stop("again", GRACE).await.unwrap();
    stage.manager.start(&sleeper("again")).await.unwrap();
    stage.running("again").await;
    stage.zinit.kill_server();
    stage.zinit.kill_orphans();
    stage.zinit.launch().await;
    stage.running("up").await;
    stage.running("again").await;
    stage.assert_down("down").await;
    stage.manager.start(&sleeper("down")).await.unwrap();
    stage.running("down").await;
}

#[tokio::test]
async fn a_killed_server_is_unavailable_at_once_and_found_again() {
    let mut stage = DefectiveZinit::start().await;
    stage.manager.start(&sleeper("a")).await.unwrap();
    stage.running("a").await;
    stage.zinit.kill_server();
    let begun = Instant::now();
    assert!(matches!(stage.manager.probe().await, Err(ProcessError::Unavailable(_))));
    assert!(matches!(stage.manager.list().await, Err(ProcessError::Unavailable(_))));
    assert!(matches!(stage.manager.start(&sleeper("b")).await, Err(ProcessError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    stage.zinit.kill_orphans();
    stage.zinit.launch().await;
    let probe = || async { stage.manager.probe().await.ok() };
    let found = eventually("it answers", LIMIT, probe).await;
    assert_eq!(found.name, "zinit 0.3.9 (GEN3)");
    stage.manager.start(&sleeper("b")).await.unwrap();
    stage.running("a").await;
    stage.running("b").await;
}

#[tokio::test]
async fn a_restarted_supervisor_finds_everything_as_it_was() {
    let stage = DefectiveZinit::start().await;
    stage.manager.start(&sleeper("runs")).await.unwrap();
    let pid = stage.running("runs").await;
    // Its exit of 0 looks like one that Zinit would follow by a restart.
    let armed = stage.zinit.path("armed");
    let mut polite = shell(
        "stopped",
        &format!("trap 'sleep 0.2; exit 0' TERM; : > {}; while :; do sleep 0.05; done", armed.display()),
    );
    polite.restart = policy(Duration::from_secs(3600));
    polite.restart.mode = RestartMode::Always;
    stage.manager.start(&polite).await.unwrap();
    eventually("the trap is set", LIMIT, || async { armed.exists().then_some(()) }).await;
    stage.manager.stop("stopped", GRACE).await.unwrap();
    let next = stage.another_manager();
    let list = next.list().await.unwrap();
    let state = |name: &str| list.iter().find(|info| info.name == name).map(|info| info.state);
    assert_eq!(state("runs"), Some(ProcessState::Running { pid }));
    assert!(matches!(state("stopped"), Some(ProcessState::Down { .. })), "{list:?}");
    next.start(&sleeper("runs")).await.unwrap();
    assert_eq!(stage.running("runs").await, pid);
    next.stop("stopped", GRACE).await.unwrap();
    next.start(&polite).await.unwrap();
    stage.running("stopped").await;
}

#[tokio::test]
async fn closing_leaves_the_processes_alone() {
    let stage = DefectiveZinit::start().await;
    let other = stage.another_manager();
    other.start(&sleeper("a")).await.unwrap();
    let pid = stage.running("a").await;
    other.close().await;
    assert!(matches!(other.list().await, Err(ProcessError::Unavailable(_))));
    assert_eq!(stage.running("a").await, pid);
}

//! Health checks.

use std::time::Duration;

use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::domain::model::actor::{ExitStatus, RestartMode};
use hero_supervisor::ports::process_manager::{ProcessManager, ProcessState};

use super::server::Plays;
use super::{RecordedAnswers, mode};

#[tokio::test]
async fn recorded_check_of_what_is_never_restarted_is_run() {
    let stage = RecordedAnswers::start();
    stage.zinit.hold("a");
    let mut spec = mode("a", RestartMode::Never);
    spec.health_check = Some("false".to_owned());
    stage.manager.start(&spec).await.unwrap();
    let starting = stage.info("a").await.unwrap().state;
    assert!(matches!(starting, ProcessState::Starting { .. }), "{starting:?}");
    stage.zinit.let_through("a");
    stage.running("a").await;
    // The service is one that zinit would start again: it is stopped at its end, also by a supervisor that did not start it.
    let next = ZinitProcessManager::new(stage.zinit.socket());
    stage.zinit.crash("a", "Error(Exited(Pid(PID), 3))");
    let ended = next.list().await.unwrap().remove(0).state;
    assert_eq!(ended, ProcessState::Down { exit: Some(ExitStatus::Code(3)) });
    assert_eq!(stage.zinit.changes("a").last().map(String::as_str), Some("service_stop"));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let ended = stage.info("a").await.unwrap().state;
    assert_eq!(ended, ProcessState::Down { exit: Some(ExitStatus::Code(3)) });
}

#[tokio::test]
async fn recorded_end_by_itself_is_final_for_a_supervisor_that_did_not_start_it() {
    let stage = RecordedAnswers::start();
    stage.zinit.plays("b", Plays::Exits(0));
    let next = ZinitProcessManager::new(stage.zinit.socket());
    stage.manager.start(&mode("b", RestartMode::OnFailure)).await.unwrap();
    let ended = next.list().await.unwrap().remove(0).state;
    assert_eq!(ended, ProcessState::Down { exit: Some(ExitStatus::Code(0)) });
}

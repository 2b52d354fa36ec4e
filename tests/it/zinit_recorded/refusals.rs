//! Refusals without a reason, lists that fail, and no answer at all.

use std::time::Duration;

use hero_supervisor::domain::model::actor::ExitStatus;
use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessState};
use tokio::time::Instant;

use super::server::{Dialect, Played, Plays};
use super::{RecordedAnswers, always};

const OLDER: [Dialect; 2] = [Dialect::V0_2_27, Dialect::V0_2_25];

#[tokio::test]
async fn recorded_v0_2_25_to_v0_2_27_run_a_service_from_its_start_to_its_removal() {
    for dialect in OLDER {
        let stage = RecordedAnswers::on(Played::speaking(dialect));
        assert_eq!(stage.manager.probe().await.unwrap().name, "zinit v0.2.15 to v0.2.27 (GEN2)");
        stage.manager.start(&always("a")).await.unwrap();
        let pid = stage.running("a").await;
        stage.manager.start(&always("a")).await.unwrap();
        assert_eq!(stage.running("a").await, pid, "a second start leaves it alone");
        assert!(matches!(stage.manager.remove("a").await, Err(ProcessError::Rejected { .. })));
        let mut changed = always("a");
        changed.env.insert("REVISION".to_owned(), "2".to_owned());
        stage.manager.start(&changed).await.unwrap();
        assert_ne!(stage.running("a").await, pid);
        stage.zinit.crash("a", "Error(Exited(Pid(PID), 3))");
        assert!(matches!(stage.manager.signal("a", 15).await, Err(ProcessError::Rejected { .. })));
        stage.manager.stop("a", Duration::from_secs(5)).await.unwrap();
        let down = stage.info("a").await.unwrap().state;
        assert_eq!(down, ProcessState::Down { exit: Some(ExitStatus::Code(3)) });
        assert!(!stage.zinit.is_monitored("a"));
        assert_eq!(stage.zinit.file("a"), None);
        stage.manager.stop("a", Duration::ZERO).await.unwrap();
        stage.manager.remove("a").await.unwrap();
        assert_eq!(stage.manager.list().await.unwrap(), []);
    }
}

#[tokio::test]
async fn recorded_v0_2_25_to_v0_2_27_unknown_names_are_fine_or_not_found() {
    for dialect in OLDER {
        let stage = RecordedAnswers::on(Played::speaking(dialect));
        stage.manager.stop("nobody", Duration::from_secs(1)).await.unwrap();
        stage.manager.remove("nobody").await.unwrap();
        assert_eq!(stage.manager.log_tail("nobody", 10).await.unwrap(), []);
        let signalled = stage.manager.signal("nobody", 15).await;
        assert!(matches!(signalled, Err(ProcessError::NotFound { name }) if name == "nobody"));
        let refused = stage.manager.start(&always("a.b")).await.unwrap_err().to_string();
        assert!(refused.contains("\"a.b\" has a name that this zinit does not take"), "{refused}");
        stage.zinit.plays("missing", Plays::Missing);
        stage.manager.start(&always("missing")).await.unwrap();
        assert_eq!(stage.info("missing").await.unwrap().state, ProcessState::SpawnFailed);
    }
}

#[tokio::test]
async fn recorded_list_that_fails_while_a_service_is_forgotten_is_asked_for_again() {
    for dialect in [Dialect::V0_2_28, Dialect::V0_2_27, Dialect::V0_2_25] {
        let stage = RecordedAnswers::on(Played::speaking(dialect));
        stage.zinit.fail_lists(3);
        stage.manager.start(&always("a")).await.unwrap();
        stage.zinit.fail_lists(3);
        let list = stage.manager.list().await.unwrap();
        assert!(matches!(list[..], [ref info] if info.name == "a"), "{list:?}");
        stage.zinit.fail_lists(3);
        stage.manager.probe().await.unwrap();
        stage.zinit.fail_lists(3);
        stage.manager.stop("a", Duration::ZERO).await.unwrap();
        stage.zinit.fail_lists(0);
        assert!(!stage.zinit.is_monitored("a"));
    }
}

#[tokio::test]
async fn recorded_server_that_hangs_is_told_within_two_seconds_also_to_who_forces_it() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("a")).await.unwrap();
    let pid = stage.running("a").await;
    stage.zinit.hang(true);
    let (begun, other) = (Instant::now(), always("b"));
    let (stop, start) = (stage.manager.stop("a", Duration::from_secs(1)), stage.manager.start(&other));
    let (stopped, started) = tokio::join!(stop, start);
    let took = begun.elapsed();
    assert!(matches!(stopped, Err(ProcessError::TimedOut { .. })), "{stopped:?}");
    assert!(matches!(started, Err(ProcessError::TimedOut { .. })), "{started:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    stage.zinit.hang(false);
    assert_eq!(stage.running("a").await, pid);
}

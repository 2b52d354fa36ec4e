//! Services and files of others that bear the name of an actor.

use std::time::Duration;

use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessState};
use serde_json::{Value, json};

use super::server::{Dialect, Played, Plays};
use super::{RecordedAnswers, always};

/// Why something was refused.
fn reason<T: std::fmt::Debug>(result: Result<T, ProcessError>) -> String {
    match result {
        Err(ProcessError::Rejected { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn recorded_service_of_somebody_else_is_neither_adopted_nor_stopped_nor_deleted() {
    for dialect in [Dialect::V0_2_28, Dialect::V0_2_27] {
        let stage = RecordedAnswers::on(Played::speaking(dialect));
        let theirs = json!({"exec": "sh -c 'sleep 1000'"});
        stage.zinit.put("mydb", theirs.clone(), true);
        let refused = reason(stage.manager.start(&always("mydb")).await);
        assert!(refused.contains("\"mydb\"") && refused.contains("belongs to somebody else"), "{refused}");
        assert!(refused.contains("was not made for an actor"), "{refused}");
        assert!(stage.info("mydb").await.unwrap().foreign);
        let pid = stage.running("mydb").await;
        stage.manager.stop("mydb", Duration::from_secs(5)).await.unwrap();
        stage.manager.remove("mydb").await.unwrap();
        reason(stage.manager.signal("mydb", 15).await);
        stage.zinit.write("mydb", "+", "a line that is nobody's business");
        assert_eq!(stage.manager.log_tail("mydb", 10).await.unwrap(), []);
        assert_eq!(stage.running("mydb").await, pid);
        assert_eq!(stage.zinit.file("mydb"), Some(theirs));
        assert_eq!(stage.zinit.changes("mydb"), [""; 0]);
        // One that has ended is not touched either.
        stage.zinit.plays("done", Plays::Exits(0));
        stage.zinit.put("done", json!({"exec": "true", "oneshot": true}), true);
        reason(stage.manager.start(&always("done")).await);
        stage.manager.remove("done").await.unwrap();
        assert!(stage.zinit.is_monitored("done") && stage.zinit.file("done").is_some());
    }
}

#[tokio::test]
async fn recorded_file_by_hand_is_not_overwritten() {
    for dialect in [Dialect::V0_2_28, Dialect::V0_2_25] {
        let stage = RecordedAnswers::on(Played::speaking(dialect));
        let theirs = json!({"exec": "sleep 500"});
        stage.zinit.put("other", theirs.clone(), false);
        let refused = reason(stage.manager.start(&always("other")).await);
        assert!(refused.contains("/etc/zinit/other.yaml") && refused.contains("somebody else"), "{refused}");
        stage.manager.stop("other", Duration::ZERO).await.unwrap();
        stage.manager.remove("other").await.unwrap();
        assert_eq!(stage.zinit.file("other"), Some(theirs));
        // What a supervisor left there is replaced.
        stage.zinit.put("ours", json!({"exec": "sleep 1", "env": {"HERO_ACTOR_ID": "ours"}}), false);
        stage.manager.start(&always("ours")).await.unwrap();
        stage.running("ours").await;
        let changes = ["service_create", "service_delete", "service_create", "service_monitor"];
        assert_eq!(stage.zinit.changes("ours"), changes);
    }
}

#[tokio::test]
async fn recorded_service_of_other_records_is_not_taken_over_and_ours_is_known_by_its_marks() {
    let stage = RecordedAnswers::start();
    let of_realm =
        |realm: &str| json!({"exec": "sleep 9", "env": {"HERO_ACTOR_ID": "a", "HERO_REALM": realm}});
    stage.zinit.put("a", of_realm("theirs"), true);
    stage.zinit.put("copied", json!({"exec": "sleep 9", "env": {"HERO_ACTOR_ID": "b"}}), true);
    let mut spec = always("a");
    spec.env.insert("HERO_REALM".to_owned(), "ours".to_owned());
    let refused = reason(stage.manager.start(&spec).await);
    assert!(refused.contains("of another Redis") && refused.contains("theirs"), "{refused}");
    let refused = reason(stage.manager.start(&always("copied")).await);
    assert!(refused.contains("was made for actor \"b\""), "{refused}");
    assert!(stage.info("a").await.unwrap().foreign && stage.info("copied").await.unwrap().foreign);
    assert_eq!(stage.manager.environment("a").await.unwrap()["HERO_REALM"], "theirs");
    // Records that the supervisor had before they were lost are its own.
    stage.manager.set_realm("theirs");
    assert!(!stage.info("a").await.unwrap().foreign);
    stage.manager.start(&spec).await.unwrap();
    assert_eq!(stage.manager.environment("a").await.unwrap()["HERO_REALM"], "ours");
    assert!(matches!(stage.info("a").await.unwrap().state, ProcessState::Running { .. }));
}

#[tokio::test]
async fn recorded_values_that_look_like_numbers_are_no_change_and_no_other_owner() {
    let stage = RecordedAnswers::start();
    let mut spec = always("0b11");
    for (name, value) in [("OCTAL", "0o17"), ("BINARY", "0b11"), ("HEX", "0x1f"), ("NONE", "~")] {
        spec.env.insert(name.to_owned(), value.to_owned());
    }
    stage.manager.start(&spec).await.unwrap();
    let pid = stage.running("0b11").await;
    let read: Value = stage.zinit.file("0b11").unwrap();
    assert_eq!(read["env"]["OCTAL"], "0o17");
    stage.manager.start(&spec).await.unwrap();
    assert_eq!(stage.running("0b11").await, pid, "the second start leaves it alone");
    stage.manager.stop("0b11", Duration::ZERO).await.unwrap();
    assert_eq!(stage.zinit.file("0b11"), None);
}

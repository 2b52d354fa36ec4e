//! Services and files of others that bear the name of an actor, on a real server.

use std::time::Duration;

use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessState};
use serde_json::{Value, json};

use super::stage::{DefectiveZinit, GRACE, lives, sleeper};

/// Why something was refused.
fn reason<T: std::fmt::Debug>(result: Result<T, ProcessError>) -> String {
    match result {
        Err(ProcessError::Rejected { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn foreign(name: &str, env: Value) -> Value {
    json!({"config": {"service": {"name": name, "exec": "sleep 1000", "env": env}}})
}

#[tokio::test]
async fn a_service_of_somebody_else_is_neither_adopted_nor_stopped_nor_deleted() {
    let stage = DefectiveZinit::start().await;
    stage.zinit.call("service.set", foreign("mydb", json!({"PORT": "1"}))).await;
    let pid = stage.running("mydb").await;
    let file = std::fs::read_to_string(stage.zinit.config_dir().join("mydb.toml")).unwrap();
    let refused = reason(stage.manager.start(&sleeper("mydb")).await);
    assert!(refused.contains("\"mydb\"") && refused.contains("belongs to somebody else"), "{refused}");
    assert!(refused.contains("was not made for an actor"), "{refused}");
    assert!(stage.info("mydb").await.unwrap().foreign);
    stage.manager.stop("mydb", GRACE).await.unwrap();
    stage.manager.remove("mydb").await.unwrap();
    reason(stage.manager.signal("mydb", 15).await);
    assert_eq!(stage.running("mydb").await, pid);
    assert!(lives(pid));
    assert_eq!(std::fs::read_to_string(stage.zinit.config_dir().join("mydb.toml")).unwrap(), file);
    // Nor is one that has ended.
    stage.zinit.call("service.stop", json!({"name": "mydb"})).await;
    stage.until("mydb", "is down", |state| matches!(state, ProcessState::Down { .. }).then_some(())).await;
    reason(stage.manager.start(&sleeper("mydb")).await);
    stage.manager.remove("mydb").await.unwrap();
    assert_eq!(stage.zinit.call("service.list", json!({})).await, json!(["mydb"]));
}

#[tokio::test]
async fn a_file_by_hand_that_zinit_has_not_loaded_is_not_overwritten() {
    let stage = DefectiveZinit::start().await;
    let file = stage.zinit.config_dir().join("other.toml");
    let by_hand = "# my own\n[service]\nname = \"other\"\nexec = \"sleep 500\"\n";
    std::fs::write(&file, by_hand).unwrap();
    let refused = reason(stage.manager.start(&sleeper("other")).await);
    assert!(refused.contains(&file.display().to_string()) && refused.contains("somebody else"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), by_hand);
    assert_eq!(stage.manager.list().await.unwrap(), []);
    // Nor while a service of ours with this name is stopped.
    std::fs::remove_file(&file).unwrap();
    stage.manager.start(&sleeper("other")).await.unwrap();
    stage.running("other").await;
    stage.manager.stop("other", GRACE).await.unwrap();
    std::fs::write(&file, by_hand).unwrap();
    reason(stage.manager.start(&sleeper("other")).await);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), by_hand);
    // What a supervisor has left there is its own.
    std::fs::write(&file, "[service.env]\nHERO_ACTOR_ID = \"other\"\n").unwrap();
    stage.manager.start(&sleeper("other")).await.unwrap();
    stage.running("other").await;
}

#[tokio::test]
async fn a_service_of_other_records_is_not_taken_over() {
    let stage = DefectiveZinit::start().await;
    let theirs = json!({"HERO_ACTOR_ID": "a", "HERO_REALM": "theirs"});
    stage.zinit.call("service.set", foreign("a", theirs)).await;
    let pid = stage.running("a").await;
    let mut spec = sleeper("a");
    spec.env.insert("HERO_REALM".to_owned(), "ours".to_owned());
    let refused = reason(stage.manager.start(&spec).await);
    assert!(refused.contains("of another Redis") && refused.contains("theirs"), "{refused}");
    assert!(stage.info("a").await.unwrap().foreign);
    stage.manager.stop("a", Duration::ZERO).await.unwrap();
    assert_eq!(stage.running("a").await, pid);
    // Records that the supervisor had before they were lost are its own.
    stage.manager.set_realm("theirs");
    assert!(!stage.info("a").await.unwrap().foreign);
    stage.manager.start(&spec).await.unwrap();
    stage.running_anew("a", pid).await;
    assert_eq!(stage.manager.environment("a").await.unwrap()["HERO_REALM"], "ours");
}

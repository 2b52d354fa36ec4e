//! Services of Zinit that are somebody else's, and what crashed actors leave behind.

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::actor::State;
use tokio::time::sleep;
use tonic::Code;

use crate::contract::process_manager::process_manager_contract::lives;
use crate::support::full_service::{FullService, actor, create, span, told, until_actor};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_somebody_else_refuses_an_actor_of_its_name_and_survives_its_delete() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let foreign =
        serde_json::json!({"config": {"service": {"name": "mydb", "exec": "echo secret; sleep 1000"}}});
    whole.zinit.call("service.set", foreign).await;
    let status = || async { whole.zinit.call("service.status", serde_json::json!({"name": "mydb"})).await };
    let before = eventually("it runs", LIMIT, || async {
        Some(status().await).filter(|status| status["state"] == "running")
    })
    .await;
    let refused = client.create_actor(whole.definition("mydb")).await.unwrap_err();
    assert_eq!(told(&refused).why(), (Code::FailedPrecondition, "ACTOR_START_FAILED"), "{refused:?}");
    let words = refused.message();
    assert!(words.contains("\"mydb\"") && words.contains("was not made for an actor"), "{words}");
    assert!(!words.contains("secret"), "nothing of its log is told: {words}");
    let shown = until_actor(&client, "mydb", "has failed", |actor| actor.state() == State::Failed).await;
    assert_eq!(shown.pid, None, "{shown:?}");
    // Nobody takes it for the actor later.
    sleep(Duration::from_secs(1)).await;
    let shown = actor(&client, "mydb").await;
    assert_eq!((shown.state(), shown.pid), (State::Failed, None), "{shown:?}");
    let delete = pb::DeleteActorRequest { actor_id: "mydb".to_owned(), ..Default::default() };
    client.delete_actor(delete).await.unwrap();
    assert_eq!(status().await, before);
    assert!(whole.zinit.config_dir().join("mydb.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_a_crashed_actor_end_with_it() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let pids = whole.zinit.path("pids");
    let mut definition = whole.definition("kids");
    let config = definition.config.as_mut().unwrap();
    config.binary_path = "/bin/sh".to_owned();
    let script = format!("sleep 1000 & echo $! >> {}; sleep 0.6; exit 1", pids.display());
    config.args = vec!["-c".to_owned(), script];
    config.readiness = pb::actor_config::Readiness::Process.into();
    config.restart_policy = Some(pb::RestartPolicy {
        initial_backoff: span(Duration::from_millis(400)),
        max_backoff: span(Duration::from_millis(400)),
        max_restarts: Some(3),
        ..Default::default()
    });
    create(&mut client, definition).await;
    until_actor(&client, "kids", "is given up", |actor| actor.state() == State::CrashLoop).await;
    let children: Vec<u32> =
        std::fs::read_to_string(&pids).unwrap().lines().map(|pid| pid.parse().unwrap()).collect();
    assert!(children.len() >= 4, "{children:?}");
    eventually("all children are gone", LIMIT, || async {
        children.iter().all(|pid| !lives(*pid)).then_some(())
    })
    .await;
}

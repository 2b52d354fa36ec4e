//! Client certificates are identities, by the rules of the configuration.

use std::time::Duration;

use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::transport::Channel;

use super::pki::{Ca, write};
use super::stage::{NAME, TlsStage, write_client_ca};
use crate::support::full_service::ALLOWANCE;
use crate::support::service::LIMIT;

const RULES: &str = r#"
[[auth.certificate]]
san = "spiffe://hero/backend"
role = "operator"

[[auth.certificate]]
san = "one.view.test"
role = "viewer"

[[auth.certificate]]
san = "spiffe://hero/*"
role = "viewer"
"#;

async fn list(client: &mut SupervisorClient<Channel>) -> Code {
    client
        .list_actors(pb::ListActorsRequest::default())
        .await
        .map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn pause(client: &mut SupervisorClient<Channel>) -> Code {
    let request = pb::PauseQueueRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    client.pause_queue(request).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test]
async fn a_certificate_is_whom_its_rule_names_and_nobody_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, callers) = (Ca::new("server CA"), Ca::new("client CA"));
    ca.pair(&[NAME]).write(dir.path());
    write_client_ca(dir.path(), &callers);
    write(&dir.path().join("rules.toml"), RULES);
    let flags = [
        "--config",
        "{dir}/rules.toml",
        "--tls-client-ca",
        "{dir}/clients.crt",
        "--tls-client-auth",
        "optional",
    ];
    let stage = TlsStage::start_on(dir, ca, &flags).await;
    for (names, may_list, may_pause) in [
        (vec!["spiffe://hero/backend"], Code::Ok, Code::Ok),
        (vec!["other.test", "one.view.test"], Code::Ok, Code::PermissionDenied),
        (vec!["spiffe://hero/frontend"], Code::Ok, Code::PermissionDenied),
        (vec!["spiffe://hero"], Code::Unauthenticated, Code::Unauthenticated),
        (vec!["two.view.test"], Code::Unauthenticated, Code::Unauthenticated),
    ] {
        let pair = callers.pair(&names);
        let mut client = stage.client_with(&stage.ca.pem, Some(&pair));
        assert_eq!((list(&mut client).await, pause(&mut client).await), (may_list, may_pause), "{names:?}");
    }
    assert_eq!(list(&mut stage.client()).await, Code::Unauthenticated, "no certificate");
}

/// A watch that stays open.
async fn watch(client: &mut SupervisorClient<Channel>) -> tonic::Streaming<pb::WatchEventsResponse> {
    client.watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_client_ca_that_is_taken_out_ends_the_connections_that_it_has_vouched_for() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, kept, removed) = (Ca::new("server CA"), Ca::new("a CA that stays"), Ca::new("a CA that goes"));
    ca.pair(&[NAME]).write(dir.path());
    write(&dir.path().join("clients.crt"), &format!("{}{}", kept.pem, removed.pem));
    write(&dir.path().join("rules.toml"), RULES);
    let flags = ["--config", "{dir}/rules.toml", "--tls-client-ca", "{dir}/clients.crt"];
    let stage = TlsStage::start_on(dir, ca, &flags).await;
    let client = |of: &Ca| stage.client_with(&stage.ca.pem, Some(&of.pair(&["spiffe://hero/backend"])));
    let (mut stays, mut goes) = (client(&kept), client(&removed));
    let mut stays_open = watch(&mut stays).await;
    let mut ends = watch(&mut goes).await;

    write_client_ca(stage.dir.path(), &kept);
    let replaced = Instant::now();
    let end = timeout(LIMIT, async {
        loop {
            match ends.message().await {
                Ok(Some(_event)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    });
    assert_ne!(end.await.expect("the watch ends"), Code::Ok);
    let took = replaced.elapsed();
    assert!(took < Duration::from_secs(5) + ALLOWANCE, "{took:?}");
    assert_ne!(list(&mut goes).await, Code::Ok, "and no new connection is made");
    assert_eq!(list(&mut stays).await, Code::Ok);
    // Events come; an end would be an error.
    while let Ok(message) = timeout(Duration::from_millis(500), stays_open.message()).await {
        assert!(message.unwrap().is_some(), "the other watch has ended");
    }
}

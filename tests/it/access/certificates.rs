//! Client certificates are identities, by the rules of the configuration.

use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use tonic::Code;
use tonic::transport::Channel;

use super::pki::{Ca, write};
use super::stage::{NAME, TlsStage, write_client_ca};

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

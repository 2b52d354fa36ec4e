//! Who gets through, and what those are told who do not.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use hero_supervisor::proto::tls_status::ClientAuth;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;

use super::pki::{Ca, Pair};
use super::stage::{NAME, TlsStage, address, handshake, info, refusal, write_client_ca};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

/// Waits for a line of the log.
async fn logged(service: &Service, part: &str) {
    eventually(part, LIMIT, || {
        let logged = service.stderr().contains(part).then_some(());
        async move { logged }
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_trusts_the_certificate_is_served_and_others_refuse_it() {
    let stage = TlsStage::start(&[]).await;
    let told = info(stage.client()).await.unwrap();
    let tls = told.tls.unwrap();
    assert_eq!((tls.names, tls.min_version.as_str()), (vec![NAME.to_owned()], "1.3"));
    assert_eq!(tls.client_auth, i32::from(ClientAuth::None));
    assert!(!told.insecure);
    let shown = stage.service.run(["info"]);
    assert!(shown.stdout.contains(NAME) && shown.stdout.contains("4000-01-01"), "{shown:?}");

    let wrong_name = stage.handshake("other.test", &[&TLS13]).await.unwrap_err().to_string();
    assert!(wrong_name.contains("other.test"), "{wrong_name}");
    let stranger = info(stage.client_with(&Ca::new("another CA").pem, None)).await.unwrap_err();
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    logged(&stage.service, "does not trust the certificate of this server").await;
}

#[tokio::test]
async fn an_older_version_is_refused_unless_it_is_allowed() {
    let stage = TlsStage::start(&[]).await;
    assert!(stage.handshake(NAME, &[&TLS13]).await.is_ok());
    let refused = stage.handshake(NAME, &[&TLS12]).await.unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    logged(&stage.service, "an older version of TLS than tls.min_version").await;
    let stage = TlsStage::start(&["--tls-min-version", "1.2"]).await;
    for version in [&TLS12, &TLS13] {
        assert!(stage.handshake(NAME, &[version]).await.is_ok());
    }
}

#[tokio::test]
async fn plaintext_on_a_port_with_tls_is_told_to_use_https() {
    let stage = TlsStage::start(&[]).await;
    let mut stream = TcpStream::connect(stage.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: hero.test\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.ends_with("this port speaks TLS: use https://\n"), "{answer}");

    let mut stream = TcpStream::connect(stage.address()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"this port speaks TLS: use https://"), "{answer:?}");
    let plain = Endpoint::from_shared(format!("http://{}", stage.address())).unwrap().connect_lazy();
    assert!(info(hero_supervisor::proto::supervisor_client::SupervisorClient::new(plain)).await.is_err());
    logged(&stage.service, "it speaks no TLS: it has to use https://").await;
    info(stage.client()).await.unwrap();
}

#[tokio::test]
async fn tls_on_a_port_without_is_called_no_tls() {
    let redis = PrivateRedis::start().await;
    let service = Service::serve(&["--redis-url", &redis.url(), "--process-manager", "local"]).await;
    let refused = handshake(address(&service), &Ca::new("any").pem, NAME, &[&TLS13]).await.unwrap_err();
    assert!(refused.to_string().contains("InvalidContentType"), "{refused}");
    logged(&service, "begins with TLS, and TLS is off").await;
}

#[tokio::test]
async fn certificates_of_callers_are_asked_for_as_the_configuration_says() {
    let (callers, strangers) = (Ca::new("callers"), Ca::new("strangers"));
    let right = callers.pair(&["caller.test"]);
    let shown: [(&str, Option<Pair>); 4] = [
        ("none", None),
        ("right", Some(right)),
        ("of another CA", Some(strangers.pair(&["caller.test"]))),
        ("expired", Some(callers.pair_until(&["caller.test"], 2020))),
    ];
    for (mode, served) in [("required", &["right"][..]), ("optional", &["none", "right"])] {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::new("server CA");
        ca.pair(&[NAME]).write(dir.path());
        write_client_ca(dir.path(), &callers);
        let flags = ["--tls-client-ca", "{dir}/clients.crt", "--tls-client-auth", mode];
        let stage = TlsStage::start_on(dir, ca, &flags).await;
        for (what, own) in &shown {
            let told = info(stage.client_with(&stage.ca.pem, own.as_ref())).await;
            assert_eq!(told.is_ok(), served.contains(what), "{mode}, {what}: {told:?}");
        }
    }
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    Ca::new("server CA").pair(&[NAME]).write(dir.path());
    let key = dir.path().join("server.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let told = refusal(dir.path(), &[]);
    assert!(told.contains("tls.key") && told.contains("mode 0640"), "{told}");
    assert!(told.contains(&format!("chmod 600 {}", key.display())), "{told}");
}

#[tokio::test]
async fn metrics_speak_tls_when_asked() {
    let stage = TlsStage::start(&["--metrics-listen", "127.0.0.1:0", "--tls-metrics"]).await;
    logged(&stage.service, "metrics: served on 127.0.0.1:").await;
    let log = stage.service.stderr();
    let port = log.split("metrics: served on ").nth(1).unwrap().split_whitespace().next().unwrap();
    let mut plain = TcpStream::connect(port).await.unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

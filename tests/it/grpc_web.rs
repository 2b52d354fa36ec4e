//! gRPC-Web on the real service: who may call, and what a browser hears. The conformance of clients/typescript goes the
//! whole way by it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::redis::PrivateRedis;
use crate::support::service::{Service, run};

const PAGE: &str = "https://dash.example.org";
const PATH: &str = "/hero.supervisor.v1.Supervisor/GetServerInfo";

/// Sends a request with an empty message and reads the answer to its end.
async fn ask(service: &Service, method: &str, headers: &str) -> String {
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    let body = if method == "POST" { "\0\0\0\0\0" } else { "" };
    let request = format!(
        "{method} {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // One who speaks HTTP/2 only hangs up.
    let _hung_up = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn service(flags: &[&str]) -> (PrivateRedis, Service) {
    let redis = PrivateRedis::start().await;
    let url = redis.url();
    let args = [&["--redis-url", url.as_str(), "--process-manager", "local"], flags].concat();
    let service = Service::serve(&args).await;
    (redis, service)
}

#[tokio::test]
async fn a_named_page_may_ask_and_call_and_another_may_not() {
    let (_redis, service) = service(&["--grpc-web-origin", PAGE]).await;
    let wish =
        "access-control-request-method: POST\r\naccess-control-request-headers: x-grpc-web,grpc-timeout\r\n";
    let allowed = ask(&service, "OPTIONS", &format!("origin: {PAGE}\r\n{wish}")).await;
    assert!(allowed.starts_with("HTTP/1.1 200"), "{allowed}");
    for header in [
        format!("access-control-allow-origin: {PAGE}"),
        "access-control-allow-methods: POST".to_owned(),
        "access-control-allow-headers: x-grpc-web,grpc-timeout".to_owned(),
    ] {
        assert!(allowed.contains(&header), "{header} in {allowed}");
    }
    let web = "content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n";
    let called = ask(&service, "POST", &format!("origin: {PAGE}\r\n{web}")).await;
    assert!(called.starts_with("HTTP/1.1 200"), "{called}");
    assert!(called.contains("grpc-status:0"), "the trailers are in the body: {called}");
    assert!(called.contains(env!("CARGO_PKG_VERSION")), "{called}");
    assert!(
        called.contains("access-control-expose-headers: grpc-status,grpc-message,grpc-status-details-bin")
    );

    for other in ["https://evil.example", "null", "https://dash.example.org.evil.example"] {
        let refused = ask(&service, "POST", &format!("origin: {other}\r\n{web}")).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{other}: {refused}");
        assert!(refused.contains("grpc_web_origins"), "{refused}");
        let refused = ask(&service, "OPTIONS", &format!("origin: {other}\r\n{wish}")).await;
        assert!(!refused.contains("access-control-allow-origin"), "{other}: {refused}");
    }
    // What is no page (a script, a gateway) says no origin.
    assert!(ask(&service, "POST", web).await.contains("grpc-status:0"));
}

#[tokio::test]
async fn without_a_named_page_nothing_but_grpc_is_spoken() {
    let (_redis, service) = service(&[]).await;
    let web = "content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n";
    let answer = ask(&service, "POST", web).await;
    assert!(!answer.contains("HTTP/1.1 200") && !answer.contains("grpc-status:0"), "{answer}");
}

#[test]
fn what_is_no_origin_is_refused_at_the_start() {
    let ran = run(["config", "check", "--grpc-web-origin", "dash.example.org/"]);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    for part in ["grpc_web_origins", "\"dash.example.org/\" is not an origin", "https://HOST:PORT"] {
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
    }
}

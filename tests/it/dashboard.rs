//! The dashboard on the real service: who may load and call it, and each screen and action in a real browser.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::support::service::Service;

/// For installing and for a browser on a busy machine.
const LIMIT: Duration = Duration::from_secs(540);
const CALL: &str = "/hero.supervisor.v1.Supervisor/GetServerInfo";
const WEB: &str = "content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n";

/// Every screen, every action, a restart of the server in the middle: `web/e2e/steps.mjs`.
#[tokio::test]
async fn every_screen_and_action_works_in_a_browser() {
    let mut command = Command::new("bash");
    command
        .args(["-c", "./install && exec node e2e/main.mjs \"$0\"", env!("CARGO_BIN_EXE_hero-supervisor")])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("web"))
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("the browser ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().filter(|line| line.starts_with("ok ")).count() > 15, "{text}");
}

/// The address of the dashboard of a service, as it is in its ready file.
fn dashboard(service: &Service) -> String {
    let ready = std::fs::read_to_string(service.ready_file()).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let url = ready["dashboard"].as_str().unwrap();
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// Sends a request and reads the answer to its end.
async fn ask(address: &str, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = if method == "POST" { "\0\0\0\0\0" } else { "" };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_page_and_its_calls_have_one_origin_and_others_are_refused() {
    let service = Service::dev(&["--actors", "", "--dashboard-listen", "127.0.0.1:0"]).await;
    let address = dashboard(&service);
    let host = format!("host: {address}\r\n");

    let page = ask(&address, "GET", "/", &host).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<div id=\"app\">"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    let nothing = ask(&address, "GET", "/../etc/passwd", &host).await;
    assert!(nothing.starts_with("HTTP/1.1 404"), "{nothing}");

    let called = ask(&address, "POST", CALL, &format!("{host}origin: http://{address}\r\n{WEB}")).await;
    assert!(called.starts_with("HTTP/1.1 200") && called.contains("grpc-status:0"), "{called}");

    let foreign = ask(&address, "POST", CALL, &format!("{host}origin: https://evil.example\r\n{WEB}")).await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    for path in ["/", CALL] {
        let method = if path == "/" { "GET" } else { "POST" };
        let rebound = ask(&address, method, path, &format!("host: evil.example\r\n{WEB}")).await;
        assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
    }
}

/// A service that wants to know who calls, and the token of a viewer.
async fn guarded() -> (Service, String, crate::support::redis::PrivateRedis, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens.toml").display().to_string();
    let token =
        crate::support::service::run(["token", "create", "--role", "viewer", "-q", "--tokens-file", &tokens]);
    assert_eq!(token.code, 0, "{token:?}");
    let secret = token.stdout.split_whitespace().find(|word| word.starts_with("hst_")).unwrap().to_owned();
    let redis = crate::support::redis::PrivateRedis::start().await;
    let url = redis.url();
    let service = Service::serve(&[
        "--redis-url",
        &url,
        "--process-manager",
        "local",
        "--auth-tokens-file",
        &tokens,
        "--dashboard-listen",
        "127.0.0.1:0",
    ])
    .await;
    (service, secret, redis, dir)
}

/// Calls of a viewer: one that it may make, and one that it may not.
const LIST: &str = "/hero.supervisor.v1.Supervisor/ListActors";
const SCALE: &str = "/hero.supervisor.v1.Supervisor/ScaleActors";

/// Returns true for an answer with this code.
fn is_answered(answer: &str, code: u8) -> bool {
    answer.contains(&format!("grpc-status: {code}\r")) || answer.contains(&format!("grpc-status:{code}\r"))
}

#[tokio::test]
async fn calls_of_the_page_are_authenticated_as_every_call_is() {
    let (service, secret, _redis, _dir) = guarded().await;
    let address = dashboard(&service);
    let host = format!("host: {address}\r\norigin: http://{address}\r\n{WEB}");
    let page = ask(&address, "GET", "/", &host).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let unknown = ask(&address, "POST", LIST, &host).await;
    assert!(is_answered(&unknown, 16), "{unknown}");
    let shown = format!("{host}authorization: Bearer {secret}\r\n");
    let known = ask(&address, "POST", LIST, &shown).await;
    assert!(is_answered(&known, 0), "{known}");
    // A viewer reads and changes nothing.
    let refused = ask(&address, "POST", SCALE, &shown).await;
    assert!(is_answered(&refused, 7), "{refused}");
}

#[tokio::test]
async fn a_code_opens_a_session_once_which_does_what_its_caller_may() {
    let (service, secret, _redis, _dir) = guarded().await;
    let address = dashboard(&service);
    let host = format!("host: {address}\r\norigin: http://{address}\r\n{WEB}");
    let url = service.run(["dashboard", "--token", &secret]).stdout;
    let code = url.trim().rsplit_once("#/login/").unwrap_or_else(|| panic!("{url}")).1.to_owned();
    let open = async |code: &str| {
        ask(&address, "POST", "/session", &format!("{host}x-login-code: {code}\r\n")).await
    };
    assert!(open("guessed").await.starts_with("HTTP/1.1 403"));
    let opened = open(&code).await;
    assert!(
        opened.starts_with("HTTP/1.1 200") && opened.contains("; HttpOnly; SameSite=Strict;"),
        "{opened}"
    );
    assert!(open(&code).await.starts_with("HTTP/1.1 403"), "a code is good once");
    let cookie = opened.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let session = format!("{host}cookie: theme=dark; {cookie}\r\n");
    let known = ask(&address, "POST", LIST, &session).await;
    assert!(is_answered(&known, 0), "{known}");
    let refused = ask(&address, "POST", SCALE, &session).await;
    assert!(is_answered(&refused, 7), "{refused}");
    let foreign = session.replace(&format!("origin: http://{address}"), "origin: https://evil.example");
    assert!(ask(&address, "POST", LIST, &foreign).await.starts_with("HTTP/1.1 403"));
    let wrong = format!("{session}authorization: Bearer hst_wrong\r\n");
    let wrong = ask(&address, "POST", LIST, &wrong).await;
    assert!(is_answered(&wrong, 16), "a token that is shown counts: {wrong}");
    let closed = ask(&address, "DELETE", "/session", &session).await;
    assert!(closed.contains("Max-Age=0"), "{closed}");
    let ended = ask(&address, "POST", LIST, &session).await;
    assert!(is_answered(&ended, 16), "{ended}");
}

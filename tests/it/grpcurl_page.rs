//! The lines of docs/grpcurl.md work as they stand, by reflection and by protoset.

use std::path::Path;

use hero_supervisor::descriptors::call_names;
use tokio::process::Command;

use crate::support::full_service::FullService;
use crate::support::redis::PrivateRedis;
use crate::support::service::{PROGRAM, Service, run};

const PAGE: &str = include_str!("../../docs/grpcurl.md");
const SERVICE: &str = "hero.supervisor.v1.Supervisor/";

/// The lines for a server that wants to know who calls.
const AUTHORIZATION: &str = "-H \"authorization: Bearer $TOKEN\"";

fn lines() -> impl Iterator<Item = &'static str> {
    PAGE.lines().filter(|line| line.starts_with("grpcurl ") && !line.contains(AUTHORIZATION))
}

/// The call that a line makes, if it makes one.
fn call(line: &str) -> Option<&str> {
    line.rsplit_once(SERVICE).map(|(_, call)| call)
}

#[test]
fn the_page_of_grpcurl_has_every_call() {
    let missing: Vec<_> =
        call_names().filter(|call| !lines().any(|line| self::call(line) == Some(call))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn the_lines_of_the_page_work_by_reflection() {
    run_all("").await;
}

#[tokio::test]
async fn the_lines_of_the_page_work_by_protoset() {
    run_all(" -protoset clients/descriptor.binpb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_with_a_token_work_in_the_clear_and_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let made = run(["tls", "init", "--host", "supervisor.example.org", "--out", &path("tls")]);
    assert_eq!(made.code, 0, "{made:?}");
    let token =
        run(["token", "create", "--quiet", "--role", "operator", "--tokens-file", &path("tokens.toml")]);
    assert_eq!(token.code, 0, "{token:?}");
    let (cert, key, ca) = (path("tls/server.crt"), path("tls/server.key"), path("tls/ca.crt"));
    let tokens = ["--auth-tokens-file", &path("tokens.toml")];
    let tls =
        ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca, "--tls-client-auth", "optional"];
    let plain = FullService::start_on(PrivateRedis::start().await, &tokens).await;
    let secure = FullService::start_on(PrivateRedis::start().await, &[&tokens[..], &tls].concat()).await;
    secure.running_actor("a0").await;

    let lines: Vec<&str> = PAGE.lines().filter(|line| line.contains(AUTHORIZATION)).collect();
    assert_eq!(lines.len(), 3, "in the clear, with TLS, and with a certificate");
    for line in lines {
        let line = line.replace("127.0.0.1:50051", &plain.service.address());
        let secure = secure.service.address().replace("127.0.0.1", "localhost");
        let line = line.replace("supervisor.example.org:50051", &secure);
        let mut command = shell(&line);
        command.env("TOKEN", token.stdout.trim()).current_dir(dir.path());
        let output = command.output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{line}\n{text}");
        assert!(!line.contains("RunJob") || text.contains("\"result\": \"42\""), "{line}\n{text}");
    }
}

/// A line in a shell that finds grpcurl and the programs under test.
fn shell(line: &str) -> Command {
    let home = std::env::var("HOME").unwrap_or_default();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{}:{home}/go/bin:{programs}", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).env("PATH", &path).kill_on_drop(true);
    command
}

async fn run_all(option: &str) {
    let redis = PrivateRedis::start().await;
    let service = Service::dev(&["--redis-url", &redis.url()]).await;
    let address = service.address();
    let known = |line: &&str| call(line).is_none_or(|call| call_names().any(|known| known == call));
    for line in lines().filter(known) {
        if !option.is_empty() && call(line).is_none() {
            continue;
        }
        let line = line.replace("127.0.0.1:50051", &address).replacen(
            "-plaintext",
            &format!("-plaintext{option}"),
            1,
        );
        let mut command = shell(&line);
        command.env("REDIS_URL", redis.url()).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // A watch ends with the time that its line gives it.
        let ended = line.contains("-max-time 2 ") && text.contains("DeadlineExceeded");
        assert!(output.status.success() || ended, "{line}\n{text}");
    }
}

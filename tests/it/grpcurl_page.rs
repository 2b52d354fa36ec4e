//! The lines of docs/grpcurl.md work as they stand, by reflection and by protoset.

use std::path::Path;

use hero_supervisor::descriptors::call_names;
use tokio::process::Command;

use crate::support::redis::PrivateRedis;
use crate::support::service::{PROGRAM, Service};

const PAGE: &str = include_str!("../../docs/grpcurl.md");
const SERVICE: &str = "hero.supervisor.v1.Supervisor/";

fn lines() -> impl Iterator<Item = &'static str> {
    PAGE.lines().filter(|line| line.starts_with("grpcurl "))
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

async fn run_all(option: &str) {
    let redis = PrivateRedis::start().await;
    let service = Service::dev(&["--redis-url", &redis.url()]).await;
    let address = service.address();
    let home = std::env::var("HOME").unwrap_or_default();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{}:{home}/go/bin:{programs}", std::env::var("PATH").unwrap_or_default());

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
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line]).env("PATH", &path).env("REDIS_URL", redis.url()).kill_on_drop(true);
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // A watch ends with the time that its line gives it.
        let ended = line.contains("-max-time 2 ") && text.contains("DeadlineExceeded");
        assert!(output.status.success() || ended, "{line}\n{text}");
    }
}

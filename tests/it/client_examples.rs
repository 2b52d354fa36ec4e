//! The examples and the READMEs of the clients work on a real supervisor. The clients' own tests, which run them on a server
//! of their own, are told to use this one.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::support::service::Service;

/// For installing and building what a language needs, on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs a line of shell in the folder of a client.
async fn works(language: &str, line: &str) {
    let service = Service::dev(&["--actors", "osis=1"]).await;
    let mut command = Command::new("bash");
    command
        .args(["-c", line])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(language))
        .env("HERO_TEST_SERVER", format!("unix:{}", service.socket().display()))
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("the programs end").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn those_of_go_work() {
    works("go", "go test -count=1 ./examples").await;
}

#[tokio::test]
async fn those_of_python_work() {
    works("python", "./install && PYTHONPATH=src .venv/bin/python tests/test_examples.py").await;
}

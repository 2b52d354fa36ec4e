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

/// Built as programs get the client: without the service.
#[tokio::test]
async fn those_of_rust_work() {
    let build = "cargo build --quiet --no-default-features --features client \
                 --example client_run --example client_batch --example client_follow";
    let check = r#"
        set -e
        export HERO_SUPERVISOR_SERVER="$HERO_TEST_SERVER"
        cd ../..
        examples="${CARGO_TARGET_DIR:-target}/debug/examples"
        test "$("$examples/client_run")" = 42
        test "$("$examples/client_batch")" = "$(printf '0\n1\n4\n9\n16\n5 jobs')"
        test "$("$examples/client_follow")" = "$(printf '| one\n| two\n42')"
        failed=$("$examples/client_run" 'throw "x"' 2>&1) && exit 1
        case "$failed" in *"SCRIPT_ERROR"*"line 1, column 1"*) ;; *) echo "$failed" >&2; exit 1 ;; esac
    "#;
    works("rust", &format!("{build} && {{ {check}\n}}")).await;
}

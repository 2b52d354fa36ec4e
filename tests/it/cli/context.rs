//! Contexts, and what shells are offered.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::client::service;
use crate::support::redis::PrivateRedis;
use crate::support::service::{PROGRAM, Ran, Service, command};

/// Runs a command with contexts in this folder.
fn with(folder: &Path, args: &[&str]) -> Ran {
    command(args).env("XDG_CONFIG_HOME", folder).output().unwrap().into()
}

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// What a shell is offered for the last word.
fn offered(service: &Service, folder: &Path, words: &[&str]) -> Vec<String> {
    let mut completing = command([&["--", PROGRAM], words].concat());
    completing.env("XDG_CONFIG_HOME", folder).env("COMPLETE", "bash");
    completing.env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
    completing.env("HERO_SUPERVISOR_SERVER", format!("unix:{}", service.socket().display()));
    let ran = fine(completing.output().unwrap().into());
    ran.stdout.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_stands_for_a_server_until_an_address_is_said() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let here = format!("unix:{}", service.socket().display());
    let first = fine(with(folder, &["context", "add", "here", "--server", &here]));
    assert!(first.stderr.contains(", and is used from now on"), "{}", first.stderr);
    let second = fine(with(folder, &["--server", "127.0.0.1:1", "context", "add", "away"]));
    assert!(!second.stderr.contains("from now on"), "{}", second.stderr);
    let file = folder.join("hero-supervisor/contexts.toml");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    assert_eq!(fine(with(folder, &["context", "ls", "-q"])).stdout, "here\naway\n");
    fine(with(folder, &["queue", "ls"]));
    assert_eq!(with(folder, &["queue", "ls", "--server-context", "away"]).code, 4);
    fine(with(folder, &["context", "use", "away"]));
    assert_eq!(with(folder, &["queue", "ls"]).code, 4);
    fine(with(folder, &["queue", "ls", "--server", &here]));
    let shown = fine(with(folder, &["context", "list"])).stdout;
    assert!(shown.lines().any(|line| line.starts_with("*        away")), "{shown}");

    assert_eq!(with(folder, &["context", "use", "nowhere"]).code, 3);
    let secret = with(folder, &["context", "add", "x", "--server", &here, "--token", "hst_x"]);
    assert!(secret.code == 2 && secret.stderr.contains("--token-file"), "{secret:?}");
    assert_eq!(with(folder, &["context", "add", "x"]).code, 2, "an address is needed");
    fine(with(folder, &["context", "rm", "away"]));
    assert_eq!(fine(with(folder, &["context", "ls", "-o", "json"])).json()[0]["current"], false);
    let gone = with(folder, &["queue", "ls", "--server-context", "away"]);
    assert!(gone.code == 3 && gone.stderr.contains("context ls"), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_are_offered_ids_names_and_words() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fine(with(folder, &["context", "add", "prod", "--server", "127.0.0.1:1"]));
    fine(service.run(["job", "submit", "1", "--job-id", "nightly-0001"]));
    assert_eq!(offered(&service, folder, &["job", "get", "ni"]), ["nightly-0001"]);
    assert_eq!(offered(&service, folder, &["job", "ls", "--state", "queued,re"]), ["queued,retry_wait"]);
    assert_eq!(offered(&service, folder, &["queue", "pause", "o"]), ["osis"]);
    assert_eq!(offered(&service, folder, &["context", "use", ""])[0], "prod");
    fine(service.run(["queue", "create", "osis-night", "--type", "osis"]));
    assert_eq!(offered(&service, folder, &["queue", "get", "osis-"]), ["osis-night"]);
    assert_eq!(offered(&service, folder, &["job", "ls", "--queue", "osis,osis-"]), ["osis,osis-night"]);
    assert_eq!(offered(&service, folder, &["token", "create", "--role", "op"]), ["operator"]);
    assert_eq!(offered(&service, folder, &["access", "audit", "--rpc", "PauseQ"]), ["PauseQueue"]);
    assert_eq!(offered(&service, folder, &["vers"]), ["version"]);
    let all = offered(&service, folder, &[""]);
    assert!(all.iter().any(|word| word == "job"), "{all:?}");
    assert!(!all.iter().any(|word| word == "exec-shim"), "the shim is for process managers alone: {all:?}");
}

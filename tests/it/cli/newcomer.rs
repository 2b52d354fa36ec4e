//! First steps of somebody who does not know the command line: what is typed elsewhere works here, what is missing is told
//! with what to do, and nothing is done that was not meant.

use super::client::service;
use crate::support::redis::PrivateRedis;
use crate::support::service::{Ran, run};
use crate::support::terminal::Terminal;

fn told(ran: &Ran, code: i32, part: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stderr.contains(part) || ran.stdout.contains(part), "{part}: {ran:?}");
}

#[test]
fn help_is_where_it_is_looked_for() {
    for line in [&["help"][..], &["--help"]] {
        told(&run(line), 0, "Usage: hero-supervisor [OPTIONS] <COMMAND>");
    }
    for line in [&["help", "job"][..], &["job", "help"], &["job", "--help"]] {
        told(&run(line), 0, "Run, submit, await, show, cancel and retry jobs");
    }
    let help = run(["job", "submit", "--help"]).stdout;
    let (own, global) = help.split_once("Global options:").expect("a heading");
    assert!(own.contains("--from-file") && !own.contains("--server"), "{help}");
    let (global, examples) = global.split_once("Examples:").expect("examples");
    assert!(global.contains("--server") && examples.contains("hero-supervisor job submit"), "{help}");
    told(&run(["version"]), 0, "hero-supervisor 0.");
    let metrics = run(["dev", "--help"]);
    told(&metrics, 0, "--metrics-listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_others_and_options_in_front_work() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    for line in [["actor", "list"], ["job", "list"], ["queue", "list"], ["script-type", "list"]] {
        assert_eq!(service.run(line).code, 0, "{line:?}");
    }
    told(&service.run(["status"]), 0, "version");
    let id = service.run(["job", "submit", "1"]).stdout.trim().to_owned();
    told(&service.run(["job", "cancel", "--state", "queued", "--yes"]), 0, "1 job cancelled");
    told(&service.run(["job", "rm", &id]), 0, "");
    let server = format!("unix:{}", service.socket().display());
    let in_front = run(["--server", &server, "-o", "json", "job", "ls"]);
    assert!(in_front.json().is_object(), "{in_front:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_told_in_words_of_the_command_line() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    told(&service.run(["job", "submit"]), 2, "with -f FILE, or on standard input with -");
    told(&service.run(["job", "ls", "--state", "bogus"]), 2, "use blocked, scheduled, queued, running");
    assert_eq!(service.run(["job", "ls", "--state", "failed,cancelled"]).code, 0);
    assert_eq!(service.run(["events", "--severity", "warn", "--since", "2026-01-01T00:00:00Z"]).code, 0);
    told(&service.run(["actor", "get", "nope"]), 3, "`hero-supervisor actor ls` has those that there are");
    let nowhere = service.run(["job", "submit", "--queue", "nope", "1"]);
    told(
        &nowhere,
        3,
        "`hero-supervisor queue ls --names` has them all, and `hero-supervisor queue create` makes one",
    );
    let set = service.run(["script-type", "set", "osis", "--mode", "auto", "--min", "3", "--max", "2"]);
    told(&set, 2, "--min: is more than max_replicas, 2");
    let named = service.run(["job", "submit", "1", "--job-id", "a b"]);
    told(&named, 2, "--job-id");
    assert_eq!(named.stderr.matches("a b").count(), 2, "said once, by value and reason: {named:?}");
    told(&service.run(["scale", "osis", "-1"]), 2, "-1 is not in 0..=1000");
    let socket = redis.url().replace("unix://", "unix:");
    let stranger = run(["--server", &socket, "info"]);
    told(&stranger, 4, "this port speaks something else than gRPC");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_say_that_there_is_more_and_settings_what_is_in_force() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    for _job in 0..2 {
        assert_eq!(service.run(["job", "submit", "1"]).code, 0);
    }
    told(&service.run(["job", "ls", "-n", "1"]), 0, "these are the newest 1; see more with -n N");
    let fact = |name: &str| {
        let shown = service.run(["script-type", "get", "osis"]).stdout;
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line[name.len()..].trim().to_owned()
    };
    assert_eq!(fact("queue limit"), "1000000 (default)");
    for (set, shown) in [("7", "7"), ("0", "none")] {
        assert_eq!(service.run(["script-type", "set", "osis", "--queue-limit", set]).code, 0);
        assert_eq!(fact("queue limit"), shown);
    }
    told(&run(["config", "show"]), 0, "# metrics_listen is not set");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:1\"\n").unwrap();
    told(&run(["config", "check", "--config", file.to_str().unwrap()]), 0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_cannot_start_is_shown_without_a_process() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let made = service.run(["actor", "create", "bad", "--type", "sal", "--binary", "/bin/false"]);
    told(&made, 5, "its process ended with exit code 1");
    let actor = service.run(["actor", "get", "bad", "-o", "json"]).json()["actor"].clone();
    assert_eq!(
        (&actor["state"], &actor["pid"]),
        (&"STATE_FAILED".into(), &serde_json::Value::Null),
        "{actor}"
    );
    let dry = service.run(["scale", "sal", "2", "--dry-run"]);
    told(&dry, 0, "would be added");
    told(&dry, 0, "this was a dry run: nothing was changed");
    assert_eq!(service.run(["actor", "ls", "-q"]).stdout.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_v_actor_without_a_compiler_is_shown_as_such() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let made = service.run(["actor", "create", "v0", "--type", "v", "--env", "V_BIN=/nowhere/v"]);
    assert_eq!(made.code, 0, "{made:?}");
    told(&service.run(["health", "check", "v0"]), 0, "its engine is unavailable");
    for line in [&["actor", "get", "v0"][..], &["actor", "ls", "--wide"]] {
        let shown = service.run(line);
        told(&shown, 0, "degraded");
        told(&shown, 0, "its engine is unavailable");
        assert!(!shown.stdout.contains("/usr/local/sbin"), "the whole PATH is in no message: {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_about_nothing_and_everybody_about_actors() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let (code, text) = Terminal::start(service.client(["queue", "purge", "osis"]), 80).ended().await;
    assert!(code == 0 && text.contains("0 jobs cancelled") && !text.contains("[y/N]"), "{text}");
    let questions = [
        (&["actor", "stop", "--all"][..], "stop all actors? [y/N]"),
        (&["actor", "delete", "a0"], "stop and delete a0? [y/N]"),
        (&["job", "delete", "j0"], "[y/N]"),
    ];
    for (line, question) in questions {
        let mut asked = Terminal::start(service.client(line), 80);
        asked.shows(question, 0).await;
        asked.types("no\n");
        let (code, text) = asked.ended().await;
        assert!(code == 130 && text.contains("nothing was changed"), "{line:?}: {text}");
    }
}

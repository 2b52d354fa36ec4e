//! Nouns and verbs against a service with a real Redis and no actors, so that every job stays where it is.

use std::io::Write;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Ran, Service, run};
use crate::support::wait::eventually;

pub(super) async fn service(redis: &PrivateRedis) -> Service {
    let service = Service::serve(&["--redis-url", &redis.url(), "--process-manager", "local"]).await;
    eventually("Redis is found", LIMIT, async || (service.run(["job", "ls"]).code == 0).then_some(())).await;
    service
}

#[test]
fn no_server_is_unreachable() {
    for verb in [vec!["job", "run", "1"], vec!["actor", "ls"], vec!["info"]] {
        let ran = run(verb.iter().chain(&["--server", "http://127.0.0.1:1"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{verb:?}: {ran:?}");
        assert!(ran.stderr.contains("no server answers") && ran.stderr.contains("hint:"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_jobs_and_actors_are_not_found() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    for args in [
        vec!["job", "get", "nope"],
        vec!["job", "await", "nope"],
        vec!["job", "cancel", "nope"],
        vec!["actor", "get", "nope"],
        vec!["actor", "start", "nope"],
        vec!["actor", "delete", "nope"],
    ] {
        let ran = service.run(&args);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("nope") && ran.stderr.contains("_NOT_FOUND]"), "{args:?}: {ran:?}");
    }
    assert_eq!(service.run(["actor", "delete", "nope", "--allow-missing"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_over_leaves_the_job_and_says_how_to_go_on() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let ran = service.run(["job", "run", "40 + 2", "--timeout", "300ms", "-o", "json"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    let answer = ran.json();
    assert_eq!(answer["waitOutcome"], "WAIT_OUTCOME_TIMED_OUT");
    let id = answer["job"]["jobId"].as_str().unwrap();
    assert!(ran.stderr.contains(&format!("job await {id}")), "{ran:?}");
    let awaited = service.run(["job", "await", id, "--timeout", "100ms"]);
    assert_eq!((awaited.code, awaited.stdout.as_str()), (124, ""), "{awaited:?}");

    let given_up = service.run(["job", "run", "1", "--timeout", "100ms", "--cancel", "-q"]);
    assert_eq!(given_up.code, 124, "{given_up:?}");
    let seen = service.run(["job", "get", given_up.stdout.trim(), "-o", "json"]);
    assert_eq!(seen.json()["job"]["state"], "STATE_CANCELLED", "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_comes_from_an_argument_a_file_or_standard_input() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let file = service.dir().join("script.rhai");
    std::fs::write(&file, "1 // from a file").unwrap();
    let from_file = service.run(["job", "submit", "-f", file.to_str().unwrap()]);
    assert_eq!(script(&service, &from_file), "1 // from a file");
    let from_arg = service.run(["job", "submit", "2 // an argument"]);
    assert_eq!(script(&service, &from_arg), "2 // an argument");

    let mut piped =
        service.client(["job", "submit", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all("3 // piped".as_bytes()).unwrap();
    assert_eq!(script(&service, &piped.wait_with_output().unwrap().into()), "3 // piped");

    let empty = service.run(["job", "submit", " "]);
    assert_eq!(empty.code, 2, "{empty:?}");
    assert!(empty.stderr.contains("INVALID_FIELD") && empty.stderr.contains("script: is empty"), "{empty:?}");
}

fn script(service: &Service, submitted: &Ran) -> String {
    assert_eq!(submitted.code, 0, "{submitted:?}");
    let seen = service.run(["job", "get", submitted.stdout.trim(), "--script", "-o", "json"]);
    seen.json()["job"]["spec"]["script"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_newest_first_and_cancelled_once() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let submit = |caller: &str| {
        let submitted = service.run(["job", "submit", "1", "--caller", caller, "--type", "sal"]);
        submitted.stdout.trim().to_owned()
    };
    let (first, second, other) = (submit("me"), submit("me"), submit("you"));
    let listed = service.run(["job", "ls", "--caller", "me", "-q"]);
    assert_eq!(listed.stdout.lines().collect::<Vec<_>>(), [&second, &first], "{listed:?}");
    assert_eq!(service.run(["job", "ls", "-q", "-n", "1"]).stdout.trim(), other);

    let table = service.run(["job", "ls"]);
    assert!(table.stdout.starts_with("JOB "), "{table:?}");
    assert!(table.stdout.lines().nth(1).unwrap().contains("sal"), "{table:?}");

    assert!(service.run(["job", "cancel", &first]).stdout.contains("cancelled"));
    let again = service.run(["job", "cancel", &first, "-o", "json"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(
        (&again.json()["changed"], &again.json()["job"]["state"]),
        (&serde_json::Value::Null, &"STATE_CANCELLED".into())
    );
    let left = service.run(["job", "ls", "--state", "queued", "-q"]);
    assert_eq!(left.stdout.lines().collect::<Vec<_>>(), [&other, &second], "{left:?}");
    let awaited = service.run(["job", "await", &first]);
    assert_eq!(awaited.code, 1, "a cancelled job is not a success: {awaited:?}");
    assert!(awaited.stderr.contains("was cancelled"), "{awaited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_told_with_its_reason() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let missing = service.run(["actor", "create", "a0", "--type", "osis", "--binary", "/no/such/program"]);
    assert_eq!(missing.code, 5, "{missing:?}");
    assert!(missing.stderr.contains("[BINARY_INVALID]"), "{missing:?}");
    let bad = service.run(["actor", "create", "A0", "--type", "osis", "--binary", "/bin/true"]);
    assert_eq!(bad.code, 2, "{bad:?}");
    let none = service.run(["actor", "scale", "v", "2"]);
    assert_eq!(none.code, 5, "{none:?}");
    assert!(none.stderr.contains("NO_ACTORS_FOR_SCRIPT_TYPE"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_wait_and_not_the_job() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let wait = service
        .client(["job", "run", "40 + 2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = eventually("the job is there", LIMIT, async || {
        let listed = service.run(["job", "ls", "-q"]).stdout.trim().to_owned();
        (!listed.is_empty()).then_some(listed)
    })
    .await;
    kill(Pid::from_raw(wait.id().cast_signed()), Signal::SIGINT).unwrap();
    let ran = Ran::from(wait.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (130, ""), "{ran:?}");
    assert!(ran.stderr.contains(&format!("job await {id}")), "{ran:?}");
    assert_eq!(service.run(["job", "get", &id, "-o", "json"]).json()["job"]["state"], "STATE_QUEUED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_the_server_that_it_began_with() {
    let redis = PrivateRedis::start().await;
    let mut service = service(&redis).await;
    let wait = service
        .client(["job", "run", "40 + 2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the job is there", LIMIT, async || {
        (!service.run(["job", "ls", "-q"]).stdout.is_empty()).then_some(())
    })
    .await;
    service.signal(Signal::SIGKILL);
    service.ended().await;
    service.restart().await;
    let actor = env!("CARGO_BIN_EXE_osis_actor");
    let args = ["--actor-id", "osis_actor_0", "--redis-url", &redis.url()];
    let create =
        ["actor", "create", "osis_actor_0", "--type", "osis", "--binary", actor, "--wait", "60s", "--"];
    let created = service.run(create.iter().chain(&args));
    assert_eq!(created.code, 0, "{created:?}");
    let ran = Ran::from(wait.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
}

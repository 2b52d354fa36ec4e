//! The service on its own, with nobody behind it and with a real Redis.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service, command, run};
use crate::support::wait::eventually;

/// Nobody listens there.
const NOBODY: [&str; 4] = ["--redis-url", "redis://127.0.0.1:1", "--zinit-socket", "/nonexistent/zinit.sock"];

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_without_redis_and_zinit_and_says_who_is_away() {
    let service = Service::serve(&NOBODY).await;
    let info = eventually("both are asked", LIMIT, async || {
        let info = service.run(["info", "-o", "json"]);
        let states = info.json()["dependencies"].as_array().unwrap().clone();
        states.iter().all(|dependency| dependency["state"] == "STATE_DOWN").then_some(info)
    })
    .await;
    assert_eq!(info.code, 0, "{info:?}");
    let ran = service.run(["job", "run", "40 + 2", "--timeout", "1s"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{ran:?}");
    assert!(ran.stderr.contains("REDIS_UNAVAILABLE") && ran.stderr.contains("doctor"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_file_names_pid_and_addresses_and_goes_with_the_service() {
    let mut service = Service::serve(&[&NOBODY[..], &["--drain-delay", "0s"]].concat()).await;
    let text = std::fs::read_to_string(service.ready_file()).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(ready["pid"], service.pid());
    let addresses: Vec<&str> =
        ready["addresses"].as_array().unwrap().iter().map(|address| address.as_str().unwrap()).collect();
    assert_eq!(addresses[0], format!("unix:{}", service.socket().display()));
    let tcp = addresses[1];
    assert!(tcp.starts_with("127.0.0.1:") && !tcp.ends_with(":0"), "the real port: {tcp}");
    assert_eq!(run(["info", "-q", "--server", &format!("http://{tcp}")]).code, 0);
    let mode = std::fs::metadata(service.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the socket is for its owner alone");

    service.signal(Signal::SIGTERM);
    let status = service.ended().await;
    assert_eq!(status.code(), Some(0), "{}", service.stderr());
    assert!(!service.ready_file().exists() && !service.socket().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut service =
        Service::serve(&[&NOBODY[..], &["--drain-delay", "10m", "--shutdown-timeout", "20m"]].concat()).await;
    service.signal(Signal::SIGTERM);
    eventually("the first signal is heard", LIMIT, async || {
        service.stderr().contains("SIGTERM").then_some(())
    })
    .await;
    service.signal(Signal::SIGINT);
    assert_eq!(service.ended().await.code(), Some(130), "{}", service.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_has_a_limit() {
    let limit = ["--drain-delay", "100ms", "--shutdown-timeout", "600ms"];
    let mut service = Service::serve(&[&NOBODY[..], &limit].concat()).await;
    // A caller that came in, said nothing and does not go away.
    let silent = tokio::net::UnixStream::connect(service.socket()).await.unwrap();
    assert_eq!(service.run(["info", "-q"]).code, 0, "the silent one is in: it was first");
    service.signal(Signal::SIGTERM);
    assert_eq!(service.ended().await.code(), Some(124), "{}", service.stderr());
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_somebody_answers_on_is_not_taken_away() {
    let service = Service::serve(&NOBODY).await;
    let address = format!("unix:{}", service.socket().display());
    let refused = command(["serve", "--listen", &address]).args(NOBODY).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(5), "{told}");
    assert!(told.contains("another process listens there"), "{told}");
    assert_eq!(service.run(["info", "-q"]).code, 0, "the first one is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_late_is_found() {
    let mut redis = PrivateRedis::start().await;
    redis.kill9();
    let service = Service::serve(&["--redis-url", &redis.url(), "--process-manager", "local"]).await;
    let submit = ["job", "submit", "40 + 2"];
    assert_eq!(service.run(submit).code, 4);
    redis.restart().await;
    let submitted = eventually("jobs are accepted", LIMIT, async || {
        let submitted = service.run(submit);
        (submitted.code == 0).then_some(submitted)
    })
    .await;
    let id = submitted.stdout.trim();
    let seen = service.run(["job", "get", id, "-o", "json"]);
    assert_eq!(seen.json()["job"]["state"], "STATE_QUEUED", "{seen:?}");
}

//! `wait`: it ends when it is so, or when its time is over, and says what was missing.

use std::process::{Child, Stdio};

use crate::support::full_service::{FullService, until_actor};
use crate::support::service::{LIMIT, Service, command, run};
use crate::support::wait::eventually;
use hero_supervisor::proto::actor::State;

async fn code(child: &mut Child) -> i32 {
    let status = eventually("the wait ends", LIMIT, || {
        let ended = child.try_wait().unwrap();
        async move { ended }
    })
    .await;
    status.code().unwrap()
}

#[test]
fn a_server_that_never_comes_is_waited_for_as_long_as_was_said() {
    let ran = run(["wait", "ready", "--timeout", "700ms", "--server", "unix:/nonexistent/s"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (124, ""), "{ran:?}");
    assert!(ran.stderr.contains("not within 700ms: no server answers"), "{ran:?}");
    assert_eq!(run(["wait", "ready", "--server", "ftp://x"]).code, 2);
    assert_eq!(run(["wait", "actor"]).code, 2, "an actor has to be named");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_redis_is_not_ready() {
    let nobody = ["--redis-url", "redis://127.0.0.1:1", "--zinit-socket", "/nonexistent/zinit.sock"];
    let service = Service::serve(&nobody).await;
    let ran = service.run(["wait", "ready", "--timeout", "1s"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    assert!(ran.stderr.contains("Redis or the process manager is not"), "{ran:?}");
    // Whoever waits for a job is told within two seconds, while it is tried again.
    for line in [&["job", "run", "1"][..], &["job", "run", "1", "--follow"], &["job", "await", "j"]] {
        let ran = service.run(line.iter().chain(&["--timeout", "2s"]));
        assert_ne!(ran.code, 0, "{ran:?}");
        let told = |line: &str| line.contains("REDIS_UNAVAILABLE") && line.contains("trying again");
        assert_eq!(ran.stderr.lines().filter(|line| told(line)).count(), 1, "{line:?}: {ran:?}");
    }
}

/// Nobody knows then whether there is the job.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_no_server_has_accepted_is_not_said_to_go_on() {
    let nobody = ["--redis-url", "redis://127.0.0.1:1", "--zinit-socket", "/nonexistent/zinit.sock"];
    let mut service = Service::serve(&nobody).await;
    let notices = service.dir().join("notices");
    let said = || std::fs::read_to_string(&notices).unwrap();
    let run = ["job", "run", "1", "--job-id", "j", "--timeout", "4s"];
    let stderr = std::fs::File::create(&notices).unwrap();
    let mut running = service.client(run).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    eventually("it tries again", LIMIT, || async { said().contains("trying again").then_some(()) }).await;
    service.signal(nix::sys::signal::Signal::SIGKILL);
    service.ended().await;
    assert_eq!(code(&mut running).await, 4);
    assert!(said().contains("nothing is known of job j [NO_SERVER]"), "{}", said());
    assert!(!said().contains("continues"), "{}", said());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_the_server_works_and_the_actors_run() {
    let whole = FullService::start().await;
    let ready = whole.service.run(["wait", "ready"]);
    assert_eq!((ready.code, ready.stderr.as_str()), (0, ""), "{ready:?}");
    let missing = whole.service.run(["wait", "actor", "osis_actor_0", "--timeout", "1s"]);
    assert_eq!(missing.code, 124, "{missing:?}");
    assert!(missing.stderr.contains("there is no actor osis_actor_0"), "{missing:?}");

    let mut waiting = whole
        .service
        .client(["wait", "ready", "--actor", "osis_actor_0"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    whole.running_actor("osis_actor_0").await;
    assert_eq!(code(&mut waiting).await, 0);
    until_actor(&whole.client(), "osis_actor_0", "runs", |actor| actor.state() == State::Running).await;
    assert_eq!(whole.service.run(["wait", "ready", "--all-actors"]).code, 0);

    let stopped = whole.service.run(["actor", "stop", "osis_actor_0"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert_eq!(whole.service.run(["wait", "ready", "--all-actors"]).code, 0, "it is not meant to run");
    let named = whole.service.run(["wait", "actor", "osis_actor_0", "--timeout", "1s"]);
    assert!(named.code == 124 && named.stderr.contains("osis_actor_0 is stopped"), "{named:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_server_that_comes_later() {
    let dir = tempfile::Builder::new().prefix("hsw").tempdir_in("/tmp").unwrap();
    let socket = format!("unix:{}/s", dir.path().display());
    let mut waiting = command(["wait", "ready", "--timeout", "60s", "--server", &socket])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let whole =
        FullService::start_on(crate::support::redis::PrivateRedis::start().await, &["--listen", &socket])
            .await;
    assert_eq!(code(&mut waiting).await, 0);
    drop(whole);
}

//! `dev`: everything in one command, and nothing left behind.

use nix::sys::signal::Signal;

use crate::support::service::{LIMIT, Service, command};
use crate::support::wait::eventually;

/// Time for a first job: actors start, warm up and take it.
const TIMEOUT: &str = "60s";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_and_its_result_is_printed() {
    let service = Service::dev(&["--actors", "osis=2"]).await;
    let answer = service.run(["job", "run", "40 + 2", "--timeout", TIMEOUT]);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, "42\n"), "{answer:?}");
    let hello = service.run(["job", "run", "print(\"Hello World!\")", "--timeout", TIMEOUT]);
    assert_eq!((hello.code, hello.stdout.as_str()), (0, "Hello World!\n"), "{hello:?}");

    let failed = service.run(["job", "run", "let x = ;", "--timeout", TIMEOUT]);
    assert_eq!((failed.code, failed.stdout.as_str()), (1, ""), "{failed:?}");
    assert!(failed.stderr.contains("script_invalid") && failed.stderr.contains("line 1"), "{failed:?}");
    let thrown = service.run(["job", "run", "throw \"no luck\"", "--timeout", TIMEOUT]);
    assert_eq!(thrown.code, 1, "{thrown:?}");
    assert!(thrown.stderr.contains("script_error") && thrown.stderr.contains("no luck"), "{thrown:?}");

    // JSON is the proto JSON of the response, as grpcurl shows it.
    let json = service.run(["job", "run", "40 + 2", "--timeout", TIMEOUT, "-o", "json"]).json();
    assert_eq!(json["waitOutcome"], "WAIT_OUTCOME_DONE");
    assert_eq!((&json["job"]["state"], &json["job"]["result"]), (&"STATE_SUCCEEDED".into(), &"42".into()));
    assert_eq!(json["job"]["spec"]["scriptType"], "SCRIPT_TYPE_OSIS");

    let info = service.run(["info", "-o", "json"]).json();
    assert_eq!(info["mode"], "MODE_DEV");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_everything_is_and_what_to_try() {
    let service = Service::dev(&["--actors", "osis=1"]).await;
    let banner = eventually("the banner is shown", LIMIT, async || {
        let banner = service.stdout();
        banner.contains("Ctrl-C").then_some(banner)
    })
    .await;
    let socket = service.socket().display().to_string();
    let data = service.dir().join("data").display().to_string();
    for part in ["gRPC", "127.0.0.1:", &socket, &data, "redis.log", "osis_actor_0 (running)"] {
        assert!(banner.contains(part), "{part} in {banner}");
    }
    // The lines to try are tried as they stand, by a shell.
    let path =
        format!("{}:{}/go/bin", std::env::var("PATH").unwrap(), std::env::var("HOME").unwrap_or_default());
    for (line, answer) in [(" job run ", "42\n"), ("grpcurl ", "\"result\": \"42\"")] {
        let line = banner.lines().find(|text| text.contains(line)).unwrap();
        let tried = std::process::Command::new("sh").args(["-c", line]).env("PATH", &path).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&tried.stdout), String::from_utf8_lossy(&tried.stderr));
        assert!(
            stdout.contains(answer),
            "{line}: {stdout} {stderr} (grpcurl is installed by .ci/install grpcurl)"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_are_scaled_looked_at_and_stopped_from_the_command_line() {
    let service = Service::dev(&["--actors", "osis=1"]).await;
    let running = |count: usize| {
        let service = &service;
        async move {
            eventually("that many run", LIMIT, async || {
                let actors = service.run(["actor", "ls", "-o", "json"]).json()["actors"].as_array().cloned();
                let running = actors.unwrap_or_default();
                let running = running.iter().filter(|actor| actor["state"] == "STATE_RUNNING").count();
                (running == count).then_some(())
            })
            .await;
        }
    };
    running(1).await;
    let trial = service.run(["actor", "scale", "osis", "2", "--dry-run", "-q"]);
    assert_eq!((trial.code, trial.stdout.as_str()), (0, "osis_actor_1\n"), "{trial:?}");
    let scaled = service.run(["actor", "scale", "osis", "2"]);
    assert_eq!(scaled.code, 0, "{scaled:?}");
    running(2).await;
    let listed = service.run(["actor", "ls", "-q"]);
    assert_eq!(listed.stdout, "osis_actor_0\nosis_actor_1\n", "{listed:?}");
    let stopped = service.run(["actor", "stop", "osis_actor_0", "osis_actor_1"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    running(0).await;
    let shown = service.run(["actor", "get", "osis_actor_0"]);
    assert!(shown.stdout.contains("stopped"), "{shown:?}");
    let started = service.run(["actor", "start", "--all", "-o", "json"]);
    assert_eq!(started.code, 0, "{started:?}");
    assert_eq!(started.json()["results"].as_array().unwrap().len(), 2);
    running(2).await;
}

/// Waits for Redis and two actors, of which one may already have run a job.
async fn until_all_are_there(service: &Service) {
    eventually("Redis and two actors", LIMIT, async || (service.others().len() >= 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_no_process_behind_and_keeps_the_data() {
    let mut service = Service::dev(&["--actors", "osis=2"]).await;
    let job = service.run(["job", "run", "40 + 2", "--timeout", TIMEOUT, "-q"]).stdout.trim().to_owned();
    until_all_are_there(&service).await;
    service.signal(Signal::SIGINT);
    assert_eq!(service.ended().await.code(), Some(0), "{}", service.stderr());
    assert_eq!(service.others(), Vec::<i32>::new());

    // The same folder again: the job of the first run is still there.
    let data = service.dir().join("data");
    let address = format!("unix:{}", service.socket().display());
    let mut again =
        command(["dev", "--actors", "", "--listen", &address, "--data-dir"]).arg(&data).spawn().unwrap();
    let seen = eventually("the job is found again", LIMIT, async || {
        let seen = service.run(["job", "get", &job, "-o", "json"]);
        (seen.code == 0).then_some(seen)
    })
    .await;
    again.kill().unwrap();
    again.wait().unwrap();
    assert_eq!(seen.json()["job"]["result"], "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_it_takes_redis_and_its_actors_along() {
    let mut service = Service::dev(&["--actors", "osis=2"]).await;
    until_all_are_there(&service).await;
    service.signal(Signal::SIGKILL);
    service.ended().await;
    eventually("all are gone", LIMIT, async || service.others().is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dev_on_the_same_folder_is_refused() {
    let service = Service::dev(&["--actors", ""]).await;
    let refused =
        command(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(service.dir().join("data")).output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another `dev` uses it"), "{refused:?}");
}

#[test]
fn without_redis_server_it_says_how_to_install_it() {
    let dir = tempfile::tempdir().unwrap();
    let ran = command(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path())
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(5), "{ran:?}");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("apt install redis-server") && told.contains("--redis-url"), "{told}");
}

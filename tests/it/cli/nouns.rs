//! Queues, health, script types and the overview, from the command line, against `dev` with a real actor.

use std::fs::File;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::service::{LIMIT, Ran, Service};
use crate::support::wait::eventually;

/// Time for a first job: the actor starts, warms up and takes it.
const TIMEOUT: &str = "60s";
const ACTOR: &str = "osis_actor_0";

/// `dev` with one actor that has shown that it works.
async fn service() -> Service {
    let service = Service::dev(&["--actors", "osis=1"]).await;
    let ran = service.run(["job", "run", "40 + 2", "--timeout", TIMEOUT]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
    // It can work before the supervisor has seen that it does.
    fine(service.run(["wait", "actor", ACTOR]));
    service
}

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn submit(service: &Service) -> String {
    fine(service.run(["job", "submit", "40 + 2"])).stdout.trim().to_owned()
}

fn status(service: &Service) -> Value {
    fine(service.run(["script-type", "get", "osis", "-o", "json"])).json()["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_holds_its_jobs_and_a_resumed_one_lets_them_run() {
    let service = service().await;
    let printed = fine(service.run(["job", "run", "-q", "print(\"a line\")", "--timeout", TIMEOUT]));
    let lines = fine(service.run(["job", "logs", printed.stdout.trim(), "-o", "json"]));
    assert_eq!(lines.json()["text"], "a line", "each line of the log is one of JSON: {lines:?}");
    let ready = fine(service.run(["wait", "ready", "-o", "json"]));
    assert_eq!(ready.json()["mode"], "MODE_DEV", "{ready:?}");
    let paused = fine(service.run(["queue", "pause", "osis", "--reason", "a look inside"]));
    assert!(paused.stdout.contains("paused") && paused.stdout.contains("a look inside"), "{paused:?}");
    let again = fine(service.run(["queue", "pause", "osis", "-o", "json"]));
    assert_eq!(again.json()["changed"], Value::Null, "{again:?}");

    let held = submit(&service);
    let awaited = service.run(["job", "await", &held, "--timeout", "1s"]);
    assert_eq!(awaited.code, 124, "{awaited:?}");
    // Whoever looks, or waits for a while, is told why it waits.
    let got = fine(service.run(["job", "get", &held]));
    assert!(
        got.stdout.contains("the osis queue is paused since") && got.stdout.contains("(a look inside)"),
        "{got:?}"
    );
    for line in [
        &["job", "await", &held, "--timeout", "3s"][..],
        &["job", "run", "1", "--timeout", "3s", "--cancel"],
        &["job", "run", "1", "--timeout", "3s", "--cancel", "--follow"],
    ] {
        let told = service.run(line);
        assert_eq!(told.code, 124, "{told:?}");
        let notices = told.stderr.matches("which is queued: the osis queue is paused since").count();
        assert_eq!(notices, 1, "{line:?}: {told:?}");
    }
    let json = fine(service.run(["job", "get", &held, "-o", "json"])).json();
    assert_eq!(json["job"]["wait"]["reason"], "REASON_QUEUE_PAUSED");
    assert_eq!(status(&service)["jobsQueued"], 1);

    fine(service.run(["queue", "resume", "osis"]));
    let ran = service.run(["job", "await", &held, "--timeout", TIMEOUT]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
    assert_eq!(status(&service)["paused"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_counts_what_it_cancels_and_a_retry_runs_it_after_all() {
    let service = service().await;
    fine(service.run(["queue", "pause", "osis"]));
    let (first, second) = (submit(&service), submit(&service));
    let counted = fine(service.run(["queue", "purge", "osis", "--dry-run"]));
    assert_eq!(counted.stdout, "2 jobs would be cancelled\n");
    let guarded = service.run(["queue", "purge", "osis", "--expected-count", "1"]);
    assert_eq!(guarded.code, 5, "{guarded:?}");
    assert_eq!(status(&service)["jobsQueued"], 2, "nothing is cancelled by a dry run or behind the guard");
    let purged = fine(service.run(["queue", "purge", "osis", "--expected-count", "2", "--reason", "spring"]));
    assert_eq!(purged.stdout, "2 jobs cancelled\n");
    let seen = fine(service.run(["job", "get", &second, "-o", "json"])).json();
    assert_eq!(
        (&seen["job"]["state"], &seen["job"]["cancelReason"]),
        (&"STATE_CANCELLED".into(), &"spring".into())
    );
    let wrong = service.run(["queue", "purge", "osis", "--state", "running"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");

    let retried = fine(service.run(["job", "retry", &first, "--reset-attempts"]));
    assert!(retried.stdout.contains(&first) && retried.stdout.contains("queued"), "{retried:?}");
    fine(service.run(["queue", "resume", "osis"]));
    let ran = service.run(["job", "await", &first, "--timeout", TIMEOUT]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
    let succeeded = service.run(["job", "retry", &first]);
    assert_eq!(succeeded.code, 5, "a job that succeeded is not run again: {succeeded:?}");
    let file = service.dir().join("input.json");
    std::fs::write(&file, "[4]").unwrap();
    let again = fine(service.run(["job", "retry", &first, "--input-file", file.to_str().unwrap(), "-q"]));
    let again = again.stdout.trim();
    let ran = service.run(["job", "await", again, "--timeout", TIMEOUT]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
    let new = fine(service.run(["-o", "json", "job", "get", again, "--script"])).json()["job"].clone();
    assert_eq!((&new["retryOf"], &new["spec"]["input"]), (&first.as_str().into(), &"[4]".into()));
    let shown = fine(service.run(["job", "get", again])).stdout;
    assert!(shown.contains("retry of") && shown.contains(&first), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_answers_is_healthy_and_one_that_does_not_is_told_of() {
    let service = service().await;
    let checked = fine(service.run(["health", "check", ACTOR, "--scope", "all", "-o", "json"])).json();
    let report = &checked["reports"][0];
    assert_eq!(
        (&report["actorId"], &report["health"]),
        (&ACTOR.into(), &"HEALTH_HEALTHY".into()),
        "{checked}"
    );
    assert_eq!(report["lastPing"]["outcome"], "OUTCOME_OK", "{checked}");
    assert!(report["lastPing"]["roundTrip"].is_string(), "{checked}");
    let known = fine(service.run(["health", "check", "--all", "--scope", "none"]));
    assert!(known.stdout.contains(ACTOR) && known.stdout.contains("healthy"), "{known:?}");
    assert_eq!(service.run(["health", "check", "nope"]).code, 3);

    let shown = service.dir().join("watched");
    let mut watch =
        service.client(["health", "watch"]).stdout(File::create(&shown).unwrap()).spawn().unwrap();
    let watched = || std::fs::read_to_string(&shown).unwrap();
    eventually("the watch shows how it is", LIMIT, async || watched().contains("healthy").then_some(()))
        .await;

    fine(service.run(["script-type", "set", "osis", "--ping-timeout", "500ms", "--failure-threshold", "5"]));
    let actor = fine(service.run(["actor", "get", ACTOR, "-o", "json"])).json();
    let pid = Pid::from_raw(i32::try_from(actor["actor"]["pid"].as_i64().unwrap()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    let stuck = fine(service.run(["health", "check", ACTOR]));
    assert!(stuck.stdout.contains("degraded"), "{stuck:?}");
    eventually("the watch tells of it", LIMIT, async || watched().contains("degraded").then_some(())).await;
    kill(pid, Signal::SIGCONT).unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_kept_and_automatic_scaling_stays_within_them() {
    let service = service().await;
    let nothing = service.run(["script-type", "set", "osis"]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
    for _ in 0..4 {
        fine(service.run(["job", "submit", "sleep(600)"]));
    }
    let rules = ["--mode", "auto", "--min", "1", "--max", "2", "--target", "1", "--scale-out-delay", "100ms"];
    fine(service.run(["script-type", "set", "osis"].iter().chain(&rules)));
    fine(service.run(["script-type", "set", "osis", "--queue-limit", "9"]));
    let kept = status(&service)["settings"].clone();
    assert_eq!((&kept["scalingPolicy"]["mode"], &kept["maxQueueDepth"]), (&"MODE_AUTO".into(), &9.into()));
    assert_eq!(
        (&kept["scalingPolicy"]["minReplicas"], &kept["scalingPolicy"]["maxReplicas"]),
        (&1.into(), &2.into())
    );

    let two = eventually("a second actor runs", LIMIT, async || {
        let status = status(&service);
        (status["actorsRunning"] == 2).then_some(status)
    })
    .await;
    assert_eq!(
        (&two["desiredReplicas"], &two["actorsTotal"]),
        (&2.into(), &2.into()),
        "four jobs, two at most: {two}"
    );

    let refused = service.run(["scale", "osis", "1"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("AUTOSCALING_ACTIVE"), "{refused:?}");
    let top = fine(service.run(["top", "--once"]));
    for part in ["TYPE", "osis", "sal", "python", "open", ACTOR, "osis_actor_1"] {
        assert!(top.stdout.contains(part), "{part}: {top:?}");
    }
    fine(service.run(["scale", "osis", "1", "--take-over", "--force"]));
    let fixed = status(&service);
    assert_eq!(fixed["settings"]["scalingPolicy"]["mode"], "MODE_FIXED", "{fixed}");
    // When the answer is there, it is so: one that a caller made is stopped and stays; one that scaling made is gone.
    assert_eq!(fixed["actorsRunning"], 1, "{fixed}");
    let listed = fine(service.run(["actor", "ls", "-o", "json"])).json()["actors"].clone();
    let of = |name: &str| listed.as_array().unwrap().iter().find(|actor| actor["actorId"] == name);
    let running = |actor: Option<&Value>| actor.is_some_and(|actor| actor["state"] == "STATE_RUNNING");
    let first = of(ACTOR);
    assert!(first.is_some_and(|actor| running(Some(actor)) || actor["state"] == "STATE_STOPPED"), "{listed}");
    assert_eq!(of("osis_actor_1").is_some(), !running(first), "{listed}");
    let shown = fine(service.run(["script-type", "get", "osis"]));
    assert!(shown.stdout.contains("fixed"), "{shown:?}");
    // What nobody has set is shown as it is in force.
    let fact = |name: &str| {
        let line = shown.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].trim().to_owned()
    };
    assert_eq!(fact("run timeout"), "5m (default)");
    assert_eq!(fact("queue timeout"), "none (default)");
    assert_eq!(fact("attempts"), "1 (default)");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_set_back_and_a_template_and_retries_are_set() {
    let service = service().await;
    let set = |flags: &[&str]| service.run([&["script-type", "set", "sal"], flags].concat());
    fine(set(&["--max-attempts", "3", "--retry-backoff", "2s", "--max-retry-backoff", "9s"]));
    fine(set(&["--queue-timeout", "1h", "--run-timeout", "7s", "--on-unhealthy", "report-only"]));
    let sal = || {
        let shown = fine(service.run(["script-type", "get", "sal", "-o", "json"])).json();
        shown["status"]["settings"].clone()
    };
    let jobs = sal()["jobDefaults"].clone();
    assert_eq!(jobs["retryPolicy"]["maxAttempts"], 3, "{jobs}");
    assert_eq!(jobs["retryPolicy"]["initialBackoff"], "2s", "{jobs}");
    assert_eq!(jobs["retryPolicy"]["maxBackoff"], "9s", "{jobs}");
    assert_eq!((&jobs["queueTimeout"], &jobs["runTimeout"]), (&"3600s".into(), &"7s".into()));
    assert_eq!(sal()["healthPolicy"]["action"], "ACTION_REPORT_ONLY");

    fine(set(&["--clear", "run-timeout", "--clear", "max-attempts", "--clear", "on-unhealthy"]));
    let (jobs, health) = (sal()["jobDefaults"].clone(), sal()["healthPolicy"].clone());
    assert_eq!((&jobs["runTimeout"], &jobs["queueTimeout"]), (&Value::Null, &"3600s".into()), "{jobs}");
    assert_eq!(jobs["retryPolicy"]["maxAttempts"], 1, "{jobs}");
    assert_eq!(health["action"], "ACTION_RESTART", "{health}");
    let both = set(&["--clear", "min", "--min", "1"]);
    assert!(both.code == 2 && both.stderr.contains("one of them is not meant"), "{both:?}");
    let unknown = set(&["--clear", "minimum"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("scale-in-delay"), "{unknown:?}");

    // Actors from a template that no actor has been before.
    assert_eq!(service.run(["scale", "sal", "1"]).code, 5);
    fine(set(&[
        "--template-binary",
        "/bin/sleep",
        "--template-process",
        "--template-label",
        "a=b",
        "--",
        "1000",
    ]));
    fine(service.run(["scale", "sal", "1"]));
    let made = fine(service.run(["actor", "get", "sal_actor_0", "-o", "json"])).json()["actor"].clone();
    assert_eq!(made["config"]["binaryPath"], "/bin/sleep", "{made}");
    assert_eq!((&made["config"]["args"][0], &made["config"]["labels"]["a"]), (&"1000".into(), &"b".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_is_changed_flag_by_flag_at_its_next_start_or_now() {
    let service = service().await;
    let update = |flags: &[&str]| service.run([&["actor", "update", "sleeper"], flags].concat());
    let sleeper =
        || fine(service.run(["actor", "get", "sleeper", "--env", "-o", "json"])).json()["actor"].clone();
    assert_eq!(update(&["--drain-timeout", "1m"]).code, 3, "there is none yet");
    let create =
        ["actor", "create", "sleeper", "--type", "v", "--binary", "/bin/sleep", "--readiness", "process"];
    fine(
        service
            .run([&create[..], &["--env", "A=1", "--env", "B=2", "--after", ACTOR, "--", "1000"]].concat()),
    );
    let first = sleeper();

    fine(update(&["--env", "C=3", "--unset-env", "A", "--max-restarts", "7", "--", "2000"]));
    let next = sleeper();
    assert_eq!(next["pid"], first["pid"], "it runs on");
    assert!(next["statusMessage"].as_str().unwrap().contains("earlier definition"), "{next}");
    let config = &next["config"];
    assert_eq!(
        (&config["args"][0], &config["env"]),
        (&"2000".into(), &serde_json::json!({"B": "2", "C": "3"}))
    );
    assert_eq!(config["restartPolicy"]["maxRestarts"], 7, "{config}");
    assert_eq!(config["restartPolicy"]["mode"], first["config"]["restartPolicy"]["mode"], "{config}");
    assert_eq!(config["dependencies"][0], ACTOR, "what was not named stays");
    let shown = |flags: &[&str]| fine(service.run([&["actor", "get", "sleeper"], flags].concat())).stdout;
    for line in
        ["args: 1000; a restart takes 2000", "env.A: 1; a restart takes -", "env.C: -; a restart takes 3"]
    {
        assert!(shown(&["--env"]).contains(line), "{line}: {}", shown(&["--env"]));
    }
    assert!(!shown(&[]).contains("env.A: 1"), "values are left out: {}", shown(&[]));

    fine(update(&["--clear", "after", "--clear", "env", "--env", "D=4", "--now"]));
    let now = sleeper();
    assert_ne!(now["pid"], first["pid"], "{now}");
    assert_eq!((&now["state"], &now["config"]["args"][0]), (&"STATE_RUNNING".into(), &"2000".into()));
    assert_eq!(
        (&now["config"]["env"], &now["config"]["dependencies"]),
        (&serde_json::json!({"D": "4"}), &Value::Null)
    );
    assert_eq!((&now["statusMessage"], &now["runningConfig"]), (&Value::Null, &Value::Null), "{now}");
    assert!(!shown(&[]).contains("runs by"), "{}", shown(&[]));

    let nothing = update(&[]);
    assert!(nothing.code == 2 && nothing.stderr.contains("nothing to change"), "{nothing:?}");
    let wrong = update(&["--binary", "/no/such/program"]);
    assert!(wrong.code == 5 && wrong.stderr.contains("BINARY_INVALID"), "{wrong:?}");
    let help = fine(service.run(["actor", "update", "--help"]));
    for flag in ["--now", "--clear", "--unset-env", "--on-unhealthy", "health-check"] {
        assert!(help.stdout.contains(flag), "{flag}: {help:?}");
    }
}

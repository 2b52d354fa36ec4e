//! Actors of the configuration file, on a real Redis and a real Zinit.

use std::path::Path;
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;

use crate::support::full_service::{FullService, OSIS_ACTOR, actor, actors, client, span, told, until_actor};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

/// A trivial actor in the file.
fn table(name: &str, seconds: u32) -> String {
    format!(
        "[[actor]]\nname = \"{name}\"\nscript_type = \"sal\"\nbinary_path = \"/bin/sleep\"\nargs = [\"{seconds}\"]\n\
         readiness = \"process\"\n\n"
    )
}

/// An OSIS actor in the file that depends on the actor `a`.
fn worker_table(redis_url: &str) -> String {
    format!(
        "[[actor]]\nname = \"osis_actor_0\"\nscript_type = \"osis\"\nbinary_path = \"{OSIS_ACTOR}\"\n\
         args = [\"--actor-id\", \"osis_actor_0\"]\nstart_timeout = \"60s\"\ndependencies = [\"a\"]\n\
         [actor.env]\nREDIS_URL = \"{redis_url}\"\n\n"
    )
}

async fn summary(service: &Service, expected: &str) {
    let what = format!("the log has {expected:?}");
    eventually(&what, LIMIT, || async { service.stderr().contains(expected).then_some(()) }).await;
}

fn write(path: &Path, tables: &[String]) {
    std::fs::write(path, tables.concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_of_the_file_are_made_changed_left_alone_and_removed_only_if_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("supervisor.toml");
    let flag = file.display().to_string();
    let redis = PrivateRedis::start().await;
    let worker = worker_table(&redis.url());
    write(&file, &[worker.clone(), table("a", 1000), table("b", 1000), table("c", 1000)]);
    let mut whole = FullService::start_on(redis, &["--config", &flag]).await;
    summary(&whole.service, "4 created, 0 changed, 0 unchanged, 0 removed, 0 failed").await;
    let before = actors(&whole.client()).await;
    let running: Vec<(&str, State)> =
        before.iter().map(|actor| (actor.actor_id.as_str(), actor.state())).collect();
    assert_eq!(running, ["a", "b", "c", "osis_actor_0"].map(|name| (name, State::Running)));
    // By hand: one more, and one that is stopped. The file does not meddle with either.
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Sal.into(),
        binary_path: "/bin/sleep".to_owned(),
        args: vec!["1000".to_owned()],
        readiness: pb::actor_config::Readiness::Process.into(),
        ..Default::default()
    };
    let by_hand =
        pb::CreateActorRequest { actor_id: "z".to_owned(), config: Some(config), ..Default::default() };
    whole.client().create_actor(by_hand).await.unwrap();
    assert_eq!(whole.service.run(["actor", "stop", "b"]).code, 0);

    // Again: nobody notices.
    restart(&mut whole, &["--config", &flag]).await;
    summary(&whole.service, "0 created, 0 changed, 4 unchanged, 0 removed, 0 failed").await;
    let client_after = whole.client();
    for old in before.iter().filter(|actor| actor.actor_id != "b") {
        until_actor(&client_after, &old.actor_id, "is as it was", |now| {
            (now.pid, now.state()) == (old.pid, State::Running)
        })
        .await;
    }
    assert_eq!(actor(&client_after, "b").await.state(), State::Stopped, "somebody has stopped it");

    // One is changed, one is gone from the file.
    write(&file, &[worker, table("a", 2000), table("b", 1000)]);
    restart(&mut whole, &["--config", &flag]).await;
    summary(&whole.service, "0 created, 1 changed, 2 unchanged, 0 removed, 0 failed").await;
    let changed = actor(&whole.client(), "a").await;
    assert_eq!(
        (changed.config.clone().unwrap().args, changed.state()),
        (vec!["2000".to_owned()], State::Running)
    );
    assert_ne!(changed.pid, before[0].pid);
    let kept = actor(&whole.client(), "osis_actor_0").await;
    assert_eq!(kept.pid, before[3].pid, "what depends on a changed one goes on");
    actor(&whole.client(), "c").await;

    restart(&mut whole, &["--config", &flag, "--prune"]).await;
    summary(&whole.service, "0 created, 0 changed, 3 unchanged, 1 removed, 0 failed").await;
    let left: Vec<String> =
        actors(&client(&whole.service)).await.into_iter().map(|actor| actor.actor_id).collect();
    assert_eq!(left, ["a", "b", "osis_actor_0", "z"], "what others have made stays");
}

/// Another supervisor in its place.
async fn restart(whole: &mut FullService, flags: &[&str]) {
    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    whole.service = whole.another(flags).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_of_the_file_that_cannot_start_is_reported_and_keeps_no_other_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("supervisor.toml");
    let broken = "[[actor]]\nname = \"broken\"\nscript_type = \"v\"\nbinary_path = \"/nonexistent/v\"\n\n";
    write(&file, &[broken.to_owned(), table("a", 1000)]);
    let flags = ["--config", &file.display().to_string()];
    let whole = FullService::start_on(PrivateRedis::start().await, &flags).await;
    summary(&whole.service, "1 created, 0 changed, 0 unchanged, 0 removed, 1 failed").await;
    assert!(
        whole.service.stderr().contains("configuration file: actor broken failed"),
        "{}",
        whole.service.stderr()
    );
    assert_eq!(actor(&whole.client(), "a").await.state(), State::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_file_are_made_and_hold_and_what_was_said_since_stays_until_the_file_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("supervisor.toml");
    let flag = file.display().to_string();
    let rules = |replicas: u32, depth: u32| {
        format!(
            "[script_type.sal]\nmax_queue_depth = {depth}\n\
             scaling_policy = {{ mode = \"fixed\", replicas = {replicas}, max_replicas = 4 }}\n\
             job_defaults = {{ run_timeout = \"7s\", retry_policy = {{ max_attempts = 3 }} }}\n\
             [script_type.sal.actor_template]\nbinary_path = \"/bin/sleep\"\nargs = [\"1000\"]\n\
             readiness = \"process\"\n\n[script_type.v.health_policy]\nfailure_threshold = 5\n"
        )
    };
    std::fs::write(&file, rules(2, 1)).unwrap();
    let redis = PrivateRedis::start().await;
    let mut whole = FullService::start_on(redis, &["--config", &flag]).await;
    summary(&whole.service, "configuration file: settings: 2 changed, 0 unchanged, 0 failed").await;
    // The number of actors, from the template; nobody else has made one.
    for name in ["sal_actor_0", "sal_actor_1"] {
        until_actor(&whole.client(), name, "runs", |actor| actor.state() == State::Running).await;
    }
    let made = actors(&whole.client()).await;
    assert_eq!(made.len(), 2, "{made:?}");
    assert!(made.iter().all(|actor| actor.config.clone().unwrap().labels.is_empty()), "{made:?}");
    // What a job gets, and how many may wait.
    let job =
        pb::JobSpec { script_type: pb::ScriptType::Sal.into(), script: "1".to_owned(), ..Default::default() };
    let request = pb::SubmitJobRequest { job: Some(job), ..Default::default() };
    let job = whole.client().submit_job(request.clone()).await.unwrap().into_inner().job.unwrap();
    let spec = job.spec.unwrap();
    assert_eq!(spec.run_timeout, span(Duration::from_secs(7)));
    assert_eq!(spec.retry_policy.unwrap().max_attempts, Some(3));
    let refused = whole.client().submit_job(request).await.unwrap_err();
    assert_eq!(told(&refused).reason, "QUEUE_FULL");
    assert_eq!(health_threshold(&whole).await, Some(5));

    // By hand since then; the same file finds nothing to do but its own number.
    assert_eq!(whole.service.run(["script-type", "set", "v", "--failure-threshold", "6"]).code, 0);
    std::fs::write(&file, rules(3, 9).replace("[script_type.v.health_policy]\nfailure_threshold = 5\n", ""))
        .unwrap();
    restart(&mut whole, &["--config", &flag]).await;
    summary(&whole.service, "configuration file: settings: 1 changed, 0 unchanged, 0 failed").await;
    until_actor(&whole.client(), "sal_actor_2", "runs", |actor| actor.state() == State::Running).await;
    assert_eq!(health_threshold(&whole).await, Some(6), "the file says nothing of it any more");
    let pids: Vec<_> = actors(&whole.client()).await.into_iter().map(|actor| actor.pid).collect();
    assert_eq!(pids[..2], made.iter().map(|actor| actor.pid).collect::<Vec<_>>());

    restart(&mut whole, &["--config", &flag]).await;
    summary(&whole.service, "configuration file: settings: 0 changed, 1 unchanged, 0 failed").await;

    // A node that lacks some, like one that is new to the rules of others, gets the rest.
    let gone = whole.service.run(["actor", "delete", "sal_actor_2"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    restart(&mut whole, &["--config", &flag]).await;
    summary(&whole.service, "configuration file: settings: 1 changed, 0 unchanged, 0 failed").await;
    until_actor(&whole.client(), "sal_actor_2", "runs", |actor| actor.state() == State::Running).await;

    check_counts_the_script_types(&whole, &file);
}

fn check_counts_the_script_types(whole: &FullService, file: &Path) {
    let flag = file.display().to_string();
    let shown = whole.service.run(["config", "check", "--config", &flag]);
    assert!(
        shown.stdout.contains("with 1 script type\n") || shown.stderr.contains("with 1 script type\n"),
        "{shown:?}"
    );
    std::fs::write(file, "[script_type.osis]\nscaling_policy = { mode = \"auto\" }\n").unwrap();
    let wrong = whole.service.run(["config", "check", "--config", &flag]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.stderr.contains("script_type.osis.scaling_policy.max_replicas ("), "{wrong:?}");
}

async fn health_threshold(whole: &FullService) -> Option<i32> {
    let request = pb::GetScriptTypeRequest { script_type: pb::ScriptType::V.into(), ..Default::default() };
    let status = whole.client().get_script_type(request).await.unwrap().into_inner().status.unwrap();
    status.settings.unwrap().health_policy.unwrap().failure_threshold
}

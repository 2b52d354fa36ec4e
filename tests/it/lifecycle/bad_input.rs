//! What cannot work is refused with everything that a program or a person needs to mend it.

use std::os::unix::fs::PermissionsExt;

use hero_supervisor::proto as pb;
use pb::actor::State;
use tonic::Code;

use crate::support::full_service::{Client, FullService, Told, actor, actors, create, osis, span, told};

async fn refusal(client: &Client, request: pb::CreateActorRequest) -> Told {
    told(&client.clone().create_actor(request).await.unwrap_err())
}

fn config(request: &mut pb::CreateActorRequest) -> &mut pb::ActorConfig {
    request.config.as_mut().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_missing_not_executable_or_another_one_is_refused() {
    let whole = FullService::start().await;
    let client = whole.client();
    let plain = whole.zinit.path("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let plain = plain.display().to_string();

    let mut request = whole.definition("osis_actor_0");
    config(&mut request).binary_path = "/nonexistent/osis_actor".to_owned();
    let missing = refusal(&client, request.clone()).await;
    config(&mut request).binary_path = plain.clone();
    let plain_file = refusal(&client, request.clone()).await;
    let mut request = whole.definition("osis_actor_0");
    config(&mut request).binary_sha256 = "0".repeat(64);
    let other = refusal(&client, request).await;

    let path = whole.definition("x").config.unwrap().binary_path;
    let expected = [
        (&missing, "/nonexistent/osis_actor", "no such file"),
        (&plain_file, &plain, "executable"),
        (&other, &path, "sha"),
    ];
    for (told, path, cause) in expected {
        assert_eq!(told.why(), (Code::FailedPrecondition, "BINARY_INVALID"), "{told:?}");
        assert_eq!(told.metadata["path"], path);
        assert!(told.metadata["cause"].to_lowercase().contains(cause), "{told:?}");
        assert!(told.message.contains(path), "{told:?}");
    }
    assert_eq!(actors(&client).await, [], "nothing is left of what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_that_nobody_can_meet_are_refused_by_name() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let depending = |id: &str, dependency: &str| {
        let mut request = whole.definition(id);
        config(&mut request).dependencies = vec![dependency.to_owned()];
        request
    };
    let unknown = refusal(&client, depending("osis_actor_0", "ghost")).await;
    assert_eq!(unknown.why(), (Code::FailedPrecondition, "DEPENDENCY_UNMET"));
    assert_eq!((&*unknown.metadata["actor_id"], &*unknown.metadata["dependency"]), ("osis_actor_0", "ghost"));

    // A service of Zinit's own may be waited for. When its name is to become an actor that waits back, that is a cycle.
    let service = serde_json::json!({"name": "b", "exec": "sleep 3600"});
    whole.zinit.call("service.set", serde_json::json!({"config": {"service": service}})).await;
    create(&mut client, depending("a", "b")).await;
    let cycle = refusal(&client, depending("b", "a")).await;
    assert_eq!(cycle.why(), (Code::FailedPrecondition, "DEPENDENCY_UNMET"));
    assert_eq!((&*cycle.metadata["actor_id"], &*cycle.metadata["dependency"]), ("a", "b"));
    assert!(cycle.message.contains("b -> a -> b"), "{cycle:?}");
    let names: Vec<String> = actors(&client).await.into_iter().map(|actor| actor.actor_id).collect();
    assert_eq!(names, ["a"], "nothing is left of what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_depended_on_is_started_first() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let first = pb::CreateActorRequest { start: Some(false), ..whole.definition("osis_actor_0") };
    client.create_actor(first).await.unwrap();
    let mut second = whole.definition("osis_actor_1");
    config(&mut second).dependencies = vec!["osis_actor_0".to_owned()];
    create(&mut client, second).await;
    assert_eq!(actor(&client, "osis_actor_0").await.state(), State::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_has_one_definition() {
    let whole = FullService::start().await;
    let client = whole.client();
    let before = whole.running_actor("osis_actor_0").await;
    let mut other = whole.definition("osis_actor_0");
    config(&mut other).args.push("--max-output=1KiB".to_owned());
    let refused = refusal(&client, other).await;
    assert_eq!(refused.why(), (Code::AlreadyExists, "ACTOR_EXISTS"));
    assert_eq!(refused.metadata["actor_id"], "osis_actor_0");
    assert_eq!(refused.metadata["create_time"], before.create_time.unwrap().to_string());
    assert_eq!(actor(&client, "osis_actor_0").await.pid, before.pid, "what runs is not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_id_has_one_content() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let request = |script: &str| pb::SubmitJobRequest {
        job: Some(osis(script)),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let first = client.submit_job(request("1")).await.unwrap().into_inner();
    let again = client.submit_job(request("1")).await.unwrap().into_inner();
    assert!(!first.deduplicated && again.deduplicated);
    assert_eq!(first.job.unwrap().job_id, again.job.unwrap().job_id);
    let refused = told(&client.submit_job(request("2")).await.unwrap_err());
    assert_eq!(refused.why(), (Code::InvalidArgument, "REQUEST_ID_REUSED"));
    assert_eq!(refused.metadata["request_id"], "once");
    assert!(refused.metadata["first_use_time"].ends_with('Z'), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_ends_at_once_is_told_with_its_exit_and_its_last_words() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let mut request = whole.definition("osis_actor_0");
    config(&mut request).binary_path = "/bin/sh".to_owned();
    config(&mut request).args = ["-c", "echo 'no licence found' >&2; exit 3"].map(str::to_owned).to_vec();
    let refused = refusal(&client, request).await;
    assert_eq!(refused.why(), (Code::FailedPrecondition, "ACTOR_START_FAILED"));
    assert_eq!(refused.metadata["actor_id"], "osis_actor_0");
    for part in ["exit code 3", "no licence found"] {
        assert!(refused.metadata["cause"].contains(part) && refused.message.contains(part), "{refused:?}");
    }
    let failed = actor(&client, "osis_actor_0").await;
    assert_eq!((failed.state(), failed.pid), (State::Failed, None));
    assert!(failed.status_message.contains("exit code 3"), "{failed:?}");

    // A definition with a flag that the program does not know is refused by the program itself.
    let mut request = whole.definition("osis_actor_1");
    config(&mut request).args.push("--no-such-flag".to_owned());
    let refused = refusal(&client, request).await;
    assert_eq!(refused.why(), (Code::FailedPrecondition, "ACTOR_START_FAILED"));
    assert!(refused.metadata["cause"].contains("--no-such-flag"), "{refused:?}");

    // It is mended by somebody who deletes it and makes it again.
    let delete = pb::DeleteActorRequest { actor_id: "osis_actor_1".to_owned(), ..Default::default() };
    client.delete_actor(delete).await.unwrap();
    whole.running_actor("osis_actor_1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_with_a_request_is_told_at_once() {
    let whole = FullService::start().await;
    let client = whole.client();
    let request = pb::CreateActorRequest {
        actor_id: "Not A Name".to_owned(),
        config: Some(pb::ActorConfig {
            binary_path: "relative".to_owned(),
            env: [("HERO_ACTOR_ID".to_owned(), "mine".to_owned())].into(),
            binary_sha256: "xyz".to_owned(),
            drain_timeout: span(std::time::Duration::from_secs(48 * 3600)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = refusal(&client, request).await;
    assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    for field in ["actor_id", "script_type", "binary_path", "env", "binary_sha256", "drain_timeout"] {
        assert!(refused.fields.iter().any(|named| named.contains(field)), "{field} in {refused:?}");
    }
}

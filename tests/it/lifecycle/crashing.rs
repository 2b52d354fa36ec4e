//! Actors that end again and again.

use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::actor::{DesiredState, State};
use tokio::time::sleep;
use tonic::Code;

use crate::support::service::LIMIT;
use crate::support::whole::{Whole, actor, create, osis, run, span, told, until_actor};

#[tokio::test(flavor = "multi_thread")]
async fn p9_too_many_ends_are_a_crash_loop_that_disturbs_no_other_actor() {
    let whole = Whole::start().await;
    let mut client = whole.client();
    let steady = whole.running_actor("steady").await;
    let mut crashing = whole.definition("crashing");
    let config = crashing.config.as_mut().unwrap();
    config.binary_path = "/bin/sh".to_owned();
    // Long enough to count as started, and no longer.
    config.args = ["-c", "echo 'out of luck' >&2; sleep 0.6; exit 7"].map(str::to_owned).to_vec();
    config.readiness = pb::actor_config::Readiness::Process.into();
    config.restart_policy = Some(pb::RestartPolicy {
        initial_backoff: span(Duration::from_millis(10)),
        max_backoff: span(Duration::from_millis(10)),
        max_restarts: Some(2),
        ..Default::default()
    });
    create(&mut client, crashing).await;
    let given_up =
        until_actor(&client, "crashing", "is given up", |actor| actor.state() == State::CrashLoop).await;
    assert_eq!((given_up.pid, given_up.desired_state()), (None, DesiredState::Down));
    assert_eq!(given_up.restart_count, 3);
    let end = given_up.last_exit.as_ref().unwrap();
    assert_eq!((end.exit_code, end.requested), (Some(7), false), "{given_up:?}");
    assert!(end.log_tail.join("\n").contains("out of luck"), "{given_up:?}");
    assert!(given_up.status_message.contains("exit code 7"), "{given_up:?}");

    // It stays down, although Zinit would restart it.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(actor(&client, "crashing").await, given_up);
    let after = actor(&client, "steady").await;
    assert_eq!((after.pid, after.restart_count), (steady.pid, 0));
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");

    // Whoever starts it gives it all its restarts once more.
    let start = pb::StartActorRequest { actor_id: "crashing".to_owned(), max_wait: span(LIMIT) };
    let started = client.start_actor(start).await.unwrap().into_inner();
    assert_eq!((started.wait_outcome(), started.changed), (pb::WaitOutcome::Done, true));
    until_actor(&client, "crashing", "is given up again", |actor| {
        actor.state() == State::CrashLoop && actor.restart_count == 6
    })
    .await;
    let delete = pb::DeleteActorRequest { actor_id: "crashing".to_owned(), ..Default::default() };
    client.delete_actor(delete).await.unwrap();
    let request = pb::GetActorRequest { actor_id: "crashing".to_owned() };
    assert_eq!(told(&client.get_actor(request).await.unwrap_err()).code, Code::NotFound);
    assert_eq!(whole.services().await, ["steady"]);
}

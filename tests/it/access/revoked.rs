//! An identity that ends takes its watches and waits with it.

use std::time::Duration;

use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::access::{Role, Scopes, TokenTable};
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto as pb;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status};

use super::caller::{Caller, Guarded};
use crate::grpc_surface::on_memory::{osis, soon, told};

/// Reads a stream to its error.
async fn end_of<T>(mut stream: tonic::Streaming<T>) -> Status {
    loop {
        match soon("the end of the stream", stream.message()).await {
            Ok(Some(_message)) => {}
            Ok(None) => panic!("the stream ended well"),
            Err(status) => return status,
        }
    }
}

fn assert_ended(status: &Status) {
    assert_eq!(
        (status.code(), told(status).1.as_str()),
        (Code::Unauthenticated, "TOKEN_INVALID"),
        "{status:?}"
    );
}

#[expect(clippy::disallowed_methods, reason = "the handles own the tasks")]
#[tokio::test]
async fn watches_and_waits_end_when_the_token_is_revoked_and_those_of_others_go_on() {
    let leaving = Caller::new("leaving", &[Role::Operator], Scopes::default());
    let staying = Caller::new("staying", &[Role::Operator], Scopes::default());
    let server = Guarded::start(&[&leaving, &staying]).await;
    let mut client = server.client(&leaving);
    let submit = pb::SubmitJobRequest { job: osis("sleep"), ..Default::default() };
    let job_id = client.submit_job(submit).await.unwrap().into_inner().job.unwrap().job_id;
    let events = client.watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    let health = client.watch_health(pb::WatchHealthRequest::default()).await.unwrap().into_inner();
    let watched = pb::WatchJobRequest { job_id: job_id.clone(), ..Default::default() };
    let job = client.watch_job(watched).await.unwrap().into_inner();
    let request = pb::AwaitJobRequest { job_id, ..Default::default() };
    let mut waiting = server.client(&leaving);
    let wait = AbortOnDropHandle::new(tokio::spawn(async move { waiting.await_job(request).await }));
    let mut runner = server.client(&leaving);
    let run = pb::RunJobRequest { job: osis("sleep"), job_id: "running".to_owned(), ..Default::default() };
    let run = AbortOnDropHandle::new(tokio::spawn(async move { runner.run_job(run).await }));
    server.world.until_listed("running").await;
    let mut others =
        server.client(&staying).watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();

    // Read anew and the same: nothing ends.
    server.identities.set_tokens(TokenTable::new([leaving.stored(), staying.stored()]));
    assert!(client.list_actors(pb::ListActorsRequest::default()).await.is_ok());
    assert!(!wait.is_finished() && !run.is_finished());

    server.identities.set_tokens(TokenTable::new([staying.stored()]));
    assert_ended(&end_of(events).await);
    assert_ended(&end_of(health).await);
    assert_ended(&end_of(job).await);
    assert_ended(&soon("the wait", wait).await.unwrap().unwrap_err());
    assert_ended(&soon("the run", run).await.unwrap().unwrap_err());
    assert_ended(&client.list_actors(pb::ListActorsRequest::default()).await.unwrap_err());
    // The other caller hears of what happens after it.
    let submit =
        pb::SubmitJobRequest { job: osis("sleep"), job_id: "later".to_owned(), ..Default::default() };
    server.client(&staying).submit_job(submit).await.unwrap();
    loop {
        let message = soon("an event", others.message()).await.unwrap().unwrap();
        if matches!(message.item, Some(pb::watch_events_response::Item::Event(event)) if event.job_id == "later")
        {
            break;
        }
    }
}

#[tokio::test]
async fn watches_end_when_the_time_of_the_token_is_over_also_when_the_clock_is_stepped() {
    let mut short = Caller::new("short", &[Role::Viewer], Scopes::default());
    short.identity.not_after = Some(SystemClock.now() + Duration::from_secs(3600));
    let server = Guarded::start(&[&short]).await;
    let mut client = server.client(&short);
    let events = client.watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    server.clock.step(Duration::from_secs(3601));
    assert_ended(&end_of(events).await);
    assert_ended(&client.list_actors(pb::ListActorsRequest::default()).await.unwrap_err());
}

#[tokio::test]
async fn a_role_that_is_taken_away_ends_the_watches_that_it_has_opened() {
    let caller = Caller::new("changing", &[Role::Viewer], Scopes::default());
    let server = Guarded::start(&[&caller]).await;
    let events =
        server.client(&caller).watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    let mut less = caller.stored();
    less.identity = Caller::submitter("changing", &["billing"]).identity;
    server.identities.set_tokens(TokenTable::new([less]));
    assert_ended(&end_of(events).await);
    let refused = server.client(&caller).list_actors(pb::ListActorsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

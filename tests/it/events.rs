//! P6: watches are ordered, unique, complete and resumable, also across the death of the supervisor. All of it real.

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::event::{Topic, Type};
use pb::job::State as JobState;
use pb::watch_events_response::Item;
use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::full_service::{
    Client, FullService, JOBS, client, end_of, osis, run, span, submit, told, until_actor, until_serves,
};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Reads a watch to its end, or until an event that is the last one wanted; answers with where it stands.
async fn read(
    client: &Client,
    request: pb::WatchEventsRequest,
    into: &mut Vec<pb::Event>,
    is_last: impl Fn(&pb::Event) -> bool,
) -> (String, bool) {
    let mut cursor = request.resume_after.clone();
    let Ok(watch) = client.clone().watch_events(request).await else { return (cursor, false) };
    let mut watch = watch.into_inner();
    loop {
        let message = timeout(LIMIT, watch.message()).await.expect("a watch is never silent for long");
        let Ok(Some(message)) = message else { return (cursor, false) };
        cursor = message.cursor;
        if let Some(Item::Event(event)) = message.item {
            let last = is_last(&event);
            into.push(event);
            if last {
                return (cursor, true);
            }
        }
    }
}

async fn begin(client: &Client, topics: &[Topic]) -> String {
    let request = pb::WatchEventsRequest {
        topics: topics.iter().copied().map(i32::from).collect(),
        include_snapshot: Some(false),
        ..Default::default()
    };
    let mut watch = client.clone().watch_events(request).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap().cursor
}

/// Every event that is kept, the oldest first.
async fn listed(client: &Client, topics: &[Topic]) -> Vec<pb::Event> {
    let mut request = pb::ListEventsRequest {
        topics: topics.iter().copied().map(i32::from).collect(),
        page_size: 1000,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let page = client.clone().list_events(request.clone()).await.unwrap().into_inner();
        all.extend(page.events);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            all.reverse();
            return all;
        }
    }
}

/// Sees that the changes of each job are a way from submit to end, each step beginning where the one before it ended.
fn assert_ways(events: &[pb::Event]) -> usize {
    let mut at: BTreeMap<&str, i32> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in events.iter().filter(|event| event.r#type() == Type::JobStateChanged) {
        assert!(ids.insert(&event.event_id), "twice: {event:?}");
        let Some(pb::event::Detail::JobStateChange(change)) = &event.detail else { panic!("{event:?}") };
        let before = at.insert(&event.job_id, change.new_state).unwrap_or_default();
        assert_eq!(change.old_state, before, "{event:?}");
    }
    at.values().filter(|state| **state == i32::from(JobState::Succeeded)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_watch_goes_on_behind_its_cursor_when_the_supervisor_was_killed() {
    const SUBMITTED: usize = 60;
    let mut whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    let topics = [Topic::Job, Topic::Actor];
    let mut request = pb::WatchEventsRequest {
        topics: topics.iter().copied().map(i32::from).collect(),
        resume_after: begin(&whole.client(), &topics).await,
        ..Default::default()
    };
    let first = request.resume_after.clone();
    let mut seen = Vec::new();
    let mut last = String::new();
    for round in 0..3 {
        let mut ids = Vec::new();
        for _ in 0..SUBMITTED / 3 {
            ids.push(submit(&whole.client(), osis("1 + 1")).await);
        }
        last = ids.pop().unwrap();
        // Somewhere in the middle of it the supervisor is gone.
        let half = ids[ids.len() / 2].clone();
        if round < 2 {
            let reached = |event: &pb::Event| event.job_id == half;
            let (cursor, found) = read(&whole.client(), request.clone(), &mut seen, reached).await;
            assert!(found);
            request.resume_after = cursor;
            whole.replace().await;
        }
    }
    end_of(&whole.client(), &last).await;
    let ended = |event: &pb::Event| event.job_id == last && event.message.contains("succeeded");
    let (_cursor, found) = read(&whole.client(), request.clone(), &mut seen, ended).await;
    assert!(found);
    assert_eq!(assert_ways(&seen), SUBMITTED);

    // Another reader, from the beginning, at another supervisor: the same events.
    let another = whole.another(&[]).await;
    let mut again = Vec::new();
    request.resume_after = first;
    let (_cursor, found) = read(&client(&another), request, &mut again, ended).await;
    assert!(found);
    let sorted = |events: &[pb::Event]| {
        let mut ids: Vec<String> = events.iter().map(|event| event.event_id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&again), sorted(&seen));
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_thousand_watchers_that_come_and_go_see_exactly_what_the_list_has() {
    const WATCHERS: usize = 1000;
    const RUN: usize = 30;
    let whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    let begin = begin(&whole.client(), &[Topic::Job]).await;
    // A connection takes some hundred streams at a time.
    let clients: Vec<Client> = (0..20).map(|_| whole.client()).collect();
    let mut watchers = JoinSet::new();
    for number in 0..WATCHERS {
        let client = clients[number % clients.len()].clone();
        let mut cursor = begin.clone();
        watchers.spawn(async move {
            let mut seen: Vec<pb::Event> = Vec::new();
            loop {
                let request = pb::WatchEventsRequest {
                    topics: vec![Topic::Job.into()],
                    resume_after: cursor.clone(),
                    ..Default::default()
                };
                // It leaves after a few events, and comes back.
                let (stay, had) = (fastrand::usize(5..60), seen.len());
                let mut watch = client.clone().watch_events(request).await.unwrap().into_inner();
                while seen.len() < had + stay {
                    let message = timeout(LIMIT, watch.message()).await.expect("events come");
                    let message = message.unwrap().expect("a watch does not end by itself");
                    cursor = message.cursor;
                    if let Some(Item::Event(event)) = message.item {
                        let over = event.job_id == "the-last" && event.message.contains("succeeded");
                        seen.push(event);
                        if over {
                            return seen;
                        }
                    }
                }
            }
        });
    }
    for _ in 0..RUN {
        run(&whole.client(), osis("1 + 1")).await;
    }
    let request = pb::RunJobRequest {
        job: Some(osis("2")),
        job_id: "the-last".to_owned(),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    whole.client().run_job(request).await.unwrap();
    let expected = listed(&whole.client(), &[Topic::Job]).await;
    assert_eq!(assert_ways(&expected), RUN + 1);
    let mut count = 0;
    while let Some(seen) = watchers.join_next().await {
        assert!(seen.unwrap() == expected, "a watcher saw something else than the list has");
        count += 1;
    }
    assert_eq!(count, WATCHERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_an_actor_is_told_once_even_by_two_supervisors_of_its_node() {
    let whole = FullService::start().await;
    let another = whole.another(&[]).await;
    let client = whole.client();
    let actor = whole.running_actor("osis_actor_0").await;
    crate::support::full_service::signal(actor.pid(), Signal::SIGKILL);
    until_actor(&client, "osis_actor_0", "runs again", |now| {
        now.state() == pb::actor::State::Running && now.pid() != actor.pid()
    })
    .await;
    let request = pb::StopActorRequest { actor_id: "osis_actor_0".to_owned(), ..Default::default() };
    client.clone().stop_actor(request).await.unwrap();
    let request = pb::DeleteActorRequest { actor_id: "osis_actor_0".to_owned(), ..Default::default() };
    client.clone().delete_actor(request).await.unwrap();
    let events = eventually("the end is told", LIMIT, || async {
        let events = listed(&client, &[Topic::Actor]).await;
        events.iter().any(|event| event.r#type() == Type::ActorDeleted).then_some(events)
    })
    .await;
    drop(another);

    let of_type = |wanted: Type| events.iter().filter(move |event| event.r#type() == wanted);
    assert_eq!(of_type(Type::ActorCreated).count(), 1);
    assert_eq!(of_type(Type::ActorDeleted).count(), 1);
    let exits: Vec<&pb::ActorExit> = of_type(Type::ActorExited)
        .filter_map(|event| match &event.detail {
            Some(pb::event::Detail::ActorExit(exit)) => Some(exit),
            _other => None,
        })
        .collect();
    assert_eq!(exits.iter().filter(|exit| exit.pid == actor.pid()).count(), 1, "{events:#?}");
    let killed = exits.iter().find(|exit| exit.pid == actor.pid()).unwrap();
    assert!(!killed.requested);
    let mut at = None;
    for event in of_type(Type::ActorStateChanged) {
        let Some(pb::event::Detail::ActorStateChange(change)) = &event.detail else { panic!("{event:?}") };
        assert_ne!(change.old_state, change.new_state, "{event:?}");
        assert!(at.is_none_or(|at| at == change.old_state), "a gap before {event:?} in {events:#?}");
        assert!(!event.message.is_empty() && event.actor_id == "osis_actor_0");
        at = Some(change.new_state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_tells_of_itself_and_of_what_it_needs() {
    let mut whole = FullService::start().await;
    until_serves(&whole.service, &[(JOBS, true)]).await;
    whole.redis.freeze();
    until_serves(&whole.service, &[(JOBS, false)]).await;
    whole.redis.thaw();
    let told = eventually("the outage and its end are told", LIMIT, || async {
        let request = pb::ListEventsRequest { topics: vec![Topic::Server.into()], ..Default::default() };
        let mut events = whole.client().list_events(request).await.ok()?.into_inner().events;
        events.reverse();
        events.iter().any(|event| event.r#type() == Type::DependencyUp).then_some(events)
    })
    .await;
    let types: Vec<Type> = told.iter().map(pb::Event::r#type).collect();
    assert_eq!(types, [Type::ServerStarted, Type::DependencyDown, Type::DependencyUp], "{told:#?}");
    whole.service.signal(Signal::SIGTERM);
    whole.service.ended().await;
    let next = whole.another(&[]).await;
    let told = listed(&client(&next), &[Topic::Server]).await;
    assert!(told.iter().any(|event| event.r#type() == Type::ServerDraining), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_follows_events_across_a_restart_of_the_server() {
    let mut whole = FullService::start().await;
    let log = whole.service.dir().join("followed");
    let mut command = whole.service.client(["events", "-f", "--topic", "job", "-q"]);
    let mut follower = command.stdout(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let lines = || std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    for round in 1..=2 {
        let id = submit(&whole.client(), osis("1")).await;
        assert!(!id.is_empty());
        eventually("it is followed", LIMIT, || async { (lines().len() == round).then_some(()) }).await;
        if round == 1 {
            whole.service.signal(Signal::SIGKILL);
            whole.service.ended().await;
            whole.service.restart().await;
        }
    }
    let expected: Vec<String> =
        listed(&whole.client(), &[Topic::Job]).await.into_iter().map(|event| event.event_id).collect();
    assert_eq!(lines(), expected);
    follower.kill().unwrap();
    follower.wait().unwrap();
    let shown = whole.service.run(["events", "--topic", "job", "-n", "1"]);
    assert!(
        shown.stdout.contains("job_state_changed") && shown.stdout.contains("was submitted"),
        "{shown:?}"
    );
    let json = whole.service.run(["events", "--topic", "server", "-o", "json"]).json();
    assert!(json["events"].as_array().unwrap().iter().any(|event| event["type"] == "TYPE_SERVER_STARTED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_bears_the_id_and_the_reason_of_the_call_that_brought_it_about() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Sal.into(),
        binary_path: "/bin/sleep".to_owned(),
        args: vec!["1000".to_owned()],
        readiness: pb::actor_config::Readiness::Process.into(),
        ..Default::default()
    };
    let create =
        pb::CreateActorRequest { actor_id: "a".to_owned(), config: Some(config), ..Default::default() };
    client.create_actor(create).await.unwrap();
    let stop = pb::StopActorRequest { reason: "new kernel".to_owned(), ..stop_of("a") };
    let mut stop = tonic::Request::new(stop);
    stop.metadata_mut().insert("x-request-id", "deploy-7".parse().unwrap());
    client.stop_actor(stop).await.unwrap();

    let stopped = eventually("the stop is told", LIMIT, || async {
        let events = listed(&client, &[Topic::Actor]).await;
        events.into_iter().find(|event| event.message == "actor a is stopped")
    })
    .await;
    let cause = stopped.cause.unwrap();
    assert_eq!((cause.source(), cause.request_id.as_str()), (pb::event_cause::Source::Caller, "deploy-7"));
    assert_eq!(cause.reason, "new kernel");

    let long = pb::StopActorRequest { reason: "x".repeat(100_000), ..stop_of("a") };
    assert_eq!(told(&client.stop_actor(long).await.unwrap_err()).fields, ["reason"]);
}

fn stop_of(actor: &str) -> pb::StopActorRequest {
    pb::StopActorRequest { actor_id: actor.to_owned(), ..Default::default() }
}

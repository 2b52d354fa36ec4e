//! Watches as a caller sees them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hero_supervisor::ScriptType;
use hero_supervisor::adapters::memory::broker::{MemoryBroker, MemoryConfig};
use hero_supervisor::domain::events::watch::{EventHub, MOST_WATCHES};
use hero_supervisor::domain::model::event::filter::EventFilter;
use hero_supervisor::domain::model::event::{Event, EventKind, Source};
use hero_supervisor::domain::model::id::ActorId;
use hero_supervisor::domain::model::output::LogStream;
use hero_supervisor::domain::model::output::{OutputChunk, OutputItem};
use hero_supervisor::error::SupervisorError;
use hero_supervisor::ports::event_log::EventLog;
use hero_supervisor::ports::work_queue::{LeaseOutput, Work, WorkQueue};
use hero_supervisor::proto as pb;
use pb::bookmark::Kind;
use pb::event::{Topic, Type};
use pb::snapshot_item::Item as Snapshot;
use pb::watch_events_response::Item;
use tokio::task::JoinSet;
use tonic::{Code, Streaming};

use super::on_memory::{GrpcOnMemory, LIMIT, osis, soon, told};

type Watch = Streaming<pb::WatchEventsResponse>;

/// A watch without snapshot, begun: its mark was read.
async fn live(world: &GrpcOnMemory, request: pb::WatchEventsRequest) -> (Watch, String) {
    let request = pb::WatchEventsRequest { include_snapshot: Some(false), ..request };
    let mut watch = world.client().watch_events(request).await.unwrap().into_inner();
    let first = message(&mut watch).await;
    assert_eq!(kind(&first), Some(Kind::SnapshotEnd));
    (watch, first.cursor)
}

async fn message(watch: &mut Watch) -> pb::WatchEventsResponse {
    soon("a message", watch.message()).await.unwrap().expect("the watch goes on")
}

fn kind(message: &pb::WatchEventsResponse) -> Option<Kind> {
    match message.item.as_ref().unwrap() {
        Item::Bookmark(bookmark) => Some(bookmark.kind()),
        Item::SnapshotItem(_) | Item::Event(_) | Item::Usage(_) => None,
    }
}

async fn next_event(watch: &mut Watch) -> (pb::Event, String) {
    loop {
        let message = message(watch).await;
        match message.item.unwrap() {
            Item::Event(event) => return (event, message.cursor),
            Item::Bookmark(_) | Item::Usage(_) => {}
            Item::SnapshotItem(item) => panic!("no snapshot here: {item:?}"),
        }
    }
}

async fn submit(world: &GrpcOnMemory, id: &str, caller: &str) {
    let job = pb::JobSpec { caller_id: caller.to_owned(), ..osis("sleep").unwrap() };
    let request = pb::SubmitJobRequest { job: Some(job), job_id: id.to_owned(), ..Default::default() };
    world.client().submit_job(request).await.unwrap();
}

async fn cancel(world: &GrpcOnMemory, id: &str) {
    let request = pb::CancelJobRequest { job_id: id.to_owned(), reason: "enough".to_owned() };
    world.client().cancel_job(request).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "any time will do")]
fn pause(message: &str) -> Event {
    Event::new(SystemTime::now(), Source::Caller, EventKind::QueuePaused, message).of_type(ScriptType::V)
}

#[tokio::test]
async fn a_watch_begins_with_what_there_is_and_goes_on_with_what_happens() {
    let world = GrpcOnMemory::start();
    submit(&world, "before", "me").await;
    let mut watch =
        world.client().watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    let (mut types, mut jobs) = (0, Vec::new());
    let mark = loop {
        let message = message(&mut watch).await;
        assert!(!message.cursor.is_empty());
        match message.item.as_ref().unwrap() {
            Item::SnapshotItem(item) => match item.item.as_ref().unwrap() {
                Snapshot::ScriptType(_) => types += 1,
                Snapshot::Job(job) => jobs.push(job.job_id.clone()),
                Snapshot::Actor(actor) => panic!("there is none: {actor:?}"),
                Snapshot::Queue(queue) => panic!("none was named: {queue:?}"),
            },
            Item::Bookmark(_) | Item::Event(_) | Item::Usage(_) => break message,
        }
    };
    assert_eq!(kind(&mark), Some(Kind::SnapshotEnd));
    assert_eq!((types, jobs), (4, vec!["before".to_owned()]));
    cancel(&world, "before").await;
    let (event, _) = next_event(&mut watch).await;
    assert_eq!((event.r#type(), event.job_id.as_str()), (Type::JobStateChanged, "before"));
    assert_eq!(event.message, "job before was cancelled: enough");
    assert_eq!(event.cause.unwrap().reason, "enough");
}

#[tokio::test]
async fn nothing_falls_between_snapshot_and_events_while_jobs_come_in() {
    let world = GrpcOnMemory::start();
    let mut writers = JoinSet::new();
    let client = world.client();
    writers.spawn(async move {
        for number in 0..300 {
            let job_id = format!("j{number}");
            let request = pb::SubmitJobRequest { job: osis("sleep"), job_id, ..Default::default() };
            client.clone().submit_job(request).await.unwrap();
        }
    });
    for _watch in 0..5 {
        let request = pb::WatchEventsRequest { topics: vec![Topic::Job.into()], ..Default::default() };
        let mut watch = world.client().watch_events(request).await.unwrap().into_inner();
        let (mut known, mut events) = (BTreeSet::new(), BTreeSet::new());
        let mut whole = false;
        while !(whole && known.contains("j299")) {
            match message(&mut watch).await.item.unwrap() {
                Item::SnapshotItem(item) => match item.item.unwrap() {
                    Snapshot::Job(job) => assert!(known.insert(job.job_id), "one item a job"),
                    other @ (Snapshot::Actor(_) | Snapshot::ScriptType(_) | Snapshot::Queue(_)) => {
                        panic!("only jobs were asked for: {other:?}")
                    }
                },
                Item::Event(event) => {
                    assert!(events.insert(event.event_id), "one event once");
                    known.insert(event.job_id);
                }
                Item::Bookmark(mark) => whole |= mark.kind() == Kind::SnapshotEnd,
                Item::Usage(usage) => panic!("nobody has asked: {usage:?}"),
            }
        }
        // The last one came by an event or in the snapshot; then all before it did.
        let missing: Vec<_> =
            (0..300).map(|number| format!("j{number}")).filter(|id| !known.contains(id)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    writers.join_all().await;
}

#[tokio::test]
async fn a_cursor_leads_back_to_what_comes_right_after_it() {
    let world = GrpcOnMemory::start();
    let (mut watch, begin) = live(&world, pb::WatchEventsRequest::default()).await;
    for id in ["a", "b", "c"] {
        submit(&world, id, "me").await;
    }
    let mut seen = vec![(String::new(), begin)];
    for _ in 0..3 {
        let (event, cursor) = next_event(&mut watch).await;
        seen.push((event.event_id, cursor));
    }
    for (index, (_, cursor)) in seen.iter().enumerate() {
        let request = pb::WatchEventsRequest { resume_after: cursor.clone(), ..Default::default() };
        let mut again = world.client().watch_events(request).await.unwrap().into_inner();
        for (id, cursor) in &seen[index + 1..] {
            let (event, at) = next_event(&mut again).await;
            assert_eq!((&event.event_id, &at), (id, cursor));
        }
    }
}

#[tokio::test]
async fn cursors_that_cannot_be_used_are_told_apart() {
    let world = GrpcOnMemory::start();
    let log = world.broker.event_log();
    let refused = async |resume_after: &str, topics: Vec<i32>| {
        let request =
            pb::WatchEventsRequest { resume_after: resume_after.to_owned(), topics, ..Default::default() };
        told(&world.client().watch_events(request).await.unwrap_err())
    };
    let invalid = (Code::InvalidArgument, "INVALID_FIELD".to_owned(), vec!["resume_after".to_owned()]);
    assert_eq!(refused("nonsense", vec![]).await, invalid);

    let actors = vec![Topic::Actor.into()];
    let of_actors = pb::WatchEventsRequest { topics: actors.clone(), ..Default::default() };
    let (_watch, cursor) = live(&world, of_actors).await;
    assert_eq!(refused(&cursor, vec![]).await, invalid, "it does not cover jobs");

    log.append(&(0..10).map(|n| pause(&n.to_string())).collect::<Vec<_>>()).await.unwrap();
    log.trim(3).unwrap();
    let expired = (Code::OutOfRange, "CURSOR_EXPIRED".to_owned(), vec![]);
    assert_eq!(refused(&cursor, actors).await, expired);
}

#[tokio::test]
async fn filters_let_through_what_passes_all_of_them_and_the_cursor_moves_on() {
    let world = GrpcOnMemory::start();
    let mine = pb::WatchEventsRequest { caller_id: "me".to_owned(), ..Default::default() };
    let (mut watch, begin) = live(&world, mine.clone()).await;
    submit(&world, "x1", "you").await;
    submit(&world, "m1", "me").await;
    let (event, cursor) = next_event(&mut watch).await;
    assert_eq!(event.job_id, "m1");
    assert_ne!(cursor, begin);
    let listed = pb::ListEventsRequest { caller_id: "me".to_owned(), ..Default::default() };
    let listed = world.client().list_events(listed).await.unwrap().into_inner();
    assert_eq!(listed.events, [event]);

    let one = pb::WatchEventsRequest { job_ids: vec!["x1".to_owned()], ..Default::default() };
    let (mut watch, _) = live(&world, one).await;
    cancel(&world, "m1").await;
    cancel(&world, "x1").await;
    assert_eq!(next_event(&mut watch).await.0.job_id, "x1");
}

#[tokio::test]
async fn a_watch_ends_with_a_mark_and_the_reason_when_the_server_goes_down() {
    let world = GrpcOnMemory::start();
    let (mut watch, _) = live(&world, pb::WatchEventsRequest::default()).await;
    world.shutdown.escalate();
    let last = loop {
        let message = message(&mut watch).await;
        if kind(&message).is_some() {
            break message;
        }
    };
    assert_eq!(kind(&last), Some(Kind::Closing));
    let status = soon("the reason", watch.message()).await.unwrap_err();
    assert_eq!(told(&status).1, "SERVER_DRAINING");
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn pages_of_events_go_on_where_they_ended_and_keep_their_filters() {
    let world = GrpcOnMemory::start();
    for number in 0..25 {
        submit(&world, &format!("j{number}"), "me").await;
    }
    let mut request =
        pb::ListEventsRequest { topics: vec![Topic::Job.into()], page_size: 10, ..Default::default() };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = world.client().list_events(request.clone()).await.unwrap().into_inner();
        seen.extend(page.events.into_iter().map(|event| event.job_id));
        pages += 1;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        let other = pb::ListEventsRequest { caller_id: "you".to_owned(), ..request.clone() };
        let status = world.client().list_events(other).await.unwrap_err();
        assert_eq!(told(&status).1, "INVALID_PAGE_TOKEN");
    }
    let expected: Vec<String> = (0..25).rev().map(|number| format!("j{number}")).collect();
    assert_eq!(seen, expected);
    assert!(pages >= 3);
}

#[tokio::test]
async fn bad_requests_name_every_field() {
    let world = GrpcOnMemory::start();
    let request = pb::WatchEventsRequest {
        topics: vec![99],
        actor_ids: vec!["a b".to_owned()],
        min_severity: 77,
        heartbeat_interval: Some(prost_types::Duration { seconds: 301, nanos: 0 }),
        ..Default::default()
    };
    let status = world.client().watch_events(request).await.unwrap_err();
    let (code, _, fields) = told(&status);
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(fields, ["topics[0]", "actor_ids[0]", "min_severity", "heartbeat_interval"]);
}

/// P12: a reader that takes nothing is cut off, and nobody else notices it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_cut_off_while_others_go_on() {
    /// A kilobyte each: more than a connection takes for a reader that does not read, and than the ring holds.
    const EVENTS: usize = 8_000;
    let message = |number: usize| format!("{number} {}", "x".repeat(1024));
    let world = GrpcOnMemory::start();
    let request = pb::WatchEventsRequest { topics: vec![Topic::Queue.into()], ..Default::default() };
    let (mut slow, _) = live(&world, request.clone()).await;
    let (mut quick, _) = live(&world, request).await;
    let log = world.broker.event_log();
    let mut writer = JoinSet::new();
    writer.spawn(async move {
        // Slower than any reader, and for longer than one may take nothing.
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for chunk in 0..EVENTS / 100 {
            pace.tick().await;
            let events: Vec<Event> = (0..100).map(|n| pause(&message(chunk * 100 + n))).collect();
            log.append(&events).await.unwrap();
        }
    });
    for number in 0..EVENTS {
        assert_eq!(next_event(&mut quick).await.0.message, message(number));
    }
    writer.join_all().await;
    let mut last = String::new();
    let status = loop {
        match soon("the rest", slow.message()).await {
            Ok(Some(message)) => last = message.cursor,
            Ok(None) => panic!("it ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), told(&status).1.as_str()), (Code::Aborted, "CONSUMER_TOO_SLOW"));
    let request = pb::WatchEventsRequest {
        topics: vec![Topic::Queue.into()],
        resume_after: last,
        ..Default::default()
    };
    let mut again = world.client().watch_events(request).await.unwrap().into_inner();
    let first = next_event(&mut again).await.0.message;
    let begin: usize = first.split_once(' ').unwrap().0.parse().unwrap();
    for number in begin + 1..EVENTS {
        assert_eq!(next_event(&mut again).await.0.message, message(number));
    }
}

#[tokio::test]
async fn a_watch_of_health_begins_with_a_report_for_each_actor() {
    let world = GrpcOnMemory::start();
    let request = pb::WatchHealthRequest::default();
    let mut watch = world.client().watch_health(request).await.unwrap().into_inner();
    let first = soon("the mark", watch.message()).await.unwrap().unwrap();
    let Some(pb::watch_health_response::Item::Bookmark(mark)) = first.item else { panic!("{first:?}") };
    assert_eq!(mark.kind(), Kind::SnapshotEnd);
}

#[tokio::test]
async fn the_server_says_where_a_watch_can_begin() {
    let world = GrpcOnMemory::start();
    submit(&world, "before", "me").await;
    let info = world.client().get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    submit(&world, "after", "me").await;
    let first_job = async |resume_after: String| {
        let request = pb::WatchEventsRequest { resume_after, ..Default::default() };
        let mut watch = world.client().watch_events(request).await.unwrap().into_inner();
        loop {
            let (event, _cursor) = next_event(&mut watch).await;
            if !event.job_id.is_empty() {
                return event.job_id;
            }
        }
    };
    assert_eq!(first_job(info.newest_event_cursor).await, "after");
    assert_eq!(first_job(info.oldest_event_cursor).await, "before");
    // Away, it is not said; who asks still learns the rest.
    world.broker.set_unavailable(true);
    let info = world.client().get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.newest_event_cursor.as_str(), info.oldest_event_cursor.as_str()), ("", ""));
    assert!(!info.version.is_empty());
}

#[tokio::test]
async fn there_are_only_so_many_watches_and_a_place_that_is_left_is_free() {
    let hub = EventHub::new(Arc::new(MemoryBroker::new(MemoryConfig::default()).event_log()));
    let mut watches = Vec::new();
    for _watcher in 0..MOST_WATCHES {
        watches.push(hub.watch(EventFilter::default(), None).await.unwrap());
    }
    let refused = hub.watch(EventFilter::default(), None).await.expect_err("one too many");
    assert!(matches!(refused, SupervisorError::TooManyWatches { limit: MOST_WATCHES }), "{refused:?}");
    watches.pop();
    watches.push(hub.watch(EventFilter::default(), None).await.unwrap());
    assert_eq!(watches.len(), MOST_WATCHES);
}

#[tokio::test]
async fn lines_left_out_before_a_progress_are_told_with_the_next_lines() {
    let world = GrpcOnMemory::start();
    let actor = world.broker.work_queue(ScriptType::OSIS.into(), ActorId::parse("osis_actor_0").unwrap(), 1);
    actor.announce(false).await.unwrap();
    submit(&world, "j", "alice").await;
    let mut taken = actor.take(1, LIMIT).await.unwrap();
    let Some(Work::Job(job)) = taken.pop() else { panic!("a job was expected, not {taken:?}") };
    let at = SystemTime::UNIX_EPOCH;
    let line = |number: u64| {
        let item = OutputItem::Line { stream: LogStream::Stdout, text: number.to_string() };
        OutputChunk { number, at, item }
    };
    let item = OutputItem::Progress { percent: Some(50.0), message: "half".to_owned() };
    let chunks = vec![line(1), OutputChunk { number: 5, at, item }, line(6)];
    actor.report_output(&[LeaseOutput { lease: job.lease, chunks }]).await.unwrap();

    let request = pb::WatchJobRequest { job_id: "j".to_owned(), include_logs: true, ..Default::default() };
    let mut watch = world.client().watch_job(request).await.unwrap().into_inner();
    let mut dropped = Vec::new();
    while dropped.len() < 2 {
        let message = soon("a message", watch.message()).await.unwrap().expect("the watch goes on");
        if let Some(pb::watch_job_response::Item::LogEntries(lines)) = message.item {
            dropped.push(lines.dropped_count);
        }
    }
    assert_eq!(dropped, [0, 3]);
}

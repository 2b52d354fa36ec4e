//! What every event log promises, on memory, on a real Redis, and on a real Redis Cluster.

mod named;
mod unreadable;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hero_supervisor::ScriptType;
use hero_supervisor::adapters::memory::event_log::MemoryEventLog;
use hero_supervisor::adapters::memory::{MemoryBroker, MemoryConfig};
use hero_supervisor::adapters::redis::{RedisAccess, RedisConfig, RedisEventLog, RedisQueue};
use hero_supervisor::domain::events::list::list;
use hero_supervisor::domain::model::actor::{ActorState, Desired, ExitStatus, LastExit};
use hero_supervisor::domain::model::event::cursor::{Cursor, EventStream, Position};
use hero_supervisor::domain::model::event::filter::EventFilter;
use hero_supervisor::domain::model::event::{Event, EventKind, Source};
use hero_supervisor::domain::model::id::{ActorId, JobId};
use hero_supervisor::domain::model::job::{JobQuota, JobSpec, JobState};
use hero_supervisor::domain::model::queue_name::QueueName;
use hero_supervisor::ports::event_log::{EventLog, Logged, Read};
use hero_supervisor::ports::job_submission::Submission;
use hero_supervisor::ports::queue::Queue;

use self::named::jobs_of_a_named_queue_tell_of_themselves_under_its_name;
use crate::support::lent_cluster::LentCluster;
use crate::support::redis::PrivateRedis;

/// Which adapter is tested.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Memory,
    Redis,
    Cluster,
}

/// A log, the queue that writes to it, and what trims it.
struct EventLogContract {
    log: Arc<dyn EventLog>,
    queue: Arc<dyn Queue>,
    place: Place,
}

enum Place {
    Memory(MemoryEventLog),
    Redis(PrivateRedis),
    Cluster(LentCluster),
}

impl Kind {
    async fn bench(self) -> EventLogContract {
        match self {
            Self::Memory => {
                let broker = MemoryBroker::new(MemoryConfig::default());
                let log = broker.event_log();
                EventLogContract {
                    log: Arc::new(log.clone()),
                    queue: Arc::new(broker.job_queue()),
                    place: Place::Memory(log),
                }
            }
            Self::Redis => {
                let redis = PrivateRedis::start().await;
                Self::bench_on(redis.url(), redis.supervisors(), Place::Redis(redis))
            }
            Self::Cluster => {
                let cluster = LentCluster::take().await;
                Self::bench_on(cluster.url(), cluster.supervisors(), Place::Cluster(cluster))
            }
        }
    }
}

impl Kind {
    fn bench_on(url: String, access: RedisAccess, place: Place) -> EventLogContract {
        let queue = RedisQueue::new(RedisConfig { url, access, ..RedisConfig::default() }).unwrap();
        let log = Arc::new(RedisEventLog::new(&queue));
        EventLogContract { log, queue: Arc::new(queue), place }
    }
}

impl EventLogContract {
    /// Forgets all but the last `kept` events of the control stream.
    async fn trim(&self, kept: usize) {
        let mut trim = redis::cmd("XTRIM");
        trim.arg("hero:{events}:log").arg("MAXLEN").arg(kept);
        match &self.place {
            Place::Memory(log) => log.trim(kept).unwrap(),
            Place::Redis(redis) => {
                let mut connection = redis.connection().await;
                let _trimmed: i64 = trim.query_async(&mut connection).await.unwrap();
            }
            Place::Cluster(cluster) => {
                let owner = cluster.owner(9102).await.unwrap();
                let _trimmed: i64 = cluster.ask(owner, &trim).await.unwrap();
            }
        }
    }

    async fn end(&self) -> Cursor {
        self.log.extent(&all()).await.unwrap().newest
    }

    async fn entries_after(&self, cursor: &Cursor) -> Vec<Logged> {
        match self.log.after(cursor, 1000).await.unwrap() {
            Read::Entries { entries, .. } => entries,
            Read::Expired { oldest } => panic!("expired, the oldest is {oldest:?}"),
        }
    }

    async fn submit(&self, id: &str) {
        self.submit_to(None, id).await;
    }

    async fn submit_to(&self, queue: Option<QueueName>, id: &str) {
        let spec = JobSpec { queue, caller_id: "me".to_owned(), ..JobSpec::new(ScriptType::SAL, "1") };
        let id = JobId::parse(id).unwrap();
        let submission = Submission {
            id,
            spec,
            request: None,
            wanted: false,
            unroutable: false,
            quota: JobQuota::default(),
        };
        self.queue.submit(vec![submission]).await.unwrap().pop().unwrap().unwrap();
    }
}

fn all() -> BTreeSet<EventStream> {
    EventFilter::default().streams()
}

/// A whole number of milliseconds, since that is what the log keeps.
fn at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_942_400_123)
}

fn say(message: &str) -> Event {
    Event::new(at(), Source::Caller, EventKind::QueuePaused, message).of_type(ScriptType::V)
}

fn messages(entries: &[Logged]) -> Vec<&str> {
    entries.iter().map(|logged| logged.event.message.as_str()).collect()
}

async fn what_is_appended_is_read_in_its_order_and_as_it_was(kind: Kind) {
    let bench = kind.bench().await;
    let begin = bench.end().await;
    let events = [say("one"), say("two"), say("three")];
    bench.log.append(&events[..2]).await.unwrap();
    bench.log.append(&events[2..]).await.unwrap();
    let read = bench.entries_after(&begin).await;
    assert_eq!(read.iter().map(|logged| logged.event.clone()).collect::<Vec<_>>(), events);
    assert!(read.is_sorted_by_key(|logged| logged.position));
    let mut cursor = begin.clone();
    cursor.set(EventStream::Control, read[1].position);
    assert_eq!(messages(&bench.entries_after(&cursor).await), ["three"], "a cursor is exclusive");
    let newest = bench.log.before(&Cursor::all_at(&all(), Position::END), 2).await.unwrap();
    assert_eq!(messages(&newest.entries), ["three", "two"]);
    assert_eq!(newest.more.get(EventStream::Control), Some(newest.entries[1].position), "there is more");
    let before = bench.log.before(&newest.more, 2).await.unwrap();
    assert_eq!((messages(&before.entries), before.more), (vec!["one"], Cursor::default()));
}

async fn a_page_says_where_the_next_one_begins(kind: Kind) {
    let bench = kind.bench().await;
    let mut cursor = bench.end().await;
    let events: Vec<Event> = (0..25).map(|number| say(&number.to_string())).collect();
    bench.log.append(&events).await.unwrap();
    let mut seen = Vec::new();
    loop {
        match bench.log.after(&cursor, 10).await.unwrap() {
            Read::Entries { entries, .. } if entries.is_empty() => break,
            Read::Entries { entries, upto } => {
                seen.extend(entries);
                cursor = upto;
            }
            Read::Expired { .. } => panic!("nothing was trimmed"),
        }
    }
    assert_eq!(seen.into_iter().map(|logged| logged.event).collect::<Vec<_>>(), events);
}

async fn jobs_tell_of_themselves(kind: Kind) {
    let bench = kind.bench().await;
    let begin = bench.end().await;
    bench.submit("j1").await;
    bench.queue.cancel(&JobId::parse("j1").unwrap(), "no more").await.unwrap();
    bench.queue.delete(&JobId::parse("j1").unwrap()).await.unwrap();
    let read = bench.entries_after(&begin).await;
    let told: Vec<&EventKind> = read.iter().map(|logged| &logged.event.kind).collect();
    let change = |old, new| EventKind::JobStateChanged { old, new, attempt: 0, error: None };
    assert_eq!(
        told,
        [
            &change(None, JobState::Queued),
            &change(Some(JobState::Queued), JobState::Cancelled),
            &EventKind::JobDeleted
        ]
    );
    for logged in &read {
        assert_eq!(logged.stream, EventStream::Jobs(ScriptType::SAL.into()));
        let event = &logged.event;
        assert_eq!((event.caller_id.as_str(), event.script_type), ("me", Some(ScriptType::SAL)));
        assert_eq!(event.job_id.as_ref().unwrap().as_str(), "j1");
    }
    assert_eq!(read[1].event.cause.reason, "no more");
}

async fn a_long_reason_in_any_script_is_cut_and_its_event_is_still_read(kind: Kind) {
    let bench = kind.bench().await;
    let begin = bench.end().await;
    // One of these two has the limit in the middle of a character.
    for reason in ["é".repeat(3000), format!("x{}", "é".repeat(3000))] {
        let id = JobId::mint();
        bench.submit(id.as_str()).await;
        bench.queue.cancel(&id, &reason).await.unwrap();
        let read = bench.entries_after(&begin).await;
        let told = read.iter().rfind(|logged| logged.event.job_id.as_ref() == Some(&id)).unwrap();
        assert!(
            matches!(told.event.kind, EventKind::JobStateChanged { new: JobState::Cancelled, .. }),
            "{told:?}"
        );
        assert!(told.event.cause.reason.len() > 2000 && reason.starts_with(&told.event.cause.reason));
    }
}

async fn a_trimmed_cursor_has_expired_and_the_oldest_one_has_not(kind: Kind) {
    let bench = kind.bench().await;
    let begin = bench.end().await;
    let events: Vec<Event> = (0..10).map(|number| say(&number.to_string())).collect();
    bench.log.append(&events).await.unwrap();
    bench.trim(4).await;
    let Read::Expired { oldest } = bench.log.after(&begin, 100).await.unwrap() else {
        panic!("six events after it are gone")
    };
    assert_eq!(messages(&bench.entries_after(&oldest).await), ["6", "7", "8", "9"]);
    let mut never = bench.end().await;
    never.set(EventStream::Control, Position { millis: u64::MAX / 2, sequence: 0 });
    assert!(matches!(bench.log.after(&never, 1).await.unwrap(), Read::Expired { .. }), "from another log");
}

async fn what_was_told_is_not_told_twice(kind: Kind) {
    let bench = kind.bench().await;
    let begin = bench.end().await;
    let state = |old, new| {
        let what = EventKind::ActorStateChanged { old, new, desired: Desired::Up, pid: None };
        about_an_actor(what)
    };
    let exit = |pid| {
        let exit = LastExit {
            status: ExitStatus::Code(1),
            at: at(),
            pid,
            requested: false,
            reason: String::new(),
            log_tail: vec![],
        };
        about_an_actor(EventKind::ActorExited(exit))
    };
    let (unknown, starting, running) = (ActorState::Unknown, ActorState::Starting, ActorState::Running);
    bench.log.append(&[state(unknown, starting), state(starting, running), exit(7)]).await.unwrap();
    // The other supervisor of the node, and the one that comes after.
    bench.log.append(&[state(unknown, running), exit(7), exit(8)]).await.unwrap();
    bench.log.append(&[state(unknown, ActorState::Stopped)]).await.unwrap();
    let read = bench.entries_after(&begin).await;
    let told: Vec<Event> = read.into_iter().map(|logged| logged.event).collect();
    let expected = [
        state(unknown, starting),
        state(starting, running),
        exit(7),
        exit(8),
        state(running, ActorState::Stopped),
    ];
    assert_eq!(told, expected, "and the chain of states has no gap");
}

fn about_an_actor(what: EventKind) -> Event {
    let mut event = Event::new(at(), Source::ProcessManager, what, "m");
    event.actor_id = ActorId::parse("a").ok();
    event
}

async fn pages_show_every_event_once_newest_first(kind: Kind) {
    let bench = kind.bench().await;
    for round in 0..30 {
        bench.log.append(&[say(&format!("c{round}"))]).await.unwrap();
        bench.submit(&format!("j{round}")).await;
    }
    let filter = EventFilter::default();
    let (mut from, mut seen) = (None, Vec::new());
    loop {
        let mut page = Vec::new();
        let show = |logged: &Logged| {
            page.push(logged.clone());
            page.len() == 7
        };
        from = list(bench.log.as_ref(), &filter, from, show).await.unwrap();
        seen.extend(page);
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 60);
    assert_eq!(seen.iter().map(Logged::id).collect::<BTreeSet<_>>().len(), 60);
    assert!(seen.is_sorted_by(|newer, older| newer.position >= older.position));
    let control = EventFilter { script_types: vec![ScriptType::V], ..EventFilter::default() };
    let mut found = 0;
    let next = list(bench.log.as_ref(), &control, None, |_logged| {
        found += 1;
        false
    });
    assert_eq!((next.await.unwrap(), found), (None, 30));
}

async fn a_follower_hears_of_what_comes(kind: Kind) {
    let bench = kind.bench().await;
    let begin = bench.end().await;
    let mut follower = bench.log.follow().await.unwrap();
    let (log, append) = (Arc::clone(&bench.log), [say("new")]);
    let (read, appended) = tokio::join!(follower.next(&begin, 10), async {
        tokio::task::yield_now().await;
        log.append(&append).await
    });
    appended.unwrap();
    let mut read = read.unwrap();
    // On Redis the first answer may come before the event.
    while matches!(&read, Read::Entries { entries, .. } if entries.is_empty()) {
        read = follower.next(&begin, 10).await.unwrap();
    }
    let Read::Entries { entries, upto } = read else { panic!("nothing was trimmed") };
    assert_eq!(messages(&entries), ["new"]);
    assert_eq!(upto.get(EventStream::Control), Some(entries[0].position));
}

/// Runs the same functions on every adapter.
macro_rules! on_every_log {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(super::Kind::Memory).await;
            })*
        }

        mod on_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Kind::Redis).await;
            })*
        }

        mod on_cluster {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Kind::Cluster).await;
            })*
        }
    };
}

on_every_log! {
    what_is_appended_is_read_in_its_order_and_as_it_was,
    a_page_says_where_the_next_one_begins,
    jobs_tell_of_themselves,
    jobs_of_a_named_queue_tell_of_themselves_under_its_name,
    a_long_reason_in_any_script_is_cut_and_its_event_is_still_read,
    a_trimmed_cursor_has_expired_and_the_oldest_one_has_not,
    what_was_told_is_not_told_twice,
    pages_show_every_event_once_newest_first,
    a_follower_hears_of_what_comes,
}

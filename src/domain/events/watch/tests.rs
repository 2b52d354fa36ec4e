mod log;
mod model;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::log::ScriptedLog;
use super::ring::{Lookup, Place, Ring};
use super::{EventHub, EventWatch, MOST_QUEUES, NextEvents, STALL_LIMIT};
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::domain::model::event::filter::EventFilter;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;

/// Events in the ring, and in one read, of these tests.
const RING: usize = 8;
const READ: usize = 3;
/// Longer than the reader takes to see that nobody watches, or that the log is back.
const WHILE: Duration = Duration::from_secs(5);

/// A hub whose reader runs as long as the test does.
#[expect(clippy::disallowed_methods, reason = "it ends with the runtime of the test")]
fn hub(log: &ScriptedLog) -> EventHub {
    let hub = EventHub::with_sizes(Arc::new(log.clone()), RING, READ);
    tokio::spawn(hub.clone().run(CancellationToken::new()));
    hub
}

/// Collects events until none comes for a while.
async fn rest(watch: &mut EventWatch) -> Result<Vec<Position>, SupervisorError> {
    let mut seen = Vec::new();
    while let Ok(next) = timeout(WHILE, watch.next()).await {
        seen.push(next?.position);
    }
    Ok(seen)
}

#[tokio::test(start_paused = true)]
async fn no_more_named_queues_are_watched_than_the_limit_and_each_counts_once() {
    let log = ScriptedLog::new();
    let hub = hub(&log);
    let of = |numbers: std::ops::Range<usize>| EventFilter {
        queues: numbers.map(|n| QueueName::parse(&format!("q{n}")).unwrap()).collect(),
        ..EventFilter::default()
    };
    let mut watches = Vec::new();
    for first in (0..MOST_QUEUES).step_by(20) {
        watches.push(hub.watch(of(first..first + 20), None).await.unwrap());
    }
    let refused = hub.watch(of(MOST_QUEUES - 1..MOST_QUEUES + 1), None).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::TooManyWatchedQueues { limit: MOST_QUEUES }), "{refused:?}");
    watches.push(hub.watch(of(0..20), None).await.unwrap());
    watches.push(hub.watch(EventFilter::default(), None).await.unwrap());
    watches.remove(1);
    watches.push(hub.watch(of(MOST_QUEUES..MOST_QUEUES + 20), None).await.unwrap());
}

fn place(position: Position) -> Place {
    Place::new(Cursor::all_at(&BTreeSet::from([EventStream::Control]), position))
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_for_too_long_and_is_behind_the_ring_is_cut_off_where_it_stands() {
    let log = ScriptedLog::new();
    let hub = hub(&log);
    let cursor = hub.watch(EventFilter::default(), None).await.unwrap().cursor().clone();
    let old = log.append(EventStream::Control, 4 * RING);
    let mut slow = hub.watch(EventFilter::default(), Some(cursor)).await.unwrap();
    let mut seen = vec![slow.next().await.unwrap().position];
    tokio::time::sleep(WHILE).await;
    while seen.len() < RING {
        seen.push(slow.next().await.unwrap().position);
    }
    log.append(EventStream::Control, 2 * RING);
    tokio::time::sleep(WHILE).await;
    slow.note_pause(STALL_LIMIT);
    let error = slow.next().await.unwrap_err();
    assert!(matches!(error, SupervisorError::ConsumerTooSlow { .. }), "{error:?}");
    assert_eq!(slow.cursor().get(EventStream::Control), seen.last().copied());
    assert_eq!(seen[..], old[..seen.len()]);
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_nobody_watched_is_found_behind_a_cursor_of_before() {
    let log = ScriptedLog::new();
    let hub = hub(&log);
    let mut first = hub.watch(EventFilter::default(), None).await.unwrap();
    log.append(EventStream::Control, 2 * RING);
    assert_eq!(rest(&mut first).await.unwrap().len(), 2 * RING);
    let cursor = first.cursor().clone();
    drop(first);
    tokio::time::sleep(WHILE).await;
    let unseen = log.append(EventStream::Control, 5);
    let mut second = hub.watch(EventFilter::default(), None).await.unwrap();
    tokio::time::sleep(WHILE).await;
    let seen = log.append(EventStream::Control, RING / 2);
    assert_eq!(rest(&mut second).await.unwrap(), seen);
    let mut resumed = hub.watch(EventFilter::default(), Some(cursor)).await.unwrap();
    assert_eq!(rest(&mut resumed).await.unwrap(), [unseen, seen].concat());
}

#[tokio::test(start_paused = true)]
async fn a_hub_whose_last_watcher_left_while_the_log_was_away_hears_again() {
    let log = ScriptedLog::new();
    let hub = hub(&log);
    let mut first = hub.watch(EventFilter::default(), None).await.unwrap();
    log.append(EventStream::Control, 1);
    assert_eq!(rest(&mut first).await.unwrap().len(), 1);
    log.set_away(true);
    drop(first);
    tokio::time::sleep(WHILE).await;
    log.set_away(false);
    for _watcher in 0..2 {
        let mut watch = hub.watch(EventFilter::default(), None).await.unwrap();
        tokio::time::sleep(WHILE).await;
        let seen = log.append(EventStream::Control, 2);
        assert_eq!(rest(&mut watch).await.unwrap(), seen);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_lost_what_was_read_ends_who_read_it_and_is_heard_by_who_comes() {
    let log = ScriptedLog::new();
    let hub = hub(&log);
    let mut watch = hub.watch(EventFilter::default(), None).await.unwrap();
    log.append(EventStream::Control, 3);
    assert_eq!(rest(&mut watch).await.unwrap().len(), 3);
    log.lose_everything();
    let told = rest(&mut watch).await;
    assert!(matches!(told, Err(SupervisorError::CursorExpired { .. })), "{told:?}");
    let mut watch = hub.watch(EventFilter::default(), None).await.unwrap();
    let seen = log.append(EventStream::Control, 3);
    assert_eq!(rest(&mut watch).await.unwrap(), seen);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_whose_streams_nobody_reads_is_told_so_in_time() {
    let log = ScriptedLog::new();
    // Its reader does not run.
    let hub = EventHub::with_sizes(Arc::new(log), RING, READ);
    let mut watch = hub.watch(EventFilter::default(), None).await.unwrap();
    // Also one that is asked again and again.
    let mut told = None;
    for _asked in 0..10 {
        if let Ok(next) = timeout(Duration::from_secs(1), watch.next()).await {
            told = Some(next);
            break;
        }
    }
    assert!(matches!(told, Some(Err(SupervisorError::QueueUnavailable(_)))), "{told:?}");
}

#[test]
fn a_ring_knows_what_it_has() {
    let at = |sequence| Position { millis: 1, sequence };
    let event = |sequence| log::event(EventStream::Control, at(sequence));
    let cursor = |position| place(position).own;
    let mut ring = Ring::new(3);
    assert!(matches!(ring.look_up(&mut place(at(0))), Lookup::Unread));
    ring.begin(EventStream::Control, at(2));
    assert!(matches!(ring.look_up(&mut place(at(1))), Lookup::Behind));
    assert!(matches!(ring.look_up(&mut place(at(2))), Lookup::Nothing));
    assert!(matches!(ring.look_up(&mut place(at(3))), Lookup::Ahead));
    let mut asked = place(at(3));
    asked.confirm(ring.begins());
    assert!(matches!(ring.look_up(&mut asked), Lookup::Nothing));

    ring.extend(&cursor(at(2)), (3..=6).map(event).collect(), &cursor(at(7)));
    assert!(ring.is_whole());
    assert!(matches!(ring.look_up(&mut place(at(2))), Lookup::Behind), "the first of four was pushed out");
    let Lookup::Found(first) = ring.look_up(&mut place(at(3))) else { panic!("the rest is there: {ring:?}") };
    assert_eq!(first.position, at(4));
    assert!(matches!(ring.look_up(&mut place(at(7))), Lookup::Nothing), "it was read to there");
    // The answer to a read from another place would leave a gap.
    ring.extend(&cursor(at(9)), vec![event(10)], &cursor(at(10)));
    assert_eq!(ring.reached(), cursor(at(7)));

    ring.begin(EventStream::Jobs(ScriptType::SAL.into()), at(1));
    ring.keep_only(&BTreeSet::from([EventStream::Jobs(ScriptType::SAL.into())]));
    assert!(matches!(ring.look_up(&mut place(at(7))), Lookup::Unread));
    assert!(ring.is_whole());
}

#[tokio::test(start_paused = true)]
async fn watchers_at_one_place_share_a_run_and_its_encoded_form() {
    let log = ScriptedLog::new();
    let hub = hub(&log);
    let mut watches = Vec::new();
    for _watcher in 0..3 {
        watches.push(hub.watch(EventFilter::default(), None).await.unwrap());
    }
    tokio::time::sleep(WHILE).await;
    log.append(EventStream::Control, READ);
    let mut forms = Vec::new();
    for watch in &mut watches {
        let NextEvents::Run(run) = watch.next_events().await.unwrap() else { panic!("all are in the ring") };
        assert_eq!(run.events().count(), READ);
        forms.push(run.encoded(|_run| vec![u8::try_from(forms.len()).unwrap()]));
    }
    assert!(forms.iter().all(|form| Arc::ptr_eq(form, &forms[0])), "who asked first has made it: {forms:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_who_does_not_want_everything_gets_no_run() {
    let log = ScriptedLog::new();
    let hub = hub(&log);
    let filter = EventFilter { since: Some(std::time::SystemTime::UNIX_EPOCH), ..EventFilter::default() };
    let mut watch = hub.watch(filter, None).await.unwrap();
    tokio::time::sleep(WHILE).await;
    let positions = log.append(EventStream::Control, 2);
    for position in positions {
        let NextEvents::One(logged) = watch.next_events().await.unwrap() else { panic!("each by itself") };
        assert_eq!(logged.position, position);
    }
}

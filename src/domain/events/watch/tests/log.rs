//! A log that does as it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::domain::model::event::{Event, EventKind, Severity, Source};
use crate::ports::event_log::{Earlier, EventLog, Extent, Follow, LogError, Logged, Read};
use crate::ports::store_fault::StoreFault;

/// Makes the event of a place; every third one is a warning.
pub(super) fn event(stream: EventStream, position: Position) -> Logged {
    let (what, script_type) = match stream {
        EventStream::Control => (EventKind::QueuePaused, None),
        EventStream::Jobs(queue) => (EventKind::JobDeleted, queue.default_type()),
    };
    let mut event = Event::new(SystemTime::UNIX_EPOCH, Source::Caller, what, "m");
    event.script_type = script_type;
    if position.sequence.is_multiple_of(3) {
        event.severity = Severity::Warning;
    }
    Logged { stream, position, event }
}

/// A cheap clone; all clones are one.
#[derive(Clone)]
pub(super) struct ScriptedLog {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    streams: BTreeMap<EventStream, StreamLog>,
    next: u64,
    away: bool,
}

#[derive(Default, Clone)]
struct StreamLog {
    entries: VecDeque<Logged>,
    oldest: Position,
    newest: Position,
}

impl State {
    fn extent(&self, streams: &BTreeSet<EventStream>) -> Extent {
        let kept = |stream: &EventStream| self.streams.get(stream).cloned().unwrap_or_default();
        Extent {
            oldest: streams.iter().map(|stream| (*stream, kept(stream).oldest)).collect(),
            newest: streams.iter().map(|stream| (*stream, kept(stream).newest)).collect(),
        }
    }

    fn after(&self, cursor: &Cursor, limit: usize) -> Read {
        let extent = self.extent(&cursor.iter().map(|(stream, _)| stream).collect());
        if !cursor.has_reached(&extent.oldest) || !extent.newest.has_reached(cursor) {
            return Read::Expired { oldest: extent.oldest };
        }
        let (mut entries, mut upto) = (Vec::new(), cursor.clone());
        for (stream, position) in cursor.iter() {
            let kept = self.streams.get(&stream).into_iter().flat_map(|kept| &kept.entries);
            for logged in kept.filter(|logged| logged.position > position).take(limit) {
                upto.set(stream, logged.position);
                entries.push(logged.clone());
            }
        }
        entries.sort_by_key(|logged: &Logged| (logged.position, logged.stream));
        Read::Entries { entries, upto }
    }
}

impl ScriptedLog {
    pub(super) fn new() -> Self {
        Self { state: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// Adds so many events; answers with their places.
    pub(super) fn append(&self, stream: EventStream, count: usize) -> Vec<Position> {
        let mut state = self.lock();
        let mut places = Vec::new();
        for _event in 0..count {
            state.next += 1;
            let position = Position { millis: 1, sequence: state.next };
            let kept = state.streams.entry(stream).or_default();
            kept.newest = position;
            kept.entries.push_back(event(stream, position));
            places.push(position);
        }
        drop(state);
        self.tell();
        places
    }

    /// Forgets all but the last events of a stream; answers with the place of the last that was forgotten.
    pub(super) fn trim(&self, stream: EventStream, keep: usize) -> Option<Position> {
        let mut state = self.lock();
        let kept = state.streams.get_mut(&stream)?;
        while kept.entries.len() > keep
            && let Some(first) = kept.entries.pop_front()
        {
            kept.oldest = first.position;
        }
        Some(kept.oldest)
    }

    /// Drops all data, as a Redis that comes back without them.
    pub(super) fn lose_everything(&self) {
        self.lock().streams.clear();
        self.tell();
    }

    pub(super) fn set_away(&self, away: bool) {
        self.lock().away = away;
        self.tell();
    }

    fn tell(&self) {
        self.changes.send_modify(|times| *times += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn ask<T>(&self, question: impl Fn(&State) -> T) -> Result<T, LogError> {
        // As a log elsewhere it takes a moment, in which others go on.
        tokio::task::yield_now().await;
        let state = self.lock();
        if state.away {
            Err(StoreFault::Unavailable("it is away".into()).into())
        } else {
            Ok(question(&state))
        }
    }
}

#[async_trait]
impl EventLog for ScriptedLog {
    async fn append(&self, _events: &[Event]) -> Result<(), LogError> {
        unreachable!("a hub only reads")
    }

    async fn extent(&self, streams: &BTreeSet<EventStream>) -> Result<Extent, LogError> {
        self.ask(|state| state.extent(streams)).await
    }

    async fn after(&self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        self.ask(|state| state.after(cursor, limit)).await
    }

    async fn before(&self, _cursor: &Cursor, _limit: usize) -> Result<Earlier, LogError> {
        unreachable!("a hub reads forwards")
    }

    async fn follow(&self) -> Result<Box<dyn Follow>, LogError> {
        let follower = Follower { changes: self.changes.subscribe(), log: self.clone() };
        self.ask(|_state| ()).await.map(|()| Box::new(follower) as Box<dyn Follow>)
    }
}

struct Follower {
    changes: watch::Receiver<u64>,
    log: ScriptedLog,
}

#[async_trait]
impl Follow for Follower {
    async fn next(&mut self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            self.changes.borrow_and_update();
            let read = self.log.after(cursor, limit).await?;
            let nothing = matches!(&read, Read::Entries { entries, .. } if entries.is_empty());
            if !nothing || timeout_at(deadline, self.changes.changed()).await.is_err() {
                return Ok(read);
            }
        }
    }
}

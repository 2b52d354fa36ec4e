//! Many watchers, one reader.
//!
//! While anybody watches, one task reads the streams that somebody wants and puts each event once into a ring that all
//! watchers share. A watcher takes from the log itself what came before it joined, and joins the ring where it has
//! caught up. Nothing is kept for one watcher alone: one that falls behind the ring goes back to the log, and one that
//! took nothing for a while on top of that is cut off.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::domain::event::cursor::{Cursor, EventStream};
use crate::domain::event::filter::EventFilter;
use crate::error::SupervisorError;
use crate::ports::event_log::{EventLog, LogError, Logged, Read};

/// Events in the ring. More than one busy second of a watcher that is let wait by its network.
const RING: usize = 4096;
/// Entries of each stream in one read of the reader, and of a watcher that catches up.
const READ: usize = 500;
/// Watchers that read the log at a time.
const READS_AT_A_TIME: usize = 8;
/// A watcher that fell behind the ring and took nothing for this long is cut off.
pub const STALL_LIMIT: Duration = Duration::from_secs(5);
/// Watches at a time. Each holds a few kilobytes.
pub const MOST_WATCHES: usize = 10_000;
/// Time for the reader to find its place in a stream that nobody watched before; longer means that the log is away.
const JOIN_LIMIT: Duration = Duration::from_secs(3);
/// Between two tries to read while the log is away.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Where watchers join. A cheap clone; all clones are one.
#[derive(Clone)]
pub struct EventHub {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn EventLog>,
    turns: Semaphore,
    ring: broadcast::Sender<Heard>,
    state: Mutex<State>,
    /// Word for the reader that a stream is wanted which it does not read.
    wanted: watch::Sender<u64>,
    /// Word for watchers that the reader has found its place in another stream.
    placed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    watches: usize,
    /// How many watch each stream.
    interest: BTreeMap<EventStream, usize>,
    /// What went into the ring: in each stream that is read, everything up to here.
    read: Cursor,
    /// The last of what went into the ring, for those who come back: they need not trouble the log.
    recent: VecDeque<Arc<Logged>>,
    /// In each stream that is read, everything after this is among the recent.
    recent_since: Cursor,
}

impl State {
    /// Whether everything after `own` is among the recent.
    fn recalls(&self, own: &Cursor) -> bool {
        own.iter().all(|(stream, at)| self.recent_since.get(stream).is_some_and(|since| since <= at))
    }

    fn place(&mut self, newest: &Cursor) {
        for (stream, position) in newest.iter() {
            self.read.set(stream, position);
            self.recent_since.set(stream, position);
        }
    }
}

/// What is in the ring.
#[derive(Debug, Clone)]
enum Heard {
    Event(Arc<Logged>),
    /// Something was trimmed before it was read: who wants to go on looks into the log himself.
    Gap,
}

impl EventHub {
    /// A hub on a log. Nothing is read before somebody watches, and unless [`EventHub::run`] runs.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        let shared = Shared {
            log,
            turns: Semaphore::new(READS_AT_A_TIME),
            ring: broadcast::Sender::new(RING),
            state: Mutex::default(),
            wanted: watch::Sender::new(0),
            placed: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.shared.log
    }

    /// Reads for all watchers until the end.
    pub async fn run(self, token: CancellationToken) {
        let reading = async {
            loop {
                if let Err(error) = self.read_while_watched().await {
                    tracing::debug!(%error, "the reader of events starts again");
                    sleep(RETRY_PAUSE).await;
                }
            }
        };
        let _ended: Option<()> = token.run_until_cancelled(reading).await;
    }

    async fn read_while_watched(&self) -> Result<(), LogError> {
        let shared = &self.shared;
        let mut wanted = shared.wanted.subscribe();
        while shared.lock().interest.is_empty() {
            if wanted.changed().await.is_err() {
                return Ok(());
            }
        }
        wanted.borrow_and_update();
        let mut follower = shared.log.follow().await?;
        loop {
            let Some(cursor) = self.places().await? else { return Ok(()) };
            let read = tokio::select! {
                read = follower.next(&cursor, READ) => read?,
                _changed = wanted.changed() => {
                    // What it waits for on its connection cannot be added to.
                    follower = shared.log.follow().await?;
                    continue;
                }
            };
            match read {
                Read::Entries { entries, upto } => shared.spread(entries, &upto),
                Read::Expired { oldest: _ } => self.skip_a_gap(&cursor).await?,
            }
        }
    }

    /// Where to read on: in the streams that are wanted, and in new ones from their end. None when nobody watches.
    async fn places(&self) -> Result<Option<Cursor>, LogError> {
        let shared = &self.shared;
        let (known, fresh) = {
            let mut state = shared.lock();
            let wanted: BTreeSet<EventStream> = state.interest.keys().copied().collect();
            let still =
                |cursor: &Cursor| cursor.iter().filter(|(stream, _)| wanted.contains(stream)).collect();
            (state.read, state.recent_since) = (still(&state.read), still(&state.recent_since));
            let fresh: BTreeSet<EventStream> =
                wanted.into_iter().filter(|stream| state.read.get(*stream).is_none()).collect();
            (state.read.clone(), fresh)
        };
        if fresh.is_empty() {
            return Ok((known != Cursor::default()).then_some(known));
        }
        let newest = shared.log.extent(&fresh).await?.newest;
        let mut state = shared.lock();
        state.place(&newest);
        let read = state.read.clone();
        drop(state);
        shared.placed.send_modify(|times| *times += 1);
        Ok(Some(read))
    }

    async fn skip_a_gap(&self, cursor: &Cursor) -> Result<(), LogError> {
        let streams: BTreeSet<EventStream> = cursor.iter().map(|(stream, _)| stream).collect();
        tracing::warn!("events were trimmed before they were read: watchers look for themselves");
        let newest = self.shared.log.extent(&streams).await?.newest;
        let mut state = self.shared.lock();
        state.recent.clear();
        state.place(&newest);
        let _nobody_listens = self.shared.ring.send(Heard::Gap);
        Ok(())
    }

    /// Begins to watch: what passes the filter and came after `from`; from now on without one.
    ///
    /// # Errors
    /// `TooManyWatches`; `QueueUnavailable` when the log does not answer; `CursorExpired`.
    pub async fn watch(
        &self,
        filter: EventFilter,
        from: Option<Cursor>,
    ) -> Result<EventWatch, SupervisorError> {
        let streams = filter.streams();
        let interest = Interest::register(&self.shared, streams.clone())?;
        let own = match from {
            Some(cursor) => cursor,
            None => self.shared.log.extent(&streams).await?.newest,
        };
        let recalled = self.shared.lock().recalls(&own);
        let mut watch = EventWatch {
            shared: Arc::clone(&self.shared),
            filter,
            own,
            ring: self.shared.ring.subscribe(),
            phase: Phase::Joining,
            page: VecDeque::new(),
            page_end: None,
            stalled: false,
            _interest: interest,
        };
        // A cursor that is too old is told at once.
        if !recalled {
            watch.read_log().await?;
        }
        Ok(watch)
    }
}

impl Shared {
    /// Puts entries into the ring, in one step with the note of how far that is.
    fn spread(&self, entries: Vec<Logged>, upto: &Cursor) {
        let mut state = self.lock();
        for logged in entries {
            let logged = Arc::new(logged);
            if state.recent.len() >= RING
                && let Some(oldest) = state.recent.pop_front()
            {
                state.recent_since.set(oldest.stream, oldest.position);
            }
            state.recent.push_back(Arc::clone(&logged));
            let _nobody_listens = self.ring.send(Heard::Event(logged));
        }
        for (stream, position) in upto.iter() {
            state.read.set(stream, position);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the reader at some streams as long as it lives.
struct Interest {
    shared: Arc<Shared>,
    streams: BTreeSet<EventStream>,
}

impl Interest {
    fn register(shared: &Arc<Shared>, streams: BTreeSet<EventStream>) -> Result<Self, SupervisorError> {
        let mut state = shared.lock();
        if state.watches >= MOST_WATCHES {
            return Err(SupervisorError::TooManyWatches { limit: MOST_WATCHES });
        }
        state.watches += 1;
        for stream in &streams {
            *state.interest.entry(*stream).or_default() += 1;
        }
        let unread = streams.iter().any(|stream| state.read.get(*stream).is_none());
        drop(state);
        if unread {
            shared.wanted.send_modify(|times| *times += 1);
        }
        Ok(Self { shared: Arc::clone(shared), streams })
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.watches = state.watches.saturating_sub(1);
        for stream in &self.streams {
            if let Some(count) = state.interest.get_mut(stream) {
                *count = count.saturating_sub(1);
            }
        }
        state.interest.retain(|_stream, count| *count > 0);
    }
}

/// Where a watcher takes its events from.
enum Phase {
    /// It has not joined the ring, or lost it.
    Joining,
    /// It reads the log up to where the ring begins for it.
    CatchingUp(Cursor),
    /// It reads the ring.
    Live,
}

/// One watcher.
pub struct EventWatch {
    shared: Arc<Shared>,
    filter: EventFilter,
    own: Cursor,
    ring: broadcast::Receiver<Heard>,
    phase: Phase,
    page: VecDeque<Arc<Logged>>,
    page_end: Option<Cursor>,
    /// The consumer took nothing for too long and has not caught up since.
    stalled: bool,
    _interest: Interest,
}

impl EventWatch {
    /// Everything up to here was handed out, or did not pass the filter.
    pub fn cursor(&self) -> &Cursor {
        &self.own
    }

    /// Notes for how long the consumer took nothing before it came back. To be said once each time that it does.
    pub fn note_pause(&mut self, paused: Duration) {
        self.stalled |= paused >= STALL_LIMIT;
    }

    /// The next event; waits for it. May be dropped at any moment and called again.
    ///
    /// # Errors
    /// `CursorExpired`, `ConsumerTooSlow`, `QueueUnavailable`; the watch is over then.
    pub async fn next(&mut self) -> Result<Arc<Logged>, SupervisorError> {
        loop {
            if let Some(logged) = self.page.pop_front() {
                if self.takes(&logged) {
                    return Ok(logged);
                }
                continue;
            }
            if let Some(end) = self.page_end.take() {
                self.own = end;
            }
            match &self.phase {
                Phase::Joining => self.join().await?,
                Phase::CatchingUp(goal) if self.own.has_reached(goal) => self.phase = Phase::Live,
                Phase::CatchingUp(_) => self.read_log().await?,
                Phase::Live => match self.ring.recv().await {
                    Ok(Heard::Event(logged)) => {
                        self.stalled = false;
                        if self.takes(&logged) {
                            return Ok(logged);
                        }
                    }
                    Ok(Heard::Gap) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.phase = Phase::Joining;
                    }
                    Err(broadcast::error::RecvError::Closed) => return Err(SupervisorError::ShuttingDown),
                },
            }
        }
    }

    /// Steps over an event; true when it is one that is wanted and new.
    fn takes(&mut self, logged: &Logged) -> bool {
        match self.own.get(logged.stream) {
            Some(position) if logged.position > position => {
                self.own.set(logged.stream, logged.position);
                self.filter.lets_through(&logged.event)
            }
            Some(_) | None => false,
        }
    }

    /// Takes a place at the ring; what came before is in the log.
    async fn join(&mut self) -> Result<(), SupervisorError> {
        let deadline = Instant::now() + JOIN_LIMIT;
        let streams: BTreeSet<EventStream> = self.own.iter().map(|(stream, _)| stream).collect();
        let mut placed = self.shared.placed.subscribe();
        loop {
            placed.borrow_and_update();
            {
                // The ring and the note of how far it reaches change together.
                let state = self.shared.lock();
                if state.recalls(&self.own) {
                    let own = |logged: &&Arc<Logged>| {
                        self.own.get(logged.stream).is_some_and(|position| logged.position > position)
                    };
                    self.page = state.recent.iter().filter(own).cloned().collect();
                    self.ring = self.shared.ring.subscribe();
                    self.phase = Phase::Live;
                    return Ok(());
                }
                if self.stalled {
                    return Err(SupervisorError::ConsumerTooSlow { last: self.own.encode() });
                }
                if let Some(goal) = state.read.part(&streams) {
                    self.ring = self.shared.ring.subscribe();
                    self.phase = Phase::CatchingUp(goal);
                    return Ok(());
                }
            }
            if timeout_at(deadline, placed.changed()).await.is_err() {
                return Err(SupervisorError::QueueUnavailable("the reader of events does not get on".into()));
            }
        }
    }

    async fn read_log(&mut self) -> Result<(), SupervisorError> {
        // In turns: when all come back at once, callers of other calls are not to wait for them.
        let turn = self.shared.turns.acquire().await;
        let read = self.shared.log.after(&self.own, READ).await;
        drop(turn);
        match read? {
            Read::Expired { oldest } => Err(SupervisorError::CursorExpired { oldest: oldest.encode() }),
            Read::Entries { entries, upto } => {
                // Who has not joined yet does not hear the ring, so an end of the log is no end of what he has to read.
                if entries.is_empty() && upto == self.own && matches!(self.phase, Phase::CatchingUp(_)) {
                    self.phase = Phase::Live;
                }
                self.page = entries.into_iter().map(Arc::new).collect();
                self.page_end = Some(upto);
                Ok(())
            }
        }
    }
}

/// The place after which a watch with this filter begins when it is to begin now.
///
/// # Errors
/// `QueueUnavailable`.
pub async fn now(log: &dyn EventLog, filter: &EventFilter) -> Result<Cursor, SupervisorError> {
    Ok(log.extent(&filter.streams()).await?.newest)
}

impl std::fmt::Debug for EventHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventHub").field("watches", &self.shared.lock().watches).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for EventWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventWatch").field("own", &self.own).finish_non_exhaustive()
    }
}

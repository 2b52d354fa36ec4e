//! One watcher: takes what it wants from the ring, and from the log what the ring has not got.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::ring::{Lookup, Place, Ring};
use super::run::EventRun;
use super::{Interest, STALL_LIMIT, Shared};
use crate::domain::model::event::cursor::Cursor;
use crate::domain::model::event::filter::EventFilter;
use crate::error::SupervisorError;
use crate::ports::event_log::{Logged, Read};

/// Time for the reader to find its place in a stream that nobody watched before; longer means that the log is away.
const JOIN_LIMIT: Duration = Duration::from_secs(3);

/// Events that a watcher takes before others get their turn: many watchers that all have something to take would otherwise
/// keep everybody else waiting for seconds.
const FAIR_SHARE: u32 = 32;

/// The events that a watcher gets at a time.
#[derive(Debug)]
pub enum NextEvents {
    /// Events that other watchers share.
    Run(Arc<EventRun>),
    /// One event.
    One(Arc<Logged>),
}

/// The place where something was found.
enum Found<T> {
    InRing(T),
    /// In the log; it is not stepped over yet.
    InLog(Arc<Logged>),
}

/// One watcher.
pub struct EventWatch {
    interest: Interest,
    filter: EventFilter,
    place: Place,
    changes: watch::Receiver<u64>,
    /// Read from the log, and not handed out yet.
    page: VecDeque<Arc<Logged>>,
    /// Cursor up to which everything was handed out when the page is empty.
    page_end: Option<Cursor>,
    /// The consumer took nothing for too long before it came back now.
    stalled: bool,
    /// Time since which one of the streams is not read.
    unread_since: Option<Instant>,
    /// Looks for an event since others had their turn.
    in_a_row: u32,
}

impl EventWatch {
    /// Begins at a cursor; one that is too old is refused at once.
    pub(super) async fn begin(
        interest: Interest,
        filter: EventFilter,
        own: Cursor,
    ) -> Result<Self, SupervisorError> {
        let changes = interest.shared.changes.subscribe();
        let mut watch = Self {
            interest,
            filter,
            place: Place::new(own),
            changes,
            page: VecDeque::new(),
            page_end: None,
            stalled: false,
            unread_since: None,
            in_a_row: 0,
        };
        let is_inside = watch.shared().lock().ring.has(&watch.place);
        if !is_inside {
            watch.read_log().await?;
        }
        Ok(watch)
    }

    fn shared(&self) -> &Shared {
        &self.interest.shared
    }

    /// Returns the cursor up to which everything was handed out, or did not pass the filter.
    pub fn cursor(&self) -> &Cursor {
        &self.place.own
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
            let (Found::InRing(logged) | Found::InLog(logged)) = self.find(Ring::look_up).await?;
            if self.takes(&logged) {
                return Ok(logged);
            }
        }
    }

    /// The next events, or the next one where others cannot have the same; waits for them. May be dropped at any moment and
    /// called again.
    ///
    /// # Errors
    /// As of [`EventWatch::next`].
    pub async fn next_events(&mut self) -> Result<NextEvents, SupervisorError> {
        if !self.filter.lets_whole_streams_through() {
            return self.next().await.map(NextEvents::One);
        }
        loop {
            match self.find(Ring::look_up_run).await? {
                Found::InRing(run) => return Ok(NextEvents::Run(run)),
                Found::InLog(logged) if self.takes(&logged) => return Ok(NextEvents::One(logged)),
                Found::InLog(_) => {}
            }
        }
    }

    /// Waits until there is something after the place, in the page of the log that was read, or in the ring.
    async fn find<T>(
        &mut self,
        look: fn(&mut Ring, &mut Place) -> Lookup<T>,
    ) -> Result<Found<T>, SupervisorError> {
        if std::mem::take(&mut self.stalled) && self.shared().lock().ring.is_past(&self.place) {
            return Err(SupervisorError::ConsumerTooSlow { last: self.place.own.encode() });
        }
        loop {
            if self.in_a_row >= FAIR_SHARE {
                self.in_a_row = 0;
                yield_now().await;
            }
            self.in_a_row += 1;
            if let Some(logged) = self.page.pop_front() {
                return Ok(Found::InLog(logged));
            }
            if let Some(end) = self.page_end.take() {
                self.place.own = end;
            }
            // Before the look: what changes after it is not missed.
            self.changes.borrow_and_update();
            let looked = look(&mut self.interest.shared.lock().ring, &mut self.place);
            if !matches!(looked, Lookup::Unread) {
                self.unread_since = None;
            }
            match looked {
                Lookup::Found(found) => return Ok(Found::InRing(found)),
                Lookup::Nothing => self.changed().await?,
                Lookup::Behind | Lookup::Ahead => {
                    self.read_log().await?;
                    if self.page.is_empty() && self.page_end.as_ref() == Some(&self.place.own) {
                        // The ring and the log do not agree: the reader has yet to see it.
                        self.changed().await?;
                    }
                }
                Lookup::Unread => self.wait_for_the_reader().await?,
            }
        }
    }

    /// Steps over an event; true when it is one that is wanted and new.
    fn takes(&mut self, logged: &Logged) -> bool {
        self.place.step_over(logged) && self.filter.lets_through(&logged.event)
    }

    async fn changed(&mut self) -> Result<(), SupervisorError> {
        self.changes.changed().await.map_err(|_gone| SupervisorError::ShuttingDown)
    }

    async fn wait_for_the_reader(&mut self) -> Result<(), SupervisorError> {
        let since = *self.unread_since.get_or_insert_with(Instant::now);
        match timeout_at(since + JOIN_LIMIT, self.changed()).await {
            Ok(changed) => changed,
            Err(_elapsed) => Err(SupervisorError::QueueUnavailable("the event reader is stuck".into())),
        }
    }

    async fn read_log(&mut self) -> Result<(), SupervisorError> {
        let begins = self.shared().lock().ring.begins();
        // In turns: when all come back at once, callers of other calls are not to wait for them.
        let turn = self.shared().turns.acquire().await;
        let shared = self.shared();
        let read = shared.log.after(&self.place.own, shared.read).await;
        drop(turn);
        match read? {
            Read::Expired { oldest } => Err(SupervisorError::CursorExpired { oldest: oldest.encode() }),
            Read::Entries { entries, upto } => {
                self.place.confirm(begins);
                self.page = entries.into_iter().map(Arc::new).collect();
                self.page_end = Some(upto);
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for EventWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventWatch").field("place", &self.place).finish_non_exhaustive()
    }
}

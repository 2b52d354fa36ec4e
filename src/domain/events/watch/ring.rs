//! The last events of the streams that are read, shared by all watchers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::run::{EventRun, LONGEST};
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::ports::event_log::Logged;

/// Runs that are kept. Watchers that were woken together are a few runs apart at the most.
const RUNS: usize = 8;

/// The last events.
///
/// A ring holds, for each of its streams, exactly the events of one interval without a gap: after `from`, up to and
/// with `to`. So a watcher in that interval finds in the ring all that comes next; a watcher elsewhere reads the log.
#[derive(Debug)]
pub(super) struct Ring {
    capacity: usize,
    spans: BTreeMap<EventStream, Span>,
    /// Events in the order in which they were read; numbers grow, and some are missing.
    events: VecDeque<(u64, Arc<Logged>)>,
    next: u64,
    /// The last runs that were handed out, and the number behind each: watchers that keep up stand at the same place.
    runs: VecDeque<(Arc<EventRun>, u64)>,
    /// Number of times that a stream began anew. Knowledge of places outside of the interval is void after that.
    begins: u64,
}

/// The events of one stream in a ring: everything after `from`, up to and with `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Position,
    to: Position,
}

/// The place of a watcher.
#[derive(Debug)]
pub(super) struct Place {
    /// Cursor up to which everything was handed out, or is not wanted.
    pub(super) own: Cursor,
    /// Number before which everything in the ring is at or before `own`.
    seen: u64,
    /// The log was asked at this number of begins: it knows the place.
    confirmed: Option<u64>,
}

impl Place {
    /// Makes a place at a cursor of which nothing is known.
    pub(super) fn new(own: Cursor) -> Self {
        Self { own, seen: 0, confirmed: None }
    }

    /// Notes that the log, asked when there were so many begins, knows the place.
    pub(super) fn confirm(&mut self, begins: u64) {
        self.confirmed = Some(begins);
    }

    /// Returns true if an event comes after it.
    fn is_before(&self, logged: &Logged) -> bool {
        self.own.get(logged.stream).is_some_and(|position| logged.position > position)
    }

    /// Steps over an event; true when it is new.
    pub(super) fn step_over(&mut self, logged: &Logged) -> bool {
        let is_new = self.is_before(logged);
        if is_new {
            self.own.set(logged.stream, logged.position);
        }
        is_new
    }
}

/// Result of a look-up of a place in a ring.
#[derive(Debug)]
pub(super) enum Lookup<T> {
    /// The next event, or the next run.
    Found(T),
    /// Nothing yet.
    Nothing,
    /// The next events are in the log only.
    Behind,
    /// The ring has not reached this place, and the log was not asked whether there is such a place.
    Ahead,
    /// One of the streams is not read yet.
    Unread,
}

impl Ring {
    /// An empty ring for so many events.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            spans: BTreeMap::new(),
            events: VecDeque::new(),
            next: 0,
            runs: VecDeque::new(),
            begins: 0,
        }
    }

    /// Returns the place up to which each stream was read.
    pub(super) fn reached(&self) -> Cursor {
        self.spans.iter().map(|(stream, span)| (*stream, span.to)).collect()
    }

    /// Returns the number of times that a stream began anew.
    pub(super) fn begins(&self) -> u64 {
        self.begins
    }

    /// Forgets all streams but these.
    pub(super) fn keep_only(&mut self, wanted: &BTreeSet<EventStream>) {
        if self.spans.keys().all(|stream| wanted.contains(stream)) {
            return;
        }
        self.spans.retain(|stream, _span| wanted.contains(stream));
        self.events.retain(|(_number, logged)| wanted.contains(&logged.stream));
        self.runs.clear();
        debug_assert!(self.is_whole());
    }

    /// Begins a stream anew: nothing is held of it, and what comes after this place is read next.
    pub(super) fn begin(&mut self, stream: EventStream, at: Position) {
        self.events.retain(|(_number, logged)| logged.stream != stream);
        self.spans.insert(stream, Span { from: at, to: at });
        self.runs.clear();
        self.begins += 1;
        debug_assert!(self.is_whole());
    }

    /// Adds what a read after `after` has found, up to `upto`. A stream that went elsewhere meanwhile takes nothing of it.
    pub(super) fn extend(&mut self, after: &Cursor, entries: Vec<Logged>, upto: &Cursor) {
        let goes_on = |spans: &BTreeMap<EventStream, Span>, stream: EventStream| {
            spans.get(&stream).is_some_and(|span| after.get(stream) == Some(span.to))
        };
        let going_on: BTreeSet<EventStream> =
            after.iter().map(|(stream, _)| stream).filter(|stream| goes_on(&self.spans, *stream)).collect();
        for logged in entries.into_iter().filter(|logged| going_on.contains(&logged.stream)) {
            self.push(logged);
        }
        for (stream, position) in upto.iter().filter(|(stream, _)| going_on.contains(stream)) {
            if let Some(span) = self.spans.get_mut(&stream) {
                span.to = span.to.max(position);
            }
        }
    }

    fn push(&mut self, logged: Logged) {
        let Some(span) = self.spans.get_mut(&logged.stream) else { return };
        debug_assert!(logged.position > span.to, "a stream has an order");
        if logged.position <= span.to {
            return;
        }
        span.to = logged.position;
        self.events.push_back((self.next, Arc::new(logged)));
        self.next += 1;
        if self.events.len() > self.capacity
            && let Some((_number, oldest)) = self.events.pop_front()
            && let Some(span) = self.spans.get_mut(&oldest.stream)
        {
            debug_assert!(span.from < oldest.position, "the interval only shrinks");
            span.from = oldest.position;
        }
    }

    /// Returns true if the ring has everything after a place.
    pub(super) fn has(&self, place: &Place) -> bool {
        place.own.iter().all(|(stream, position)| {
            self.spans.get(&stream).is_some_and(|span| (span.from..=span.to).contains(&position))
        })
    }

    /// Returns true if something after a place is in the log only.
    pub(super) fn is_past(&self, place: &Place) -> bool {
        let is_past = |(stream, position)| self.spans.get(&stream).is_some_and(|span| position < span.from);
        place.own.iter().any(is_past)
    }

    /// Looks for the next event after a place.
    pub(super) fn look_up(&mut self, place: &mut Place) -> Lookup<Arc<Logged>> {
        self.find(place, |ring, place| {
            let first = ring.events.partition_point(|(number, _logged)| *number < place.seen);
            let (number, next) =
                ring.events.range(first..).find(|(_number, logged)| place.is_before(logged))?;
            place.seen = number + 1;
            Some(Arc::clone(next))
        })
    }

    /// Looks for the next events after a place, and steps over them.
    pub(super) fn look_up_run(&mut self, place: &mut Place) -> Lookup<Arc<EventRun>> {
        self.find(place, |ring, place| {
            let known = ring.runs.iter().find(|(run, _seen)| run.from == place.own);
            let (run, seen) = match known {
                Some(known) => known.clone(),
                None => ring.add_run(place)?,
            };
            place.own.clone_from(&run.to);
            place.seen = seen;
            Some(run)
        })
    }

    /// Makes the run after a place; None when nothing comes after it.
    fn add_run(&mut self, place: &Place) -> Option<(Arc<EventRun>, u64)> {
        let first = self.events.partition_point(|(number, _logged)| *number < place.seen);
        let next = self.events.range(first..).filter(|(_number, logged)| place.is_before(logged));
        let next: Vec<&(u64, Arc<Logged>)> = next.take(LONGEST).collect();
        let (last, _logged) = next.last()?;
        let seen = last + 1;
        let events = next.into_iter().map(|(_number, logged)| Arc::clone(logged)).collect();
        let run = Arc::new(EventRun::new(place.own.clone(), events));
        if self.runs.len() == RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back((Arc::clone(&run), seen));
        Some((run, seen))
    }

    /// Looks for something after a place in the ring, if the ring has all that comes after it.
    fn find<T>(
        &mut self,
        place: &mut Place,
        next: impl FnOnce(&mut Self, &mut Place) -> Option<T>,
    ) -> Lookup<T> {
        let mut ahead = false;
        for (stream, position) in place.own.iter() {
            let Some(span) = self.spans.get(&stream) else { return Lookup::Unread };
            if position < span.from {
                return Lookup::Behind;
            }
            ahead |= position > span.to;
        }
        if ahead && place.confirmed != Some(self.begins) {
            return Lookup::Ahead;
        }
        if let Some(found) = next(self, place) {
            return Lookup::Found(found);
        }
        place.seen = self.next;
        Lookup::Nothing
    }

    /// Returns true if the ring keeps its invariants: each stream in order, within its interval, and no more events
    /// than allowed.
    pub(super) fn is_whole(&self) -> bool {
        let mut last: BTreeMap<EventStream, Position> =
            self.spans.iter().map(|(stream, span)| (*stream, span.from)).collect();
        let in_order = self.events.iter().all(|(_number, logged)| {
            last.insert(logged.stream, logged.position).is_some_and(|before| before < logged.position)
        });
        let within = last.iter().all(|(stream, last)| {
            self.spans.get(stream).is_some_and(|span| span.from <= span.to && *last <= span.to)
        });
        let numbered = self.events.iter().is_sorted_by(|(a, _), (b, _)| a < b);
        in_order && within && numbered && self.events.len() <= self.capacity
    }
}

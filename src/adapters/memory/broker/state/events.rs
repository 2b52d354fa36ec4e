//! The streams of events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;

use super::State;
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::domain::model::event::message;
use crate::domain::model::event::{Cause, Event, EventKind, Repeat, Source};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Job, JobKind, JobState, Priority};
use crate::domain::model::queue_name::QueueName;
use crate::ports::clock::Clock;
use crate::ports::event_log::{Earlier, Extent, Logged, Read};

/// Events of one stream that are kept.
const KEPT: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct EventStreams {
    streams: BTreeMap<EventStream, StreamLog>,
    /// State of each actor that was emitted last, and pid of its process whose end was emitted last.
    last_emitted: BTreeMap<ActorId, (String, Option<u32>)>,
}

impl EventStreams {
    /// Forgets the events of the jobs of a queue that is gone.
    pub(super) fn forget(&mut self, queue: QueueName) {
        self.streams.remove(&EventStream::Jobs(queue));
    }
}

#[derive(Debug, Default)]
struct StreamLog {
    entries: VecDeque<Logged>,
    last: Position,
    trimmed: bool,
}

impl StreamLog {
    fn push(&mut self, stream: EventStream, now: SystemTime, event: Event) {
        let mut position = Position::at(now);
        if position <= self.last {
            position = Position { millis: self.last.millis, sequence: self.last.sequence + 1 };
        }
        self.last = position;
        self.entries.push_back(Logged { stream, position, event });
        self.trim(KEPT);
    }

    fn trim(&mut self, kept: usize) {
        while self.entries.len() > kept {
            self.entries.pop_front();
            self.trimmed = true;
        }
    }

    fn oldest(&self) -> Position {
        match self.entries.front() {
            _entry if !self.trimmed => Position::START,
            Some(first) => first.position.before(),
            None => self.last,
        }
    }
}

impl State {
    /// Appends events that are not about jobs.
    pub(in crate::adapters::memory) fn append_events(&mut self, events: &[Event]) {
        for event in events {
            let mut event = event.clone();
            if let Some(actor) = event.actor_id.clone() {
                let (state, pid) = self.events.last_emitted.get(&actor).cloned().unwrap_or_default();
                match event.kind.repeat() {
                    Repeat::State(new) => {
                        if state == new.as_str() {
                            continue;
                        }
                        self.events.last_emitted.insert(actor, (new.as_str().to_owned(), pid));
                        if let Some(old) = crate::domain::model::actor::ActorState::parse(&state) {
                            event = event.continuing(old);
                        }
                    }
                    Repeat::Exit { pid: ended } => {
                        if pid == Some(ended) {
                            continue;
                        }
                        self.events.last_emitted.insert(actor, (state, Some(ended)));
                    }
                    Repeat::Forget => {
                        self.events.last_emitted.remove(&actor);
                    }
                    Repeat::Keep => {}
                }
            }
            self.append(EventStream::Control, event);
        }
    }

    /// Emits the change of a job from state `old` to its present one.
    pub(super) fn emit_state(&mut self, id: &JobId, old: Option<JobState>) {
        let Some(job) = self.jobs.get(id).filter(|job| job.spec.kind == JobKind::Script) else { return };
        let error = match job.state {
            JobState::Failed | JobState::RetryWait => job.error.clone(),
            JobState::Blocked
            | JobState::Scheduled
            | JobState::Queued
            | JobState::Running
            | JobState::Succeeded
            | JobState::Cancelled => None,
        };
        let reason = job.cancel_reason.clone().unwrap_or_default();
        let why = error.as_ref().map_or(reason.as_str(), |error| error.message.as_str());
        let message = message::of_job(id, old, job.state, job.attempt, job.actor_id.as_ref(), why);
        let by_caller = old.is_none() || job.state == JobState::Cancelled;
        let source = if by_caller { Source::Caller } else { Source::Queue };
        let what = EventKind::JobStateChanged { old, new: job.state, attempt: job.attempt, error };
        let cause = Cause { reason, ..Cause::from(source) };
        let event = of_job(Event::new(self.clock.now(), cause, what, message), job);
        self.append(EventStream::Jobs(job.spec.queue()), event);
    }

    /// Emits a change of the priority of a job.
    pub(super) fn emit_updated(&mut self, id: &JobId, old: Priority, new: Priority) {
        let Some(job) = self.jobs.get(id) else { return };
        let message = message::of_updated_job(id, old, new);
        let event = Event::new(self.clock.now(), Source::Caller, EventKind::JobUpdated { old, new }, message);
        let (stream, event) = (EventStream::Jobs(job.spec.queue()), of_job(event, job));
        self.append(stream, event);
    }

    /// Emits the removal of a job, before its record goes.
    pub(super) fn emit_deleted(&mut self, id: &JobId) {
        let Some(job) = self.jobs.get(id).filter(|job| job.spec.kind == JobKind::Script) else { return };
        let message = message::of_deleted_job(id);
        let event = Event::new(self.clock.now(), Source::Caller, EventKind::JobDeleted, message);
        let (stream, event) = (EventStream::Jobs(job.spec.queue()), of_job(event, job));
        self.append(stream, event);
    }

    fn append(&mut self, stream: EventStream, event: Event) {
        let now = self.clock.now();
        self.events.streams.entry(stream).or_default().push(stream, now, event);
    }

    /// Removes all but the last `kept` events of each stream.
    pub(in crate::adapters::memory) fn trim_events(&mut self, kept: usize) {
        for stream in self.events.streams.values_mut() {
            stream.trim(kept);
        }
    }

    pub(in crate::adapters::memory) fn extent_of_events(&self, streams: &BTreeSet<EventStream>) -> Extent {
        let ends = |stream: EventStream| {
            let kept = self.events.streams.get(&stream);
            kept.map_or((Position::START, Position::START), |kept| (kept.oldest(), kept.last))
        };
        Extent {
            oldest: streams.iter().map(|stream| (*stream, ends(*stream).0)).collect(),
            newest: streams.iter().map(|stream| (*stream, ends(*stream).1)).collect(),
        }
    }

    pub(in crate::adapters::memory) fn events_after(&self, cursor: &Cursor, limit: usize) -> Read {
        let extent = self.extent_of_events(&cursor.iter().map(|(stream, _)| stream).collect());
        if !cursor.has_reached(&extent.oldest) || !extent.newest.has_reached(cursor) {
            return Read::Expired { oldest: extent.oldest };
        }
        let (mut entries, mut upto) = (Vec::new(), cursor.clone());
        for (stream, position) in cursor.iter() {
            let kept = self.events.streams.get(&stream).into_iter().flat_map(|kept| &kept.entries);
            for logged in kept.filter(|logged| logged.position > position).take(limit) {
                upto.set(stream, logged.position);
                entries.push(logged.clone());
            }
        }
        entries.sort_by_key(|logged| (logged.position, logged.stream));
        Read::Entries { entries, upto }
    }

    pub(in crate::adapters::memory) fn events_before(&self, cursor: &Cursor, limit: usize) -> Earlier {
        let mut earlier = Earlier::default();
        for (stream, position) in cursor.iter() {
            let kept =
                self.events.streams.get(&stream).into_iter().flat_map(|kept| kept.entries.iter().rev());
            let of_stream: Vec<&Logged> =
                kept.filter(|logged| logged.position < position).take(limit).collect();
            if let Some(last) = of_stream.last().filter(|_last| of_stream.len() == limit) {
                earlier.more.set(stream, last.position);
            }
            earlier.entries.extend(of_stream.into_iter().cloned());
        }
        earlier
    }
}

fn of_job(event: Event, job: &Job) -> Event {
    Event {
        job_id: Some(job.id.clone()),
        caller_id: job.spec.caller_id.clone(),
        actor_id: job.actor_id.clone(),
        ..event.of_queue(job.spec.queue())
    }
}

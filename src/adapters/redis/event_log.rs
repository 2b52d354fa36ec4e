//! The event log: one stream for events that are not about jobs, and the streams that the functions on queues append to.
//!
//! A function writes the events of its jobs in the step in which it changes them, so they lie in the slot of their queue. Those that are
//! not about jobs have a slot of their own.

mod reader;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, ParsingError, Value};
use tokio::time::Instant;

use self::reader::{Reader, read_any};
use super::RedisQueue;
use super::connection::Connection;
use super::damaged_records::{self, RecordKind};
use super::functions::Function;
use super::keys;
use super::records::{decode_event, decode_job_event, encode_event};
use super::reply::{self, Entry, Lossy};
use crate::domain::model::actor::ActorState;
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::domain::model::event::{Event, Repeat};
use crate::ports::event_log::{Earlier, EventLog, Extent, Follow, LogError, Logged, Read};
use crate::ports::store_fault::StoreFault;

/// Names of answers in errors.
const EVENTS: &str = "events";
const EXTENT: &str = "the extent of a stream of events";
/// Events in one call of the function that adds them.
const AT_ONCE: usize = 200;
/// Wait of a read in Redis.
const READ_BLOCK: Duration = Duration::from_secs(2);

/// The log, on the connection of a queue.
pub struct RedisEventLog {
    connection: Arc<Connection>,
}

impl RedisEventLog {
    /// Shares the connection of `queue`.
    pub fn new(queue: &RedisQueue) -> Self {
        Self { connection: queue.connection() }
    }
}

#[async_trait]
impl EventLog for RedisEventLog {
    async fn append(&self, events: &[Event]) -> Result<(), LogError> {
        for chunk in events.chunks(AT_ONCE) {
            let mut emit = Function::Emit.on(keys::CONTROL_EVENTS);
            for event in chunk {
                let (kind, value) = match event.kind.repeat() {
                    Repeat::State(new) => ("state", new.as_str().to_owned()),
                    Repeat::Exit { pid } => ("exit", pid.to_string()),
                    Repeat::Forget => ("fresh", String::new()),
                    Repeat::Keep => ("", String::new()),
                };
                let actor = event.actor_id.as_ref().map(AsRef::as_ref).unwrap_or_default();
                let actor: &str = actor;
                emit.arg(kind).arg(actor).arg(value).arg(encode_event(event)?);
            }
            emit.arg(uuid::Uuid::new_v4().simple().to_string());
            self.connection.call::<()>(&emit, "added events").await?;
        }
        Ok(())
    }

    async fn extent(&self, streams: &BTreeSet<EventStream>) -> Result<Extent, LogError> {
        let mut pipeline = redis::pipe();
        for stream in streams {
            pipeline.add_command(extent_of(*stream));
        }
        let answers: Vec<StreamExtent> = self.connection.pipe(&pipeline, EXTENT).await?;
        let mut extent = Extent { oldest: Cursor::default(), newest: Cursor::default() };
        for (stream, answer) in streams.iter().zip(answers) {
            extent.oldest.set(*stream, answer.oldest);
            extent.newest.set(*stream, answer.newest);
        }
        Ok(extent)
    }

    async fn after(&self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        let mut pipeline = redis::pipe();
        for (stream, position) in cursor.iter() {
            pipeline.cmd("XRANGE").arg(keys::events(stream)).arg(format!("({position}")).arg("+");
            pipeline.arg("COUNT").arg(limit);
            // Asked after the read: entries that are kept now were kept then.
            pipeline.add_command(extent_of(stream));
        }
        let mut answers = self.connection.pipe::<Value>(&pipeline, EVENTS).await?.into_iter();
        let (mut entries, mut upto, mut oldest, mut expired) =
            (Vec::new(), cursor.clone(), Cursor::default(), false);
        for (stream, position) in cursor.iter() {
            let found = reply::read(EVENTS, answers.next().unwrap_or_default())?;
            let extent: StreamExtent = reply::read(EXTENT, answers.next().unwrap_or_default())?;
            oldest.set(stream, extent.oldest);
            // A position behind the end comes from before Redis lost its data.
            expired |= position < extent.oldest || position > extent.newest;
            if let Some(position) = decode(stream, found, &mut entries)? {
                upto.set(stream, position);
            }
        }
        if expired {
            return Ok(Read::Expired { oldest });
        }
        entries.sort_by_key(|logged: &Logged| (logged.position, logged.stream));
        Ok(Read::Entries { entries, upto })
    }

    async fn before(&self, cursor: &Cursor, limit: usize) -> Result<Earlier, LogError> {
        let mut pipeline = redis::pipe();
        // Redis cannot name what comes before the first position.
        let cursor: Cursor =
            cursor.iter().filter(|(_stream, position)| *position != Position::START).collect();
        if cursor == Cursor::default() {
            return Ok(Earlier::default());
        }
        for (stream, position) in cursor.iter() {
            let from = if position == Position::END { "+".to_owned() } else { format!("({position}") };
            pipeline.cmd("XREVRANGE").arg(keys::events(stream)).arg(from).arg("-").arg("COUNT").arg(limit);
        }
        let answers: Vec<Vec<Entry>> = self.connection.pipe(&pipeline, EVENTS).await?;
        let mut earlier = Earlier::default();
        for ((stream, _position), answer) in cursor.iter().zip(answers) {
            let is_full = answer.len() >= limit;
            let last = decode(stream, answer, &mut earlier.entries)?;
            if let Some(last) = last.filter(|_last| is_full) {
                earlier.more.set(stream, last);
            }
        }
        Ok(earlier)
    }

    async fn follow(&self) -> Result<Box<dyn Follow>, LogError> {
        Ok(Box::new(Follower {
            log: Self { connection: Arc::clone(&self.connection) },
            readers: Vec::new(),
            behind: true,
        }))
    }
}

/// Reads streams as they grow: all of them by one reader, in a Cluster each by its own.
struct Follower {
    log: RedisEventLog,
    readers: Vec<Reader>,
    /// True while entries may have been trimmed unread, or the log may be another one; reads are then checked for that.
    behind: bool,
}

#[async_trait]
impl Follow for Follower {
    async fn next(&mut self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        if self.open(cursor).await? {
            self.behind = true;
        }
        if self.behind {
            let read = self.log.after(cursor, limit).await?;
            let Read::Entries { entries, .. } = &read else { return Ok(read) };
            if !entries.is_empty() {
                self.behind = entries.len() >= limit;
                return Ok(read);
            }
            self.behind = false;
        }
        let begun = Instant::now();
        let streams = match read_any(&mut self.readers, cursor, limit).await {
            Ok(streams) => streams,
            Err(error) => {
                self.readers.clear();
                return Err(error.into());
            }
        };
        // Silence may come from a log that began again with a clock that is behind. After a pause of this process, the log may have
        // been trimmed.
        self.behind = streams.is_empty() || begun.elapsed() > READ_BLOCK * 2;
        let (mut entries, mut upto) = (Vec::new(), cursor.clone());
        for (name, found) in streams {
            let Some((stream, _)) = cursor.iter().find(|(stream, _)| keys::events(*stream) == name) else {
                continue;
            };
            // With so many entries, those right after the cursor may be trimmed, which this read would not show.
            if found.len() >= limit {
                self.behind = true;
                return self.log.after(cursor, limit).await;
            }
            if let Some(position) = decode(stream, found, &mut entries)? {
                upto.set(stream, position);
            }
        }
        entries.sort_by_key(|logged: &Logged| (logged.position, logged.stream));
        Ok(Read::Entries { entries, upto })
    }
}

impl Follower {
    /// Opens what is missing, or leads to a server that may be another one by now; true if that was anything.
    async fn open(&mut self, cursor: &Cursor) -> Result<bool, StoreFault> {
        let connection = &self.log.connection;
        let streams: Vec<EventStream> = cursor.iter().map(|(stream, _position)| stream).collect();
        let groups: Vec<Vec<EventStream>> = match connection.servers().are_many() {
            true => streams.into_iter().map(|stream| vec![stream]).collect(),
            false => vec![streams],
        };
        let of_now = |reader: &Reader| {
            reader.first().is_some_and(|key| connection.generation(&key) == reader.generation)
        };
        let is_open = self.readers.iter().map(|reader| &reader.streams).eq(groups.iter());
        if is_open && self.readers.iter().all(of_now) {
            return Ok(false);
        }
        self.readers.clear();
        for streams in groups {
            self.readers.push(Reader::open(connection, streams).await?);
        }
        Ok(true)
    }
}

/// The call that asks which part of a stream is kept.
fn extent_of(stream: EventStream) -> Cmd {
    Function::Extent.on(keys::events(stream))
}

/// The position after which everything is kept, and the last one.
struct StreamExtent {
    oldest: Position,
    newest: Position,
}

impl FromRedisValue for StreamExtent {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let (trimmed, first, last): (i64, String, String) = FromRedisValue::from_redis_value(answer)?;
        let newest = Position::parse(&last).ok_or("the last id of a stream is none")?;
        let oldest = match (trimmed, Position::parse(&first)) {
            (0, _) => Position::START,
            (_, Some(first)) => first.before(),
            (_, None) => newest,
        };
        Ok(Self { oldest, newest })
    }
}

/// Longest entry that is read. Ours have a fraction of it; a watch could send no longer one, and would never get past it.
const MOST_BYTES: usize = 1024 * 1024;

/// Decodes entries in their order and returns the position of the last one. An entry that cannot be read, perhaps of a later
/// version, is passed over.
fn decode(
    stream: EventStream,
    found: Vec<Entry>,
    into: &mut Vec<Logged>,
) -> Result<Option<Position>, StoreFault> {
    let mut last = None;
    for Entry { id, fields } in found {
        let position = Position::parse(&id).ok_or_else(|| reply::corrupt("the id of an event", &id))?;
        last = Some(position);
        let fields: Vec<(Lossy, Lossy)> = reply::read(EVENTS, Value::Array(fields.unwrap_or_default()))?;
        let get = |name: &str| {
            fields.iter().find(|(known, _value)| known.0 == name).map(|(_name, value)| value.0.as_str())
        };
        let bytes: usize = fields.iter().map(|(name, value)| name.0.len() + value.0.len()).sum();
        let event = match stream {
            _ if bytes > MOST_BYTES => None,
            EventStream::Control => decode_event(get("e").unwrap_or_default()).map(|event| {
                match get("old").and_then(ActorState::parse) {
                    Some(old) => event.continuing(old),
                    None => event,
                }
            }),
            EventStream::Jobs(queue) => decode_job_event(queue, position.time(), get),
        };
        match event {
            Some(event) => into.push(Logged { stream, position, event }),
            None => damaged_records::note(
                RecordKind::Event,
                &format!("event {position} of {}", keys::events(stream)),
            ),
        }
    }
    Ok(last)
}

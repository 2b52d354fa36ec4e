//! The event log: one stream of our own for what is not about jobs, and the streams that the queue functions append to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::time::{Instant, timeout};

use super::RedisQueue;
use super::connection::{Connection, queue_error, unexpected};
use super::damaged_records::{self, RecordKind};
use super::keys;
use super::records::{decode_event, decode_job_event, encode_event};
use crate::domain::model::actor::ActorState;
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::domain::model::event::{Event, EventKind};
use crate::ports::event_log::{Earlier, EventLog, Extent, Follow, LogError, Logged, Read};

/// Events in one call of the function that adds them.
const AT_ONCE: usize = 200;
/// How long a read waits in Redis, and how long until a read that does not come back is given up.
const READ_BLOCK: Duration = Duration::from_secs(2);
const READ_WATCHDOG: Duration = Duration::from_secs(10);

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
            let mut tell = redis::cmd("FCALL");
            tell.arg("hero_tell").arg(1).arg(keys::CONTROL_EVENTS);
            for event in chunk {
                let (what, value) = match &event.kind {
                    EventKind::ActorStateChanged { new, .. } => ("state", new.as_str().to_owned()),
                    EventKind::ActorExited(exit) => ("exit", exit.pid.to_string()),
                    EventKind::ActorCreated | EventKind::ActorDeleted => ("fresh", String::new()),
                    EventKind::ActorUpdated
                    | EventKind::ActorRestarted
                    | EventKind::PingSent
                    | EventKind::PingOk { .. }
                    | EventKind::PingFailed { .. }
                    | EventKind::HealthChanged { .. }
                    | EventKind::JobStateChanged { .. }
                    | EventKind::JobDeleted
                    | EventKind::ScalingDecided(_)
                    | EventKind::QueuePaused
                    | EventKind::QueueResumed
                    | EventKind::QueuePurged { .. }
                    | EventKind::DependencyDown { .. }
                    | EventKind::DependencyUp { .. }
                    | EventKind::ServerStarted
                    | EventKind::ServerDraining => ("", String::new()),
                };
                let actor = event.actor_id.as_ref().map(AsRef::as_ref).unwrap_or_default();
                let actor: &str = actor;
                tell.arg(what).arg(actor).arg(value).arg(encode_event(event)?);
            }
            self.connection.call(&tell).await?;
        }
        Ok(())
    }

    async fn extent(&self, streams: &BTreeSet<EventStream>) -> Result<Extent, LogError> {
        let mut pipeline = redis::pipe();
        for stream in streams {
            pipeline.add_command(kept(*stream));
        }
        let answers = self.connection.pipe(&pipeline).await?;
        let mut extent = Extent { oldest: Cursor::default(), newest: Cursor::default() };
        for (stream, answer) in streams.iter().zip(answers) {
            let (oldest, newest) = ends_of(answer)?;
            extent.oldest.set(*stream, oldest);
            extent.newest.set(*stream, newest);
        }
        Ok(extent)
    }

    async fn after(&self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        let mut pipeline = redis::pipe();
        for (stream, position) in cursor.iter() {
            pipeline.cmd("XRANGE").arg(keys::events(stream)).arg(format!("({position}")).arg("+");
            pipeline.arg("COUNT").arg(limit);
            // After the read: what is there now was there then.
            pipeline.add_command(kept(stream));
        }
        let mut answers = self.connection.pipe(&pipeline).await?.into_iter();
        let (mut entries, mut upto, mut oldest, mut expired) =
            (Vec::new(), cursor.clone(), Cursor::default(), false);
        for (stream, position) in cursor.iter() {
            let (found, ends) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
            let (first, last) = ends_of(ends)?;
            oldest.set(stream, first);
            // One that lies behind the end comes from before Redis lost its data.
            expired |= position < first || position > last;
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
        // Redis has no words for what comes before the first place.
        let cursor: Cursor =
            cursor.iter().filter(|(_stream, position)| *position != Position::START).collect();
        if cursor == Cursor::default() {
            return Ok(Earlier::default());
        }
        for (stream, position) in cursor.iter() {
            let from = if position == Position::END { "+".to_owned() } else { format!("({position}") };
            pipeline.cmd("XREVRANGE").arg(keys::events(stream)).arg(from).arg("-").arg("COUNT").arg(limit);
        }
        let answers = self.connection.pipe(&pipeline).await?;
        let mut earlier = Earlier::default();
        for ((stream, _position), answer) in cursor.iter().zip(answers) {
            let is_full = matches!(&answer, Value::Array(found) if found.len() >= limit);
            let last = decode(stream, answer, &mut earlier.entries)?;
            if let Some(last) = last.filter(|_last| is_full) {
                earlier.more.set(stream, last);
            }
        }
        Ok(earlier)
    }

    async fn follow(&self) -> Result<Box<dyn Follow>, LogError> {
        let connection = self.connection.blocking().await?;
        let log = Self { connection: Arc::clone(&self.connection) };
        let generation = self.connection.generation();
        Ok(Box::new(Follower { log, connection, generation, behind: true }))
    }
}

/// Reads on a connection of its own.
struct Follower {
    log: RedisEventLog,
    connection: MultiplexedConnection,
    /// Which shared connection there was when this one was opened.
    generation: u64,
    /// There may be so much to read that some of it is trimmed, or the log may be another one; then each read is checked
    /// for it.
    behind: bool,
}

#[async_trait]
impl Follow for Follower {
    async fn next(&mut self, cursor: &Cursor, limit: usize) -> Result<Read, LogError> {
        let generation = self.log.connection.generation();
        if generation != self.generation {
            // It may lead to another Redis now.
            self.connection = self.log.connection.blocking().await?;
            (self.generation, self.behind) = (generation, true);
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
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(limit).arg("BLOCK").arg(u64::try_from(READ_BLOCK.as_millis()).unwrap_or(0));
        read.arg("STREAMS");
        for (stream, _position) in cursor.iter() {
            read.arg(keys::events(stream));
        }
        for (_stream, position) in cursor.iter() {
            read.arg(position.to_string());
        }
        let begun = Instant::now();
        let answer: Value = match timeout(READ_WATCHDOG, read.query_async(&mut self.connection)).await {
            Ok(answer) => answer.map_err(|error| queue_error(&error))?,
            Err(_elapsed) => return Err(LogError::TimedOut { after: READ_WATCHDOG }),
        };
        // Silence may be that of a log which began anew with a clock that is behind; and a process that stood still for
        // a while may find that the log has gone on without it.
        self.behind = matches!(answer, Value::Nil) || begun.elapsed() > READ_BLOCK * 2;
        let (mut entries, mut upto) = (Vec::new(), cursor.clone());
        let streams = match answer {
            Value::Nil => Vec::new(),
            Value::Array(streams) => streams,
            other => return Err(unexpected("events", &other)),
        };
        for read in streams {
            let Value::Array(pair) = read else { return Err(unexpected("a stream of events", &read)) };
            let [Value::BulkString(name), found] = &pair[..] else {
                return Err(unexpected("a stream of events", &Value::Array(pair)));
            };
            let name = String::from_utf8_lossy(name);
            let Some((stream, _)) = cursor.iter().find(|(stream, _)| keys::events(*stream) == name) else {
                continue;
            };
            // There is so much that what comes right after the cursor may be gone, and this would not say so.
            if matches!(found, Value::Array(found) if found.len() >= limit) {
                self.behind = true;
                return self.log.after(cursor, limit).await;
            }
            if let Some(position) = decode(stream, found.clone(), &mut entries)? {
                upto.set(stream, position);
            }
        }
        entries.sort_by_key(|logged: &Logged| (logged.position, logged.stream));
        Ok(Read::Entries { entries, upto })
    }
}

/// The question how much of a stream is kept.
fn kept(stream: EventStream) -> Cmd {
    let mut command = redis::cmd("FCALL");
    command.arg("hero_kept").arg(1).arg(keys::events(stream));
    command
}

/// The place after which everything is kept, and the last one.
fn ends_of(answer: Value) -> Result<(Position, Position), LogError> {
    let shape = |answer: &Value| unexpected("the ends of a stream of events", answer);
    let Value::Array(parts) = &answer else { return Err(shape(&answer)) };
    let [Value::Int(trimmed), Value::BulkString(first), Value::BulkString(last)] = &parts[..] else {
        return Err(shape(&answer));
    };
    let place = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(Position::parse);
    let last = place(last).ok_or_else(|| shape(&answer))?;
    let oldest = match (trimmed, place(first)) {
        (0, _) => Position::START,
        (_, Some(first)) => first.before(),
        (_, None) => last,
    };
    Ok((oldest, last))
}

/// Entries in the order of the answer; answers with the place of the last one. An entry that cannot be read, from a later
/// version perhaps, is stepped over.
fn decode(stream: EventStream, answer: Value, into: &mut Vec<Logged>) -> Result<Option<Position>, LogError> {
    let Value::Array(found) = answer else { return Err(unexpected("events", &answer)) };
    let mut last = None;
    for entry in found {
        let Value::Array(parts) = entry else { return Err(unexpected("an event", &entry)) };
        let [Value::BulkString(id), Value::Array(flat)] = &parts[..] else {
            return Err(unexpected("an event", &Value::Array(parts)));
        };
        let position = std::str::from_utf8(id).ok().and_then(Position::parse);
        let position =
            position.ok_or_else(|| unexpected("the id of an event", &Value::BulkString(id.clone())))?;
        last = Some(position);
        let text = |value: &Value| match value {
            Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _other => String::new(),
        };
        let pairs: Vec<(String, String)> =
            flat.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
        let get = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let event = match stream {
            EventStream::Control => decode_event(get("e").unwrap_or_default()).map(|event| {
                match get("old").and_then(ActorState::parse) {
                    Some(old) => event.continuing(old),
                    None => event,
                }
            }),
            EventStream::Jobs(script_type) => decode_job_event(script_type, position.time(), get),
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

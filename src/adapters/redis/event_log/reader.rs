//! Reads that wait for new entries of streams which lie on one server.

use std::pin::Pin;
use std::time::Duration;

use futures::future::select_all;
use redis::{Cmd, Value};

use super::{EVENTS, READ_BLOCK};
use crate::adapters::redis::connection::{Connection, OwnConnection, ReadFailed};
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::{self, Streams};
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::ports::store_fault::StoreFault;

/// Time after which a read that does not return is given up.
const READ_WATCHDOG: Duration = Duration::from_secs(10);

type Answer = Pin<Box<dyn Future<Output = Result<Value, ReadFailed>> + Send>>;

/// Streams that one read can have, and an own connection for it.
pub(super) struct Reader {
    pub(super) streams: Vec<EventStream>,
    connection: OwnConnection,
    /// Number of the shared connection when this one was opened.
    pub(super) generation: u64,
    /// A read that was begun behind these positions. It outlives the call that has begun it, since another stream may answer
    /// first and Redis goes on to wait.
    waiting: Option<(Vec<Position>, Answer)>,
}

impl Reader {
    pub(super) async fn open(connection: &Connection, streams: Vec<EventStream>) -> Result<Self, StoreFault> {
        let key = streams.first().map_or_else(String::new, |stream| keys::events(*stream));
        let own = connection.blocking(&key).await?;
        Ok(Self { streams, connection: own, generation: connection.generation(&key), waiting: None })
    }

    /// The key of the first stream, whose server has all of them.
    pub(super) fn first(&self) -> Option<String> {
        self.streams.first().map(|stream| keys::events(*stream))
    }

    /// Begins a read behind these positions, unless it is under way.
    fn begin(&mut self, cursor: &Cursor, limit: usize) {
        let of_ours = cursor.iter().filter(|(stream, _position)| self.streams.contains(stream));
        let positions: Vec<Position> = of_ours.map(|(_stream, position)| position).collect();
        if self.waiting.as_ref().is_some_and(|(begun, _answer)| *begun == positions) {
            return;
        }
        let read = self.command(&positions, limit);
        let mut connection = self.connection.clone();
        let answer = Box::pin(async move { connection.query(&read, READ_WATCHDOG).await });
        self.waiting = Some((positions, answer));
    }

    fn command(&self, positions: &[Position], limit: usize) -> Cmd {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(limit).arg("BLOCK").arg(u64::try_from(READ_BLOCK.as_millis()).unwrap_or(0));
        read.arg("STREAMS");
        for stream in &self.streams {
            read.arg(keys::events(*stream));
        }
        for position in positions {
            read.arg(position.to_string());
        }
        read
    }
}

/// Waits until one of the readers has an answer: entries, or none in time.
pub(super) async fn read_any(
    readers: &mut [Reader],
    cursor: &Cursor,
    limit: usize,
) -> Result<Streams, StoreFault> {
    for reader in readers.iter_mut() {
        reader.begin(cursor, limit);
    }
    let waiting =
        readers.iter_mut().filter_map(|reader| reader.waiting.as_mut()).map(|(_positions, answer)| answer);
    let (answer, index, _others) = select_all(waiting).await;
    if let Some(reader) = readers.get_mut(index) {
        reader.waiting = None;
    }
    reply::read(EVENTS, answer?)
}

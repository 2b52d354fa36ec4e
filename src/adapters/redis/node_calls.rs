//! Calls between supervisors: a stream for each node, and a key for each answer.
//!
//! ```text
//!  caller                     Redis                          supervisor of the node
//!  hero_node_send ──────────► calls: entry ────────────────► XREAD
//!                             entry removed ◄─────────────── hero_node_take
//!  GET ─────────────────────► answer: held, for HOLD_TERM ◄─ SET, again and again
//!  GET ─────────────────────► answer: its bytes ◄─────────── SET
//! ```
//!
//! A caller whose call is not taken in time removes the entry. Whoever removes it has it, so a call is either taken or
//! withdrawn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use tokio::time::{Instant, sleep};

use super::RedisQueue;
use super::call::Failed;
use super::connection::{Connection, OwnConnection};
use super::functions::Function;
use super::keys;
use super::reply::{self, Entry, Streams};
use crate::domain::model::id::NodeName;
use crate::ports::node_calls::{
    HOLD_TERM, NodeCallError, NodeCalls, NodeInbox, NodeInboxError, TAKE_LIMIT, TakenCall,
};
use crate::ports::store_fault::StoreFault;

/// Names of answers in errors.
const SENT: &str = "the entry of a call to another machine";
const TAKEN: &str = "a call of another machine";
const ANSWER: &str = "the answer of another machine";
/// First byte of the value of an answer key: the call is worked at, or it is answered by what follows.
const HELD: u8 = b't';
const ANSWERED: u8 = b'a';
/// Time between two looks at an answer: the first, and the longest. Each is twice the one before.
const LOOK_FIRST: Duration = Duration::from_millis(4);
const LOOK_LAST: Duration = Duration::from_millis(128);
/// Time for which an answer is kept for who asked.
const ANSWER_TERM: Duration = Duration::from_secs(60);
/// Calls of one read.
const READ_COUNT: usize = 16;
/// Wait of a read in Redis, and time after which a read that does not return is given up.
const READ_BLOCK: Duration = Duration::from_secs(5);
const READ_WATCHDOG: Duration = Duration::from_secs(15);
/// The position before the first entry.
const START: &str = "0-0";

/// Calls between supervisors, on the connection of a queue.
pub struct RedisNodeCalls {
    connection: Arc<Connection>,
}

impl RedisNodeCalls {
    /// Shares the connection of `queue`.
    pub fn new(queue: &RedisQueue) -> Self {
        Self { connection: queue.connection() }
    }

    /// Reads an answer: None while there is none.
    async fn look(&self, key: &str) -> Result<Option<Look>, StoreFault> {
        let get = redis::cmd("GET").arg(key).to_owned();
        let value: Option<Vec<u8>> = self.connection.call(&get, ANSWER).await?;
        value
            .map(|value| match value.split_first() {
                Some((&HELD, _rest)) => Ok(Look::Held),
                Some((&ANSWERED, answer)) => Ok(Look::Answered(answer.to_vec())),
                Some(_) | None => Err(reply::corrupt(ANSWER, "an unknown first byte")),
            })
            .transpose()
    }

    /// Takes a call back. True if nobody has it then.
    async fn withdraw(&self, calls: &str, entry: &str) -> Result<bool, StoreFault> {
        let remove = redis::cmd("XDEL").arg(calls).arg(entry).to_owned();
        // Of a repeated removal the answer is about the second time; it says "taken", which is the careful one.
        let removed: i64 = self.connection.call(&remove, SENT).await?;
        Ok(removed > 0)
    }

    /// Waits for the answer to a call that is there as an entry.
    async fn wait(&self, calls: &str, entry: &str, key: &str) -> Result<Vec<u8>, NodeCallError> {
        let mut pause = LOOK_FIRST;
        let begun = Instant::now();
        // Until when a call that is gone from the stream may be without a sign of who has taken it.
        let mut seen = None;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_LAST);
            match self.look(key).await.map_err(NodeCallError::Unknown)? {
                Some(Look::Answered(answer)) => {
                    self.forget(key).await;
                    return Ok(answer);
                }
                Some(Look::Held) => seen = Some(Instant::now()),
                None => match seen {
                    Some(at) if at.elapsed() > HOLD_TERM => return Err(NodeCallError::Lost),
                    Some(_) => {}
                    None if begun.elapsed() > TAKE_LIMIT => {
                        if self.withdraw(calls, entry).await.map_err(NodeCallError::Unknown)? {
                            return Err(NodeCallError::NotTaken);
                        }
                        seen = Some(Instant::now());
                    }
                    None => {}
                },
            }
        }
    }

    /// Removes an answer that was read. It expires by itself otherwise.
    async fn forget(&self, key: &str) {
        let remove = redis::cmd("UNLINK").arg(key).to_owned();
        if let Err(error) = self.connection.call::<i64>(&remove, ANSWER).await {
            tracing::debug!(%error, "node calls: answer not removed ({error})");
        }
    }
}

/// A look at an answer.
enum Look {
    Held,
    Answered(Vec<u8>),
}

#[async_trait]
impl NodeCalls for RedisNodeCalls {
    async fn call(&self, node: &NodeName, call: Vec<u8>) -> Result<Vec<u8>, NodeCallError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let (calls, key) = (keys::node_calls(node), keys::node_answer(node, &id));
        let send = Function::NodeSend.on(&calls).arg(&id).arg(call).to_owned();
        match self.connection.call_once::<Option<String>>(&send, SENT).await {
            Ok(Some(entry)) => self.wait(&calls, &entry, &key).await,
            Ok(None) => Err(NodeCallError::TooMany),
            Err(Failed { error, sent: true }) => Err(NodeCallError::Unknown(error)),
            Err(Failed { error, sent: false }) => Err(NodeCallError::NotSent(error)),
        }
    }

    fn inbox(&self, node: &NodeName) -> Box<dyn NodeInbox> {
        Box::new(Inbox {
            connection: Arc::clone(&self.connection),
            node: node.clone(),
            calls: keys::node_calls(node),
            reader: None,
            position: START.to_owned(),
            entries: VecDeque::new(),
        })
    }
}

/// Reads the stream of one node.
struct Inbox {
    connection: Arc<Connection>,
    node: NodeName,
    calls: String,
    /// A connection of its own, and the number of the shared one when it was opened.
    reader: Option<(OwnConnection, u64)>,
    /// Id of the last entry that was read.
    position: String,
    /// Entries that were read and are not taken yet.
    entries: VecDeque<Entry>,
}

impl Inbox {
    async fn read(&mut self) -> Result<(), StoreFault> {
        let generation = self.connection.generation(&self.calls);
        let (mut reader, opened_at) = match self.reader.take() {
            Some((reader, opened_at)) if opened_at == generation => (reader, opened_at),
            Some(_) | None => {
                let reader = self.connection.blocking(&self.calls).await?;
                // Another Redis may count from an earlier time. What was read before cannot be taken again.
                self.position = START.to_owned();
                (reader, self.connection.generation(&self.calls))
            }
        };
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(READ_COUNT).arg("BLOCK").arg(millis(READ_BLOCK));
        read.arg("STREAMS").arg(&self.calls).arg(&self.position);
        let streams: Streams = reply::read(TAKEN, reader.query(&read, READ_WATCHDOG).await?)?;
        self.reader = Some((reader, opened_at));
        self.entries.extend(streams.into_iter().flat_map(|(_key, entries)| entries));
        if let Some(last) = self.entries.back() {
            self.position.clone_from(&last.id);
        }
        Ok(())
    }

    /// Takes the call of an entry; None if somebody else has it, or it is too late.
    async fn take(&self, entry: Entry) -> Result<Option<Taken>, StoreFault> {
        let take = Function::NodeTake.on(&self.calls).arg(&entry.id).to_owned();
        // Once: of a repeated one the answer would be that somebody has it.
        let taken: i64 = self.connection.call_once(&take, TAKEN).await?;
        if taken == 0 {
            return Ok(None);
        }
        let mut fields = entry.fields.unwrap_or_default().into_iter();
        let (mut id, mut call) = (None, None);
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            match reply::read::<String>(TAKEN, name)?.as_str() {
                "id" => id = Some(reply::read::<String>(TAKEN, value)?),
                "call" => call = Some(reply::read::<Vec<u8>>(TAKEN, value)?),
                _of_a_later_version => {}
            }
        }
        let (Some(id), Some(call)) = (id, call) else {
            return Err(reply::corrupt(TAKEN, "an entry without id or call"));
        };
        let key = keys::node_answer(&self.node, &id);
        let taken = Taken { connection: Arc::clone(&self.connection), key, call };
        taken.set(&[HELD], HOLD_TERM).await?;
        Ok(Some(taken))
    }
}

#[async_trait]
impl NodeInbox for Inbox {
    async fn next(&mut self) -> Result<Box<dyn TakenCall>, NodeInboxError> {
        loop {
            while let Some(entry) = self.entries.pop_front() {
                if let Some(taken) = self.take(entry).await? {
                    return Ok(Box::new(taken));
                }
            }
            self.read().await?;
        }
    }
}

/// A call that this supervisor has taken.
struct Taken {
    connection: Arc<Connection>,
    key: String,
    call: Vec<u8>,
}

impl Taken {
    async fn set(&self, value: &[u8], term: Duration) -> Result<(), StoreFault> {
        let set = redis::cmd("SET").arg(&self.key).arg(value).arg("PX").arg(millis(term)).to_owned();
        self.connection.call::<Value>(&set, ANSWER).await.map(drop)
    }
}

#[async_trait]
impl TakenCall for Taken {
    fn call(&self) -> &[u8] {
        &self.call
    }

    async fn hold(&self) -> Result<(), NodeInboxError> {
        Ok(self.set(&[HELD], HOLD_TERM).await?)
    }

    async fn answer(&self, answer: Vec<u8>) -> Result<(), NodeInboxError> {
        let mut value = answer;
        value.insert(0, ANSWERED);
        Ok(self.set(&value, ANSWER_TERM).await?)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

//! Requests and objects: no index has all of them, so all keys are looked through.
//!
//! A scan meets every key that is there from its begin to its end, as long as the keys stay on their servers and these are not started
//! anew. If they do not, all of it is done again: what comes twice is restored once.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, ParsingError, Value};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::BackupFault;
use super::outage::through_outages;
use super::read::send;
use super::record::{Record, SavedObject, SavedRequest, Text};
use crate::adapters::redis::cluster::Address;
use crate::adapters::redis::connection::{CALL_TIMEOUT, Connection, Route, fault_of};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::{self, Lossy, Parts};
use crate::domain::model::queue_name::QueueName;
use crate::ports::store_fault::StoreFault;

/// Keys that one step of a scan looks at, about.
const KEYS: usize = 1000;
/// Objects in one answer, and bytes after which no further one is added.
const OBJECTS: usize = 100;
const OBJECTS_BYTES: usize = 1024 * 1024;
/// Rounds through all keys.
const ROUNDS: usize = 5;

/// The servers, and for each the number of the connection to it.
type Servers = (Option<String>, Vec<(Option<Address>, u64)>);

/// Hands all requests and objects over.
pub(super) async fn all(connection: &Connection, out: &Sender<Record>) -> Result<(), BackupFault> {
    for _round in 0..ROUNDS {
        let before = servers(connection).await?;
        let routes = connection.servers().all_routes().await?;
        let mut is_whole = true;
        for route in routes {
            is_whole &= one_server(connection, &route, out).await?;
        }
        if is_whole && servers(connection).await? == before {
            return Ok(());
        }
    }
    Err(BackupFault::Unsteady)
}

/// True if a key of the pattern is there that is one of a request, of objects, or of a job.
pub(super) async fn is_any(connection: &Connection) -> Result<Option<String>, BackupFault> {
    for route in connection.servers().all_routes().await? {
        let mut cursor = "0".to_owned();
        loop {
            let (next, page) = scan(connection, &route, &cursor).await?;
            let ours =
                |key: &String| keys::parse_request(key).is_some() || keys::parse_objects(key).is_some();
            if let Some(key) = page.into_iter().find(ours) {
                return Ok(Some(key));
            }
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
    }
    Ok(None)
}

async fn servers(connection: &Connection) -> Result<Servers, StoreFault> {
    through_outages(async || {
        connection.servers().look_again().await?;
        let mut all = Vec::new();
        for route in connection.servers().all_routes().await? {
            let (_shared, number) = connection.shared(&route).await?;
            all.push((route.at, number));
        }
        Ok((connection.primary(), all))
    })
    .await
}

/// Looks through the keys of one server; false if it has gone meanwhile.
async fn one_server(
    connection: &Connection,
    route: &Route,
    out: &Sender<Record>,
) -> Result<bool, BackupFault> {
    let mut cursor = "0".to_owned();
    loop {
        let (next, page) = match scan(connection, route, &cursor).await {
            Ok(page) => page,
            Err(StoreFault::Unavailable(_) | StoreFault::TimedOut { .. }) => return Ok(false),
            Err(fault) => return Err(fault.into()),
        };
        for key in page {
            if let Some((queue, request)) = keys::parse_request(&key) {
                read_request(connection, queue, request, out).await?;
            } else if let Some(shelf) = keys::parse_objects(&key) {
                objects(connection, &key, shelf, out).await?;
            }
        }
        cursor = next;
        if cursor == "0" {
            return Ok(true);
        }
    }
}

async fn scan(
    connection: &Connection,
    route: &Route,
    cursor: &str,
) -> Result<(String, Vec<String>), StoreFault> {
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(keys::WITHOUT_INDEX).arg("COUNT").arg(KEYS);
    let (next, page): (String, Vec<Lossy>) = ask(connection, route, &scan, "keys").await?;
    Ok((next, page.into_iter().map(|key| key.0).collect()))
}

/// Asks one server.
async fn ask<R: FromRedisValue>(
    connection: &Connection,
    route: &Route,
    command: &Cmd,
    what: &str,
) -> Result<R, StoreFault> {
    let (mut server, number) = connection.shared(route).await?;
    let limit: Duration = CALL_TIMEOUT;
    match timeout(limit, command.query_async::<Value>(&mut server)).await {
        Ok(Ok(answer)) => reply::read(what, answer),
        Ok(Err(error)) => {
            let fault = fault_of(&error);
            if matches!(fault, StoreFault::Unavailable(_) | StoreFault::TimedOut { .. }) {
                connection.invalidate(route, number);
            }
            Err(fault)
        }
        Err(_elapsed) => {
            connection.invalidate(route, number);
            Err(StoreFault::TimedOut { after: limit })
        }
    }
}

async fn read_request(
    connection: &Connection,
    queue: QueueName,
    request: &str,
    out: &Sender<Record>,
) -> Result<(), BackupFault> {
    let key = keys::request(queue, request);
    let mut read = redis::pipe();
    read.cmd("GET").arg(&key);
    read.cmd("PTTL").arg(&key);
    let answers: Vec<Value> = through_outages(async || connection.pipe(&read, "a request").await).await?;
    let [value, kept] =
        <[Value; 2]>::try_from(answers).map_err(|_| reply::corrupt("a request", "no two answers"))?;
    let (value, kept): (Option<Text>, i64) =
        (reply::read("a request", value)?, reply::read("a request", kept)?);
    let (Some(value), Ok(kept)) = (value, u64::try_from(kept)) else { return Ok(()) };
    let saved = SavedRequest { queue: queue.as_str().into(), request: request.into(), value, kept };
    send(out, Record::Request(saved)).await
}

/// Hands the objects of a shelf over. Ids are read by pages, and with them whatever was changed meanwhile is read as it is.
async fn objects(
    connection: &Connection,
    key: &str,
    shelf: &str,
    out: &Sender<Record>,
) -> Result<(), BackupFault> {
    let ids = redis::cmd("HKEYS").arg(key).to_owned();
    // At most MAX_OBJECTS of MAX_NAME_BYTES.
    let ids: Vec<Text> = through_outages(async || connection.call(&ids, "the ids of objects").await).await?;
    let mut left = &ids[..];
    while !left.is_empty() {
        let mut read = Function::BackupObjects.on(key);
        read.arg(OBJECTS_BYTES).arg(&left[..left.len().min(OBJECTS)]);
        let page: Page = through_outages(async || connection.call(&read, "objects").await).await?;
        for StoredObject { id, value, indexes } in page.objects {
            send(out, Record::Object(SavedObject { shelf: shelf.into(), id, value, indexes })).await?;
        }
        left = &left[page.looked_at.clamp(1, left.len())..];
    }
    Ok(())
}

/// The answer of `hero_backup_objects`.
struct Page {
    looked_at: usize,
    objects: Vec<StoredObject>,
}

impl FromRedisValue for Page {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        Ok(Self { looked_at: parts.next()?, objects: parts.rest()? })
    }
}

struct StoredObject {
    id: Text,
    value: Text,
    indexes: Vec<Text>,
}

impl FromRedisValue for StoredObject {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        Ok(Self { id: parts.next()?, value: parts.next()?, indexes: parts.rest()? })
    }
}

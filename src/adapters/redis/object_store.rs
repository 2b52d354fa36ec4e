//! Objects in hashes and sets, with one hash tag for each context.

use std::collections::BTreeSet;

use async_trait::async_trait;
use redis::{FromRedisValue, ParsingError, Value};

use super::RedisConfig;
use super::call::Failed;
use super::connection::Connection;
use super::functions::Function;
use super::keys;
use super::reply::Parts;
use crate::ports::object_store::{Content, MAX_OBJECTS, Object, ObjectStore, ObjectStoreError, Put, Shelf};
use crate::ports::store_fault::StoreFault;

/// Ids in one page of a search.
const PAGE: usize = 1000;
/// Name of the answer to a put in errors.
const PUT: &str = "the answer to a put";

/// The objects of all contexts, on a connection of their own.
pub struct RedisObjectStore {
    connection: Connection,
}

impl RedisObjectStore {
    /// Reads the URL. The first call connects.
    ///
    /// # Errors
    /// `Rejected` for a URL that cannot be used.
    pub fn new(config: &RedisConfig) -> Result<Self, ObjectStoreError> {
        Ok(Self { connection: Connection::new(&config.url, &config.access)? })
    }
}

#[async_trait]
impl ObjectStore for RedisObjectStore {
    async fn put(
        &self,
        shelf: &Shelf,
        id: &str,
        content: &Content,
        expected: Option<u64>,
    ) -> Result<Put, ObjectStoreError> {
        let mut put = Function::ObjectPut.on(keys::objects(shelf));
        put.arg(id).arg(&content.text);
        put.arg(expected.map(|revision| revision.to_string()).unwrap_or_default()).arg(MAX_OBJECTS);
        for (field, value) in &content.fields {
            put.arg(field).arg(value);
        }
        // A conditional write that is repeated would meet itself.
        let PutAnswer(put) = match expected {
            Some(_) => self.connection.call_once(&put, PUT).await.map_err(|failed: Failed| failed.error)?,
            None => self.connection.call(&put, PUT).await?,
        };
        Ok(put)
    }

    async fn get(&self, shelf: &Shelf, id: &str) -> Result<Option<Object>, ObjectStoreError> {
        let mut get = redis::cmd("HGET");
        get.arg(keys::objects(shelf)).arg(id);
        let Some(stored) = self.connection.call::<Option<String>>(&get, "an object").await? else {
            return Ok(None);
        };
        let parts = stored.split_once(' ');
        let object = parts.and_then(|(revision, text)| {
            Some(Object { revision: revision.parse().ok()?, text: text.to_owned() })
        });
        Ok(Some(object.ok_or_else(|| StoreFault::Corrupt {
            what: format!("object {id:?}"),
            source: "it does not begin with a revision".into(),
        })?))
    }

    async fn delete(&self, shelf: &Shelf, id: &str) -> Result<bool, ObjectStoreError> {
        let mut delete = Function::ObjectDelete.on(keys::objects(shelf));
        delete.arg(id);
        let (removed, repeated) =
            self.connection.call_again::<i64>(&delete, "the removal of an object").await?;
        match (removed, repeated) {
            // Was it the first try that removed it, or was there none? Nobody knows.
            (0, true) => Err(StoreFault::Unavailable("the answer to a removal was lost".into()).into()),
            (removed, _repeated) => Ok(removed == 1),
        }
    }

    async fn list(&self, shelf: &Shelf) -> Result<Vec<String>, ObjectStoreError> {
        let mut list = redis::cmd("HKEYS");
        list.arg(keys::objects(shelf));
        let mut ids: Vec<String> = self.connection.call(&list, "the ids of objects").await?;
        ids.sort_unstable();
        Ok(ids)
    }

    async fn find(&self, shelf: &Shelf, field: &str, value: &str) -> Result<Vec<String>, ObjectStoreError> {
        // While objects are written, a scan may meet an id twice.
        let mut ids = BTreeSet::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut find = Function::ObjectPage.on(keys::objects(shelf));
            find.arg(field).arg(value).arg(&cursor).arg(PAGE);
            let (next, page): (String, Vec<String>) =
                self.connection.call(&find, "the ids of objects").await?;
            ids.extend(page);
            if next == "0" {
                return Ok(ids.into_iter().collect());
            }
            cursor = next;
        }
    }
}

/// The answer of `hero_object_put`.
struct PutAnswer(Put);

impl FromRedisValue for PutAnswer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        let (word, revision): (String, u64) = (parts.next()?, parts.next()?);
        match word.as_str() {
            "written" => Ok(Self(Put::Written(revision))),
            "conflict" => Ok(Self(Put::Conflict(revision))),
            "full" => Ok(Self(Put::Full)),
            other => Err(format!("{other:?} is no outcome of a put").into()),
        }
    }
}

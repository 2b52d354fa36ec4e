//! Objects in hashes and sets, one hash tag for each context.

use async_trait::async_trait;
use redis::{Cmd, Value};

use super::RedisConfig;
use super::connection::{Connection, unexpected};
use super::keys;
use crate::ports::object_store::{Content, MAX_OBJECTS, Object, ObjectStore, ObjectStoreError, Put, Shelf};

/// The objects of all contexts, on a connection of their own.
pub struct RedisObjectStore {
    connection: Connection,
}

impl RedisObjectStore {
    /// Reads the URL; connects with the first call.
    ///
    /// # Errors
    /// `Rejected` for a URL that cannot be used.
    pub fn new(config: &RedisConfig) -> Result<Self, ObjectStoreError> {
        Ok(Self { connection: Connection::new(&config.url)? })
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
        let mut put = call("hero_object_put", shelf);
        put.arg(id).arg(&content.text);
        put.arg(expected.map(|revision| revision.to_string()).unwrap_or_default()).arg(MAX_OBJECTS);
        for (field, value) in &content.fields {
            put.arg(field).arg(value);
        }
        // A conditional write that is repeated would meet itself.
        let answer = match expected {
            Some(_) => self.connection.call_once(&put).await?,
            None => self.connection.call(&put).await?,
        };
        let Value::Array(parts) = &answer else { return Err(unexpected("the answer to a put", &answer)) };
        match parts.as_slice() {
            [Value::BulkString(word), Value::Int(revision)] => {
                let revision = u64::try_from(*revision).unwrap_or(0);
                match word.as_slice() {
                    b"written" => Ok(Put::Written(revision)),
                    b"conflict" => Ok(Put::Conflict(revision)),
                    b"full" => Ok(Put::Full),
                    _ => Err(unexpected("the answer to a put", &answer)),
                }
            }
            _ => Err(unexpected("the answer to a put", &answer)),
        }
    }

    async fn get(&self, shelf: &Shelf, id: &str) -> Result<Option<Object>, ObjectStoreError> {
        let mut get = redis::cmd("HGET");
        get.arg(keys::objects(shelf)).arg(id);
        let stored = match self.connection.call(&get).await? {
            Value::Nil => return Ok(None),
            stored => text(stored)?,
        };
        let parts = stored.split_once(' ');
        let object = parts.and_then(|(revision, text)| {
            Some(Object { revision: revision.parse().ok()?, text: text.to_owned() })
        });
        object.map(Some).ok_or_else(|| ObjectStoreError::Corrupt {
            what: format!("object {id:?}"),
            source: "it does not begin with a revision".into(),
        })
    }

    async fn delete(&self, shelf: &Shelf, id: &str) -> Result<bool, ObjectStoreError> {
        let mut delete = call("hero_object_delete", shelf);
        delete.arg(id);
        Ok(self.connection.call(&delete).await? == Value::Int(1))
    }

    async fn list(&self, shelf: &Shelf) -> Result<Vec<String>, ObjectStoreError> {
        let mut list = redis::cmd("HKEYS");
        list.arg(keys::objects(shelf));
        ids(self.connection.call(&list).await?)
    }

    async fn find(&self, shelf: &Shelf, field: &str, value: &str) -> Result<Vec<String>, ObjectStoreError> {
        let mut find = call("hero_object_find", shelf);
        find.arg(field).arg(value);
        ids(self.connection.call(&find).await?)
    }
}

fn call(function: &str, shelf: &Shelf) -> Cmd {
    let mut command = redis::cmd("FCALL");
    command.arg(function).arg(1).arg(keys::objects(shelf));
    command
}

fn ids(answer: Value) -> Result<Vec<String>, ObjectStoreError> {
    let (Value::Array(values) | Value::Set(values)) = answer else {
        return Err(unexpected("the ids of objects", &answer));
    };
    let mut ids = values.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    Ok(ids)
}

fn text(value: Value) -> Result<String, ObjectStoreError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|error| ObjectStoreError::Corrupt {
            what: "an object".to_owned(),
            source: error.utf8_error().into(),
        }),
        other => Err(unexpected("an object", &other)),
    }
}

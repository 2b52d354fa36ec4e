//! Objects as scripts see them: JSON maps with an `id`.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::actor::host_calls::Caller;
use crate::actor::objects::{Answer, Operation, Request, ask};

/// The field that holds an object's id.
pub(super) const ID: &str = "id";

/// The store, asked through the actor.
#[derive(Default)]
pub(super) struct Objects {
    actor: OnceLock<Caller>,
}

/// Result of a call; the error is a message for the author of the script.
pub(super) type CallResult<T> = Result<T, String>;

impl Objects {
    pub(super) fn connect(&self, actor: Caller) {
        drop(self.actor.set(actor));
    }

    /// An object that is not stored yet, with an id of its own.
    pub(super) fn new_object() -> Map<String, Value> {
        let id = uuid::Uuid::now_v7().to_string();
        Map::from_iter([(ID.to_owned(), Value::String(id))])
    }

    /// Writes an object. Returns its id.
    pub(super) fn set(
        &self,
        kind: &str,
        mut object: Map<String, Value>,
        expected: Option<u64>,
        left: Duration,
    ) -> CallResult<String> {
        let id = match object.remove(ID) {
            None | Some(Value::Null) => uuid::Uuid::now_v7().to_string(),
            Some(id) => as_text(&id).ok_or("the id of an object is a text or a number")?,
        };
        // What has no text of its own cannot be found by; nested values are kept and not looked into.
        let fields =
            object.iter().filter_map(|(name, value)| Some((name.clone(), as_text(value)?))).collect();
        let text = serde_json::to_string(&object).map_err(|error| error.to_string())?;
        let put = Operation::Put { id: id.clone(), text, fields, expected };
        match self.ask(kind, put, left)? {
            Answer::Written(_) => Ok(id),
            Answer::Conflict(revision) => {
                let expected = expected.unwrap_or_default();
                Err(format!(
                    "object {id:?} has revision {revision}, not {expected}: read it again and try again"
                ))
            }
            other @ (Answer::Object(_) | Answer::Deleted(_) | Answer::Ids(_) | Answer::Failed(_)) => {
                Err(unexpected(&other))
            }
        }
    }

    /// Reads an object.
    pub(super) fn get(&self, kind: &str, id: &str, left: Duration) -> CallResult<Option<Map<String, Value>>> {
        let Some((text, _)) = self.read(kind, id, left)? else { return Ok(None) };
        let mut object: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| format!("object {id:?} could not be read: {error}"))?;
        object.insert(ID.to_owned(), Value::String(id.to_owned()));
        Ok(Some(object))
    }

    /// Returns the number of writes of an object; 0 when there is none.
    pub(super) fn revision(&self, kind: &str, id: &str, left: Duration) -> CallResult<u64> {
        Ok(self.read(kind, id, left)?.map_or(0, |(_, revision)| revision))
    }

    /// Removes an object; false when there was none.
    pub(super) fn delete(&self, kind: &str, id: &str, left: Duration) -> CallResult<bool> {
        let answer = self.ask(kind, Operation::Delete { id: id.to_owned() }, left)?;
        let Answer::Deleted(was_there) = answer else { return Err(unexpected(&answer)) };
        Ok(was_there)
    }

    /// The ids of all objects of a type.
    pub(super) fn list(&self, kind: &str, left: Duration) -> CallResult<Vec<String>> {
        ids(self.ask(kind, Operation::List, left)?)
    }

    /// The ids of the objects whose field holds a value; values are compared as texts.
    pub(super) fn find(
        &self,
        kind: &str,
        field: &str,
        value: &str,
        left: Duration,
    ) -> CallResult<Vec<String>> {
        let find = Operation::Find { field: field.to_owned(), value: value.to_owned() };
        ids(self.ask(kind, find, left)?)
    }

    fn read(&self, kind: &str, id: &str, left: Duration) -> CallResult<Option<(String, u64)>> {
        let answer = self.ask(kind, Operation::Get { id: id.to_owned() }, left)?;
        let Answer::Object(object) = answer else { return Err(unexpected(&answer)) };
        Ok(object)
    }

    fn ask(&self, kind: &str, operation: Operation, left: Duration) -> CallResult<Answer> {
        ask(self.actor.get(), &Request { kind: kind.to_owned(), operation }, left)
    }
}

/// The text by which a value is found: strings as they are, numbers and truth values as they are written.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn ids(answer: Answer) -> CallResult<Vec<String>> {
    let Answer::Ids(ids) = answer else { return Err(unexpected(&answer)) };
    Ok(ids)
}

fn unexpected(answer: &Answer) -> String {
    format!("the object store gave an answer to something else: {answer:?}")
}

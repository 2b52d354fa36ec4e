//! The object store as scripts use it: what a host asks its actor for, and how the actor answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::actor::host_calls::{CallHandler, Caller};
use crate::ports::object_store::{
    Content, MAX_FIELDS, MAX_NAME_BYTES, MAX_OBJECT_BYTES, ObjectStore, ObjectStoreError, Put, Shelf,
};
use crate::ports::store_fault::StoreFault;

/// No answer is longer; it must fit into a frame.
const MAX_ANSWER: usize = 15 * 1024 * 1024;
/// An answer that takes longer will not come.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// A request of a script to the store, for the context of its job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The type of objects.
    pub kind: String,
    /// The operation.
    pub operation: Operation,
}

/// One operation of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Write an object.
    Put {
        /// Id of the object.
        id: String,
        /// The object.
        text: String,
        /// Names and values by which objects are found.
        fields: Vec<(String, String)>,
        /// Only if it has this revision; 0: only if there is none.
        expected: Option<u64>,
    },
    /// Read an object.
    Get {
        /// Id of the object.
        id: String,
    },
    /// Remove an object.
    Delete {
        /// Id of the object.
        id: String,
    },
    /// Lists all ids.
    List,
    /// Ids of the objects whose field holds a value.
    Find {
        /// The field.
        field: String,
        /// The value.
        value: String,
    },
}

/// The answer of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The object was written and has this revision now.
    Written(u64),
    /// The object was not written, because it has another revision than the expected one.
    Conflict(u64),
    /// An object and its revision, if there is one.
    Object(Option<(String, u64)>),
    /// The object is removed; false if there was none.
    Deleted(bool),
    /// Ids, in order.
    Ids(Vec<String>),
    /// The call failed; the message is for the author of the script.
    Failed(String),
}

/// Answers the calls of scripts from an object store.
pub struct StoreCalls {
    store: Arc<dyn ObjectStore>,
}

impl StoreCalls {
    /// Makes the access to a store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    async fn serve(&self, context_id: &str, call: &[u8]) -> Answer {
        let Ok(Request { kind, operation }) = serde_json::from_slice(call) else {
            return Answer::Failed("the call could not be read".to_owned());
        };
        if let Err(reason) = check(&kind, &operation) {
            return Answer::Failed(reason);
        }
        let shelf = Shelf { context: context_id.to_owned(), kind };
        self.act(&shelf, operation).await.unwrap_or_else(|error| Answer::Failed(in_words(&error)))
    }

    async fn act(&self, shelf: &Shelf, operation: Operation) -> Result<Answer, ObjectStoreError> {
        Ok(match operation {
            Operation::Put { id, text, fields, expected } => {
                match self.store.put(shelf, &id, &Content { text, fields }, expected).await? {
                    Put::Written(revision) => Answer::Written(revision),
                    Put::Conflict(revision) => Answer::Conflict(revision),
                    Put::Full => Answer::Failed(format!(
                        "there are as many objects of type {:?} as there can be in one context: delete some",
                        shelf.kind
                    )),
                }
            }
            Operation::Get { id } => {
                let object = self.store.get(shelf, &id).await?;
                Answer::Object(object.map(|object| (object.text, object.revision)))
            }
            Operation::Delete { id } => Answer::Deleted(self.store.delete(shelf, &id).await?),
            Operation::List => Answer::Ids(self.store.list(shelf).await?),
            Operation::Find { field, value } => Answer::Ids(self.store.find(shelf, &field, &value).await?),
        })
    }
}

#[async_trait]
impl CallHandler for StoreCalls {
    async fn answer(&self, context_id: &str, call: &[u8]) -> Vec<u8> {
        let answer = self.serve(context_id, call).await;
        let bytes = serde_json::to_vec(&answer).unwrap_or_default();
        if bytes.len() <= MAX_ANSWER {
            return bytes;
        }
        let too_long = Answer::Failed("the answer is too long: ask for less".to_owned());
        serde_json::to_vec(&too_long).unwrap_or_default()
    }
}

/// Asks the actor.
///
/// # Errors
/// The reason why there is no answer, in words for the author of the script.
pub fn ask(caller: Option<&Caller>, request: &Request, left: Duration) -> Result<Answer, String> {
    check(&request.kind, &request.operation)?;
    let caller = caller.ok_or("this actor has no object store")?;
    let call = serde_json::to_vec(request).map_err(|error| error.to_string())?;
    let body =
        caller.call(&call, left.min(TIME_LIMIT)).map_err(|failed| format!("the object store: {failed}"))?;
    let answer =
        serde_json::from_slice(&body).map_err(|error| format!("the answer could not be read: {error}"))?;
    if let Answer::Failed(reason) = answer { Err(reason) } else { Ok(answer) }
}

/// Checked on both sides: here for a quick and clear answer, there because hosts are not to be trusted.
fn check(kind: &str, operation: &Operation) -> Result<(), String> {
    name("the type of an object", kind)?;
    match operation {
        Operation::Put { id, text, fields, .. } => {
            name("the id of an object", id)?;
            if text.len() > MAX_OBJECT_BYTES {
                let size = text.len();
                return Err(format!(
                    "the object has {size} bytes, more than the {MAX_OBJECT_BYTES} that are allowed"
                ));
            }
            if fields.len() > MAX_FIELDS {
                return Err(format!(
                    "an object can be found by at most {MAX_FIELDS} fields, not by {}",
                    fields.len()
                ));
            }
            fields.iter().try_for_each(|(field, _)| name("the name of a field", field))
        }
        Operation::Get { id } | Operation::Delete { id } => name("the id of an object", id),
        Operation::Find { field, .. } => name("the name of a field", field),
        Operation::List => Ok(()),
    }
}

fn name(what: &str, text: &str) -> Result<(), String> {
    match text.len() {
        0 => Err(format!("{what} is empty")),
        1..=MAX_NAME_BYTES => Ok(()),
        size => Err(format!("{what} has {size} bytes, more than {MAX_NAME_BYTES}")),
    }
}

fn in_words(error: &ObjectStoreError) -> String {
    match error.fault() {
        StoreFault::Unavailable(cause) => format!("the object store cannot be reached: {cause}"),
        StoreFault::TimedOut { .. } => format!("{error}; a write may or may not have been done"),
        StoreFault::Refused { .. } | StoreFault::Rejected { .. } | StoreFault::Corrupt { .. } => {
            error.to_string()
        }
    }
}

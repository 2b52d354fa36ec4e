//! JSON records with a version.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ports::Cause;
use crate::ports::store_fault::StoreFault;

/// Version of all JSON records. It grows when a field changes its meaning; a new field with a default does not need that.
pub(super) const VERSION: u32 = 1;
/// Version of records of actors at queues that were created by name.
pub(super) const NAMED_QUEUES: u32 = 2;

/// Writes a record; `what` names it in errors, as in the other functions.
pub(super) fn encode(what: &str, record: &impl Serialize) -> Result<String, StoreFault> {
    serde_json::to_string(record).map_err(|error| corrupt(what, error))
}

/// Longest record that is read. The longest definition of an actor has less than half of it, however it is escaped; one
/// that no answer could hold would keep all others from their lists.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// Reads a record.
pub(super) fn decode<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, StoreFault> {
    if json.len() > MOST_BYTES {
        return Err(corrupt(what, format!("has {} bytes, more than {MOST_BYTES}", json.len())));
    }
    serde_json::from_str(json).map_err(|error| corrupt(what, error))
}

/// Refuses a record of a newer version.
pub(super) fn check_version(what: &str, version: u32) -> Result<(), StoreFault> {
    if version <= NAMED_QUEUES {
        return Ok(());
    }
    Err(corrupt(what, format!("version {version} is newer than this program: upgrade it")))
}

/// The error of a record that cannot be read.
pub(super) fn corrupt(what: &str, source: impl Into<Cause>) -> StoreFault {
    StoreFault::Corrupt { what: what.to_owned(), source: source.into() }
}

/// Whole milliseconds of a time span.
pub(super) fn span_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Whole microseconds of a time span.
pub(super) fn span_micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

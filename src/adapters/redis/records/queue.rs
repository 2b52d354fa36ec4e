//! Records of queues that were created by name.

use serde::{Deserialize, Serialize};

use super::json::{VERSION, check_version, corrupt, decode, encode};
use super::{millis, time_of};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::queue_registry::QueueRecord;
use crate::ports::store_fault::StoreFault;

#[derive(Serialize, Deserialize)]
struct StoredQueue {
    version: u32,
    script_type: String,
    created_ms: i64,
}

/// Encodes a queue.
pub(in super::super) fn encode_queue(queue: &QueueRecord) -> Result<String, StoreFault> {
    let QueueRecord { name, script_type, created_at } = queue;
    let script_type = script_type.as_str().to_owned();
    let stored = StoredQueue { version: VERSION, script_type, created_ms: millis(*created_at) };
    encode(&what(*name), &stored)
}

/// Decodes a queue.
pub(in super::super) fn decode_queue(name: QueueName, json: &str) -> Result<QueueRecord, StoreFault> {
    let what = what(name);
    let stored: StoredQueue = decode(&what, json)?;
    check_version(&what, stored.version)?;
    let script_type = ScriptType::parse(&stored.script_type).map_err(|error| corrupt(&what, error))?;
    Ok(QueueRecord { name, script_type, created_at: time_of(stored.created_ms) })
}

/// Names a queue in errors.
fn what(name: QueueName) -> String {
    format!("the record of queue {name}")
}

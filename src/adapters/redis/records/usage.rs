//! Records of usage.

use serde::{Deserialize, Serialize};

use super::json::{decode, encode};
use super::{millis, time_of};
use crate::domain::model::id::ActorId;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::usage::{ActorUsage, Usage};
use crate::ports::store_fault::StoreFault;

const WHAT: &str = "usage";

/// A sample. There are many, so the names are short.
#[derive(Serialize, Deserialize)]
struct StoredUsage {
    #[serde(rename = "t")]
    at_ms: i64,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    cpu_millicores: Option<u32>,
    #[serde(rename = "m")]
    memory_bytes: u64,
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    open_files: Option<u32>,
    #[serde(rename = "h")]
    threads: u32,
    #[serde(rename = "p")]
    processes: u32,
}

/// The sample of an actor.
#[derive(Serialize, Deserialize)]
struct StoredActor {
    id: String,
    script_type: String,
    #[serde(flatten)]
    usage: StoredUsage,
}

impl From<&Usage> for StoredUsage {
    fn from(usage: &Usage) -> Self {
        let Usage { at, cpu_millicores, memory_bytes, open_files, threads, processes } = *usage;
        Self { at_ms: millis(at), cpu_millicores, memory_bytes, open_files, threads, processes }
    }
}

impl From<StoredUsage> for Usage {
    fn from(stored: StoredUsage) -> Self {
        let StoredUsage { at_ms, cpu_millicores, memory_bytes, open_files, threads, processes } = stored;
        Self { at: time_of(at_ms), cpu_millicores, memory_bytes, open_files, threads, processes }
    }
}

/// Writes a sample.
pub(in crate::adapters::redis) fn encode_usage(usage: &Usage) -> Result<String, StoreFault> {
    encode(WHAT, &StoredUsage::from(usage))
}

/// Reads a sample.
pub(in crate::adapters::redis) fn decode_usage(json: &str) -> Result<Usage, StoreFault> {
    Ok(decode::<StoredUsage>(WHAT, json)?.into())
}

/// Writes the samples of many actors.
pub(in crate::adapters::redis) fn encode_usages(actors: &[ActorUsage]) -> Result<String, StoreFault> {
    let stored = actors.iter().map(|actor| StoredActor {
        id: actor.actor_id.to_string(),
        script_type: actor.script_type.as_str().to_owned(),
        usage: StoredUsage::from(&actor.usage),
    });
    encode(WHAT, &stored.collect::<Vec<_>>())
}

/// Reads the samples of many actors. Those of script types that a newer supervisor knows are left out.
pub(in crate::adapters::redis) fn decode_usages(json: &str) -> Result<Vec<ActorUsage>, StoreFault> {
    let stored: Vec<StoredActor> = decode(WHAT, json)?;
    let read = |stored: StoredActor| {
        let actor_id = ActorId::parse(&stored.id).ok()?;
        let script_type = ScriptType::parse(&stored.script_type).ok()?;
        Some(ActorUsage { actor_id, script_type, usage: stored.usage.into() })
    };
    Ok(stored.into_iter().filter_map(read).collect())
}

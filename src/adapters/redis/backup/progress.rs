//! Contents of a Redis before a restore, and the progress of a restore.

use std::collections::BTreeMap;

use super::BackupFault;
use super::outage::through_outages;
use super::read::key_of;
use super::record::HashName;
use super::without_index;
use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::Lossy;
use crate::domain::model::queue_name::QueueName;

/// Queues whose notes are removed in one write.
const QUEUES: usize = 500;
/// Fields of the note about a restore.
const BACKUP: &str = "backup";
const LINE: &str = "line";

/// Contents of a Redis that a restore could meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Actors that are defined.
    pub actors: u64,
    /// Templates and settings of script types and of queues.
    pub settings: u64,
    /// Queues that were created by name.
    pub queues: u64,
    /// Jobs in the queues of the script types.
    pub jobs: u64,
    /// Key of a request or of objects, if there is any.
    pub key: Option<String>,
}

impl Contents {
    /// Returns true if a restore meets nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Progress of a restore that is under way or broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Id of the backup.
    pub backup: String,
    /// Last line that is restored; 0 for none.
    pub line: u64,
}

pub(super) async fn contents(connection: &Connection) -> Result<Contents, BackupFault> {
    let mut ask = redis::pipe();
    for hash in HashName::ALL {
        ask.cmd("HLEN").arg(key_of(hash));
    }
    ask.cmd("HLEN").arg(keys::QUEUES);
    for hash in [keys::QUEUE_SETTINGS, keys::QUEUES] {
        // The number of changes is none of what they have.
        ask.cmd("HEXISTS").arg(hash).arg(keys::CHANGES_OF_QUEUES);
    }
    for queue in QueueName::DEFAULTS {
        ask.cmd("ZCARD").arg(keys::jobs(queue));
    }
    let counts: Vec<u64> = connection.pipe(&ask, "what Redis has").await?;
    let at = |index: usize| counts.get(index).copied().unwrap_or_default();
    let jobs = counts.iter().skip(7).sum();
    Ok(Contents {
        actors: at(0),
        settings: at(1) + at(2) + at(3).saturating_sub(at(5)),
        queues: at(4).saturating_sub(at(6)),
        jobs,
        key: without_index::is_any(connection).await?,
    })
}

pub(super) async fn standing(connection: &Connection) -> Result<Option<Standing>, BackupFault> {
    let known: BTreeMap<String, Lossy> =
        connection.call(redis::cmd("HGETALL").arg(keys::RESTORE), "the note about a restore").await?;
    Ok(known.get(BACKUP).map(|backup| Standing {
        backup: backup.0.clone(),
        line: known.get(LINE).and_then(|line| line.0.parse().ok()).unwrap_or(0),
    }))
}

pub(super) async fn note(connection: &Connection, standing: &Standing) -> Result<(), BackupFault> {
    let mut set = redis::cmd("HSET");
    set.arg(keys::RESTORE).arg(BACKUP).arg(&standing.backup).arg(LINE).arg(standing.line);
    through_outages(async || connection.call::<i64>(&set, "the note about a restore").await).await?;
    Ok(())
}

/// The note about the whole goes last: until then a repeat removes those of the queues again.
pub(super) async fn forget(connection: &Connection) -> Result<(), BackupFault> {
    let named = redis::cmd("HKEYS").arg(keys::QUEUES).to_owned();
    let named: Vec<Lossy> = through_outages(async || connection.call(&named, "the queues").await).await?;
    let named = named.iter().filter_map(|name| QueueName::parse(&name.0).ok());
    let queues: Vec<QueueName> = QueueName::DEFAULTS.into_iter().chain(named).collect();
    for some in queues.chunks(QUEUES) {
        let mut remove = redis::pipe();
        for queue in some {
            remove.cmd("DEL").arg(keys::restored(*queue));
        }
        through_outages(async || connection.pipe::<i64>(&remove, "the notes about a restore").await).await?;
    }
    let last = redis::cmd("DEL").arg(keys::RESTORE).to_owned();
    through_outages(async || connection.call::<i64>(&last, "the note about a restore").await).await?;
    Ok(())
}

//! Settings of named queues: read by pages, and only after a change, since there may be thousands.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::damaged_records::{RecordKind, keep};
use super::keys;
use super::records::decode_settings;
use super::reply::Lossy;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::lock::Lock;
use crate::ports::store_fault::StoreFault;

/// Settings of one page, about.
const PAGE: usize = 200;
/// Most pages of one read.
const MOST_PAGES: usize = 1000;
/// Time for which they are not read again while no supervisor has changed them.
const READ_ANYWAY: Duration = Duration::from_secs(60);

/// The settings of named queues as they were read last.
#[derive(Default)]
pub(super) struct QueueSettings {
    last: Lock<Option<Read>>,
}

#[derive(Clone)]
struct Read {
    /// Number of the change after which they were read.
    change: i64,
    at: Instant,
    settings: Vec<ScriptTypeSettings>,
}

impl QueueSettings {
    /// Reads the settings of all named queues, if they were changed since they were read.
    pub(super) async fn read(&self, connection: &Connection) -> Result<Vec<ScriptTypeSettings>, StoreFault> {
        let mut look = redis::cmd("HGET");
        look.arg(keys::QUEUE_SETTINGS).arg(keys::CHANGES_OF_QUEUES);
        let change: Option<i64> = connection.call(&look, "the number of changes of settings").await?;
        let change = change.unwrap_or(0);
        let last = self.last.lock().clone();
        if let Some(last) = last.filter(|last| last.change == change && last.at.elapsed() < READ_ANYWAY) {
            return Ok(last.settings);
        }
        let settings = pages(connection).await?;
        *self.last.lock() = Some(Read { change, at: Instant::now(), settings: settings.clone() });
        Ok(settings)
    }

    /// Tells all supervisors of a change.
    pub(super) async fn changed(&self, connection: &Connection) -> Result<(), StoreFault> {
        let mut count = redis::cmd("HINCRBY");
        count.arg(keys::QUEUE_SETTINGS).arg(keys::CHANGES_OF_QUEUES).arg(1);
        let _count: i64 = connection.call(&count, "the number of changes of settings").await?;
        Ok(())
    }
}

async fn pages(connection: &Connection) -> Result<Vec<ScriptTypeSettings>, StoreFault> {
    let (mut settings, mut cursor) = (Vec::new(), "0".to_owned());
    for _page in 0..MOST_PAGES {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(keys::QUEUE_SETTINGS).arg(&cursor).arg("COUNT").arg(PAGE);
        let (next, page): (String, Vec<(Lossy, Lossy)>) =
            connection.call(&scan, "settings of queues").await?;
        let queues = page.iter().filter(|(name, _json)| name.0 != keys::CHANGES_OF_QUEUES);
        settings.extend(
            queues.filter_map(|(name, json)| keep(RecordKind::Settings, decode_settings(&name.0, &json.0))),
        );
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    // A page may come twice while the hash grows.
    settings.sort_by_key(|settings: &ScriptTypeSettings| settings.queue);
    settings.dedup_by_key(|settings| settings.queue);
    Ok(settings)
}

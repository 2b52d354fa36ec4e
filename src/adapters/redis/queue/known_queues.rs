//! The queues that this supervisor knows by name, and which of them a job id may lead to.
//!
//! A job id finds its job without a question to every queue. The default queues are always asked. The end of an id that a supervisor has
//! made for another queue tells that queue. For every other id in such a queue there is a key that names it
//! ([`keys::queue_of_id`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::Lossy;
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;
use crate::lock::Lock;
use crate::ports::store_fault::StoreFault;

/// Time for which the names are not read again while no supervisor has changed them.
const READ_ANYWAY: Duration = Duration::from_secs(60);
/// Queues of one page, about.
const PAGE: usize = 500;
/// Most pages of one read.
const MOST_PAGES: usize = 1000;
/// Least time between two looks at whether they were changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The names that were read last.
#[derive(Default)]
pub(super) struct KnownQueues {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    names: Arc<BTreeSet<QueueName>>,
    /// Number of the change after which they were read.
    change: Option<i64>,
    looked_at: Option<Instant>,
    read_at: Option<Instant>,
}

impl KnownQueues {
    /// The names as they were read last.
    pub(super) fn names(&self) -> Arc<BTreeSet<QueueName>> {
        self.state.lock().names.clone()
    }

    /// Number of the change after which they were read.
    pub(super) fn change(&self) -> Option<i64> {
        self.state.lock().change
    }

    /// Makes the next look read the names again.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock();
        (state.looked_at, state.read_at) = (None, None);
    }

    fn is_look_due(&self) -> bool {
        let mut state = self.state.lock();
        let due = state.looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if due {
            state.looked_at = Some(Instant::now());
        }
        due
    }

    fn is_read_due(&self, change: i64) -> bool {
        let state = self.state.lock();
        state.change != Some(change) || state.read_at.is_none_or(|at| at.elapsed() >= READ_ANYWAY)
    }

    fn store(&self, names: BTreeSet<QueueName>, change: i64) {
        let mut state = self.state.lock();
        (state.names, state.change, state.read_at) = (Arc::new(names), Some(change), Some(Instant::now()));
    }
}

/// Reads the names if they were changed since they were read. Looks at most once a second.
pub(super) async fn refresh(shared: &Shared) -> Result<(), StoreFault> {
    if !shared.known.is_look_due() {
        return Ok(());
    }
    let mut look = redis::cmd("HGET");
    look.arg(keys::QUEUES).arg(keys::CHANGES_OF_QUEUES);
    let change: Option<i64> = shared.connection.call(&look, "the number of changes of queues").await?;
    let change = change.unwrap_or(0);
    if !shared.known.is_read_due(change) {
        return Ok(());
    }
    // A change right behind the look leads to another number, so the names are read again with the next one.
    let names = records(&shared.connection).await?.into_keys().collect();
    shared.known.store(names, change);
    Ok(())
}

/// Reads the records of all queues by pages.
pub(super) async fn records(connection: &Connection) -> Result<BTreeMap<QueueName, String>, StoreFault> {
    let (mut records, mut cursor) = (BTreeMap::new(), "0".to_owned());
    for _page in 0..MOST_PAGES {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(keys::QUEUES).arg(&cursor).arg("COUNT").arg(PAGE);
        let (next, page): (String, Vec<(Lossy, Lossy)>) = connection.call(&scan, "the queues").await?;
        // The count of changes is no name.
        let queues =
            page.into_iter().filter_map(|(name, record)| Some((QueueName::parse(&name.0).ok()?, record.0)));
        records.extend(queues);
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    Ok(records)
}

/// True for a queue that exists. Whoever names queues that do not costs one command, and nothing is kept of the names.
pub(super) async fn exists(shared: &Shared, queue: QueueName) -> Result<bool, StoreFault> {
    if queue.default_type().is_some() || shared.known.names().contains(&queue) {
        return Ok(true);
    }
    let mut ask = redis::cmd("HEXISTS");
    ask.arg(keys::QUEUES).arg(queue.as_str());
    if shared.connection.call::<i64>(&ask, "a queue").await? == 0 {
        return Ok(false);
    }
    shared.known.forget();
    refresh(shared).await?;
    Ok(true)
}

/// The queues that are asked for a job first.
pub(super) fn likely(shared: &Shared, id: &JobId) -> Vec<QueueName> {
    let mut queues = QueueName::DEFAULTS.to_vec();
    queues.extend(shared.known.names().iter().filter(|queue| id.is_made_for(**queue)));
    queues
}

/// Further queues that may have a job that none of `asked` has.
pub(super) async fn others(
    shared: &Shared,
    id: &JobId,
    asked: &[QueueName],
) -> Result<Vec<QueueName>, StoreFault> {
    refresh(shared).await?;
    if shared.known.names().is_empty() {
        return Ok(Vec::new());
    }
    let mut get = redis::cmd("GET");
    get.arg(keys::queue_of_id(id));
    let named: Option<Lossy> = shared.connection.call(&get, "the queue of a job").await?;
    let named = named.and_then(|named| QueueName::parse(&named.0).ok());
    let all: BTreeSet<QueueName> = likely(shared, id).into_iter().chain(named).collect();
    Ok(all.into_iter().filter(|queue| !asked.contains(queue)).collect())
}

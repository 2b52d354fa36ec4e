//! Removal of orphans: processes that were made for actors whose record is gone, for instance by a start that crossed a
//! delete. Processes that somebody else has made are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::actors::Deps;
use crate::domain::actors::observer::Observer;
use crate::error::{SupervisorError, chain};
use crate::ports::process_manager::{ACTOR_MARK, Orphan, REALM_MARK};

/// A process without a record is removed after this.
const ORPHANED: Duration = Duration::from_secs(5);
/// Between SIGTERM and SIGKILL; nobody waits for its jobs any more.
const GRACE: Duration = Duration::from_secs(10);

/// Processes without a record, between two sweeps.
#[derive(Debug, Default)]
pub(super) struct OrphanSweep {
    foreign: BTreeSet<String>,
    since: BTreeMap<String, Instant>,
    orphan_pids: BTreeMap<u32, Instant>,
}

impl OrphanSweep {
    /// Ends and removes orphans among all processes; `records` are the names of all actors of all nodes.
    pub(super) async fn sweep(&mut self, parts: &Deps, observer: &Observer, records: &BTreeSet<&str>) {
        let observation = observer.latest();
        let Some(processes) = &observation.processes else { return };
        let unknown: BTreeSet<&String> =
            processes.keys().filter(|name| !records.contains(name.as_str())).collect();
        self.foreign.retain(|name| unknown.contains(name));
        self.since.retain(|name, _since| unknown.contains(name));
        for name in
            unknown.into_iter().filter(|name| !self.foreign.contains(*name)).cloned().collect::<Vec<_>>()
        {
            let looked = match self.since.get(&name) {
                Some(since) if since.elapsed() >= ORPHANED => remove(parts, &name).await,
                Some(_since) => Ok(()),
                None => self.judge(parts, &name).await,
            };
            if let Err(error) = looked {
                tracing::warn!(process = %name, error = %chain(&error), "process {name}: it has no record and cannot be judged or removed");
            }
        }
        let left: Vec<&Orphan> =
            observation.orphans.iter().filter(|orphan| !records.contains(orphan.name.as_str())).collect();
        self.orphan_pids.retain(|pid, _since| left.iter().any(|orphan| orphan.pid == *pid));
        for orphan in left {
            let since = *self.orphan_pids.entry(orphan.pid).or_insert_with(Instant::now);
            if since.elapsed() < ORPHANED {
                continue;
            }
            if let Err(error) = end(parts, orphan).await {
                let Orphan { name, pid, .. } = orphan;
                tracing::warn!(process = %name, pid, error = %chain(&error), "process {pid} of {name}: it has no record and cannot be ended");
            }
        }
    }

    async fn judge(&mut self, parts: &Deps, name: &str) -> Result<(), SupervisorError> {
        if is_ours(parts, name).await? {
            self.since.insert(name.to_owned(), Instant::now());
        } else {
            self.foreign.insert(name.to_owned());
        }
        Ok(())
    }
}

/// Returns whether a supervisor on these very records has made the process. After a loss of all records none has.
async fn is_ours(parts: &Deps, name: &str) -> Result<bool, SupervisorError> {
    let Some(epoch) = parts.store.epoch().await? else { return Ok(false) };
    let env = parts.processes.environment(name).await?;
    Ok(env.get(REALM_MARK) == Some(&epoch) && env.get(ACTOR_MARK).is_some_and(|id| id == name))
}

async fn remove(parts: &Deps, name: &str) -> Result<(), SupervisorError> {
    // Somebody may have made an actor of this name in this moment.
    let there = parts.store.load().await?.names().any(|there| there == name);
    if there || !is_ours(parts, name).await? {
        return Ok(());
    }
    tracing::warn!(process = %name, "process {name}: it is removed (its actor is gone)");
    parts.processes.stop(name, GRACE).await?;
    parts.processes.remove(name).await?;
    Ok(())
}

/// Ends what an earlier process manager has left behind of an actor that is no longer there.
async fn end(parts: &Deps, orphan: &Orphan) -> Result<(), SupervisorError> {
    let there = parts.store.load().await?.names().any(|there| there == orphan.name);
    let is_ours = parts.store.epoch().await?.is_some_and(|epoch| epoch == orphan.realm);
    if is_ours && !there {
        parts.processes.end_orphan(&orphan.name, orphan.pid, GRACE).await?;
    }
    Ok(())
}

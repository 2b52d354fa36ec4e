//! Ends processes and removes folders that scripts leave behind when their engine host ends.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::actor::engines::work;
use crate::actor::orphans;
use crate::actor::process_tree::{SWEEP_LIMIT, end_orphans};
use crate::domain::model::id::ActorId;
use crate::lock::Lock;

/// Between two looks at processes that were killed and are not gone yet.
const LOOK: Duration = Duration::from_millis(1);

/// Ends what dead hosts have left. It is off by default, since it takes every child that is no host for an orphan.
#[derive(Debug, Clone, Default)]
pub(super) struct Reaper {
    /// Living hosts.
    hosts: Option<Arc<Lock<HashSet<i32>>>>,
    work_dir: Option<PathBuf>,
}

impl Reaper {
    /// Makes this process the parent of orphans. Begins to end the processes that jobs of an earlier process of this actor
    /// have left, and to remove what is left in `work_dir`; this is one of the `tasks`, so that it is not broken off halfway by
    /// an early end of the actor.
    pub(super) fn new(
        work_dir: Option<PathBuf>,
        actor: Option<&ActorId>,
        tasks: &TaskTracker,
    ) -> io::Result<Self> {
        set_child_subreaper(true)?;
        let (folder, actor) = (work_dir.clone(), actor.cloned());
        let sweep = move || {
            if let Some(actor) = actor {
                orphans::sweep(actor.as_str());
            }
            if let Some(folder) = folder {
                work::sweep(&folder);
            }
        };
        tasks.spawn_blocking(sweep);
        Ok(Self { hosts: Some(Arc::default()), work_dir })
    }

    /// True if the reaper was switched on.
    pub(super) fn is_on(&self) -> bool {
        self.hosts.is_some()
    }

    /// Adds a host that was started. To be called at once, before the host could be taken for an orphan.
    pub(super) fn add(&self, host: Pid) {
        if let Some(hosts) = &self.hosts {
            hosts.lock().insert(host.as_raw());
        }
    }

    /// Ends what a host that is gone has left behind.
    pub(super) async fn clear(&self, host: Pid) {
        let Some(hosts) = &self.hosts else { return };
        hosts.lock().remove(&host.as_raw());
        let (own, begun) = (Pid::this().as_raw(), Instant::now());
        while end_orphans(own, &|pid| !hosts.lock().contains(&pid)) > 0 {
            if begun.elapsed() > SWEEP_LIMIT {
                tracing::warn!(%host, "orphans: processes that a script has left behind do not end");
                break;
            }
            sleep(LOOK).await;
        }
        let Some(work_dir) = &self.work_dir else { return };
        let work_dir = work_dir.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || work::sweep(&work_dir)).await {
            tracing::warn!(%error, "work folder: folders of dead engine hosts are not removed");
        }
    }
}

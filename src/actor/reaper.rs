//! What scripts leave behind when their engine host ends: processes and a folder.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::actor::engines::work;
use crate::actor::process_tree::{SWEEP_LIMIT, end_strays};

/// Between two looks at processes that were killed and are not gone yet.
const LOOK: Duration = Duration::from_millis(1);

/// Ends what dead hosts have left; does nothing unless it was asked to, since it takes every child that is no host for
/// something that was left.
#[derive(Debug, Clone, Default)]
pub(super) struct Reaper {
    /// Living hosts.
    hosts: Option<Arc<Mutex<HashSet<i32>>>>,
    work_dir: Option<PathBuf>,
}

impl Reaper {
    /// Makes this process the one that orphans come to, and begins to remove what a predecessor has left in `work_dir`.
    pub(super) fn new(work_dir: Option<PathBuf>) -> io::Result<Self> {
        set_child_subreaper(true)?;
        if let Some(work_dir) = work_dir.clone() {
            thread::Builder::new().name("sweep".to_owned()).spawn(move || work::sweep(&work_dir))?;
        }
        Ok(Self { hosts: Some(Arc::default()), work_dir })
    }

    /// True if it was asked to.
    pub(super) fn is_on(&self) -> bool {
        self.hosts.is_some()
    }

    /// Notes a host that was started; before anything else happens, lest it be taken for an orphan.
    pub(super) fn add(&self, host: Pid) {
        if let Some(hosts) = &self.hosts {
            locked(hosts).insert(host.as_raw());
        }
    }

    /// Ends what this host has left behind, now that it is gone.
    pub(super) async fn clear(&self, host: Pid) {
        let Some(hosts) = &self.hosts else { return };
        locked(hosts).remove(&host.as_raw());
        let (own, begun) = (Pid::this().as_raw(), Instant::now());
        while end_strays(own, &|pid| !locked(hosts).contains(&pid)) > 0 {
            if begun.elapsed() > SWEEP_LIMIT {
                tracing::warn!(%host, "processes that a script has left behind do not end");
                break;
            }
            sleep(LOOK).await;
        }
        let Some(work_dir) = &self.work_dir else { return };
        let work_dir = work_dir.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || work::sweep(&work_dir)).await {
            tracing::warn!(%error, "folders of dead engine hosts are not looked for");
        }
    }
}

fn locked(hosts: &Mutex<HashSet<i32>>) -> MutexGuard<'_, HashSet<i32>> {
    hosts.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The tree of processes below a process: children, and orphans that come to a subreaper.
//!
//! A process that is a *subreaper* becomes the parent of everything below it that loses its own parent, also of what has
//! left its group and session. So whatever a script starts can be found and ended.

use std::fs;
use std::thread::park_timeout;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::proc_stat::ProcStat;

/// Between two looks at processes that were killed and are not gone yet.
const LOOK: Duration = Duration::from_micros(200);
/// A killed process is gone at once, unless the kernel itself is stuck.
pub(crate) const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// Processes whose parent is this one, those that have ended and were not waited for included.
pub(crate) fn children_of(parent: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let Ok(list) = fs::read_to_string(thread.path().join("children")) else { continue };
        children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    children
}

/// Every process below this one, however far.
pub(crate) fn below(root: i32) -> Vec<i32> {
    let mut found = children_of(root);
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        found.extend(children_of(*parent));
        next += 1;
    }
    found
}

/// True for a process that has not ended.
pub(crate) fn is_alive(pid: i32) -> bool {
    matches!(ProcStat::of(pid), Some(stat) if !stat.ended)
}

/// The process group of a process.
pub(crate) fn group_of(pid: i32) -> Option<i32> {
    Some(ProcStat::of(pid)?.group)
}

/// The start of a process that has not ended, in ticks since the machine was started. No later process with the same pid
/// has the same start.
pub(crate) fn start_of(pid: i32) -> Option<u64> {
    ProcStat::of(pid).filter(|stat| !stat.ended).map(|stat| stat.started)
}

/// Number of processes below these, they included. Counting stops above `enough`.
pub(crate) fn count_below(roots: Vec<i32>, enough: usize) -> usize {
    let (mut found, mut seen) = (roots, 0);
    while let Some(parent) = found.pop() {
        seen += 1;
        if seen > enough {
            break;
        }
        found.extend(children_of(parent));
    }
    seen
}

/// Ends children of this process that `is_orphan` knows, and what they leave behind in turn, until there are none.
/// False when some are still there after [`SWEEP_LIMIT`]: the kernel holds them.
pub(crate) fn sweep(is_orphan: impl Fn(i32) -> bool) -> bool {
    let own = Pid::this().as_raw();
    let begun = Instant::now();
    while end_orphans(own, &is_orphan) > 0 {
        if begun.elapsed() > SWEEP_LIMIT {
            return false;
        }
        park_timeout(LOOK);
    }
    true
}

/// One round of a sweep: how many were there.
pub(crate) fn end_orphans(own: i32, is_orphan: &impl Fn(i32) -> bool) -> usize {
    let orphans: Vec<i32> = children_of(own).into_iter().filter(|pid| is_orphan(*pid)).collect();
    for pid in &orphans {
        end(Pid::from_raw(*pid));
    }
    orphans.len()
}

/// Kills a process; one that is gone needs no signal.
pub(crate) fn kill_one(pid: i32) {
    signal_one(pid, Signal::SIGKILL);
}

/// Signals a process; one that is gone needs no signal.
pub(crate) fn signal_one(pid: i32, signal: Signal) {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(pid, %signal, %error, "process {pid}: cannot be ended"),
    }
}

/// Kills a child and takes notice of its end, if it has ended already.
fn end(pid: Pid) {
    kill_one(pid.as_raw());
    if let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) = waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        tracing::debug!(%pid, "orphans: ended a process that a script had left behind");
    }
}

/// Signals a group; one that is gone needs no signal.
pub(crate) fn signal_group(group: Pid, signal: Signal) {
    if let Err(error) = killpg(group, signal)
        && error != Errno::ESRCH
    {
        tracing::warn!(%group, %signal, %error, "process group {group}: cannot be signalled");
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn children_are_found_with_theirs() {
        let mut shell = Command::new("sh").args(["-c", "sleep 600 & sleep 600 & wait"]).spawn().unwrap();
        let pid = i32::try_from(shell.id()).unwrap();
        assert!(children_of(std::process::id().cast_signed()).contains(&pid));
        let begun = Instant::now();
        while children_of(pid).len() < 2 && begun.elapsed() < Duration::from_secs(30) {
            park_timeout(LOOK);
        }
        assert_eq!(count_below(vec![pid], 100), 3);
        assert_eq!(below(pid).len(), 2);
        assert!(below(std::process::id().cast_signed()).contains(&children_of(pid)[0]));
        assert!(below(pid).into_iter().all(is_alive));
        assert_eq!(count_below(vec![pid], 1), 2);
        below(pid).into_iter().for_each(kill_one);
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(count_below(children_of(pid), 100), 0);
    }
}

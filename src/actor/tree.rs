//! Processes below a process, as `/proc` has them.

use std::collections::HashMap;
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Looks at all processes; what starts others all the time is caught in one of the first.
const ROUNDS: usize = 50;

/// A process that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: i32,
    /// Who is told when it ends.
    pub(crate) parent: i32,
    /// Its process group.
    pub(crate) group: i32,
    /// It has ended, and nobody has asked how.
    pub(crate) zombie: bool,
}

/// Every process below `root`, however far, zombies included.
pub(crate) fn below(root: i32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found: Vec<Process> = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let more = children.remove(&process.pid).unwrap_or_default();
        found.extend(more);
        next += 1;
    }
    found
}

/// Ends everything below this process and takes note of their ends; false when some of it is still there.
///
/// Orphans must come to this process (it is a subreaper), and nobody else may wait for its children.
pub(crate) fn end_below_us() -> bool {
    let us = Pid::this().as_raw();
    for _ in 0..ROUNDS {
        let living = below(us);
        if living.is_empty() {
            return true;
        }
        for process in living.iter().filter(|process| !process.zombie) {
            end(process.pid);
        }
        // Blocks for none of them longer than the kernel needs to end what was killed.
        for process in living.iter().filter(|process| process.parent == us) {
            // One that somebody else has waited for is gone as well.
            let _end = waitpid(Pid::from_raw(process.pid), None);
        }
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status.pid().is_some()) {}
    }
    below(us).is_empty()
}

/// Kills a process; one that is gone needs no signal.
pub(crate) fn end(pid: i32) {
    match kill(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(pid, %error, "could not end a process"),
    }
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
}

fn parse(pid: i32, stat: &str) -> Option<Process> {
    // The name is in parentheses and may hold anything; state, parent and group follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    Some(Process { pid, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()?, zombie })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_hold_anything() {
        let process = parse(7, "7 (a) b (c) Z 3 5 5 0 -1").unwrap();
        assert_eq!(process, Process { pid: 7, parent: 3, group: 5, zombie: true });
        assert_eq!(parse(7, "7 (a"), None);
    }

    #[test]
    fn grandchildren_are_below() {
        let mut child = std::process::Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let us = Pid::this().as_raw();
        let pid = i32::try_from(child.id()).unwrap();
        let seen = (0..2000).any(|_| {
            let found = below(us);
            found.iter().any(|process| process.parent == pid) || {
                std::thread::yield_now();
                false
            }
        });
        assert!(seen);
        below(pid).iter().for_each(|process| end(process.pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

//! Processes as the kernel shows them: identities, children, and the marks of actors in their environments.

use std::time::SystemTime;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::owners::Env;
use crate::ports::process_manager::ACTOR_MARK;
use crate::proc_stat::{ProcStat, all_pids, date_of_start};

/// A process, told apart from a later one of the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// Start, in ticks since the machine was started.
    pub(super) started: u64,
}

impl Process {
    pub(super) fn lives(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.process == self)
    }

    /// Returns the date of the start, to a hundredth of a second: by the clock as it is set now.
    pub(super) fn started_at(self) -> SystemTime {
        date_of_start(self.started)
    }
}

/// Data of the kernel about a process that has not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) process: Process,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
}

impl Stat {
    pub(super) fn of(pid: i32) -> Option<Self> {
        let ProcStat { parent, group, session, started, .. } =
            ProcStat::of(pid).filter(|stat| !stat.ended)?;
        Some(Self { process: Process { pid, started }, parent, group, session })
    }
}

/// Lists all processes that have not ended.
pub(super) fn all() -> impl Iterator<Item = Stat> {
    all_pids().filter_map(Stat::of)
}

/// The environment that a process was executed with. None of what has ended and of what we may not look at.
pub(super) fn environment(pid: i32) -> Option<Env> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok().filter(|environ| !environ.is_empty())?;
    let variable = |entry: &[u8]| {
        let text = String::from_utf8_lossy(entry);
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    Some(environ.split(|byte| *byte == 0).filter_map(variable).collect())
}

/// Returns true if a process was started as this actor, or by it.
pub(super) fn is_of_actor(pid: i32, name: &str) -> bool {
    environment(pid).is_some_and(|env| env.get(ACTOR_MARK).is_some_and(|actor| actor == name))
}

/// The program that a process runs.
pub(super) fn program(pid: i32) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Kills the children of a process whose environment is like this.
pub(super) fn end_children(parent: i32, is_meant: impl Fn(&Env) -> bool) {
    for stat in all().filter(|stat| stat.parent == parent) {
        if environment(stat.process.pid).is_some_and(|env| is_meant(&env)) {
            end(stat, parent);
        }
    }
}

/// Kills a process, with its group if it leads one. Never our own group, nor that of the process manager.
pub(super) fn end(stat: Stat, server: i32) {
    let pid = stat.process.pid;
    if pid <= 1 || pid == server || !stat.process.lives() {
        return;
    }
    let _gone = if stat.group == pid {
        nix::sys::signal::killpg(Pid::from_raw(pid), Signal::SIGKILL)
    } else {
        kill(Pid::from_raw(pid), Signal::SIGKILL)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_seen() {
        let own = std::process::id().cast_signed();
        let seen = Stat::of(own).unwrap();
        assert!(seen.process.lives() && all().any(|stat| stat.process == seen.process));
        assert_eq!(environment(own).unwrap().get("PATH"), std::env::var("PATH").ok().as_ref());
        assert!(program(own).is_some() && !is_of_actor(own, "nobody"));
    }
}

//! Processes that a killed Zinit has left behind.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use tokio::time::Instant;

use crate::ports::process_manager::ACTOR_MARK;

/// Strays that were told to end, and when.
#[derive(Debug, Default)]
pub(super) struct Strays {
    told: Mutex<HashMap<u32, Instant>>,
}

impl Strays {
    /// Whether this pid is a living process of this actor; if so, it is ended.
    pub(super) fn end(&self, name: &str, pid: u32, grace: Duration) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_of_actor(pid, name) {
            told.remove(&pid);
            return false;
        }
        let Some(process) = i32::try_from(pid).ok().filter(|pid| *pid > 1).map(Pid::from_raw) else {
            return false;
        };
        let signal = match told.get(&pid) {
            None => {
                tracing::warn!(actor.id = %name, pid, "process {pid} of actor {name} is left over from an earlier zinit: it is told to end");
                told.insert(pid, Instant::now());
                Signal::SIGTERM
            }
            Some(since) if since.elapsed() >= grace => Signal::SIGKILL,
            Some(_since) => return true,
        };
        let leads = getpgid(Some(process)).is_ok_and(|group| group == process);
        let _gone = if leads { killpg(process, signal) } else { kill(process, signal) };
        true
    }
}

/// Pids are given again, so a process has to bear the actor's name. What is dead, or not ours to look at, does not.
fn is_of_actor(pid: u32, name: &str) -> bool {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mark = format!("{ACTOR_MARK}={name}");
    environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

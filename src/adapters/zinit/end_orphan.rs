//! Processes that nobody manages any more: those that a killed Zinit has left behind, and what a crashed actor has.

use std::collections::HashMap;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::detect::Generation;
use super::proc::{self, Stat};

use crate::lock::Lock;

/// Orphans that were told to end, and when.
#[derive(Debug, Default)]
pub(super) struct OrphanKiller {
    told: Lock<HashMap<u32, Instant>>,
}

impl OrphanKiller {
    /// Ends this pid, if it is a living process of this actor, and returns true then. Otherwise the rest of the actor's
    /// processes is ended.
    pub(super) async fn end(&self, name: &str, pid: u32, grace: Duration, generation: Generation) -> bool {
        let Some(process) = i32::try_from(pid).ok().filter(|pid| *pid > 1) else { return false };
        // Pids are given again, so a process has to bear the actor's name. What is dead, or not ours to look at, does not.
        if Stat::of(process).is_none() || !proc::is_of_actor(process, name) {
            self.told.lock().remove(&pid);
            let name = name.to_owned();
            if let Err(error) = spawn_blocking(move || end_family(&name, process, generation)).await {
                tracing::debug!(%error, "orphans: cannot look for children of an ended process");
            }
            return false;
        }
        self.tell(name, pid, Pid::from_raw(process), grace);
        true
    }

    fn tell(&self, name: &str, pid: u32, process: Pid, grace: Duration) {
        let mut told = self.told.lock();
        let signal = match told.get(&pid) {
            None => {
                tracing::warn!(actor.id = %name, pid, "actor {name}: process {pid} is left over from an earlier zinit (told to end)");
                told.insert(pid, Instant::now());
                Signal::SIGTERM
            }
            Some(since) if since.elapsed() >= grace => Signal::SIGKILL,
            Some(_since) => return,
        };
        let leads = getpgid(Some(process)).is_ok_and(|group| group == process);
        let _gone = if leads { killpg(process, signal) } else { kill(process, signal) };
    }
}

/// Kills what an ended process of an actor has left: those in its group, and with GEN2, which gives it one, in its session.
/// Children of a process of the actor that lives are in the group of that one.
fn end_family(name: &str, leader: i32, generation: Generation) {
    let is_left = |stat: &Stat| {
        let in_session = generation == Generation::Gen2 && stat.session == leader;
        stat.process.pid != leader && (stat.group == leader || in_session)
    };
    for stat in proc::all().filter(is_left) {
        let pid = stat.process.pid;
        if pid > 1 && proc::is_of_actor(pid, name) && stat.process.lives() {
            tracing::debug!(actor.id = %name, pid, "actor {name}: process {pid} is left over from ended process {leader} (killed)");
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

//! Processes of jobs whose actor and engine host were killed together.
//!
//! Neither of the two could end them, and their parent is gone. Every process that a script starts inherits from its host
//! the name of the actor and a mark of the actor's process, so the next process of the same actor can tell which processes
//! belong to a dead one. A process whose script has removed these variables is not found.

use std::collections::HashSet;
use std::fs;
use std::sync::LazyLock;
use std::thread::park_timeout;
use std::time::Duration;

use nix::unistd::getppid;
use tokio::time::Instant;

use crate::actor::process_tree::{SWEEP_LIMIT, kill_one, start_of};
use crate::ports::process_manager::ACTOR_MARK;
use crate::proc_stat::all_pids;

/// The variable with the mark of the actor's process, in the environment of what scripts start.
pub(crate) const PROCESS_MARK: &str = "HERO_ACTOR_PROCESS";
/// Time between two searches while something is found.
const SEARCH_PAUSE: Duration = Duration::from_millis(5);

/// The mark of the process that has started this one, for what scripts start.
pub(crate) static PARENT_MARK: LazyLock<String> = LazyLock::new(|| mark_of(getppid().as_raw()));

/// The namespace in which the pids of this process count.
static NAMESPACE: LazyLock<String> = LazyLock::new(|| {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
});

/// Pid, start and namespace of a process: no other process ever has the same mark while the machine runs.
fn mark_of(pid: i32) -> String {
    format!("{pid}.{}.{}", start_of(pid).unwrap_or_default(), *NAMESPACE)
}

/// True if the mark is that of a process that has ended. A mark that means nothing here is not.
fn is_of_ended(mark: &str) -> bool {
    let mut parts = mark.splitn(3, '.');
    let pid = parts.next().and_then(|pid| pid.parse::<i32>().ok());
    let started = parts.next().and_then(|started| started.parse::<u64>().ok());
    match (pid, started, parts.next()) {
        (Some(pid), Some(started @ 1..), Some(namespace)) => {
            namespace == *NAMESPACE && start_of(pid) != Some(started)
        }
        _ => false,
    }
}

/// Kills the orphans of an actor, and what they start meanwhile, until there are none.
pub(super) fn sweep(actor: &str) {
    let begun = Instant::now();
    let mut killed = HashSet::new();
    loop {
        let orphans = find(actor);
        if orphans.is_empty() {
            break;
        }
        orphans.iter().for_each(|pid| kill_one(*pid));
        killed.extend(orphans);
        if begun.elapsed() > SWEEP_LIMIT {
            tracing::warn!(actor.id = %actor, "orphans: processes of earlier jobs do not end");
            break;
        }
        park_timeout(SEARCH_PAUSE);
    }
    if !killed.is_empty() {
        let count = killed.len();
        tracing::warn!(actor.id = %actor, count, "orphans: killed processes of jobs of an earlier process of {actor}");
    }
}

/// The living processes of jobs of this actor whose actor process has ended. This process is not one of them, whatever its
/// environment says: it may have been started by a job.
fn find(actor: &str) -> Vec<i32> {
    let own = std::process::id().cast_signed();
    all_pids().filter(|pid| *pid != own && is_orphan(*pid, actor) && start_of(*pid).is_some()).collect()
}

fn is_orphan(pid: i32, actor: &str) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let value = |name: &str| {
        let mut variables = environ.split(|byte| *byte == 0);
        let value = variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        value.and_then(|value| str::from_utf8(value).ok())
    };
    value(ACTOR_MARK) == Some(actor) && value(PROCESS_MARK).is_some_and(is_of_ended)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper(actor: &str, mark: &str) -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").env_clear().env(ACTOR_MARK, actor).env(PROCESS_MARK, mark).spawn().unwrap()
    }

    #[test]
    fn only_processes_of_jobs_of_the_actor_that_is_gone_are_orphans() {
        let actor = format!("orphans-{}", std::process::id());
        let own = std::process::id().cast_signed();
        let gone = format!("{own}.1.{}", *NAMESPACE);
        let mut orphan = sleeper(&actor, &gone);
        let mut others = [
            sleeper(&actor, &mark_of(own)),
            sleeper("another", &gone),
            sleeper(&actor, &format!("{own}.1.1")),
            sleeper(&actor, "x"),
        ];
        let pid = orphan.id().cast_signed();
        let begun = Instant::now();
        // A process that is just being executed has no environment.
        while find(&actor) != [pid] && begun.elapsed() < Duration::from_secs(30) {
            park_timeout(SEARCH_PAUSE);
        }
        assert_eq!(find(&actor), [pid]);
        sweep(&actor);
        assert!(!orphan.wait().unwrap().success());
        for other in &mut others {
            assert!(other.try_wait().unwrap().is_none());
            other.kill().unwrap();
            other.wait().unwrap();
        }
    }
}

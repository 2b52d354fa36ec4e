//! Finds the processes of actors that earlier Zinits have left behind, whether or not anybody has seen them while those
//! lived.
//!
//! A Zinit that is killed and started twice in a moment leaves two generations behind, and who looks now and then sees the
//! last one only. So they are searched for by the marks in their environment, when another Zinit answers, and then less
//! and less often: a process that is just being executed has no environment to be read.

use std::sync::MutexGuard;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use super::detect::Generation;
use super::proc::{self, Process, Stat};
use crate::lock::Lock;
use crate::ports::process_manager::{ACTOR_MARK, Orphan, REALM_MARK};

/// Between the first search and the second; the time doubles from then on.
const SOON: Duration = Duration::from_secs(1);
/// Between two searches at most.
const SELDOM: Duration = Duration::from_secs(64);

/// A search for living orphans.
#[derive(Debug, Default)]
pub(super) struct OrphanSearch {
    inner: Lock<Inner>,
}

type Found = Vec<(Process, Orphan)>;

#[derive(Debug, Default)]
struct Inner {
    searched: Option<Search>,
    /// A search that is under way, or whose result nobody has asked for yet.
    running: Option<JoinHandle<Option<Found>>>,
    found: Found,
}

#[derive(Debug, Clone, Copy)]
struct Search {
    server: Process,
    at: Instant,
    pause: Duration,
}

impl OrphanSearch {
    /// Returns the living orphans beside the processes of the Zinit with this pid, as far as they were found. A search
    /// that is due is begun; its result is seen by the next call.
    pub(super) async fn of(&self, server: i32, generation: Generation) -> Vec<Orphan> {
        let ended = self.inner().running.take_if(|search| search.is_finished());
        if let Some(search) = ended
            && let Ok(Some(found)) = search.await
        {
            self.inner().found = found;
        }
        let server = Stat::of(server).map(|stat| stat.process);
        if let Some((server, pause)) = server.and_then(|server| Some((server, self.due(server)?))) {
            let mut inner = self.inner();
            inner.searched = Some(Search { server, at: Instant::now(), pause });
            inner.running = Some(spawn_blocking(move || {
                let found = search(server, generation);
                // Had it ended meanwhile, the children of its successor would have been taken for left over.
                server.lives().then_some(found)
            }));
        }
        let mut inner = self.inner();
        inner.found.retain(|(process, _orphan)| process.lives());
        inner.found.iter().map(|(_process, orphan)| orphan.clone()).collect()
    }

    /// Returns the time until the next search, if it is time for one.
    fn due(&self, server: Process) -> Option<Duration> {
        let inner = self.inner();
        match inner.searched {
            _ if inner.running.is_some() => None,
            Some(last) if last.server == server => {
                (last.at.elapsed() >= last.pause).then(|| (last.pause * 2).min(SELDOM))
            }
            Some(_) | None => Some(SOON),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// Returns true if a Zinit before this one may have started a process. GEN3 gives each service a group of its own and
/// leaves it in its session, where a process with a session of its own has been made by somebody else; GEN2 gives it a
/// session, too.
fn may_be_left(stat: &Stat, server: Process, generation: Generation) -> bool {
    let pid = stat.process.pid;
    let leads_session = stat.session == pid;
    let leads = stat.group == pid && leads_session == (generation == Generation::Gen2);
    leads && stat.parent != server.pid && stat.process.started <= server.started
}

fn search(server: Process, generation: Generation) -> Found {
    let program = proc::program(server.pid);
    let mut found = Vec::new();
    for stat in proc::all().filter(|stat| may_be_left(stat, server, generation)) {
        let Some((name, realm)) = marks(stat.process.pid) else { continue };
        // What an actor has started itself is the actor's to end.
        if marks(stat.parent).is_some_and(|(parent, _realm)| parent == name) {
            continue;
        }
        // Another Zinit that lives looks after it, and would only start it again.
        if stat.parent > 1 && program.is_some() && proc::program(stat.parent) == program {
            continue;
        }
        let Ok(pid) = u32::try_from(stat.process.pid) else { continue };
        found.push((stat.process, Orphan { pid, name, realm }));
    }
    found
}

/// The actor that a process was started as, and by whose records.
fn marks(pid: i32) -> Option<(String, String)> {
    let mut env = proc::environment(pid)?;
    Some((env.remove(ACTOR_MARK)?, env.remove(REALM_MARK)?))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn only_what_is_older_than_zinit_and_like_its_services_can_be_left_over() {
        let server = Process { pid: 10, started: 500 };
        let left = Stat { process: Process { pid: 42, started: 400 }, parent: 1, group: 42, session: 9 };
        let may = |stat: Stat| may_be_left(&stat, server, Generation::Gen3);
        assert!(may(left));
        let younger = Stat { process: Process { pid: 42, started: 501 }, ..left };
        assert!(!may(younger));
        assert!(!may(Stat { parent: 10, ..left }), "it is a service");
        assert!(!may(Stat { group: 41, ..left }), "it leads no group");
        let leader = Stat { session: 42, ..left };
        assert!(!may(leader), "it is a daemon");
        assert!(may_be_left(&leader, server, Generation::Gen2), "GEN2 gives it a session");
        assert!(!may_be_left(&left, server, Generation::Gen2));
    }

    /// A service of GEN2 that has lost its Zinit: it leads a session, and bears the marks.
    #[test]
    fn a_process_of_a_session_of_its_own_is_found_for_gen2() {
        let name = format!("left-{}", std::process::id());
        let script = "exec setsid sleep 1000";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .env(ACTOR_MARK, &name)
            .env(REALM_MARK, "r")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        // A Zinit that was started later.
        let server = Process { pid: 1, started: u64::MAX };
        let of_it = |generation| {
            let found = search(server, generation);
            found.into_iter().map(|(_process, orphan)| orphan).find(|orphan| orphan.name == name)
        };
        let begun = Instant::now();
        let found = loop {
            if let Some(found) = of_it(Generation::Gen2) {
                break found;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it is not found");
            std::thread::yield_now();
        };
        assert_eq!(found, Orphan { pid: child.id(), name: name.clone(), realm: "r".to_owned() });
        assert_eq!(of_it(Generation::Gen3), None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(of_it(Generation::Gen2), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_is_due_when_another_zinit_answers_and_then_less_and_less_often() {
        let orphans = OrphanSearch::default();
        let server = Process { pid: 10, started: 500 };
        let mut times = Vec::new();
        for second in 0..200 {
            if let Some(pause) = orphans.due(server) {
                times.push(second);
                orphans.inner().searched = Some(Search { server, at: Instant::now(), pause });
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 127, 191]);
        assert_eq!(orphans.due(Process { started: 501, ..server }), Some(SOON));
    }
}

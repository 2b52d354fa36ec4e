//! Finds the processes of actors that earlier Zinits have left behind, whether or not anybody has seen them while those
//! lived.
//!
//! A Zinit that is killed and started twice in a moment leaves two generations behind, and who looks now and then sees the
//! last one only. So they are searched for by the marks in their environment, when another Zinit answers, and then less
//! and less often: a process that is just being executed has no environment to be read.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use crate::ports::process_manager::{ACTOR_MARK, Leftover, REALM_MARK};

/// Between the first search and the second; the time doubles from then on.
const SOON: Duration = Duration::from_secs(1);
/// Between two searches at most.
const SELDOM: Duration = Duration::from_secs(64);

/// What was left behind, as far as it lives.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    inner: Mutex<Inner>,
}

type Found = Vec<(Process, Leftover)>;

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

impl Leftovers {
    /// What lives on beside the processes of the Zinit that has this pid, as far as it was found. A search that is due is
    /// begun; whoever looks does not wait for it and hears of it the next time.
    pub(super) async fn of(&self, server: i32) -> Vec<Leftover> {
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
                let found = search(server);
                // Had it ended meanwhile, the children of its successor would have been taken for left over.
                server.lives().then_some(found)
            }));
        }
        let mut inner = self.inner();
        inner.found.retain(|(process, _leftover)| process.lives());
        inner.found.iter().map(|(_process, leftover)| leftover.clone()).collect()
    }

    /// If it is time to search: the time until the next search.
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
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process, told apart from a later one of the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    /// In ticks since the machine was started.
    started: u64,
}

impl Process {
    fn lives(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.process == self)
    }
}

/// What the kernel tells of a process that has not ended.
#[derive(Debug, Clone, Copy)]
struct Stat {
    process: Process,
    parent: i32,
    group: i32,
    session: i32,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, line: &str) -> Option<Self> {
        // The name of the program is in parentheses and may hold anything.
        let (_name, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
        let started = fields.get(19)?.parse().ok()?;
        Some(Self {
            process: Process { pid, started },
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
        })
    }

    /// Whether a Zinit before this one may have started it. Zinit gives each service a group of its own and leaves it in its
    /// session; what has a session of its own has been made by somebody else.
    fn may_be_left_by_predecessor_of(&self, server: Process) -> bool {
        let leads = self.group == self.process.pid && self.session != self.process.pid;
        leads && self.parent != server.pid && self.process.started <= server.started
    }
}

fn search(server: Process) -> Found {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let program = program(server.pid);
    let mut found = Vec::new();
    for stat in pids.filter_map(Stat::of).filter(|stat| stat.may_be_left_by_predecessor_of(server)) {
        let Some((name, realm)) = marks(stat.process.pid) else { continue };
        // What an actor has started itself is the actor's to end.
        if marks(stat.parent).is_some_and(|(parent, _realm)| parent == name) {
            continue;
        }
        // Another Zinit that lives looks after it, and would only start it again.
        if stat.parent > 1 && program.is_some() && self::program(stat.parent) == program {
            continue;
        }
        let Ok(pid) = u32::try_from(stat.process.pid) else { continue };
        found.push((stat.process, Leftover { pid, name, realm }));
    }
    found
}

fn program(pid: i32) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// The actor that a process was started as, and by whose records. None of what we may not look at.
fn marks(pid: i32) -> Option<(String, String)> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &str| {
        let mut variables = environ.split(|byte| *byte == 0);
        let value =
            variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        String::from_utf8(value.to_vec()).ok()
    };
    Some((value(ACTOR_MARK)?, value(REALM_MARK)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read_whatever_a_program_is_called() {
        let rest = "S 7 42 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 1234 99 1";
        for name in ["sleep", "a) R 1 2 3 (b", "(x)"] {
            let stat = Stat::parse(42, &format!("42 ({name}) {rest}")).unwrap();
            assert_eq!(stat.process, Process { pid: 42, started: 1234 });
            assert_eq!((stat.parent, stat.group, stat.session), (7, 42, 9));
        }
        assert!(
            Stat::parse(42, &format!("42 (sleep) {}", rest.replacen('S', "Z", 1))).is_none(),
            "it has ended"
        );
        assert!(Stat::parse(42, "42 (sleep) S 7").is_none());
    }

    #[test]
    fn only_what_is_older_than_zinit_and_like_its_services_can_be_left_over() {
        let server = Process { pid: 10, started: 500 };
        let left = Stat { process: Process { pid: 42, started: 400 }, parent: 1, group: 42, session: 9 };
        assert!(left.may_be_left_by_predecessor_of(server));
        let younger = Stat { process: Process { pid: 42, started: 501 }, ..left };
        assert!(!younger.may_be_left_by_predecessor_of(server));
        assert!(!Stat { parent: 10, ..left }.may_be_left_by_predecessor_of(server), "it is a service");
        assert!(!Stat { group: 41, ..left }.may_be_left_by_predecessor_of(server), "it leads no group");
        assert!(!Stat { session: 42, ..left }.may_be_left_by_predecessor_of(server), "it is a daemon");
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_is_due_when_another_zinit_answers_and_then_less_and_less_often() {
        let leftovers = Leftovers::default();
        let server = Process { pid: 10, started: 500 };
        let mut times = Vec::new();
        for second in 0..200 {
            if let Some(pause) = leftovers.due(server) {
                times.push(second);
                leftovers.inner().searched = Some(Search { server, at: Instant::now(), pause });
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 127, 191]);
        assert_eq!(leftovers.due(Process { started: 501, ..server }), Some(SOON));
    }
}

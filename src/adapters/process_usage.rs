//! The resources of processes, as the kernel shows them below `/proc`.
//!
//! One reading looks once at every process of the machine, which is cheaper than asking each actor for its children.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nix::unistd::{SysconfVar, sysconf};
use tokio::time::timeout;

use crate::domain::model::usage::TreeReading;
use crate::lock::Lock;
use crate::ports::process_manager::ACTOR_MARK;
use crate::ports::process_usage::{ProcessUsage, Root};
use crate::proc_stat::{ProcStat, all_pids};

/// Limit of a reading, which takes some milliseconds.
const READ_LIMIT: Duration = Duration::from_secs(4);
/// Size of a page where the kernel does not tell it.
const PAGE: u64 = 4096;
/// Ticks of a second where the kernel does not tell it.
const TICKS: u64 = 100;

/// Reads `/proc`. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct ProcUsage {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// True while a reading is under way: one that the kernel holds up is not followed by another.
    busy: AtomicBool,
    /// True for each topmost process that is that of its actor, with its start.
    owners: Lock<BTreeMap<u32, (u64, bool)>>,
}

#[async_trait]
impl ProcessUsage for ProcUsage {
    async fn read(&self, roots: Vec<Root>) -> Vec<Option<TreeReading>> {
        let nothing = vec![None; roots.len()];
        if roots.is_empty() || self.shared.busy.swap(true, Ordering::SeqCst) {
            return nothing;
        }
        let shared = Arc::clone(&self.shared);
        let reading = tokio::task::spawn_blocking(move || {
            let _busy = Busy(&shared.busy);
            shared.read(&roots)
        });
        match timeout(READ_LIMIT, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) | Err(_) => nothing,
        }
    }
}

/// Ends with the reading, however that ends.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    fn read(&self, roots: &[Root]) -> Vec<Option<TreeReading>> {
        let all = all_pids().filter_map(|pid| Some((u32::try_from(pid).ok()?, ProcStat::of(pid)?)));
        let forest = Forest::new(all.collect(), roots.iter().map(|root| root.pid));
        let mut owners = self.owners.lock();
        owners.retain(|pid, _owner| roots.iter().any(|root| root.pid == *pid));
        let units = Units::of_kernel();
        let read = roots.iter().map(|root| {
            let started = forest.processes.get(&root.pid)?.started;
            let known = owners.get(&root.pid).filter(|(of, _)| *of == started).map(|(_, is_ours)| *is_ours);
            let is_ours = known.unwrap_or_else(|| may_be_of(root));
            owners.insert(root.pid, (started, is_ours));
            if is_ours { forest.sum(root.pid, units, open_files) } else { None }
        });
        read.collect()
    }
}

/// Returns false for a process that was not started as this actor, as in a PID namespace where its pid is somebody else's. A
/// process of another user does not show it, and is believed.
fn may_be_of(root: &Root) -> bool {
    let Ok(environ) = fs::read(format!("/proc/{}/environ", root.pid)) else { return true };
    let mark = format!("{ACTOR_MARK}={}", root.actor);
    environ.is_empty() || environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
}

/// Counts the open files of a process. Zero for one that has ended meanwhile; None if they may not be counted.
fn open_files(pid: u32) -> Option<u32> {
    let folder = format!("/proc/{pid}/fd");
    let counted = match fs::metadata(&folder) {
        // Linux 6.2 and later know the number.
        Ok(folder) if folder.len() > 0 => Ok(folder.len()),
        Ok(_) => fs::read_dir(&folder).map(|files| files.count() as u64),
        Err(error) => Err(error),
    };
    match counted {
        Ok(files) => u32::try_from(files).ok(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(_ended) => Some(0),
    }
}

/// Units of the kernel.
#[derive(Debug, Clone, Copy)]
struct Units {
    page: u64,
    ticks: u64,
}

impl Units {
    fn of_kernel() -> Self {
        let ask = |variable, usual| {
            let told = sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
            told.filter(|value| *value > 0).unwrap_or(usual)
        };
        Self { page: ask(SysconfVar::PAGE_SIZE, PAGE), ticks: ask(SysconfVar::CLK_TCK, TICKS) }
    }
}

/// All processes, each below its parent.
struct Forest {
    processes: BTreeMap<u32, ProcStat>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl Forest {
    /// Makes the forest. Topmost processes are below nobody, whoever is their parent.
    fn new(processes: BTreeMap<u32, ProcStat>, roots: impl Iterator<Item = u32>) -> Self {
        let roots: std::collections::BTreeSet<u32> = roots.collect();
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (pid, stat) in processes.iter().filter(|(pid, _stat)| !roots.contains(pid)) {
            if let Ok(parent) = u32::try_from(stat.parent) {
                children.entry(parent).or_default().push(*pid);
            }
        }
        Self { processes, children }
    }

    /// Sums up a process and all below it; None if it has ended.
    fn sum(&self, root: u32, units: Units, open_files: impl Fn(u32) -> Option<u32>) -> Option<TreeReading> {
        let top = self.processes.get(&root).filter(|top| !top.ended)?;
        let (mut ticks, mut pages) = (0_u64, 0_u64);
        let (mut threads, mut processes, mut files) = (0_u32, 0_u32, Some(0_u32));
        let mut open = vec![root];
        while let Some(pid) = open.pop() {
            open.extend(self.children.get(&pid).into_iter().flatten());
            let Some(stat) = self.processes.get(&pid) else { continue };
            ticks = ticks.saturating_add(stat.cpu_ticks);
            if stat.ended {
                continue;
            }
            pages = pages.saturating_add(stat.resident_pages);
            threads = threads.saturating_add(stat.threads);
            processes += 1;
            files = files.and_then(|sum| Some(sum.saturating_add(open_files(pid)?)));
        }
        Some(TreeReading {
            started: top.started,
            cpu: Duration::from_millis(ticks.saturating_mul(1000) / units.ticks),
            memory_bytes: pages.saturating_mul(units.page),
            open_files: files,
            threads,
            processes,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    const UNITS: Units = Units { page: 4096, ticks: 100 };

    fn stat(parent: i32, cpu_ticks: u64, ended: bool) -> ProcStat {
        let (group, session, started) = (1, 1, 77);
        ProcStat { ended, parent, group, session, cpu_ticks, threads: 2, started, resident_pages: 10 }
    }

    #[test]
    fn an_actor_is_its_process_with_all_below_it_and_nothing_else() {
        let processes = BTreeMap::from([
            (10, stat(1, 100, false)),
            (11, stat(10, 50, false)),
            (12, stat(11, 25, true)),
            // An actor that another one has started counts by itself.
            (20, stat(11, 900, false)),
            (21, stat(20, 100, false)),
            (30, stat(1, 5, false)),
        ]);
        let forest = Forest::new(processes, [10, 20].into_iter());
        let all = |_pid: u32| Some(3);
        let sum = forest.sum(10, UNITS, all).unwrap();
        assert_eq!((sum.started, sum.cpu), (77, Duration::from_millis(1750)));
        assert_eq!((sum.memory_bytes, sum.threads, sum.processes), (20 * 4096, 4, 2));
        assert_eq!(sum.open_files, Some(6));
        assert_eq!(forest.sum(20, UNITS, all).unwrap().cpu, Duration::from_secs(10));
        let some = |pid: u32| (pid != 11).then_some(3);
        assert_eq!(
            forest.sum(10, UNITS, some).unwrap().open_files,
            None,
            "a part would be taken for the whole"
        );
        assert_eq!((forest.sum(12, UNITS, all), forest.sum(99, UNITS, all)), (None, None));
    }

    fn shell(script: &str, actor: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env(ACTOR_MARK, actor).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    #[tokio::test]
    async fn real_processes_are_read_and_those_of_others_are_not() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 600 & echo on; read x";
        let mut mine = shell(script, "mine");
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(mine.stdout.as_mut().unwrap()), &mut line).unwrap();
        let usage = ProcUsage::default();
        let pid = mine.id();
        let root = |actor: &str| Root { pid, actor: actor.to_owned() };
        let gone = Root { pid: u32::MAX, actor: "mine".to_owned() };
        let read = usage.read(vec![root("mine"), gone]).await;
        let seen = read[0].unwrap();
        assert_eq!((seen.processes, seen.threads, read[1]), (2, 2, None));
        assert!(seen.memory_bytes > 100_000 && seen.open_files.unwrap() >= 4, "{seen:?}");
        assert!(seen.cpu > Duration::ZERO, "{seen:?}");
        assert_eq!(ProcUsage::default().read(vec![root("other")]).await, [None]);
        let below = Forest::new(
            all_pids().filter_map(|pid| Some((u32::try_from(pid).ok()?, ProcStat::of(pid)?))).collect(),
            std::iter::empty(),
        );
        for pid in below.children.get(&pid).into_iter().flatten() {
            let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        mine.kill().unwrap();
        mine.wait().unwrap();
        assert_eq!(usage.read(vec![root("mine")]).await, [None]);
    }
}

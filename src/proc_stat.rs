//! The line that the kernel writes about a process: `/proc/PID/stat`, see proc(5).

use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// Longest line that is read; the kernel writes 52 numbers and a name of 64 bytes at most.
const LINE: usize = 2048;

/// Milliseconds of a tick of the kernel, in which it counts the lives of processes; the same on every Linux that this runs on.
const TICK_MS: u64 = 10;

/// Data of the kernel about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcStat {
    /// True for a process that has ended and was not waited for.
    pub(crate) ended: bool,
    /// Pid of the parent.
    pub(crate) parent: i32,
    /// Process group.
    pub(crate) group: i32,
    /// Session.
    pub(crate) session: i32,
    /// Processor time of the process and of the children that it has waited for, in ticks.
    pub(crate) cpu_ticks: u64,
    /// Number of threads.
    pub(crate) threads: u32,
    /// Start, in ticks since the machine was started. No later process with the same pid has the same start.
    pub(crate) started: u64,
    /// Resident memory in pages.
    pub(crate) resident_pages: u64,
}

impl ProcStat {
    /// Reads the line of a process; None if there is none.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let mut line = [0; LINE];
        // The kernel hands out the whole line at the first read.
        let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
        Self::parse(&String::from_utf8_lossy(line.get(..length)?))
    }

    /// Parses a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        // The name is in parentheses and may hold anything.
        let (_name, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X");
        let mut ids = || fields.next()?.parse().ok();
        let (parent, group, session) = (ids()?, ids()?, ids()?);
        let mut numbers = fields.skip(7).map(|field| field.parse::<i64>().ok());
        let mut number = |skipped: usize| Some(u64::try_from(numbers.nth(skipped)??).unwrap_or_default());
        let cpu_ticks = number(0)? + number(0)? + number(0)? + number(0)?;
        let threads = u32::try_from(number(2)?).unwrap_or(u32::MAX);
        let (started, resident_pages) = (number(1)?, number(1)?);
        Some(Self { ended, parent, group, session, cpu_ticks, threads, started, resident_pages })
    }
}

/// Returns the date of a start that is told in ticks, to a hundredth of a second: by the clock as it is set now.
pub(crate) fn date_of_start(ticks: u64) -> SystemTime {
    let clock = |id| clock_gettime(id).map(Duration::from).unwrap_or_default();
    let boot = clock(ClockId::CLOCK_REALTIME).saturating_sub(clock(ClockId::CLOCK_BOOTTIME));
    let boot_ms = u64::try_from(boot.as_millis()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(boot_ms.saturating_add(ticks.saturating_mul(TICK_MS)))
}

/// Returns the start of this process, since that of the machine; none if the kernel does not tell. Unlike a date it is no matter
/// of clocks, which are set and which two processes never read at the same moment.
pub(crate) fn own_start() -> Option<Duration> {
    let stat = ProcStat::of(std::process::id().cast_signed())?;
    Some(Duration::from_millis(stat.started.saturating_mul(TICK_MS)))
}

/// Lists the pids of all processes of this machine that can be seen.
pub(crate) fn all_pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_started_before_now_and_after_the_machine() {
        let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap();
        let started = own_start().unwrap();
        assert!(started > Duration::ZERO && started < up, "{started:?} of {up:?}");
        let parent = ProcStat::of(nix::unistd::getppid().as_raw()).unwrap();
        let own = ProcStat::of(std::process::id().cast_signed()).unwrap();
        assert!(parent.started <= own.started);
        let now = UNIX_EPOCH + clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from).unwrap();
        assert!(date_of_start(own.started) < now);
    }

    #[test]
    fn a_line_is_read_whatever_the_program_is_called() {
        let rest = "S 7 42 9 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 3 0 1234 99 512 18446744073709551615";
        for name in ["sleep", "a) R 1 2 3 (b", "(x)", ""] {
            let stat = ProcStat::parse(&format!("42 ({name}) {rest}")).unwrap();
            assert_eq!((stat.ended, stat.parent, stat.group, stat.session), (false, 7, 42, 9));
            assert_eq!((stat.cpu_ticks, stat.threads), (50 + 6 + 7 + 8, 3));
            assert_eq!((stat.started, stat.resident_pages), (1234, 512));
        }
        assert!(ProcStat::parse(&format!("42 (sleep) {}", rest.replacen('S', "Z", 1))).unwrap().ended);
        assert_eq!(ProcStat::parse("42 (sleep) S 7"), None);
        assert_eq!(ProcStat::parse("42 (sleep"), None);
    }

    #[test]
    fn our_own_process_is_seen() {
        let own = std::process::id().cast_signed();
        let stat = ProcStat::of(own).unwrap();
        assert!(!stat.ended && stat.threads > 0 && stat.resident_pages > 0, "{stat:?}");
        assert!(all_pids().any(|pid| pid == own));
        assert_eq!(ProcStat::of(-1), None);
    }
}

//! Resources that a job uses: in the process of its engine host, and in the processes that its script starts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use wait4::Wait4;

use crate::domain::model::job::JobUsage;

/// Jobs shorter than this tell no peak of memory: to read it takes the kernel some thirty microseconds, and in so short a time a
/// script touches a few megabytes at most.
const LOOK_AT_MEMORY_AFTER: Duration = Duration::from_millis(2);
/// Word that makes the kernel forget the peak of a process.
const FORGET_PEAK: &[u8] = b"5";
/// Bytes in front of the peak in the status of a process, and some more.
const STATUS: usize = 2048;
/// Bytes of the kernel's unit of memory.
const KIB: u64 = 1024;

/// Measures jobs that run in this process, on one thread.
#[derive(Debug)]
pub(super) struct HostMeter {
    /// Files of the kernel about this process; None where the peak cannot be set back.
    peak: Option<(File, File)>,
    begun: Duration,
}

impl HostMeter {
    /// Begins to measure.
    pub(super) fn new() -> Self {
        let mut meter = Self { peak: peak_files().ok(), begun: Duration::ZERO };
        meter.forget_peak();
        meter
    }

    /// A job begins on this thread.
    pub(super) fn begin(&mut self) {
        self.begun = thread_time();
    }

    /// The job has ended, on the same thread. The peak is that since the end of the last job that was long enough.
    pub(super) fn end(&mut self, wall: Duration) -> JobUsage {
        let cpu = thread_time().saturating_sub(self.begun);
        if wall < LOOK_AT_MEMORY_AFTER {
            return JobUsage { cpu, peak_memory: None };
        }
        let peak_memory = self.peak.as_ref().and_then(|(status, _reset)| read_peak(status).ok().flatten());
        self.forget_peak();
        JobUsage { cpu, peak_memory }
    }

    /// The peak counts from now. Where that fails, the peak of one job would be taken for that of another, and none is told.
    fn forget_peak(&mut self) {
        if let Some((_status, reset)) = &mut self.peak
            && reset.write_all(FORGET_PEAK).is_err()
        {
            self.peak = None;
        }
    }
}

fn peak_files() -> io::Result<(File, File)> {
    let reset = OpenOptions::new().write(true).open("/proc/self/clear_refs")?;
    Ok((File::open("/proc/self/status")?, reset))
}

/// Reads the peak of the resident memory of this process, in bytes.
fn read_peak(status: &File) -> io::Result<Option<u64>> {
    let mut text = [0; STATUS];
    let length = status.read_at(&mut text, 0)?;
    Ok(peak_of(&String::from_utf8_lossy(text.get(..length).unwrap_or_default())))
}

fn peak_of(status: &str) -> Option<u64> {
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(KIB)
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Measures the processes that the script of one job after another starts, with all below them: they have ended, and this process
/// has waited for them.
#[derive(Debug, Default)]
pub(super) struct ChildrenMeter {
    /// Time and peak of all children until the end of the last job.
    before: (Duration, u64),
}

impl ChildrenMeter {
    /// The job has ended, and all that it has started. `peak` is the highest peak of a process that was waited for by
    /// [`MeasuredChild`]; that of others is known only if it is the highest ever.
    pub(super) fn end(&mut self, peak: u64) -> JobUsage {
        let now = children();
        let (cpu_before, peak_before) = std::mem::replace(&mut self.before, now);
        let (cpu, highest) = now;
        let peak = if highest > peak_before { peak.max(highest) } else { peak };
        JobUsage { cpu: cpu.saturating_sub(cpu_before), peak_memory: Some(peak).filter(|peak| *peak > 0) }
    }
}

/// Processor time and highest peak of the children that have ended.
fn children() -> (Duration, u64) {
    let Ok(used) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return (Duration::ZERO, 0) };
    let micros = used.user_time().num_microseconds().saturating_add(used.system_time().num_microseconds());
    let peak = u64::try_from(used.max_rss()).unwrap_or_default();
    (Duration::from_micros(u64::try_from(micros).unwrap_or_default()), peak.saturating_mul(KIB))
}

/// A child whose peak of memory is known once it has ended.
#[derive(Debug)]
pub(super) struct MeasuredChild {
    /// The child; its own methods that wait are not used.
    pub(super) child: Child,
    ended: Option<ExitStatus>,
    peak: u64,
}

impl MeasuredChild {
    pub(super) fn new(child: Child) -> Self {
        Self { child, ended: None, peak: 0 }
    }

    /// Pid of the child.
    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Returns the status of the child; None while it runs.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            // `wait4` itself would wait.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            if waitid(Id::Pid(Pid::from_raw(self.pid())), flags)? != WaitStatus::StillAlive {
                self.wait()?;
            }
        }
        Ok(self.ended)
    }

    /// Waits for the end of the child.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let end = self.child.wait4()?;
        (self.ended, self.peak) = (Some(end.status), end.rusage.maxrss);
        Ok(end.status)
    }

    /// Kills the child, if it has not ended: its pid may be that of another process then.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        if self.ended.is_some() { Ok(()) } else { self.child.kill() }
    }

    /// Largest resident memory of the child and of all that it has waited for, in bytes; 0 while it runs. Until it became the
    /// program, the child was a copy of this process.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_peak_is_read_from_the_status_of_a_process() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t    9216 kB\nVmRSS:\t 1 kB\n"), Some(9216 * KIB));
        assert_eq!(peak_of("Name:\tx\nVmHWM:\tmany kB\n"), None);
        assert_eq!(peak_of(""), None);
        let own = File::open("/proc/self/status").unwrap();
        assert!(read_peak(&own).unwrap().unwrap() > 100 * KIB);
    }

    #[test]
    fn a_job_uses_what_its_thread_has_used() {
        let mut meter = HostMeter::new();
        meter.begin();
        let mut sum = 0_u64;
        while thread_time().saturating_sub(meter.begun) < Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let used = meter.end(Duration::from_millis(20));
        assert!(used.cpu >= Duration::from_millis(20), "{used:?}");
        assert!(used.peak_memory.unwrap() > 100 * KIB, "{used:?}");
        meter.begin();
        let idle = meter.end(Duration::from_micros(10));
        assert!(idle.cpu < Duration::from_millis(20) && idle.peak_memory.is_none(), "{idle:?}");
    }

    #[test]
    fn a_child_tells_its_end_again_and_again_and_is_not_killed_behind_it() {
        let mut child = MeasuredChild::new(Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap());
        let begun = tokio::time::Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::yield_now();
        };
        assert_eq!(status.code(), Some(7));
        assert_eq!(child.try_wait().unwrap(), Some(status));
        assert_eq!(child.wait().unwrap(), status);
        assert!(child.peak() > 100 * KIB);
        child.kill().unwrap();
    }
}

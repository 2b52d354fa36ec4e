//! Ends a script that runs too long or has too many processes, in steps: SIGTERM, then SIGKILL.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::actor::process_tree::count_below;
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::lock::Lock;

/// Time for a script to clean up after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at how many processes there are.
const LOOK: Duration = Duration::from_millis(100);
/// A deadline further away than this is as good as none.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The reason why a script was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The script was not ended.
    None,
    /// The script ran longer than allowed.
    Overran,
    /// The script had more processes than allowed.
    TooMany(usize),
}

/// SIGTERM at the deadline, SIGKILL two seconds later; SIGKILL at once for too many processes.
#[derive(Debug)]
pub(super) struct KillLadder {
    stop_reason: StopReason,
    next: Instant,
    look: Instant,
    processes: usize,
}

impl KillLadder {
    /// Makes the ladder of a script that starts now.
    pub(super) fn new(timeout: Duration, processes: usize) -> Self {
        OUT_OF_MEMORY.lock().begin(out_of_memory);
        let now = Instant::now();
        Self { stop_reason: StopReason::None, next: now + timeout.min(FAR), look: now + LOOK, processes }
    }

    /// Returns the time until the next step, rounded up.
    pub(super) fn wait(&self) -> Duration {
        let left = self.next.min(self.look).saturating_duration_since(Instant::now());
        Duration::from_millis(u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
    }

    /// The signal to send now, if any. `family` finds the processes of the script that have parents elsewhere.
    pub(super) fn step(&mut self, family: impl FnOnce() -> Vec<i32>) -> Option<Signal> {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + GRACE;
            return Some(match self.stop_reason {
                StopReason::None => {
                    self.stop_reason = StopReason::Overran;
                    Signal::SIGTERM
                }
                StopReason::Overran | StopReason::TooMany(_) => Signal::SIGKILL,
            });
        }
        if now >= self.look {
            self.look = now + LOOK;
            if count_below(family(), self.processes) > self.processes {
                self.stop_reason = StopReason::TooMany(self.processes);
                self.next = now + GRACE;
                return Some(Signal::SIGKILL);
            }
        }
        None
    }

    /// Returns the reason for ending the script.
    pub(super) fn stop_reason(&self) -> StopReason {
        self.stop_reason
    }
}

/// The error of a job that a signal ended which we did not send.
pub(super) fn killed(signal: Signal) -> JobError {
    let limit = |what: &str| JobError::new(JobErrorKind::LimitExceeded, format!("the script {what}"));
    let error = if signal == Signal::SIGKILL {
        let known = OUT_OF_MEMORY.lock().has_grown(out_of_memory());
        by_sigkill(known)
    } else if signal == Signal::SIGXCPU {
        limit("used more CPU time than it may")
    } else if signal == Signal::SIGXFSZ {
        limit("wrote a larger file than it may")
    } else {
        JobError::new(JobErrorKind::EngineCrash, format!("the script was ended by signal {signal}"))
    };
    JobError { signal: Some(signal as i32), ..error }
}

/// Explains a SIGKILL, by whether the kernel has ended processes for lack of memory meanwhile, if it tells.
fn by_sigkill(out_of_memory: Option<bool>) -> JobError {
    let (kind, why) = match out_of_memory {
        Some(true) => (
            JobErrorKind::LimitExceeded,
            "most likely by the kernel, which has ended processes for lack of memory",
        ),
        Some(false) => (JobErrorKind::EngineCrash, "by itself or by another process, not for lack of memory"),
        None => {
            (JobErrorKind::EngineCrash, "by itself, by another process, or by the kernel for lack of memory")
        }
    };
    JobError::new(kind, format!("the script was ended by SIGKILL: {why}"))
}

/// Count of processes that the kernel has ended for lack of memory, as it was read last.
static OUT_OF_MEMORY: Lock<OomKills> = Lock::new(OomKills { begun: false, count: None });

#[derive(Debug)]
struct OomKills {
    begun: bool,
    count: Option<u64>,
}

impl OomKills {
    /// Looks for the first time.
    fn begin(&mut self, now: impl FnOnce() -> Option<u64>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.count = now();
        }
    }

    /// Returns true if the count has grown since the last read.
    fn has_grown(&mut self, now: Option<u64>) -> Option<bool> {
        let before = std::mem::replace(&mut self.count, now);
        Some(now? > before?)
    }
}

/// The kernel's count, for the whole machine.
fn out_of_memory() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/vmstat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_put_down_to_memory_only_if_the_kernel_has_ended_something_for_it() {
        let mut seen = OomKills { begun: false, count: None };
        seen.begin(|| Some(4));
        seen.begin(|| Some(5));
        assert_eq!(seen.has_grown(Some(4)), Some(false));
        assert_eq!(seen.has_grown(Some(6)), Some(true));
        assert_eq!(seen.has_grown(Some(6)), Some(false));
        assert_eq!(seen.has_grown(None), None);
        assert_eq!(by_sigkill(Some(true)).kind, JobErrorKind::LimitExceeded);
        for other in [Some(false), None] {
            assert_eq!(by_sigkill(other).kind, JobErrorKind::EngineCrash);
        }
    }
}

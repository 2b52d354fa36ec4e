//! How a script is ended that runs too long or grows too wide.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::actor::family::count_below;
use crate::domain::job::{JobError, JobErrorKind};

/// What a script has to clean up, it cleans up in this time.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at how many processes there are.
const LOOK: Duration = Duration::from_millis(100);
/// A deadline further away than this is as good as none.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why a script was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was not.
    None,
    /// It ran longer than it may.
    Overran,
    /// It had more processes than it may.
    TooMany(usize),
}

/// SIGTERM at the deadline, SIGKILL two seconds later; SIGKILL at once for too many processes.
#[derive(Debug)]
pub(super) struct Ladder {
    verdict: Verdict,
    next: Instant,
    look: Instant,
    processes: usize,
}

impl Ladder {
    /// For a script that starts now.
    pub(super) fn new(timeout: Duration, processes: usize) -> Self {
        let now = Instant::now();
        Self { verdict: Verdict::None, next: now + timeout.min(FAR), look: now + LOOK, processes }
    }

    /// How long nothing has to be done, rounded up.
    pub(super) fn wait(&self) -> Duration {
        let left = self.next.min(self.look).saturating_duration_since(Instant::now());
        Duration::from_millis(u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
    }

    /// The signal to send now, if any. `family` finds the processes of the script that have parents elsewhere.
    pub(super) fn step(&mut self, family: impl FnOnce() -> Vec<i32>) -> Option<Signal> {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + GRACE;
            return Some(match self.verdict {
                Verdict::None => {
                    self.verdict = Verdict::Overran;
                    Signal::SIGTERM
                }
                Verdict::Overran | Verdict::TooMany(_) => Signal::SIGKILL,
            });
        }
        if now >= self.look {
            self.look = now + LOOK;
            if count_below(family(), self.processes) > self.processes {
                self.verdict = Verdict::TooMany(self.processes);
                self.next = now + GRACE;
                return Some(Signal::SIGKILL);
            }
        }
        None
    }

    /// Why the script was ended.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// The error of a job that a signal ended which we did not send.
pub(super) fn killed(signal: Signal) -> JobError {
    let limit = |what: &str| JobError::new(JobErrorKind::LimitExceeded, format!("the script {what}"));
    let error = if signal == Signal::SIGKILL {
        limit("was killed: most likely it used more memory than there is")
    } else if signal == Signal::SIGXCPU {
        limit("used more CPU time than it may")
    } else if signal == Signal::SIGXFSZ {
        limit("wrote a larger file than it may")
    } else {
        JobError::new(JobErrorKind::EngineCrash, format!("the script was ended by signal {signal}"))
    };
    JobError { signal: Some(signal as i32), ..error }
}

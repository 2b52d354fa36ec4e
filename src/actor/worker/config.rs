//! Settings of the queue loop, and how a loop ends.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Settings of a loop. Users set the numbers; the times are for tests.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Engine hosts.
    pub hosts: usize,
    /// Jobs written to one host at a time, the more the shorter they run; 1 when a slow job must not hold up others.
    pub ahead: RangeInclusive<usize>,
    /// Most jobs in flight, those in hosts included; the more the shorter they run.
    pub window: RangeInclusive<usize>,
    /// A job that runs longer is reported as started; the end of a shorter one says both.
    pub report_start_after: Duration,
    /// A job that runs longer holds up nobody: untouched ones go back.
    pub slow_after: Duration,
    /// One `take` waits this long for work.
    pub take_wait: Duration,
    /// The actor says this often that it is there.
    pub announce_every: Duration,
    /// The engine itself stops overlong scripts: it asks them to end (SIGTERM), and kills them this much later. A script
    /// that nobody wants any more is given the same time, and its host lives on. Zero for an engine that does neither.
    pub stop_grace: Duration,
}

impl WorkerConfig {
    /// One host, strictly first in, first out.
    pub fn one_after_another() -> Self {
        Self {
            hosts: 1,
            ahead: 16..=64,
            window: 16..=64,
            report_start_after: Duration::from_millis(5),
            slow_after: Duration::from_millis(50),
            take_wait: Duration::from_secs(5),
            announce_every: Duration::from_secs(3),
            stop_grace: Duration::ZERO,
        }
    }

    /// Several hosts with one job each.
    pub fn side_by_side(hosts: usize) -> Self {
        Self { hosts, ahead: 1..=1, window: hosts * 4..=hosts * 16, ..Self::one_after_another() }
    }
}

/// The end of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The loop was asked to end; everything taken was finished or released.
    Drained,
    /// The loop was asked to end, and ends of jobs could not be written. The queue reclaims the jobs when leases run out.
    Abandoned,
}

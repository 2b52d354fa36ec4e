//! One process as a state that knows when it changes next.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::adapters::log_ring::LogRing;
use crate::domain::model::actor::{ExitStatus, RestartMode};
use crate::ports::process_manager::{ProcessSpec, ProcessState};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Behaviour of a process after its start. By default it starts at once, runs until it is stopped, and exits with code 0 at
/// SIGTERM.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Time from the start until the health check passes; ignored without a health check.
    pub ready_after: Duration,
    /// Time from the start until the process ends by itself, and its exit status.
    pub ends: Option<(Duration, ExitStatus)>,
    /// Time from SIGTERM to the end; None ignores SIGTERM.
    pub term_after: Option<Duration>,
    /// Exit status after SIGTERM.
    pub term_exit: ExitStatus,
    /// True if the program cannot be executed.
    pub spawn_fails: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready_after: Duration::ZERO,
            ends: None,
            term_after: Some(Duration::ZERO),
            term_exit: ExitStatus::Code(0),
            spawn_fails: false,
        }
    }
}

/// Phase of a process, and since or until when it lasts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    Down { exit: Option<ExitStatus> },
    SpawnFailed,
    Starting { pid: u32, since: Instant },
    Running { pid: u32, since: Instant },
    Stopping { pid: u32, gone_at: Instant, exit: ExitStatus },
    Backoff { exit: ExitStatus, until: Instant },
}

impl Phase {
    pub(super) fn state(self) -> ProcessState {
        match self {
            Self::Down { exit } => ProcessState::Down { exit },
            Self::SpawnFailed => ProcessState::SpawnFailed,
            Self::Starting { pid, .. } => ProcessState::Starting { pid: Some(pid) },
            Self::Running { pid, .. } => ProcessState::Running { pid },
            Self::Stopping { pid, .. } => ProcessState::Stopping { pid: Some(pid) },
            Self::Backoff { exit, .. } => ProcessState::Backoff { exit },
        }
    }
}

/// Source of pids.
#[derive(Debug, Default)]
pub(super) struct Pids {
    last: u32,
}

impl Pids {
    fn next(&mut self) -> u32 {
        self.last += 1;
        100 + self.last
    }
}

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) spec: ProcessSpec,
    pub(super) phase: Phase,
    pub(super) detail: String,
    pub(super) logs: Arc<LogRing>,
    behaviour: Behaviour,
    failures: u32,
}

impl Process {
    pub(super) fn new(spec: ProcessSpec, behaviour: Behaviour) -> Self {
        let phase = Phase::Down { exit: None };
        Self { spec, phase, detail: String::new(), logs: Arc::default(), behaviour, failures: 0 }
    }

    /// Takes over the definition of a new start.
    pub(super) fn restarted_by_hand(&mut self, spec: ProcessSpec, behaviour: Behaviour) {
        self.spec = spec;
        self.behaviour = behaviour;
        self.failures = 0;
    }

    /// Starts the process at this moment.
    pub(super) fn spawn(&mut self, now: Instant, pids: &mut Pids) {
        self.detail.clear();
        self.phase = if self.behaviour.spawn_fails {
            self.detail = "the program could not be executed".to_owned();
            Phase::SpawnFailed
        } else if self.spec.health_check.is_some() {
            Phase::Starting { pid: pids.next(), since: now }
        } else {
            Phase::Running { pid: pids.next(), since: now }
        };
    }

    /// Applies the changes that were due until `now`.
    pub(super) fn settle(&mut self, now: Instant, pids: &mut Pids) {
        while let Some(at) = self.next_change().filter(|at| *at <= now) {
            self.change(at, pids);
        }
    }

    /// Time of the next change of state by itself.
    fn next_change(&self) -> Option<Instant> {
        let end = |since| self.behaviour.ends.map(|(after, _exit)| since + after);
        match self.phase {
            Phase::Down { .. } | Phase::SpawnFailed => None,
            Phase::Starting { since, .. } => {
                let checked = since + self.behaviour.ready_after.min(self.spec.start_timeout);
                Some(end(since).map_or(checked, |end| end.min(checked)))
            }
            Phase::Running { since, .. } => end(since),
            Phase::Stopping { gone_at, .. } => Some(gone_at),
            Phase::Backoff { until, .. } => Some(until),
        }
    }

    fn change(&mut self, at: Instant, pids: &mut Pids) {
        match self.phase {
            Phase::Down { .. } | Phase::SpawnFailed => {}
            Phase::Starting { pid, since } => match self.behaviour.ends {
                Some((after, exit)) if since + after <= at => self.ended(exit, since, at),
                Some(_) | None if self.behaviour.ready_after <= self.spec.start_timeout => {
                    self.phase = Phase::Running { pid, since };
                }
                Some(_) | None => self.ended(ExitStatus::Signal(SIGKILL), since, at),
            },
            Phase::Running { since, .. } => {
                if let Some((_after, exit)) = self.behaviour.ends {
                    self.ended(exit, since, at);
                }
            }
            Phase::Stopping { exit, .. } => {
                self.detail = "stopped".to_owned();
                self.phase = Phase::Down { exit: Some(exit) };
            }
            Phase::Backoff { .. } => self.spawn(at, pids),
        }
    }

    fn ended(&mut self, exit: ExitStatus, since: Instant, at: Instant) {
        self.detail = format!("ended with {exit}");
        let restart = match self.spec.restart.mode {
            RestartMode::Always => true,
            RestartMode::OnFailure => exit != ExitStatus::Code(0),
            RestartMode::Never => false,
        };
        if !restart {
            self.phase = Phase::Down { exit: Some(exit) };
            return;
        }
        if at - since >= self.spec.restart.reset_after {
            self.failures = 0;
        }
        self.failures += 1;
        // No jitter: a test can say when it comes back. No pause of zero: settling would never end.
        let delay = self.spec.restart.backoff.delay(self.failures, 1.0).max(Duration::from_millis(1));
        self.phase = Phase::Backoff { exit, until: at + delay };
    }

    /// Ends the process at this moment, unasked. False when it does not run.
    pub(super) fn crash(&mut self, status: ExitStatus, now: Instant, pids: &mut Pids) -> bool {
        match self.phase {
            Phase::Starting { since, .. } | Phase::Running { since, .. } => self.ended(status, since, now),
            Phase::Stopping { pid, .. } => self.phase = Phase::Stopping { pid, gone_at: now, exit: status },
            Phase::Down { .. } | Phase::SpawnFailed | Phase::Backoff { .. } => return false,
        }
        self.settle(now, pids);
        true
    }

    /// Sends a signal at this moment. False when the process does not run.
    pub(super) fn signal(&mut self, signal: i32, now: Instant, pids: &mut Pids) -> bool {
        match self.phase {
            Phase::Down { .. } | Phase::SpawnFailed | Phase::Backoff { .. } => false,
            Phase::Starting { .. } | Phase::Running { .. } | Phase::Stopping { .. } => match signal {
                SIGTERM if self.behaviour.term_after.is_some() => {
                    self.crash(self.behaviour.term_exit, now, pids)
                }
                SIGKILL => self.crash(ExitStatus::Signal(SIGKILL), now, pids),
                _other => true,
            },
        }
    }

    /// Sends SIGTERM, with SIGKILL after the grace. Returns the time at which the process will have ended; None when it is down.
    pub(super) fn stop(&mut self, now: Instant, grace: Duration) -> Option<Instant> {
        match self.phase {
            Phase::Down { .. } | Phase::SpawnFailed => None,
            Phase::Backoff { exit, .. } => {
                self.phase = Phase::Down { exit: Some(exit) };
                None
            }
            Phase::Starting { pid, .. } | Phase::Running { pid, .. } => {
                let (gone_at, exit) = match self.behaviour.term_after {
                    Some(after) if after <= grace => (now + after, self.behaviour.term_exit),
                    Some(_) | None => (now + grace, ExitStatus::Signal(SIGKILL)),
                };
                self.phase = Phase::Stopping { pid, gone_at, exit };
                Some(gone_at)
            }
            Phase::Stopping { pid, gone_at, .. } => {
                if now + grace >= gone_at {
                    return Some(gone_at);
                }
                let gone_at = now + grace;
                self.phase = Phase::Stopping { pid, gone_at, exit: ExitStatus::Signal(SIGKILL) };
                Some(gone_at)
            }
        }
    }
}

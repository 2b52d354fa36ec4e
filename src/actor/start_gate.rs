//! Decides which jobs of an engine host start, between the thread that runs scripts and the one that listens to the actor.

use std::sync::MutexGuard;

use crate::lock::Lock;

/// The state of one host. Jobs have numbers that count up, and start in their order.
#[derive(Debug, Default)]
pub(crate) struct StartGate(Lock<State>);

/// The decision about the start of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The script may start.
    Go,
    /// The job was called back, or is behind one that came too late: nothing is reported about it.
    CalledBack,
    /// The job came too late, which is reported to the actor.
    Stale,
}

#[derive(Debug, Default)]
struct State {
    /// The job that was started last; 0 for none.
    started: u64,
    /// The last job that must not start any more.
    called_back: u64,
    /// A job came too late; nothing starts until the jobs are called back.
    is_stale: bool,
}

impl StartGate {
    /// Decides about the start of a job. `is_late` says that its latest start has passed.
    pub(crate) fn start(&self, seq: u64, is_late: bool) -> Start {
        let state = &mut *self.state();
        if seq <= state.called_back || state.is_stale {
            return Start::CalledBack;
        }
        state.is_stale = is_late;
        if is_late {
            return Start::Stale;
        }
        state.started = seq;
        Start::Go
    }

    /// Calls back all jobs up to `upto` and returns the one that was started last. Every job behind that one, up to
    /// `upto`, is never started from now on; every job before has been started.
    pub(crate) fn call_back(&self, upto: u64) -> u64 {
        let state = &mut *self.state();
        state.called_back = state.called_back.max(upto);
        // The actor writes no other job before it has the answer, so all that are in the socket are called back.
        state.is_stale = false;
        state.started
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nothing_starts_behind_a_job_that_came_too_late_before_all_are_called_back() {
        let gate = StartGate::default();
        assert_eq!(gate.start(1, false), Start::Go);
        assert_eq!(gate.start(2, true), Start::Stale);
        assert_eq!(gate.start(3, false), Start::CalledBack, "the order of jobs would be lost");
        assert_eq!(gate.call_back(4), 1);
        assert_eq!(gate.start(4, false), Start::CalledBack);
        assert_eq!(gate.start(5, false), Start::Go);
    }

    #[test]
    fn what_is_called_back_is_not_started_and_not_said_to_be() {
        let gate = StartGate::default();
        assert_eq!(gate.start(1, false), Start::Go);
        assert_eq!(gate.call_back(3), 1);
        assert_eq!(gate.start(2, false), Start::CalledBack);
        assert_eq!(gate.call_back(3), 1, "the second one was passed over, not started");
        assert_eq!(gate.start(3, true), Start::CalledBack);
        assert_eq!(gate.start(4, false), Start::Go);
        assert_eq!(gate.call_back(3), 4);
        assert_eq!(gate.start(5, false), Start::Go);
    }

    /// An answer is true at any moment: the jobs that it names were started, and none behind them was or will be.
    #[test]
    fn an_answer_is_true_at_any_moment() {
        for round in 0..200_u64 {
            let gate = Arc::new(StartGate::default());
            let scripts = std::thread::spawn({
                let gate = Arc::clone(&gate);
                move || (1..=64).filter(|seq| gate.start(*seq, false) == Start::Go).collect::<Vec<u64>>()
            });
            for _spin in 0..round {
                std::hint::spin_loop();
            }
            let last = gate.call_back(64);
            assert_eq!(scripts.join().unwrap(), (1..=last).collect::<Vec<u64>>());
        }
    }
}

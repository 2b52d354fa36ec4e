//! Which jobs of an engine host may start: decided by the thread that runs scripts and the one that hears the actor.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state of one host. Jobs have numbers that count up, and start in their order.
#[derive(Debug, Default)]
pub(crate) struct StartGate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The job that was started last; 0 for none.
    started: u64,
    /// The last job that must not start any more.
    called_back: u64,
}

impl StartGate {
    /// Starts a job; false when it was called back.
    pub(crate) fn start(&self, seq: u64) -> bool {
        let state = &mut *self.state();
        let may_start = seq > state.called_back;
        if may_start {
            state.started = seq;
        }
        may_start
    }

    /// Calls back all jobs up to `upto` and answers with the one that was started last. Every job behind that one, up to
    /// `upto`, is never started from now on; every job before has been started.
    pub(crate) fn call_back(&self, upto: u64) -> u64 {
        let state = &mut *self.state();
        state.called_back = state.called_back.max(upto);
        state.started
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_called_back_is_not_started_and_not_said_to_be() {
        let gate = StartGate::default();
        assert!(gate.start(1));
        assert_eq!(gate.call_back(3), 1);
        assert!(!gate.start(2));
        assert_eq!(gate.call_back(3), 1, "the second one was passed over, not started");
        assert!(!gate.start(3));
        assert!(gate.start(4));
        assert_eq!(gate.call_back(3), 4);
        assert!(gate.start(5));
    }

    /// Whenever the word comes: what the answer names has been started, all behind it has not and will not be.
    #[test]
    fn an_answer_is_true_at_any_moment() {
        for round in 0..200_u64 {
            let gate = Arc::new(StartGate::default());
            let scripts = std::thread::spawn({
                let gate = Arc::clone(&gate);
                move || (1..=64).filter(|seq| gate.start(*seq)).collect::<Vec<u64>>()
            });
            for _spin in 0..round {
                std::hint::spin_loop();
            }
            let last = gate.call_back(64);
            assert_eq!(scripts.join().unwrap(), (1..=last).collect::<Vec<u64>>());
        }
    }
}

//! The host's half of calls from a script's engine to its actor.
//!
//! A host knows no address and no secret, so what a script stores is stored by the actor. The host writes a call on the
//! control socket and waits for the answer; calls are made one at a time, by the thread that runs scripts. For which
//! context a call is made is not the host's to say: the actor knows which job it gave to it.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use crate::actor::frame::{FromHost, encode_from_host};
use crate::lock::Lock;

/// Answers that can be on their way; all but the newest came too late for those who asked.
const LATE_ANSWERS: usize = 4;

/// Answers the calls of engine hosts, in the actor.
#[async_trait]
pub trait CallHandler: Send + Sync {
    /// Does what `call` says for this context. Never fails: what went wrong is part of the answer.
    async fn answer(&self, context_id: &str, call: &[u8]) -> Vec<u8>;
}

/// Reason for which a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailed {
    /// The actor did not answer in time.
    #[error("there was no answer within {0:?}")]
    Late(Duration),
    /// The actor is gone; so is this process, soon.
    #[error("the actor is gone")]
    Gone,
}

/// Makes calls to the actor.
#[derive(Clone)]
pub struct Caller {
    control: ControlSocket,
    state: Arc<Lock<State>>,
}

struct State {
    seq: u64,
    number: u64,
    answers: Receiver<(u64, Vec<u8>)>,
}

/// Takes answers to where they are waited for.
pub(crate) struct ReplySender(SyncSender<(u64, Vec<u8>)>);

impl Caller {
    /// A caller that writes to this socket, and the way for the answers that are read from it.
    pub(crate) fn new(control: ControlSocket) -> (Self, ReplySender) {
        let (sender, answers) = sync_channel(LATE_ANSWERS);
        let state = Arc::new(Lock::new(State { seq: 0, number: 0, answers }));
        (Self { control, state }, ReplySender(sender))
    }

    /// Sets the job for which calls are made from now on.
    pub(crate) fn begin(&self, seq: u64) {
        self.state().seq = seq;
    }

    /// Asks the actor, and waits for its answer no longer than `time_limit`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn call(&self, call: &[u8], time_limit: Duration) -> Result<Vec<u8>, CallFailed> {
        let mut state = self.state();
        state.number += 1;
        let number = state.number;
        self.control
            .say(&FromHost::Call { call: number, seq: state.seq, body: call })
            .map_err(|_| CallFailed::Gone)?;
        loop {
            match state.answers.recv_timeout(time_limit) {
                Ok((answered, body)) if answered == number => return Ok(body),
                // An answer that somebody has waited for in vain.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err(CallFailed::Late(time_limit)),
                Err(RecvTimeoutError::Disconnected) => return Err(CallFailed::Gone),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl ReplySender {
    /// Hands an answer over.
    pub(crate) fn take(&self, call: u64, body: &[u8]) {
        match self.0.try_send((call, body.to_vec())) {
            // Nobody is waiting, so nobody misses it.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

/// The writing half of the control socket, used by both threads of a host.
#[derive(Clone)]
pub(crate) struct ControlSocket(Arc<Lock<UnixStream>>);

impl ControlSocket {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self(Arc::new(Lock::new(socket)))
    }

    /// Writes one frame.
    pub(crate) fn say(&self, frame: &FromHost<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode_from_host(&mut bytes, frame);
        self.0.lock().write_all(&bytes)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_answer_that_came_too_late_is_not_taken_for_the_next() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (caller, answered) = Caller::new(ControlSocket::new(ours));
        caller.begin(7);
        let moment = Duration::from_millis(10);
        assert_eq!(caller.call(b"one", moment), Err(CallFailed::Late(moment)));
        answered.take(1, b"late");
        answered.take(2, b"in time");
        assert_eq!(caller.call(b"two", Duration::from_secs(5)), Ok(b"in time".to_vec()));
        for number in 3..20 {
            answered.take(number, b"never asked for");
        }
        drop(answered);
        drop(caller);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).unwrap();
        assert!(sent.ends_with(b"two"));
    }
}

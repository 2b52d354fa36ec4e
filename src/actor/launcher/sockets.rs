//! The two sockets to a host, and what waits to be written to them or was not understood yet.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use crate::actor::frame::{Malformed, decode_reply, first_frame};
use crate::actor::hosts::Reply;
use crate::lock::Lock;

/// Jobs whose context is remembered for the calls of their scripts; more than a host has at a time.
const CONTEXTS: usize = 64;

/// The sockets to a host, used by its owner and by its watcher.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) jobs: UnixStream,
    pub(super) control: UnixStream,
    pub(super) out: Lock<Out>,
    pub(super) wake: Notify,
    /// Set before the process is reaped.
    pub(super) reaped: AtomicBool,
    /// True if scripts start processes, which can stop the host by a signal.
    pub(super) starts_processes: bool,
    /// The context of each of the last jobs.
    pub(super) contexts: Lock<VecDeque<(u64, String)>>,
}

/// Bytes that could not be written yet.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) jobs: Vec<u8>,
    pub(super) control: Vec<u8>,
}

impl Link {
    /// Lets a host go on that a script has stopped at its end (`kill -STOP`): the next job does not pay for that.
    pub(super) fn resume(&self, host: Pid) {
        if self.starts_processes
            && !self.reaped.load(Ordering::SeqCst)
            && let Err(error) = kill(host, Signal::SIGCONT)
        {
            tracing::debug!(%host, %error, "engine host: has just ended");
        }
    }

    pub(super) fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock()
    }

    pub(super) fn contexts(&self) -> MutexGuard<'_, VecDeque<(u64, String)>> {
        self.contexts.lock()
    }

    pub(super) fn remember(&self, seq: u64, context_id: &str) {
        let mut contexts = self.contexts();
        contexts.truncate(CONTEXTS - 1);
        contexts.push_front((seq, context_id.to_owned()));
    }

    pub(super) fn context_of(&self, seq: u64) -> Option<String> {
        let contexts = self.contexts();
        contexts.iter().find(|(known, _)| *known == seq).map(|(_, context_id)| context_id.clone())
    }

    /// Writes what the sockets take; false when something is left.
    pub(super) fn write(&self) -> bool {
        let out = &mut *self.out();
        let control = write_some(&self.control, &mut out.control);
        write_some(&self.jobs, &mut out.jobs) && control
    }

    pub(super) fn interest(&self) -> (Interest, Interest) {
        let out = self.out();
        let interest = |left: &Vec<u8>| match left.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        (interest(&out.jobs), interest(&out.control))
    }
}

fn write_some(socket: &UnixStream, left: &mut Vec<u8>) -> bool {
    let mut written = 0;
    while let Some(rest) = left.get(written..).filter(|rest| !rest.is_empty()) {
        match socket.try_write(rest) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // The host is gone; its watcher will say so.
            Err(_) => written = left.len(),
        }
    }
    left.drain(..written);
    left.is_empty()
}

/// Bytes that came and are not understood yet.
#[derive(Default)]
pub(super) struct Inbound {
    pub(super) bytes: Vec<u8>,
}

impl Inbound {
    /// Reads what is there; false at the end of the stream.
    pub(super) fn read(&mut self, socket: &UnixStream) -> io::Result<bool> {
        /// Room for each read.
        const CHUNK: usize = 32 * 1024;
        loop {
            self.bytes.reserve(CHUNK);
            match socket.try_read_buf(&mut self.bytes) {
                Ok(0) => return Ok(false),
                // A short read has emptied the socket.
                Ok(count) if count < CHUNK => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                // A host that is killed with jobs in its socket resets the connection.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn replies(&mut self) -> Result<Vec<Reply>, Malformed> {
        let mut replies = Vec::new();
        let mut used = 0;
        while let Some((body, length)) = first_frame(self.bytes.get(used..).unwrap_or_default())? {
            replies.push(decode_reply(body)?);
            used += length;
        }
        self.bytes.drain(..used);
        Ok(replies)
    }
}

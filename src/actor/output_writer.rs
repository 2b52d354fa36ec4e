//! Sends the output of scripts from an engine host to the actor.
//!
//! Lines go out in batches: 64 of them, or what came within 50 ms, or with the end of the job in one write. A job that
//! says nothing costs nothing. A script that writes faster than anybody could read is cut down to its first
//! [`burst`](OutputWriter::new), then to some lines of each half second, the latest ones; numbers tell what was left out.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::engines::Sink;
use crate::actor::frame::encode_reply;
use crate::actor::hosts::{HostOutput, Reply};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::{OutputItem, bounded_progress, line_pieces};
use crate::lock::Lock;

/// Time for which output waits for more.
const WAIT: Duration = Duration::from_millis(50);
/// Items that are sent without waiting for more.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 * 1024;
/// Bytes that a script may write each second once its burst is used up.
const RATE: f64 = 64.0 * 1024.0;
/// Bytes that each line costs beside its text.
const LINE: usize = 32;
/// The latest lines of a script that writes too fast.
const LATEST: usize = 100;
const LATEST_BYTES: usize = 32 * 1024;

/// The sink of an engine host, and its way to the actor.
pub(crate) struct OutputWriter {
    state: Lock<State>,
    wake: Condvar,
}

struct State {
    out: UnixStream,
    frame: Vec<u8>,
    seq: u64,
    number: u64,
    /// Items to be sent.
    items: Vec<(Instant, u64, OutputItem)>,
    bytes: usize,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
    /// Newest items that have no tokens left, without those that are left out.
    latest: VecDeque<(Instant, u64, OutputItem)>,
    latest_bytes: usize,
    /// The helper sleeps until it is woken.
    held_back: bool,
}

impl OutputWriter {
    /// A way to the actor; a script may write `burst` bytes at any speed. Starts the helper thread.
    pub(crate) fn start(out: UnixStream, burst: usize) -> io::Result<Arc<Self>> {
        let burst = burst as f64;
        let output_writer = Arc::new(Self {
            state: Lock::new(State {
                out,
                frame: Vec::with_capacity(4096),
                seq: 0,
                number: 0,
                items: Vec::new(),
                bytes: 0,
                burst,
                tokens: burst,
                filled_at: Instant::now(),
                latest: VecDeque::new(),
                latest_bytes: 0,
                held_back: false,
            }),
            wake: Condvar::new(),
        });
        let helper = Arc::clone(&output_writer);
        std::thread::Builder::new()
            .name("output".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || helper.send_in_time())?;
        // The thread takes its memory before the limit for scripts is set.
        let mut state = output_writer.state();
        while !state.held_back {
            state = output_writer.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        Ok(output_writer)
    }

    /// A job starts.
    pub(crate) fn begin(&self, seq: u64) {
        let state = &mut *self.state();
        state.seq = seq;
        state.number = 0;
        state.tokens = state.burst;
    }

    /// Sends a reply, and before it all output that is not sent yet.
    pub(crate) fn reply(&self, reply: &Reply) -> io::Result<()> {
        let state = &mut *self.state();
        state.take_latest();
        state.encode_items();
        encode_reply(&mut state.frame, reply);
        state.send()
    }

    fn add(&self, item: OutputItem) {
        let state = &mut *self.state();
        state.add(item);
        if state.held_back && !(state.items.is_empty() && state.latest.is_empty()) {
            state.held_back = false;
            self.wake.notify_all();
        }
    }

    /// The helper: sends what has waited for long enough.
    fn send_in_time(&self) {
        // So that the allocator's share of this thread is there from now on.
        drop(std::hint::black_box(Vec::<u8>::with_capacity(4096)));
        let mut state = self.state();
        loop {
            if state.items.is_empty() && state.latest.is_empty() {
                state.held_back = true;
                self.wake.notify_all();
                while state.held_back {
                    state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
            let (waited, _timed_out) =
                self.wake.wait_timeout(state, WAIT).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            state.refill();
            if state.flush().is_err() {
                // The actor is gone; this process ends as soon as the other threads notice.
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Sink for OutputWriter {
    fn line(&self, stream: LogStream, text: &str) {
        for text in line_pieces(text) {
            self.add(OutputItem::Line { stream, text: text.to_owned() });
        }
    }

    fn progress(&self, percent: Option<f64>, message: &str) {
        self.add(bounded_progress(percent, message));
    }
}

impl State {
    fn add(&mut self, item: OutputItem) {
        let now = Instant::now();
        let cost = item.len() + LINE;
        let room = self.latest.is_empty() && self.tokens >= cost as f64;
        // Of several in a row only the last progress says anything.
        let last = if room { self.items.last_mut() } else { self.latest.back_mut() };
        if let Some(last) = last.filter(|(_, _, last)| last.is_progress() && item.is_progress()) {
            (last.0, last.2) = (now, item);
            return;
        }
        self.number += 1;
        if room {
            self.tokens -= cost as f64;
            self.bytes += cost;
            self.items.push((now, self.number, item));
            if self.items.len() >= BATCH || self.bytes >= BATCH_BYTES {
                // If the actor is gone, the end of the job will find out.
                drop(self.flush());
            }
            return;
        }
        self.latest_bytes += cost;
        self.latest.push_back((now, self.number, item));
        while self.latest.len() > LATEST || (self.latest_bytes > LATEST_BYTES && self.latest.len() > 1) {
            let Some((_, _, item)) = self.latest.pop_front() else { break };
            self.latest_bytes -= item.len() + LINE;
        }
    }

    fn refill(&mut self) {
        let now = Instant::now();
        let filled = now.saturating_duration_since(self.filled_at).as_secs_f64() * RATE;
        self.filled_at = now;
        self.tokens = (self.tokens + filled).min(self.burst);
        if !self.latest.is_empty() && self.tokens >= self.latest_bytes.max(LATEST_BYTES) as f64 {
            self.tokens -= self.latest_bytes as f64;
            self.take_latest();
        }
    }

    fn take_latest(&mut self) {
        self.bytes += std::mem::take(&mut self.latest_bytes);
        self.items.extend(self.latest.drain(..));
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.items.is_empty() {
            return Ok(());
        }
        self.encode_items();
        self.send()
    }

    fn encode_items(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let now = Instant::now();
        self.bytes = 0;
        let items = self.items.drain(..).map(|(at, number, item)| {
            let ago = now.saturating_duration_since(at);
            HostOutput { number, ago, item }
        });
        let output = Reply::Output { seq: self.seq, output: items.collect() };
        encode_reply(&mut self.frame, &output);
    }

    /// Writes what was encoded.
    fn send(&mut self) -> io::Result<()> {
        /// Room that is kept for the next one.
        const KEPT: usize = 256 * 1024;
        let sent = self.out.write_all(&self.frame);
        self.frame.clear();
        self.frame.shrink_to(KEPT);
        sent
    }
}

#[cfg(test)]
mod tests;

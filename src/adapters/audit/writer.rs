//! The side of the disk: one task owns the file. All lines that wait are written at once; the disk is synced each second.
//!
//! A line is on its way to the disk before its call is let through: it outlives the supervisor, also one that is killed. A
//! power failure can take the last second; syncing each line would cost a call some milliseconds.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::counts::Counts;
use super::file::AuditFile;
use super::line::{Content, LineKind, Note};
use crate::ports::clock::Clock;
use crate::telemetry::metrics::{AUDIT_LINES, AUDIT_UP};

/// Interval of syncs, and of attempts to write again after a fault.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most lines of one write.
const MOST_AT_ONCE: usize = 1024;
/// Most lines that are kept while the log cannot be written.
const MOST_KEPT: usize = 65_536;

/// Called with the fault when the log can no longer be written, and with none when it can again.
pub type OnState = Box<dyn Fn(Result<(), &str>) + Send>;

/// A line to be written.
pub(super) struct Item {
    pub(super) content: Content,
    /// Reply to the call that waits for the line.
    pub(super) reply: Option<oneshot::Sender<Result<(), String>>>,
}

/// The ends of the channel and the counters that a writer shares with callers.
pub(super) struct WriterInput {
    pub(super) lines: mpsc::Receiver<Item>,
    pub(super) counts: Arc<Counts>,
    pub(super) enforced: bool,
}

/// The task that owns the file.
pub struct AuditWriter {
    lines: mpsc::Receiver<Item>,
    /// State of the writer; None while a thread for blocking work has it.
    state: Option<Box<State>>,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

struct State {
    file: AuditFile,
    counts: Arc<Counts>,
    enforced: bool,
    clock: Arc<dyn Clock>,
    on_state: OnState,
    /// Lines of calls that have ended, for a disk that can be written again.
    kept: VecDeque<Content>,
    /// Reason for which the log cannot be written.
    fault: Option<String>,
    /// A sync has failed, so nothing is believed before one succeeds.
    needs_sync: bool,
    is_dirty: bool,
}

impl AuditWriter {
    pub(super) fn new(
        file: AuditFile,
        torn: Option<Note>,
        input: WriterInput,
        clock: Arc<dyn Clock>,
        on_state: OnState,
    ) -> Self {
        let WriterInput { lines, counts, enforced } = input;
        let opened = Note::Opened { version: env!("CARGO_PKG_VERSION") };
        tracing::info!(head = %file.head(), "audit log: {} goes on (head {})", file.path().display(), file.head());
        if let Some(Note::TornLine { bytes, kept_in }) = &torn {
            tracing::warn!("audit log: its end was torn ({bytes} bytes, kept in {kept_in})");
        }
        gauge!(AUDIT_UP).set(1.0);
        let mut state = State {
            file,
            counts,
            enforced,
            clock,
            on_state,
            kept: VecDeque::new(),
            fault: None,
            needs_sync: false,
            is_dirty: false,
        };
        let notes = torn.into_iter().chain([opened]).map(|note| state.note(note)).collect::<Vec<_>>();
        state.kept.extend(notes);
        Self { lines, state: Some(Box::new(state)), syncing: None }
    }

    /// Writes until `closing`, and the lines that were handed over by then. Returns after the last sync.
    pub async fn run(mut self, closing: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_open = true;
        while self.state.is_some() {
            let mut batch = Vec::new();
            tokio::select! {
                count = self.lines.recv_many(&mut batch, MOST_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    self.blocking(move |state| state.write(batch)).await;
                }
                _ = ticks.tick() => self.maintain().await,
                synced = ended(&mut self.syncing) => {
                    self.syncing = None;
                    self.blocking(move |state| state.synced(synced)).await;
                }
                () = closing.cancelled(), if is_open => {
                    is_open = false;
                    self.lines.close();
                }
            }
        }
        if let Some(syncing) = self.syncing.take() {
            let _synced_again_below = syncing.await;
        }
        self.blocking(State::close).await;
    }

    /// Does blocking work with the file.
    async fn blocking(&mut self, work: impl FnOnce(&mut State) + Send + 'static) {
        let Some(mut state) = self.state.take() else { return };
        let done = spawn_blocking(move || {
            work(&mut state);
            state
        });
        match done.await {
            Ok(state) => self.state = Some(state),
            Err(error) => {
                gauge!(AUDIT_UP).set(0.0);
                tracing::error!(%error, "audit log: its writer has ended ({error})");
            }
        }
    }

    async fn maintain(&mut self) {
        self.blocking(State::maintain).await;
        let Some(state) = self.state.as_mut().filter(|state| state.is_dirty && self.syncing.is_none()) else {
            return;
        };
        match state.file.handle() {
            Ok(handle) => {
                state.is_dirty = false;
                self.syncing = Some(spawn_blocking(move || handle.sync_data()));
            }
            Err(error) => state.failed(&error),
        }
    }
}

/// Waits for a sync; for ever without one.
async fn ended(syncing: &mut Option<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match syncing {
        Some(handle) => handle.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked))),
        None => std::future::pending().await,
    }
}

impl State {
    /// Writes lines, and replies to the calls that wait for them.
    fn write(&mut self, batch: Vec<Item>) {
        let (lines, replies): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|Item { content, reply }| (content, reply)).unzip();
        let written = self.restore().and_then(|()| self.append(&lines));
        if let Err(error) = &written {
            self.failed(error);
        }
        for (line, reply) in lines.into_iter().zip(replies) {
            match (&written, reply) {
                (Ok(()), None) => {}
                // Whoever has left has its end noted.
                (Ok(()), Some(reply)) => drop(reply.send(Ok(()))),
                (Err(error), Some(reply)) => {
                    self.counts.refuse();
                    drop(reply.send(Err(error.to_string())));
                }
                (Err(_), None) => self.keep(line),
            }
        }
    }

    fn append(&mut self, lines: &[Content]) -> io::Result<()> {
        self.file.append(lines)?;
        self.is_dirty = true;
        counter!(AUDIT_LINES).increment(lines.len() as u64);
        Ok(())
    }

    /// Keeps a line for later, where changes are refused in the meantime; otherwise the line is lost.
    fn keep(&mut self, line: Content) {
        if self.enforced && self.kept.len() < MOST_KEPT {
            self.kept.push_back(line);
        } else {
            self.counts.lose();
        }
    }

    /// Writes the lines that were kept, and a note about those that were lost.
    fn restore(&mut self) -> io::Result<()> {
        if self.needs_sync {
            self.file.sync()?;
            self.needs_sync = false;
        }
        if self.fault.is_some() {
            self.file.reopen_if_moved()?;
            self.file.reserve()?;
        }
        while !self.kept.is_empty() {
            let chunk = self.kept.len().min(MOST_AT_ONCE);
            let lines: Vec<Content> = self.kept.range(..chunk).cloned().collect();
            self.append(&lines)?;
            self.kept.drain(..chunk);
        }
        let lost = self.counts.lost.load(Ordering::Relaxed);
        if self.fault.is_none() && lost == 0 {
            return Ok(());
        }
        let refused = self.counts.refused.load(Ordering::Relaxed);
        let cause = self.fault.clone().unwrap_or_else(|| "too many lines waited to be written".to_owned());
        let note = self.note(Note::Recovered { lost, refused, cause });
        self.append(&[note])?;
        self.counts.lost.fetch_sub(lost, Ordering::Relaxed);
        self.counts.refused.fetch_sub(refused, Ordering::Relaxed);
        if self.fault.take().is_some() {
            gauge!(AUDIT_UP).set(1.0);
            tracing::info!("audit log: written again ({lost} lines lost, {refused} changes refused)");
            (self.on_state)(Ok(()));
        }
        Ok(())
    }

    /// Tries to write again after a fault.
    fn maintain(&mut self) {
        if let Err(error) = self.file.reopen_if_moved().and_then(|()| self.restore()) {
            self.failed(&error);
        }
    }

    fn synced(&mut self, synced: io::Result<()>) {
        if let Err(error) = synced {
            self.needs_sync = true;
            self.failed(&error);
        }
    }

    /// Reports a fault once.
    fn failed(&mut self, error: &io::Error) {
        gauge!(AUDIT_UP).set(0.0);
        let cause = error.to_string();
        if self.fault.is_none() {
            let follows = if self.enforced { "changes are refused" } else { "lines are lost" };
            tracing::error!(
                "audit log: {} cannot be written, {follows} ({cause})",
                self.file.path().display()
            );
            (self.on_state)(Err(&cause));
        }
        self.fault = Some(cause);
    }

    /// Writes the last line.
    fn close(&mut self) {
        let closed = self.note(Note::Closed);
        let written = self.restore().and_then(|()| self.append(&[closed])).and_then(|()| self.file.sync());
        match written {
            Ok(()) => {
                tracing::info!(head = %self.file.head(), "audit log: closed (head {})", self.file.head())
            }
            Err(error) => {
                let lost = self.kept.len();
                tracing::error!("audit log: not closed, {lost} lines are lost ({error})");
            }
        }
    }

    fn note(&self, note: Note) -> Content {
        Content { at: self.clock.now(), kind: LineKind::Note(note) }
    }
}

impl std::fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditWriter").finish_non_exhaustive()
    }
}

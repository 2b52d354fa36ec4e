//! The side of the callers: lines are handed to the writer, and waited for where the log is enforced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::counts::Counts;
use super::file::{AuditError, AuditFile};
use super::flood::Flood;
use super::line::{Content, LineKind};
use super::options::AuditOptions;
use super::writer::{AuditWriter, Item, OnState, WriterInput};
use crate::ports::audit::{AuditEntry, AuditLog, AuditedCall, AuditedEnd, NotNoted};
use crate::ports::clock::Clock;

/// Lines that may wait. A call has room for its second line from the first one on, so this bounds the calls under way as well.
const QUEUE: usize = 65_536;
/// Longest wait for a line to be written: a disk that hangs is one that is full.
const LIMIT: Duration = Duration::from_secs(2);

/// The audit log, as callers have it.
pub struct Audit {
    queue: mpsc::Sender<Item>,
    clock: Arc<dyn Clock>,
    enforced: bool,
    reads: bool,
    counts: Arc<Counts>,
    /// Bound of refusals of callers with an identity.
    known: Flood,
    /// Bound of refusals of the other callers.
    unknown: Flood,
    numbers: AtomicU64,
}

impl Audit {
    /// Opens the log. `on_state` is called when it can no longer be written, and when it can again.
    ///
    /// # Errors
    /// A file that cannot be opened, that another supervisor writes, or that is no audit log.
    pub fn open(
        options: &AuditOptions,
        clock: Arc<dyn Clock>,
        on_state: OnState,
    ) -> Result<(Self, AuditWriter), AuditError> {
        let (file, note) = AuditFile::open(options)?;
        let (queue, lines) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::begin());
        let input = WriterInput { lines, counts: Arc::clone(&counts), enforced: options.enforced };
        let writer = AuditWriter::new(file, note, input, Arc::clone(&clock), on_state);
        let audit = Self {
            queue,
            clock,
            enforced: options.enforced,
            reads: options.reads,
            counts,
            known: Flood::default(),
            unknown: Flood::default(),
            numbers: AtomicU64::new(0),
        };
        Ok((audit, writer))
    }

    fn content(&self, kind: LineKind) -> Content {
        Content { at: self.clock.now(), kind }
    }
}

#[async_trait]
impl AuditLog for Audit {
    fn notes_reads(&self) -> bool {
        self.reads
    }

    async fn received(&self, call: Arc<AuditedCall>) -> Result<Box<dyn AuditEntry>, NotNoted> {
        let must = self.enforced && call.changes;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let content = self.content(LineKind::Received { number, call: Arc::clone(&call) });
        let (reply, answer) = oneshot::channel();
        let item = Item { content, reply: must.then_some(reply) };
        // Room for both lines, or for none.
        let room = self.queue.clone().try_reserve_owned().ok().filter(|_| self.queue.try_send(item).is_ok());
        let Some(room) = room else {
            self.counts.lose();
            if must {
                self.counts.refuse();
                return Err(NotNoted("too many lines wait to be written".to_owned()));
            }
            return Ok(Box::new(Unnoted));
        };
        let mut entry =
            Entry { number, call, room: Some(room), clock: Arc::clone(&self.clock), begun: Instant::now() };
        if must {
            match timeout(LIMIT, answer).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(cause))) => {
                    entry.room = None;
                    return Err(NotNoted(cause));
                }
                Ok(Err(_ended)) => {
                    entry.room = None;
                    return Err(NotNoted("its writer has ended".to_owned()));
                }
                Err(_elapsed) => {
                    self.counts.refuse();
                    // The line may be written yet, so it gets its end.
                    entry.end(entry.cut_short("UNAVAILABLE", Some("AUDIT_UNAVAILABLE")));
                    return Err(NotNoted(format!("the disk has not answered within {LIMIT:?}")));
                }
            }
        }
        Ok(Box::new(entry))
    }

    fn refused(&self, call: &Arc<AuditedCall>, end: AuditedEnd) {
        let flood = if call.identity.is_some() { &self.known } else { &self.unknown };
        let Some(suppressed) = flood.take(Instant::now()) else { return };
        let content = self.content(LineKind::Refused { call: Arc::clone(call), end, suppressed });
        if self.queue.try_send(Item { content, reply: None }).is_err() {
            self.counts.lose();
        }
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("enforced", &self.enforced).finish_non_exhaustive()
    }
}

/// A call whose first line is lost; its end is not noted either.
struct Unnoted;

impl AuditEntry for Unnoted {
    fn done(self: Box<Self>, _end: AuditedEnd) {}
}

/// A call that was noted. Dropped without an end, it has been given up by its caller.
struct Entry {
    number: u64,
    call: Arc<AuditedCall>,
    /// Room for the second line; None once it is sent.
    room: Option<mpsc::OwnedPermit<Item>>,
    clock: Arc<dyn Clock>,
    begun: Instant,
}

impl Entry {
    fn end(&mut self, end: AuditedEnd) {
        let Some(room) = self.room.take() else { return };
        let kind = LineKind::Done { number: self.number, call: Arc::clone(&self.call), end };
        let content = Content { at: self.clock.now(), kind };
        let _sender = room.send(Item { content, reply: None });
    }

    fn cut_short(&self, code: &'static str, reason: Option<&str>) -> AuditedEnd {
        let (reason, took) = (reason.map(str::to_owned), self.begun.elapsed());
        AuditedEnd { code, reason, cause: None, job_ids: Vec::new(), took }
    }
}

impl AuditEntry for Entry {
    fn done(mut self: Box<Self>, end: AuditedEnd) {
        self.end(end);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let end = self.cut_short("CANCELLED", None);
        self.end(end);
    }
}

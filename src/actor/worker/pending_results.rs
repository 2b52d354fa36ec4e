//! Ends of attempts that the queue has not taken yet: kept until it takes them, or says that their lease is void.
//!
//! Results that have gathered are written by one call, one call after another. A call that the queue refuses for one of
//! its ends costs the others nothing: after a refusal each of them is written alone.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::domain::model::backoff::Backoff;
use crate::ports::work_queue::{AttemptEnd, Lease};

/// Ends in one call: enough to make the round trip cheap, few enough not to keep the queue busy for long.
const BATCH: usize = 64;
/// Delays between calls that fail.
const RETRY: Backoff = Backoff::of_millis(20, 1_000);

/// Ends that are to be written, and when.
pub(super) struct PendingResults {
    waiting: VecDeque<Pending>,
    /// Results in the call that is under way.
    sent: Vec<Pending>,
    bytes: usize,
    /// Number of waiting ends that were refused.
    refused: usize,
    /// Calls that have failed in a row.
    failures: u32,
    retry_at: Instant,
    /// Nothing was taken since; none while ends are taken.
    stuck_since: Option<Instant>,
}

struct Pending {
    end: AttemptEnd,
    /// True for a result that was in a call with an unknown outcome.
    repeated: bool,
    /// The queue has refused a call with it, so it is written alone.
    refused: bool,
    not_before: Instant,
}

/// The fate of an end in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The queue has taken it.
    Written,
    /// The lease was void before.
    Void,
    /// An earlier call has written it, or its lease was void.
    WrittenOrVoid,
}

impl PendingResults {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            sent: Vec::new(),
            bytes: 0,
            refused: 0,
            failures: 0,
            retry_at: now,
            stuck_since: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.sent.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Bytes of results, errors and output that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the time since which the queue has taken none; None while it takes them.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.stuck_since
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.waiting.iter().chain(&self.sent).map(|pending| &pending.end.lease)
    }

    pub(super) fn push(&mut self, end: AttemptEnd, now: Instant) {
        self.bytes += size(&end);
        self.waiting.push_back(Pending { end, repeated: false, refused: false, not_before: now });
    }

    /// The ends of the next call, if it is time for one.
    pub(super) fn next_call(&mut self, now: Instant) -> Option<Vec<AttemptEnd>> {
        if !self.sent.is_empty() || now < self.retry_at {
            return None;
        }
        let first = self.waiting.iter().position(|pending| now >= pending.not_before)?;
        if self.waiting.get(first)?.refused {
            self.sent.extend(self.waiting.remove(first));
        } else if self.refused == 0 {
            self.sent.extend(self.waiting.drain(..BATCH.min(self.waiting.len())));
        } else {
            for pending in std::mem::take(&mut self.waiting) {
                match self.sent.len() < BATCH && !pending.refused {
                    true => self.sent.push(pending),
                    false => self.waiting.push_back(pending),
                }
            }
        }
        self.count_refused();
        Some(self.sent.iter().map(|pending| pending.end.clone()).collect())
    }

    /// The queue has answered the call: true for each end that it took.
    pub(super) fn answered(&mut self, accepted: &[bool]) -> Vec<(Lease, Fate)> {
        self.failures = 0;
        self.stuck_since = None;
        let sent = std::mem::take(&mut self.sent);
        let mut fates = Vec::with_capacity(sent.len());
        for (pending, accepted) in sent.into_iter().zip(accepted) {
            self.bytes = self.bytes.saturating_sub(size(&pending.end));
            let fate = match (accepted, pending.repeated) {
                (true, _) => Fate::Written,
                (false, false) => Fate::Void,
                (false, true) => Fate::WrittenOrVoid,
            };
            fates.push((pending.end.lease, fate));
        }
        fates
    }

    /// The call has failed. `refused`: the queue itself has said no, to all that was in it. `jitter` is 0 to 1.
    pub(super) fn failed(&mut self, now: Instant, refused: bool, jitter: f64) {
        self.stuck_since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + RETRY.delay(self.failures, jitter);
        let alone = self.sent.len() == 1;
        for mut pending in std::mem::take(&mut self.sent).into_iter().rev() {
            pending.repeated |= !refused;
            pending.refused |= refused;
            if refused && alone {
                // The others go first, lest one that is refused for ever keeps them back.
                pending.not_before = now + RETRY.max();
                self.waiting.push_back(pending);
            } else {
                self.waiting.push_front(pending);
            }
        }
        self.count_refused();
    }

    /// Drops the end of a void lease; false when none waits, or it is in the call that is under way.
    pub(super) fn drop_void(&mut self, lease: &Lease) -> bool {
        let Some(at) = self.waiting.iter().position(|pending| pending.end.lease == *lease) else {
            return false;
        };
        if let Some(pending) = self.waiting.remove(at) {
            self.bytes = self.bytes.saturating_sub(size(&pending.end));
        }
        self.count_refused();
        if self.is_empty() {
            self.stuck_since = None;
        }
        true
    }

    /// Returns the time of the next call, if it has to wait.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.waiting.iter().map(|pending| pending.not_before).min()?;
        Some(next.max(self.retry_at))
    }

    fn count_refused(&mut self) {
        if self.refused > 0 || self.stuck_since.is_some() {
            self.refused = self.waiting.iter().filter(|pending| pending.refused).count();
        }
    }
}

/// Bytes that an end takes, give or take.
fn size(end: &AttemptEnd) -> usize {
    let outcome = match &end.outcome {
        Ok(result) => result.text.len(),
        Err(failed) => {
            let tail = failed.error.log_tail.iter().map(String::len).sum::<usize>();
            failed.error.message.len() + tail
        }
    };
    outcome + end.output.iter().map(|chunk| chunk.item.len()).sum::<usize>()
}

#[cfg(test)]
mod tests;

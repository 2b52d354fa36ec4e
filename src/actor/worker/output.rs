//! What scripts say: gathered from the hosts, handed to the queue one call at a time, never out of order.
//!
//! What comes together with the end of its job goes with that end. An end waits while earlier words of its job are on
//! their way, since the queue takes none after it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Worker;
use super::calls::CallEnd;
use crate::actor::hosts::{Launcher, Spoken};
use crate::domain::model::output::{Said, Utterance};
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{AttemptEnd, Lease, LeaseOutput};

/// What may wait of one job while the queue cannot be reached; more pushes out the oldest.
const WAITING: usize = 2048;
const WAITING_BYTES: usize = 2 << 20;
/// Lines that go with an error.
const TAIL_LINES: usize = 20;
/// Bytes of each of them.
const TAIL_LINE_BYTES: usize = 1024;

/// What a job has said; empty, and without cost, for most.
#[derive(Default)]
pub(super) struct Output {
    /// Not handed to the queue yet.
    waiting: VecDeque<Utterance>,
    bytes: usize,
    /// The last lines.
    tail: VecDeque<String>,
}

impl Output {
    pub(super) fn push(&mut self, utterance: Utterance) {
        if let Said::Line { text, .. } = &utterance.said {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(text[..text.floor_char_boundary(TAIL_LINE_BYTES)].to_owned());
        }
        self.bytes += utterance.said.len();
        self.waiting.push_back(utterance);
        self.keep_within_bounds();
    }

    /// The last lines that its script wrote.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    pub(super) fn take(&mut self) -> Vec<Utterance> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into()
    }

    fn put_back(&mut self, said: Vec<Utterance>) {
        self.bytes += said.iter().map(|utterance| utterance.said.len()).sum::<usize>();
        for utterance in said.into_iter().rev() {
            self.waiting.push_front(utterance);
        }
        self.keep_within_bounds();
    }

    fn keep_within_bounds(&mut self) {
        while self.waiting.len() > WAITING || self.bytes > WAITING_BYTES {
            let Some(dropped) = self.waiting.pop_front() else { break };
            self.bytes -= dropped.said.len();
        }
    }
}

/// What is on its way to the queue, and the ends that wait for it.
#[derive(Default)]
pub(super) struct Speech {
    under_way: Vec<LeaseOutput>,
    ends: Vec<AttemptEnd>,
}

impl Speech {
    /// Ends that wait for words of their jobs.
    pub(super) fn waiting_ends(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn end_leases(&self) -> impl Iterator<Item = &Lease> {
        self.ends.iter().map(|end| &end.lease)
    }
}

impl<L: Launcher> Worker<L> {
    /// A host says what the script of its job says.
    pub(super) fn on_output(&mut self, place: usize, seq: u64, spoken: Vec<Spoken>) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        let Some(front) = slot.sent.front_mut().filter(|front| front.seq == seq) else { return };
        if front.hand.void {
            return;
        }
        let now = self.clock.now();
        for Spoken { number, ago, said } in spoken {
            let at = now.checked_sub(ago).unwrap_or(now);
            front.hand.output.push(Utterance { number, at, said });
        }
    }

    /// Hands to the queue what has gathered; called once all that the hosts have said was heard, so that the words of a
    /// job that has ended went with its end.
    pub(super) fn report_output(&mut self) {
        if !self.speech.under_way.is_empty() || self.now < self.retry_at {
            return;
        }
        let fronts = self.slots.iter_mut().filter_map(|slot| slot.sent.front_mut());
        for sent in fronts.filter(|sent| !sent.hand.output.waiting.is_empty() && !sent.hand.void) {
            let said = sent.hand.output.take();
            self.speech.under_way.push(LeaseOutput { lease: sent.hand.job.lease.clone(), said });
        }
        if self.speech.under_way.is_empty() {
            return;
        }
        let (queue, output) = (Arc::clone(&self.queue), self.speech.under_way.clone());
        self.calls.spawn(async move { CallEnd::Reported(queue.report_output(&output).await) });
    }

    pub(super) fn on_reported(&mut self, result: Result<Vec<Lease>, QueueError>) {
        let reported = std::mem::take(&mut self.speech.under_way);
        let mut ends = std::mem::take(&mut self.speech.ends);
        match result {
            Ok(void) => void.iter().for_each(|lease| self.on_void(lease, "its lease was lost")),
            Err(error) => {
                self.not_reached("report what a script said", &error);
                // The queue knows what it has already.
                for LeaseOutput { lease, said } in reported {
                    if let Some(end) = ends.iter_mut().find(|end| end.lease == lease) {
                        end.output.splice(0..0, said);
                        continue;
                    }
                    let mut sent = self.slots.iter_mut().filter_map(|slot| slot.sent.front_mut());
                    if let Some(sent) = sent.find(|sent| sent.hand.job.lease == lease) {
                        sent.hand.output.put_back(said);
                    }
                }
            }
        }
        ends.into_iter().for_each(|end| self.pending.push(end, self.now));
    }

    /// Puts an end among those to be written, unless it has to wait for the words before it.
    pub(super) fn end_in_order(&mut self, end: AttemptEnd) {
        if self.speech.under_way.iter().any(|output| output.lease == end.lease) {
            self.speech.ends.push(end);
        } else {
            self.pending.push(end, self.now);
        }
    }
}

//! What scripts say: gathered from the hosts, handed to the queue one call at a time, never out of order.
//!
//! What comes together with the end of its job goes with that end. An end waits while earlier words of its job are on
//! their way, since the queue takes none after it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Worker;
use super::queue_calls::CallEnd;
use crate::actor::hosts::{HostOutput, Launcher};
use crate::domain::model::output::{OutputChunk, OutputItem};
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
pub(super) struct JobOutput {
    /// Not handed to the queue yet.
    waiting: VecDeque<OutputChunk>,
    bytes: usize,
    /// The last lines.
    tail: VecDeque<String>,
}

impl JobOutput {
    pub(super) fn push(&mut self, chunk: OutputChunk) {
        if let OutputItem::Line { text, .. } = &chunk.item {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(text[..text.floor_char_boundary(TAIL_LINE_BYTES)].to_owned());
        }
        self.bytes += chunk.item.len();
        self.waiting.push_back(chunk);
        self.keep_within_bounds();
    }

    /// The last lines that its script wrote.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    pub(super) fn take(&mut self) -> Vec<OutputChunk> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into()
    }

    fn put_back(&mut self, chunks: Vec<OutputChunk>) {
        self.bytes += chunks.iter().map(|chunk| chunk.item.len()).sum::<usize>();
        for chunk in chunks.into_iter().rev() {
            self.waiting.push_front(chunk);
        }
        self.keep_within_bounds();
    }

    fn keep_within_bounds(&mut self) {
        while self.waiting.len() > WAITING || self.bytes > WAITING_BYTES {
            let Some(dropped) = self.waiting.pop_front() else { break };
            self.bytes -= dropped.item.len();
        }
    }
}

/// What is on its way to the queue, and the ends that wait for it.
#[derive(Default)]
pub(super) struct OutputReports {
    under_way: Vec<LeaseOutput>,
    ends: Vec<AttemptEnd>,
}

impl OutputReports {
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
    pub(super) fn on_output(&mut self, place: usize, seq: u64, output: Vec<HostOutput>) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        let Some(front) = slot.sent.front_mut().filter(|front| front.seq == seq) else { return };
        if front.held.void {
            return;
        }
        let now = self.clock.now();
        for HostOutput { number, ago, item } in output {
            let at = now.checked_sub(ago).unwrap_or(now);
            front.held.output.push(OutputChunk { number, at, item });
        }
    }

    /// Hands to the queue what has gathered; called once all that the hosts have said was heard, so that the words of a
    /// job that has ended went with its end.
    pub(super) fn report_output(&mut self) {
        if !self.output_reports.under_way.is_empty() || self.now < self.retry_at {
            return;
        }
        let fronts = self.slots.iter_mut().filter_map(|slot| slot.sent.front_mut());
        for sent in fronts.filter(|sent| !sent.held.output.waiting.is_empty() && !sent.held.void) {
            let chunks = sent.held.output.take();
            self.output_reports.under_way.push(LeaseOutput { lease: sent.held.job.lease.clone(), chunks });
        }
        if self.output_reports.under_way.is_empty() {
            return;
        }
        let (queue, output) = (Arc::clone(&self.queue), self.output_reports.under_way.clone());
        self.calls.spawn(async move { CallEnd::Reported(queue.report_output(&output).await) });
    }

    pub(super) fn on_reported(&mut self, result: Result<Vec<Lease>, QueueError>) {
        let reported = std::mem::take(&mut self.output_reports.under_way);
        let mut ends = std::mem::take(&mut self.output_reports.ends);
        match result {
            Ok(void) => void.iter().for_each(|lease| self.on_void(lease, "its lease was lost")),
            Err(error) => {
                self.not_reached("report what a script chunks", &error);
                // The queue knows what it has already.
                for LeaseOutput { lease, chunks } in reported {
                    if let Some(end) = ends.iter_mut().find(|end| end.lease == lease) {
                        end.output.splice(0..0, chunks);
                        continue;
                    }
                    let mut sent = self.slots.iter_mut().filter_map(|slot| slot.sent.front_mut());
                    if let Some(sent) = sent.find(|sent| sent.held.job.lease == lease) {
                        sent.held.output.put_back(chunks);
                    }
                }
            }
        }
        ends.into_iter().for_each(|end| self.pending.push(end, self.now));
    }

    /// Puts an end among those to be written, unless it has to wait for the words before it.
    pub(super) fn end_in_order(&mut self, end: AttemptEnd) {
        if self.output_reports.under_way.iter().any(|output| output.lease == end.lease) {
            self.output_reports.ends.push(end);
        } else {
            self.pending.push(end, self.now);
        }
    }
}

//! Output of scripts: gathered from the hosts and reported to the queue, one call at a time and in order.
//!
//! Output that comes together with the end of its job goes with that end. An end waits while earlier output of its job is on
//! its way, since the queue takes no output after the end.

use std::collections::VecDeque;
use std::sync::Arc;

use super::WorkerLoop;
use super::queue_calls::CallEnd;
use crate::actor::hosts::{HostOutput, Launcher};
use crate::actor::log_tail::LogTail;
use crate::domain::model::output::{OutputChunk, OutputItem};
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{AttemptEnd, Lease, LeaseOutput};

/// Lines of one job that wait while the queue cannot be reached; more of them push out the oldest.
const WAITING: usize = 2048;
const WAITING_BYTES: usize = 2 << 20;

/// Output of a job that was not reported yet. Empty for most jobs.
#[derive(Default)]
pub(super) struct JobOutput {
    /// Chunks that were not handed to the queue yet.
    waiting: VecDeque<OutputChunk>,
    bytes: usize,
    /// The last lines.
    tail: LogTail,
}

impl JobOutput {
    pub(super) fn push(&mut self, chunk: OutputChunk) {
        if let OutputItem::Line { text, .. } = &chunk.item {
            self.tail.push(text);
        }
        self.bytes += chunk.item.len();
        self.waiting.push_back(chunk);
        self.keep_within_bounds();
    }

    /// The last lines that its script wrote.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.lines()
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

/// Output on its way to the queue, and the ends that wait for it.
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

impl<L: Launcher> WorkerLoop<L> {
    /// Takes output that a host has sent.
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

    /// Reports the gathered output. Called after all messages of hosts were handled, so that the last output of an ended job
    /// goes with its end.
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
                self.not_reached("report the output of a script", &error);
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

    /// Adds an end to those to be written, unless it has to wait for output that is on its way.
    pub(super) fn end_in_order(&mut self, end: AttemptEnd) {
        if self.output_reports.under_way.iter().any(|output| output.lease == end.lease) {
            self.output_reports.ends.push(end);
        } else {
            self.pending.push(end, self.now);
        }
    }
}

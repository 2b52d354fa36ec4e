//! Output of jobs.

use std::collections::VecDeque;

use super::{Holder, State, entry_of};
use crate::domain::model::id::JobId;
use crate::domain::model::job::JobKind;
use crate::domain::model::output::{OutputChunk, OutputItem, OutputMark, Progress, StoredChunk};
use crate::domain::model::queue_name::QueueName;
use crate::ports::work_queue::{Lease, LeaseOutput};

/// Chunks kept of one job.
const KEPT: usize = 10_000;

/// The output of one job, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    kept: VecDeque<StoredChunk>,
    next: u64,
}

impl State {
    pub(in crate::adapters::memory) fn output(
        &self,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Vec<StoredChunk> {
        let kept = self.outputs.get(id).into_iter().flat_map(|outputs| &outputs.kept);
        kept.filter(|kept| kept.mark > *after).take(limit).cloned().collect()
    }

    /// Keeps the output under leases that stand; returns the void leases.
    pub(in crate::adapters::memory) fn report_output(
        &mut self,
        name: QueueName,
        holder: &Holder,
        output: &[LeaseOutput],
    ) -> Vec<Lease> {
        let mut void = Vec::new();
        for LeaseOutput { lease, chunks } in output {
            let queue = self.queue(name);
            let held = entry_of(lease).and_then(|entry| queue.held.get(&entry));
            match held.filter(|held| held.holder == *holder) {
                Some(_held) => self.keep_output(&lease.job_id, chunks),
                None => void.push(lease.clone()),
            }
        }
        void
    }

    /// Keeps the chunks that were not kept before.
    pub(super) fn keep_output(&mut self, id: &JobId, chunks: &[OutputChunk]) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if chunks.is_empty() || job.spec.kind == JobKind::Ping {
            return;
        }
        let attempt = job.attempt;
        let outputs = self.outputs.entry(id.clone()).or_default();
        let last = outputs.kept.back().filter(|last| last.attempt == attempt);
        let seen = last.map_or(0, |last| last.chunk.number);
        for chunk in chunks.iter().filter(|chunk| chunk.number > seen) {
            outputs.next += 1;
            let mark = OutputMark(format!("{:020}", outputs.next));
            outputs.kept.push_back(StoredChunk { mark, attempt, chunk: chunk.clone() });
            if outputs.kept.len() > KEPT {
                outputs.kept.pop_front();
            }
            if let OutputItem::Progress { percent, message } = &chunk.item {
                let (percent, message) = (*percent, message.clone());
                job.progress = Some(Progress { percent, message, at: chunk.at });
            }
        }
    }
}

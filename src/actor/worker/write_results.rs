//! Writes how jobs ended, and says so when the queue does not take it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;

use super::WorkerLoop;
use super::pending_results::Fate;
use super::queue_calls::{CallEnd, RETRY};
use crate::actor::hosts::Launcher;
use crate::ports::job_queue::QueueError;
use crate::ports::store_fault::StoreFault;

/// Interval of log lines while ends cannot be written.
const TELL_STUCK: Duration = Duration::from_secs(60);

impl<L: Launcher> WorkerLoop<L> {
    /// Begins to write what has gathered, unless that is being done.
    pub(super) fn write_ends(&mut self) {
        let Some(ends) = self.pending.next_call(self.now) else { return };
        let queue = Arc::clone(&self.queue);
        self.calls.spawn(async move {
            // Redis does one thing at a time, and ends take it longest: a read that is about to be sent goes first, so
            // that this side works on what it brings while Redis works on the ends.
            yield_now().await;
            CallEnd::Finished(queue.finish(ends).await)
        });
    }

    pub(super) fn on_finished(&mut self, result: Result<Vec<bool>, QueueError>) {
        match result {
            Ok(accepted) => {
                if self.stuck_told_at.take().is_some() {
                    tracing::info!("queue: takes the ends of jobs again");
                }
                self.reached();
                for (lease, fate) in self.pending.answered(&accepted) {
                    let job = &lease.job_id;
                    match fate {
                        Fate::Written => {}
                        Fate::Void => {
                            tracing::warn!(job.id = %job, "job {job}: its end came too late, since its lease was void");
                        }
                        Fate::WrittenOrVoid => {
                            tracing::debug!(job.id = %job, "job {job}: its end was written before, or its lease was void");
                        }
                    }
                }
            }
            Err(error) => {
                let refused = match error.fault() {
                    StoreFault::Refused { .. } | StoreFault::Rejected { .. } => true,
                    StoreFault::Unavailable(_) | StoreFault::TimedOut { .. } | StoreFault::Corrupt { .. } => {
                        false
                    }
                };
                self.pending.failed(self.now, refused, fastrand::f64());
                if refused {
                    // Whether it is the queue or this end: nothing is taken before the queue has accepted something.
                    self.refusals += 1;
                    self.announced = false;
                    self.announce.set(self.now + RETRY);
                } else {
                    self.not_reached("write the ends of jobs", &error);
                }
                self.tell_stuck(&error);
            }
        }
    }

    /// Logs that ends are kept, when that lasts, and again each minute.
    fn tell_stuck(&mut self, error: &QueueError) {
        let Some(since) = self.pending.stuck_since() else { return };
        let lasts = self.now >= since + self.queue.lease() / 3;
        if lasts && self.stuck_told_at.is_none_or(|told| self.now >= told + TELL_STUCK) {
            self.stuck_told_at = Some(self.now);
            let (count, bytes, lasting) = (self.unwritten(), self.pending.bytes(), self.now - since);
            tracing::error!(
                %error, count, bytes, ?lasting,
                "queue: does not take the ends of {count} jobs (they are kept until it does)"
            );
        }
    }

    /// Logs the ends that could not be written.
    pub(super) fn tell_abandoned(&self) {
        let jobs: Vec<_> = self
            .pending
            .leases()
            .chain(self.output_reports.end_leases())
            .map(|lease| &lease.job_id)
            .collect();
        if !jobs.is_empty() {
            tracing::error!(
                ?jobs,
                "queue: the ends of {} jobs could not be written (they will count as lost)",
                jobs.len()
            );
        }
    }
}

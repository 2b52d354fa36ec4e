//! The actor's side of the in-memory queue.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::adapters::memory::broker::{Holder, MemoryBroker, State};
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_queue::QueueError;
use crate::ports::store_fault::StoreFault;
use crate::ports::work_queue::{AttemptEnd, Lease, LeaseOutput, Work, WorkQueue};

/// Least wait for a flow key that opens.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// One actor process at a [`MemoryBroker`].
#[derive(Debug)]
pub struct MemoryWorkQueue {
    broker: MemoryBroker,
    queue: QueueName,
    holder: Holder,
    interrupted: Notify,
}

impl MemoryBroker {
    /// The queue as one actor process sees it.
    pub fn work_queue(&self, queue: QueueName, actor_id: ActorId, pid: u32) -> MemoryWorkQueue {
        let (broker, holder) = (self.clone(), Holder { actor_id, pid });
        MemoryWorkQueue { broker, queue, holder, interrupted: Notify::new() }
    }
}

#[async_trait]
impl WorkQueue for MemoryWorkQueue {
    async fn announce(&self, draining: bool) -> Result<(), QueueError> {
        let name = self.queue;
        let announced = self.broker.with::<_, QueueError>(|state| {
            state.type_of(name).map(|_script_type| state.announce(name, &self.holder, draining))
        })?;
        announced.ok_or_else(|| StoreFault::Rejected { reason: format!("there is no queue {name}") }.into())
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Work>, QueueError> {
        let deadline = Instant::now() + wait;
        let mut changes = self.broker.changes();
        loop {
            changes.mark_unchanged();
            let take = |state: &mut State| {
                let work = state.take(self.queue, &self.holder, max);
                // It opens without anything being changed.
                (work, state.time_to_opening(self.queue))
            };
            let (work, opens) = self.broker.without_waking::<_, QueueError>(take)?;
            if !work.is_empty() || Instant::now() >= deadline {
                return Ok(work);
            }
            let until = opens.map_or(deadline, |after| deadline.min(Instant::now() + after.max(LEAST_WAIT)));
            tokio::select! {
                () = self.interrupted.notified() => return Ok(Vec::new()),
                _changed = timeout_at(until, changes.changed()) => {}
            }
        }
    }

    async fn interrupt_take(&self) -> Result<(), QueueError> {
        self.interrupted.notify_waiters();
        Ok(())
    }

    async fn recover(&self, known: &[Lease]) -> Result<Vec<Work>, QueueError> {
        self.broker.with(|state| state.recover(self.queue, &self.holder, known))
    }

    async fn heartbeat(&self, leases: &[Lease]) -> Result<Vec<Lease>, QueueError> {
        self.broker.with(|state| state.renew_leases(self.queue, &self.holder, leases))
    }

    async fn start(&self, started: &[(Lease, SystemTime)]) -> Result<Vec<Lease>, QueueError> {
        self.broker.with(|state| {
            let leases: Vec<Lease> = started.iter().map(|(lease, _at)| lease.clone()).collect();
            let void = state.renew_leases(self.queue, &self.holder, &leases);
            for (lease, at) in started.iter().filter(|(lease, _at)| !void.contains(lease)) {
                state.note_start(lease, *at);
            }
            void
        })
    }

    async fn report_output(&self, output: &[LeaseOutput]) -> Result<Vec<Lease>, QueueError> {
        self.broker.with(|state| state.report_output(self.queue, &self.holder, output))
    }

    async fn finish(&self, ends: Vec<AttemptEnd>) -> Result<Vec<bool>, QueueError> {
        self.broker
            .with(|state| ends.into_iter().map(|end| state.finish(self.queue, &self.holder, end)).collect())
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), QueueError> {
        self.broker.with(|state| state.release(self.queue, leases))
    }

    async fn let_go(&self, leases: &[Lease]) -> Result<(), QueueError> {
        self.broker.with(|state| leases.iter().for_each(|lease| state.let_go(lease)))
    }

    fn lease(&self) -> Duration {
        self.broker.config().lease
    }

    async fn close(&self) {
        let _away = self.broker.with::<_, QueueError>(|state| state.leave(self.queue, &self.holder));
    }
}

//! Scale from zero: notifies the scaling loop of a job whose queue has no actor, at the cost of one flag a job.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::PerScriptType;
use crate::lock::Lock;

/// A signal from the submit of a job to the scaling loop. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct ScaleTrigger {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Script types whose next job in the default queue notifies the loop.
    armed: PerScriptType<AtomicBool>,
    /// The same for named queues.
    named: Lock<BTreeSet<QueueName>>,
    notify: Notify,
}

impl ScaleTrigger {
    /// Notes an accepted job. Costs one read of a flag unless the queue is armed, or has a name of its own.
    pub fn submitted(&self, queue: QueueName) {
        let notifies = match queue.default_type() {
            Some(script_type) => {
                let armed = &self.shared.armed[script_type];
                armed.load(Ordering::Relaxed) && armed.swap(false, Ordering::SeqCst)
            }
            None => self.shared.named.lock().remove(&queue),
        };
        if notifies {
            self.shared.notify.notify_one();
        }
    }

    /// Has the next job of this queue notify the loop. To be called before the queue is read, or a job in between is missed.
    pub fn arm(&self, queue: QueueName) {
        match queue.default_type() {
            Some(script_type) => self.shared.armed[script_type].store(true, Ordering::SeqCst),
            None => drop(self.shared.named.lock().insert(queue)),
        }
    }

    /// Lets jobs of this queue pass without a notice.
    pub fn disarm(&self, queue: QueueName) {
        match queue.default_type() {
            Some(script_type) => self.shared.armed[script_type].store(false, Ordering::SeqCst),
            None => drop(self.shared.named.lock().remove(&queue)),
        }
    }

    /// Returns whether the next job notifies the loop; false after one did.
    pub fn is_armed(&self, queue: QueueName) -> bool {
        match queue.default_type() {
            Some(script_type) => self.shared.armed[script_type].load(Ordering::SeqCst),
            None => self.shared.named.lock().contains(&queue),
        }
    }

    /// Has the loop read the queues now.
    pub fn notify(&self) {
        self.shared.notify.notify_one();
    }

    /// Waits for a notice.
    pub async fn notified(&self) {
        self.shared.notify.notified().await;
    }
}

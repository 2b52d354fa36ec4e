//! Scale from zero: notifies the scaling loop of a job whose script type has no actor, at the cost of one flag a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::domain::model::script_type::{PerScriptType, ScriptType};

/// A signal from the submit of a job to the scaling loop. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct ScaleTrigger {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Script types whose next job notifies the loop.
    armed: PerScriptType<AtomicBool>,
    notify: Notify,
}

impl ScaleTrigger {
    /// Notes an accepted job. Costs one read of a flag unless the type is armed.
    pub fn submitted(&self, script_type: ScriptType) {
        let armed = &self.shared.armed[script_type];
        if armed.load(Ordering::Relaxed) && armed.swap(false, Ordering::SeqCst) {
            self.shared.notify.notify_one();
        }
    }

    /// Has the next job of this type notify the loop. To be called before the queue is read, or a job in between is missed.
    pub fn arm(&self, script_type: ScriptType) {
        self.shared.armed[script_type].store(true, Ordering::SeqCst);
    }

    /// Lets jobs of this type pass without a notice.
    pub fn disarm(&self, script_type: ScriptType) {
        self.shared.armed[script_type].store(false, Ordering::SeqCst);
    }

    /// Returns whether the next job notifies the loop; false after one did.
    pub fn is_armed(&self, script_type: ScriptType) -> bool {
        self.shared.armed[script_type].load(Ordering::SeqCst)
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

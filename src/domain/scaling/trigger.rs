//! Word of a job for a script type that has no actor, without a question on the way of every job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::domain::model::script_type::ScriptType;

/// Between those who submit and the loop that scales. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct ScaleTrigger {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Script types whose next job is to be told of.
    armed: [AtomicBool; 4],
    notify: Notify,
}

impl ScaleTrigger {
    /// Tells of a job; costs one look at a flag unless the type is asleep.
    pub fn submitted(&self, script_type: ScriptType) {
        let armed = &self.shared.armed[script_type.index()];
        if armed.load(Ordering::Relaxed) && armed.swap(false, Ordering::SeqCst) {
            self.shared.notify.notify_one();
        }
    }

    /// From now on the next job of this type is told of. Say so before you look at the queue, or you miss one.
    pub fn arm(&self, script_type: ScriptType) {
        self.shared.armed[script_type.index()].store(true, Ordering::SeqCst);
    }

    /// Nobody needs to be told any more.
    pub fn disarm(&self, script_type: ScriptType) {
        self.shared.armed[script_type.index()].store(false, Ordering::SeqCst);
    }

    /// Whether the next job is to be told of; false after one was.
    pub fn is_armed(&self, script_type: ScriptType) -> bool {
        self.shared.armed[script_type.index()].load(Ordering::SeqCst)
    }

    /// Makes the loop look now.
    pub fn notify(&self) {
        self.shared.notify.notify_one();
    }

    /// Waits for word.
    pub async fn notified(&self) {
        self.shared.notify.notified().await;
    }
}

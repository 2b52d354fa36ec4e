//! Word of a job for a script type that has no actor, without a question on the way of every job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::domain::model::script_type::ScriptType;

/// Between those who submit and the loop that scales. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Wake {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Script types whose next job is to be told of.
    asleep: [AtomicBool; 4],
    told: Notify,
}

impl Wake {
    /// Tells of a job; costs one look at a flag unless the type is asleep.
    pub fn submitted(&self, script_type: ScriptType) {
        let asleep = &self.shared.asleep[script_type.index()];
        if asleep.load(Ordering::Relaxed) && asleep.swap(false, Ordering::SeqCst) {
            self.shared.told.notify_one();
        }
    }

    /// From now on the next job of this type is told of. Say so before you look at the queue, or you miss one.
    pub fn sleep(&self, script_type: ScriptType) {
        self.shared.asleep[script_type.index()].store(true, Ordering::SeqCst);
    }

    /// Nobody needs to be told any more.
    pub fn stay_awake(&self, script_type: ScriptType) {
        self.shared.asleep[script_type.index()].store(false, Ordering::SeqCst);
    }

    /// Whether the next job is to be told of; false after one was.
    pub fn is_asleep(&self, script_type: ScriptType) -> bool {
        self.shared.asleep[script_type.index()].load(Ordering::SeqCst)
    }

    /// Makes the loop look now.
    pub fn look(&self) {
        self.shared.told.notify_one();
    }

    /// Waits for word.
    pub async fn told(&self) {
        self.shared.told.notified().await;
    }
}

//! Calls of ports for the machine, each with the deadline of its adapter.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::actors::Deps;
use crate::domain::actors::machine::{Answer, Call};
use crate::domain::actors::observer::Observer;
use crate::domain::actors::operation::log_tail;
use crate::domain::model::id::ActorId;

/// Parts that calls for one actor are made with.
pub(super) struct Calls {
    pub(super) id: ActorId,
    pub(super) parts: Arc<Deps>,
    pub(super) observer: Observer,
}

impl Calls {
    pub(super) async fn make(&self, call: Call) -> Answer {
        match call {
            Call::Read => {
                Answer::Record(self.parts.store.get(&self.id).await.map(|record| record.map(Box::new)))
            }
            Call::Write(record) => Answer::Stored(self.parts.store.update(&record).await),
            Call::Epoch => Answer::Epoch(self.parts.store.epoch().await.unwrap_or_default()),
            Call::EndOrphans { pids, grace } => Answer::Orphans(self.end_orphans(pids, grace).await),
            Call::LogTail => Answer::LogTail(log_tail(self.parts.processes.as_ref(), &self.id).await),
            Call::Look => {
                self.observer.fresh().await;
                Answer::Looked
            }
            Call::Reclaim { script_type, pid, error } => {
                let queue = self.parts.supervisor.queue();
                Answer::Reclaimed(queue.reclaim(script_type, &self.id, pid, &error).await)
            }
        }
    }

    async fn end_orphans(&self, pids: BTreeSet<u32>, grace: Duration) -> Vec<(u32, bool)> {
        let mut lives = Vec::with_capacity(pids.len());
        for pid in pids {
            let ended = self.parts.processes.end_orphan(self.id.as_str(), pid, grace).await;
            // Who cannot be asked now may well live.
            lives.push((pid, ended.unwrap_or(true)));
        }
        lives
    }
}

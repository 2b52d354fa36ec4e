//! Calls that wait for the terminal states of jobs.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::domain::model::id::JobId;
use crate::domain::model::job::Finished;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::Completion;

/// The awaited jobs, sorted so that a sweep can go on where the last one stopped.
#[derive(Default)]
pub(super) struct Awaiters {
    awaited: Mutex<BTreeMap<JobId, Awaiting>>,
}

/// One awaited job.
struct Awaiting {
    since: Instant,
    /// The queue that has the job; None until the submit was answered.
    script_type: Option<ScriptType>,
    senders: Vec<oneshot::Sender<Finished>>,
}

impl Awaiters {
    /// Registers one more waiter.
    pub(super) fn add(&self, id: &JobId) -> Completion {
        let (sender, completion) = Completion::pair();
        self.with(|awaited| {
            let awaiting = awaited.entry(id.clone()).or_insert_with(|| Awaiting {
                since: Instant::now(),
                script_type: None,
                senders: Vec::with_capacity(1),
            });
            awaiting.senders.push(sender);
        });
        completion
    }

    /// Notes that the job is in this queue; from now on the sweep reads its record.
    pub(super) fn confirm(&self, id: &JobId, script_type: ScriptType) {
        self.with(|awaited| {
            if let Some(awaiting) = awaited.get_mut(id) {
                awaiting.script_type = Some(script_type);
            }
        });
    }

    /// Removes the waiters of a job whose completions were dropped.
    pub(super) fn prune(&self, id: &JobId) {
        self.with(|awaited| {
            if let Some(awaiting) = awaited.get_mut(id) {
                awaiting.senders.retain(|sender| !sender.is_closed());
                if awaiting.senders.is_empty() {
                    awaited.remove(id);
                }
            }
        });
    }

    /// Resolves all completions of a job.
    pub(super) fn resolve(&self, id: &JobId, end: &Finished) {
        let awaiting = self.with(|awaited| awaited.remove(id));
        for sender in awaiting.into_iter().flat_map(|awaiting| awaiting.senders) {
            // A waiter that has gone needs no answer.
            drop(sender.send(end.clone()));
        }
    }

    /// Breaks the completions of a job whose record has gone.
    pub(super) fn abandon(&self, id: &JobId) {
        self.with(|awaited| awaited.remove(id));
    }

    /// True if a call waits for this job.
    pub(super) fn has(&self, id: &JobId) -> bool {
        self.with(|awaited| awaited.contains_key(id))
    }

    /// Breaks all completions.
    pub(super) fn clear(&self) {
        self.with(BTreeMap::clear);
    }

    /// Finds the next jobs behind `after` that have been awaited for at least `age`, among at most `limit` ones, and drops
    /// those whose waiters have gone. The second part is where the next call goes on; None at the end.
    pub(super) fn next(
        &self,
        after: Option<&JobId>,
        age: Duration,
        limit: usize,
    ) -> (Vec<(JobId, ScriptType)>, Option<JobId>) {
        self.with(|awaited| {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut due = Vec::new();
            let mut deserted = Vec::new();
            let mut last = None;
            let mut seen = 0;
            for (id, awaiting) in awaited.range::<JobId, _>((start, Bound::Unbounded)).take(limit) {
                seen += 1;
                if awaiting.senders.iter().all(oneshot::Sender::is_closed) {
                    deserted.push(id.clone());
                } else if let Some(script_type) = awaiting.script_type
                    && awaiting.since.elapsed() >= age
                {
                    due.push((id.clone(), script_type));
                }
                last = Some(id.clone());
            }
            for id in deserted {
                awaited.remove(&id);
            }
            (due, last.filter(|_| seen == limit))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<JobId, Awaiting>) -> T) -> T {
        act(&mut self.awaited.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

//! Hears that something has changed at a job, for those who follow one: the functions publish its id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use redis::aio::PubSub;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::super::connection::RECONNECT;
use super::super::keys;
use super::Shared;
use crate::domain::model::id::JobId;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::Changes;

/// After this silence the connection may be a dead one, and is made anew.
const SILENCE: Duration = Duration::from_secs(60);
/// How often it is seen whether the shared connection was made anew, which may lead to another Redis.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts the reader with the first who follows a job.
pub(super) struct ChangeFeed {
    shared: Arc<Shared>,
    begun: Once,
}

/// Who follows which job.
#[derive(Default)]
pub(super) struct Followers {
    jobs: Mutex<HashMap<JobId, watch::Sender<u64>>>,
}

impl ChangeFeed {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, begun: Once::new() }
    }

    /// Hints at changes of a job from now on; while there is no connection there are none.
    pub(super) fn follow(&self, id: &JobId) -> Changes {
        let changes = self.shared.followers.add(id);
        self.begun.call_once(|| {
            let shared = self.shared.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(listen(&shared)).await;
            });
        });
        changes
    }
}

impl Followers {
    fn add(&self, id: &JobId) -> Changes {
        let mut jobs = self.lock();
        // Nobody says when he has gone; this keeps what is forgotten below what is there.
        jobs.retain(|_id, sender| sender.receiver_count() > 0);
        Changes::new(jobs.entry(id.clone()).or_default().subscribe())
    }

    fn hint(&self, id: &JobId) {
        if let Some(sender) = self.lock().get(id) {
            sender.send_modify(|times| *times += 1);
        }
    }

    fn hint_all(&self) {
        for sender in self.lock().values() {
            sender.send_modify(|times| *times += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<u64>>> {
        // It is whole between any two statements.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(shared: &Shared) {
    let channels = ScriptType::ALL.map(keys::changes);
    let mut failures: u32 = 0;
    loop {
        match shared.connection.subscription(&channels).await {
            Ok(messages) => {
                failures = 0;
                // Something may have happened while nobody listened.
                shared.followers.hint_all();
                receive(shared, messages).await;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    tracing::warn!(%error, "changes of jobs are not heard of: who follows one looks every few seconds");
                }
            }
        }
        sleep(RECONNECT.delay(failures.max(1), fastrand::f64())).await;
    }
}

/// Hands on what is published until the connection is lost, or may be.
async fn receive(shared: &Shared, messages: PubSub) {
    let generation = shared.connection.generation();
    let mut messages = messages.into_on_message();
    let mut heard = Instant::now();
    while shared.connection.generation() == generation && heard.elapsed() < SILENCE {
        let message = match timeout(LOOK_EVERY, messages.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_elapsed) => continue,
        };
        heard = Instant::now();
        if let Ok(id) = JobId::parse(&String::from_utf8_lossy(message.get_payload_bytes())) {
            shared.followers.hint(&id);
        }
    }
}

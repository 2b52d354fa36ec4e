//! Hears that something has changed at a job, for those who follow one: the functions publish its id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::super::connection::queue_error;
use super::super::keys;
use super::Shared;
use crate::domain::id::JobId;
use crate::domain::script_type::ScriptType;
use crate::ports::job_queue::{Changes, QueueError};

/// After this silence the connection may be a dead one, and is made anew.
const SILENCE: Duration = Duration::from_secs(60);
/// Pause after a lost connection. The way to Redis has its own backoff, this only keeps a loop from spinning.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Starts the reader with the first who follows a job.
pub(super) struct News {
    shared: Arc<Shared>,
    begun: Once,
}

/// Who follows which job.
#[derive(Default)]
pub(super) struct Followed {
    jobs: Mutex<HashMap<JobId, watch::Sender<u64>>>,
}

impl News {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, begun: Once::new() }
    }

    /// Hints at changes of a job from now on; while there is no connection there are none.
    pub(super) fn follow(&self, id: &JobId) -> Changes {
        let changes = self.shared.followed.add(id);
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

impl Followed {
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
    loop {
        if let Err(error) = listen_once(shared).await {
            tracing::debug!(%error, "the reader of changes of jobs starts again");
        }
        sleep(RETRY_PAUSE).await;
    }
}

async fn listen_once(shared: &Shared) -> Result<(), QueueError> {
    let mut news = shared.link.subscription().await?;
    let channels = ScriptType::ALL.map(keys::news);
    news.subscribe(channels.as_slice()).await.map_err(|error| queue_error(&error))?;
    // Something may have happened while nobody listened.
    shared.followed.hint_all();
    let mut messages = news.into_on_message();
    while let Ok(Some(message)) = timeout(SILENCE, messages.next()).await {
        if let Ok(id) = JobId::parse(&String::from_utf8_lossy(message.get_payload_bytes())) {
            shared.followed.hint(&id);
        }
    }
    Ok(())
}

//! Hints at changes of jobs for those who follow one: the functions publish the id of a job that they change. They also publish when
//! flow keys open (`openings`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Once};
use std::time::Duration;

use futures::StreamExt;
use redis::aio::PubSub;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use crate::adapters::redis::connection::RECONNECT;
use crate::adapters::redis::keys;
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;
use crate::lock::Lock;
use crate::ports::job_queue::Changes;

/// Most queues created by name whose changes are heard; jobs in further ones are read every few seconds.
const MOST_NAMED: usize = 1000;
/// Silence after which the connection counts as dead and is opened again.
const SILENCE: Duration = Duration::from_secs(60);
/// Time between two looks at whether the shared connection is a new one, which may lead to another Redis.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Begin of a message that tells when a flow key opens, which is no id.
const OPENS: &str = "opens ";

/// Follows changes of jobs; its reader starts with the first follower, or with the first rate of a flow key.
pub(super) struct ChangeFeed {
    shared: Arc<Shared>,
    begun: Once,
}

/// The followers of each job.
#[derive(Default)]
pub(super) struct Followers {
    jobs: Lock<HashMap<JobId, watch::Sender<u64>>>,
}

impl ChangeFeed {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, begun: Once::new() }
    }

    /// Hints at changes of a job from now on. Without a connection there are no hints.
    pub(super) fn follow(&self, id: &JobId) -> Changes {
        let changes = self.shared.followers.add(id);
        self.begin();
        changes
    }

    /// Reads what is published from the first call on.
    pub(super) fn begin(&self) {
        self.begun.call_once(|| {
            let shared = self.shared.clone();
            self.shared.tasks.spawn(async move {
                let closing = shared.closing.clone();
                closing.run_until_cancelled(listen(&shared)).await;
            });
        });
    }
}

impl Followers {
    fn add(&self, id: &JobId) -> Changes {
        let mut jobs = self.jobs.lock();
        // Followers leave without notice; this bounds the entries of those that have left.
        jobs.retain(|_id, sender| sender.receiver_count() > 0);
        Changes::new(jobs.entry(id.clone()).or_default().subscribe())
    }

    fn hint(&self, id: &JobId) {
        if let Some(sender) = self.jobs.lock().get(id) {
            sender.send_modify(|times| *times += 1);
        }
    }

    fn hint_all(&self) {
        for sender in self.jobs.lock().values() {
            sender.send_modify(|times| *times += 1);
        }
    }
}

async fn listen(shared: &Shared) {
    let mut failures: u32 = 0;
    loop {
        let (known, change) = (shared.known.names(), shared.known.change());
        let queues = QueueName::DEFAULTS.into_iter().chain(known.iter().copied().take(MOST_NAMED));
        let queues: BTreeMap<String, QueueName> = queues.map(|queue| (keys::changes(queue), queue)).collect();
        let channels: Vec<String> = queues.keys().cloned().collect();
        match shared.connection.subscription(&channels).await {
            Ok(messages) => {
                failures = 0;
                // Changes before the subscription were not heard.
                shared.followers.hint_all();
                shared.queues_with_rates().into_iter().for_each(|queue| shared.openings.note(queue, 0));
                receive(shared, messages, &queues, change).await;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    tracing::warn!(%error, "change feed: not subscribed (followers read their jobs every few seconds)");
                }
            }
        }
        sleep(RECONNECT.delay(failures.max(1), fastrand::f64())).await;
    }
}

/// Passes on published ids until the connection is lost, or may be, or there are other queues than after this change.
async fn receive(
    shared: &Shared,
    messages: PubSub,
    queues: &BTreeMap<String, QueueName>,
    change: Option<i64>,
) {
    // One server passes on what any has published (Connection::subscription).
    let server = QueueName::DEFAULTS.map(keys::changes).into_iter().next().unwrap_or_default();
    let generation = shared.connection.generation(&server);
    let mut messages = messages.into_on_message();
    let mut heard = Instant::now();
    let is_current =
        || shared.connection.generation(&server) == generation && shared.known.change() == change;
    while is_current() && heard.elapsed() < SILENCE {
        let message = match timeout(LOOK_EVERY, messages.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_elapsed) => continue,
        };
        heard = Instant::now();
        let text = String::from_utf8_lossy(message.get_payload_bytes());
        if let Some(millis) = text.strip_prefix(OPENS) {
            if let (Some(queue), Ok(millis)) = (queues.get(message.get_channel_name()), millis.parse()) {
                shared.openings.note(*queue, millis);
            }
        } else if let Ok(id) = JobId::parse(&text) {
            shared.followers.hint(&id);
        }
    }
}

//! The primary in use, and the task that notices another one.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::ask::{ASK_TIMEOUT, GRACE, Sentinels};
use super::{NoPrimary, Primary, SentinelUrl};
use crate::adapters::redis::RedisAccess;
use crate::lock::Lock;

/// Time between two questions to the Sentinels.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Follows the primary of one URL. Connections to a former one are to be given up.
pub(in super::super) struct PrimaryWatch {
    sentinels: Sentinels,
    known: Lock<Option<Primary>>,
    /// Number of changes of the primary.
    moves: watch::Sender<u64>,
}

impl PrimaryWatch {
    pub(in super::super) fn new(url: SentinelUrl, access: RedisAccess) -> Self {
        Self { sentinels: Sentinels::new(url, access), known: Lock::default(), moves: watch::Sender::new(0) }
    }

    /// The URL.
    pub(in super::super) fn url(&self) -> &SentinelUrl {
        &self.sentinels.url
    }

    /// Asks the Sentinels now. The second part is the number of changes of the primary up to this answer.
    pub(in super::super) async fn find(&self) -> Result<(Primary, u64), NoPrimary> {
        self.find_within(GRACE).await
    }

    /// The same, and waits for every Sentinel that answers at all: for a second or two of a failover only the one that leads it
    /// knows of it, while another replica still acknowledges to the former primary.
    pub(in super::super) async fn confirm(&self) -> Result<(Primary, u64), NoPrimary> {
        self.find_within(ASK_TIMEOUT).await
    }

    async fn find_within(&self, grace: Duration) -> Result<(Primary, u64), NoPrimary> {
        let told = self.sentinels.primary(grace).await?;
        let mut known = self.known.lock();
        match &*known {
            Some(before) if told.epoch < before.epoch => {
                return Err(NoPrimary::Former { told, known: before.epoch });
            }
            Some(before) if !told.is_at_the_place_of(before) => {
                tracing::warn!("Redis: primary is now {told} (before: {before})");
                self.moves.send_modify(|moves| *moves += 1);
            }
            Some(_) => {}
            None => tracing::info!("Redis: primary is {told}"),
        }
        *known = Some(told.clone());
        Ok((told, *self.moves.borrow()))
    }

    /// The primary that was named last; None before the first answer.
    pub(in super::super) fn known(&self) -> Option<Primary> {
        self.known.lock().clone()
    }

    /// The number of changes of the primary.
    pub(in super::super) fn moves(&self) -> u64 {
        *self.moves.borrow()
    }

    /// Waits until the number of changes is another one.
    pub(in super::super) async fn moved(&self, since: u64) {
        // The sender lives as long as this.
        drop(self.moves.subscribe().wait_for(|moves| *moves != since).await);
    }

    /// Asks until it is dropped, and says when the primary is not known and when it is known again.
    pub(in super::super) async fn run(&self) {
        let mut ticks = interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_known = true;
        loop {
            ticks.tick().await;
            match self.find().await {
                Ok((primary, _moves)) => {
                    if !is_known {
                        tracing::info!("Redis: primary known again, {primary}");
                    }
                    is_known = true;
                }
                Err(error) => {
                    if is_known {
                        tracing::warn!(%error, "Redis: primary not known (open connections stay in use)");
                    }
                    is_known = false;
                }
            }
        }
    }
}

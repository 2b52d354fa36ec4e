//! The primaries of a Cluster, and the task that notices other ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::ask::{ASK_TIMEOUT, NotTold, Servers};
use super::map::{SlotMap, Told};
use super::{Address, ClusterUrl};
use crate::adapters::redis::RedisAccess;
use crate::lock::Lock;
use crate::ports::store_fault::StoreFault;

/// Time between two questions, each to the next server.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Least time between two questions to all servers.
const HURRY_EVERY: Duration = Duration::from_millis(100);
/// Time for those that are slower than the first one.
const GRACE: Duration = Duration::from_millis(50);

/// Follows the slots of one Cluster.
pub(in super::super) struct ClusterWatch {
    servers: Servers,
    known: Lock<Known>,
    /// Wakes those who wait for a change.
    changed: watch::Sender<()>,
    /// Lets one question to all servers be under way at a time.
    asking: Semaphore,
    /// Time at which the last one that was answered began.
    asked: Lock<Option<Instant>>,
    hurry: Notify,
}

#[derive(Default)]
struct Known {
    map: SlotMap,
    /// Number of changes of the primary of each slot that had one.
    changes: BTreeMap<u16, u64>,
}

impl ClusterWatch {
    pub(in super::super) fn new(url: ClusterUrl, access: RedisAccess) -> Self {
        Self {
            servers: Servers::new(url, access),
            known: Lock::default(),
            changed: watch::Sender::new(()),
            asking: Semaphore::new(1),
            asked: Lock::default(),
            hurry: Notify::new(),
        }
    }

    /// The URL.
    pub(in super::super) fn url(&self) -> &ClusterUrl {
        &self.servers.url
    }

    /// Finds the primary of a slot, and the number of changes of it so far. Without a slot, finds the primary of the first slots.
    pub(in super::super) async fn primary_of(&self, slot: Option<u16>) -> Result<(Address, u64), StoreFault> {
        if let Some(found) = self.known_primary_of(slot) {
            return Ok(found);
        }
        self.find().await?;
        self.known_primary_of(slot).ok_or_else(|| match slot {
            Some(slot) => {
                let what = format!("the Cluster is not whole: no server has slot {slot} (`redis-cli --cluster check` says more)");
                StoreFault::Unavailable(what.into())
            }
            None => StoreFault::Unavailable("no server of the Cluster has a slot".into()),
        })
    }

    /// The same as far as it is known.
    pub(in super::super) fn known_primary_of(&self, slot: Option<u16>) -> Option<(Address, u64)> {
        let known = self.known.lock();
        let primary = match slot {
            Some(slot) => known.map.primary_of(slot)?.clone(),
            None => (*known.map.primaries().first()?).clone(),
        };
        Some((primary, slot.map_or(0, |slot| known.changes_of(slot))))
    }

    /// Number of changes of the primary of a slot.
    pub(in super::super) fn changes_of(&self, slot: u16) -> u64 {
        self.known.lock().changes_of(slot)
    }

    /// Waits until the number of changes of the primary of a slot is another one.
    pub(in super::super) async fn moved(&self, slot: u16, since: u64) {
        let mut changed = self.changed.subscribe();
        while self.changes_of(slot) == since {
            // The sender lives as long as this.
            drop(changed.changed().await);
        }
    }

    /// All primaries that have slots.
    pub(in super::super) fn primaries(&self) -> BTreeSet<Address> {
        self.known.lock().map.primaries().into_iter().cloned().collect()
    }

    /// Shows what is known, for people; None before the first answer.
    pub(in super::super) fn describe(&self) -> Option<String> {
        let known = self.known.lock();
        let primaries: Vec<_> = known.map.primaries().iter().map(ToString::to_string).collect();
        let epoch = known.map.epoch();
        let missing = match known.map.uncovered() {
            0 => String::new(),
            slots => format!("; {slots} slots without one"),
        };
        (!primaries.is_empty()).then(|| format!("{} (Cluster, epoch {epoch}{missing})", primaries.join(", ")))
    }

    /// Asks all servers now, unless somebody else has begun to ask them since this was called.
    pub(in super::super) async fn find(&self) -> Result<(), StoreFault> {
        let begun = Instant::now();
        let permit = self.asking.acquire().await.map_err(|error| StoreFault::Unavailable(error.into()))?;
        if self.asked.lock().is_some_and(|asked| asked >= begun) {
            return Ok(());
        }
        let began = Instant::now();
        self.ask_all().await?;
        *self.asked.lock() = Some(began);
        drop(permit);
        Ok(())
    }

    async fn ask_all(&self) -> Result<(), NotTold> {
        let servers = self.all_servers();
        self.servers.keep_only(&servers);
        let mut asked: FuturesUnordered<_> = servers.iter().map(|at| self.servers.ask(at)).collect();
        let (mut all, mut failure) = (Vec::new(), None);
        loop {
            let limit = if all.is_empty() { ASK_TIMEOUT * 2 } else { GRACE };
            match timeout(limit, asked.next()).await {
                Ok(Some(Ok(told))) => all.push(told),
                Ok(Some(Err(error))) => failure = Some(worse(failure, error)),
                Ok(None) | Err(_) => break,
            }
        }
        match (all.is_empty(), failure) {
            (true, Some(error)) => Err(error),
            (true, None) => Ok(()),
            (false, _) => {
                self.take_in(&all);
                Ok(())
            }
        }
    }

    fn all_servers(&self) -> Vec<Address> {
        let known = self.known.lock();
        let known = known.map.servers().into_iter().cloned();
        known.chain(self.servers.url.seeds.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn take_in(&self, told: &[Told]) {
        let mut known = self.known.lock();
        let next = known.map.updated(told);
        if next == known.map {
            return;
        }
        let changed = next.changed_since(&known.map);
        for slot in &changed {
            *known.changes.entry(*slot).or_default() += 1;
        }
        let primaries: Vec<_> = next.primaries().iter().map(ToString::to_string).collect();
        let (primaries, epoch) = (primaries.join(", "), next.epoch());
        match (known.map == SlotMap::default(), changed.len()) {
            (true, _) => tracing::info!("Redis: Cluster of the primaries {primaries} (epoch {epoch})"),
            (false, 0) => {}
            (false, slots) => {
                tracing::warn!("Redis: {slots} slots have another primary (now {primaries}, epoch {epoch})");
            }
        }
        known.map = next;
        drop(known);
        if !changed.is_empty() {
            self.changed.send_replace(());
        }
    }

    /// Lets the task ask all servers soon, since one of them seems to be lost.
    pub(in super::super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Asks until it is dropped: one server after the other, or all when there is a reason to.
    pub(in super::super) async fn run(&self) {
        let mut ticks = interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turn = 0_usize;
        loop {
            tokio::select! {
                _instant = ticks.tick() => {
                    let servers = self.all_servers();
                    turn = turn.wrapping_add(1);
                    let Some(next) = servers.get(turn.checked_rem(servers.len()).unwrap_or(0)) else { continue };
                    match self.servers.ask(next).await {
                        Ok(told) => self.take_in(&[told]),
                        Err(error) => tracing::debug!(%error, "Redis: server of the Cluster not asked"),
                    }
                }
                () = self.hurry.notified() => {
                    if let Err(error) = self.find().await {
                        tracing::debug!(%error, "Redis: no server of the Cluster answers");
                    }
                    sleep(HURRY_EVERY).await;
                }
            }
        }
    }
}

impl Known {
    fn changes_of(&self, slot: u16) -> u64 {
        self.changes.get(&slot).copied().unwrap_or(0)
    }
}

/// The error that says more: a server that refuses is more than one that is away.
fn worse(known: Option<NotTold>, other: NotTold) -> NotTold {
    match known {
        None => other,
        Some(known) => match (&known, &other) {
            (
                NotTold::Away { .. },
                NotTold::Login { .. } | NotTold::NoCluster { .. } | NotTold::Access(_),
            ) => other,
            (
                NotTold::Away { .. } | NotTold::Login { .. } | NotTold::NoCluster { .. } | NotTold::Access(_),
                _second,
            ) => known,
        },
    }
}

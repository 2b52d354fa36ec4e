//! The memory of usage: the last hour of each actor of this node, and the latest sample of those of other nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use super::history::History;
use super::rate::{Timed, usage};
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::usage::{ActorUsage, TreeReading, Usage};
use crate::lock::Lock;

/// A sample that is older says nothing about now.
const FRESH: Duration = Duration::from_secs(90);

/// The latest usage of all actors, as it is told to watches.
#[derive(Debug, Default)]
pub struct UsageRound {
    /// Actors of this node that have a process.
    pub here: Vec<ActorUsage>,
    /// Actors of other nodes, as far as they are known.
    pub elsewhere: Vec<ActorUsage>,
}

/// A reading of an actor of this node.
#[derive(Debug, Clone)]
pub struct ActorReading {
    /// Name of the actor.
    pub actor_id: ActorId,
    /// Script type of the actor.
    pub script_type: ScriptType,
    /// The reading; None without a process that can be read.
    pub reading: Option<TreeReading>,
}

/// The memory of usage. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct UsageTracker {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Lock<State>,
    rounds: watch::Sender<Arc<UsageRound>>,
}

#[derive(Debug, Default)]
struct State {
    here: BTreeMap<ActorId, Tracked>,
    elsewhere: BTreeMap<NodeName, Vec<ActorUsage>>,
}

#[derive(Debug, Default)]
struct Tracked {
    history: History,
    /// The latest reading; None without a process.
    last: Option<Timed>,
}

impl UsageTracker {
    /// Notes the readings of all actors of this node and tells watches. Actors that are not among them are forgotten.
    /// Returns the points of five minutes that have ended.
    pub fn record(
        &self,
        readings: Vec<ActorReading>,
        at: Instant,
        date: SystemTime,
    ) -> Vec<(ActorId, Usage)> {
        let mut state = self.lock();
        let present: BTreeSet<ActorId> = readings.iter().map(|reading| reading.actor_id.clone()).collect();
        state.here.retain(|actor_id, _tracked| present.contains(actor_id));
        let (mut points, mut here) = (Vec::new(), Vec::new());
        for ActorReading { actor_id, script_type, reading } in readings {
            let tracked = state.here.entry(actor_id.clone()).or_default();
            let now = reading.map(|reading| Timed { at, reading });
            if let Some(now) = &now {
                let usage = usage(tracked.last.as_ref(), now, date);
                let point = tracked.history.add(&usage);
                points.extend(point.map(|point| (actor_id.clone(), point)));
                here.push(ActorUsage { actor_id, script_type, usage });
            }
            tracked.last = now;
        }
        let elsewhere = state.elsewhere.values().flatten().cloned().collect();
        drop(state);
        self.shared.rounds.send_replace(Arc::new(UsageRound { here, elsewhere }));
        points
    }

    /// Notes what other nodes have told of their actors; nodes that are not among them are forgotten.
    pub fn note_elsewhere(&self, told: BTreeMap<NodeName, Vec<ActorUsage>>) {
        self.lock().elsewhere = told;
    }

    /// Returns the latest round.
    pub fn round(&self) -> Arc<UsageRound> {
        Arc::clone(&self.shared.rounds.borrow())
    }

    /// Returns the latest usage of an actor; None if it has no process, or nothing was told lately.
    pub fn latest(&self, actor_id: &ActorId, now: SystemTime) -> Option<Usage> {
        let state = self.lock();
        let here = state.here.get(actor_id);
        let usage = match here {
            Some(tracked) => tracked.last.and_then(|_last| tracked.history.latest()),
            None => {
                let told = state.elsewhere.values().flatten().find(|told| told.actor_id == *actor_id);
                told.map(|told| told.usage)
            }
        };
        usage.filter(|usage| now.duration_since(usage.at).unwrap_or_default() < FRESH)
    }

    /// Returns the samples of the last hour after a time, the oldest first. Those of other nodes are not known.
    pub fn since(&self, actor_id: &ActorId, time: SystemTime) -> Vec<Usage> {
        self.lock().here.get(actor_id).map(|tracked| tracked.history.since(time)).unwrap_or_default()
    }

    /// Returns each round as it comes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<UsageRound>> {
        self.shared.rounds.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const READING: TreeReading = TreeReading {
        started: 1,
        cpu: Duration::from_secs(1),
        memory_bytes: 1 << 20,
        open_files: Some(9),
        threads: 4,
        processes: 2,
    };

    fn date(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn id(name: &str) -> ActorId {
        ActorId::parse(name).unwrap()
    }

    fn read(name: &str, reading: Option<TreeReading>) -> ActorReading {
        ActorReading { actor_id: id(name), script_type: ScriptType::OSIS, reading }
    }

    #[tokio::test]
    async fn only_living_actors_have_usage_and_removed_ones_are_forgotten() {
        let tracker = UsageTracker::default();
        let mut rounds = tracker.subscribe();
        let begun = Instant::now();
        tracker.record(vec![read("a", Some(READING)), read("b", Some(READING))], begun, date(5));
        let later = TreeReading { cpu: Duration::from_secs(2), ..READING };
        tracker.record(
            vec![read("a", Some(later)), read("b", None)],
            begun + Duration::from_secs(5),
            date(10),
        );
        let usage = tracker.latest(&id("a"), date(10)).unwrap();
        assert_eq!((usage.cpu_millicores, usage.at), (Some(200), date(10)));
        assert_eq!(tracker.latest(&id("b"), date(10)), None);
        assert_eq!(tracker.since(&id("b"), UNIX_EPOCH).len(), 1, "its history stays");
        let told =
            rounds.borrow_and_update().here.iter().map(|told| told.actor_id.clone()).collect::<Vec<_>>();
        assert_eq!(told, [id("a")]);
        assert_eq!(tracker.latest(&id("a"), date(120)), None, "it is too old");
        tracker.record(vec![read("b", Some(READING))], begun + Duration::from_secs(10), date(15));
        assert_eq!(tracker.since(&id("a"), UNIX_EPOCH), []);
    }

    #[tokio::test]
    async fn actors_of_other_nodes_are_shown_as_they_were_told_last() {
        let tracker = UsageTracker::default();
        let usage = Usage {
            at: date(7),
            cpu_millicores: Some(5),
            memory_bytes: 1,
            open_files: None,
            threads: 1,
            processes: 1,
        };
        let told = ActorUsage { actor_id: id("far"), script_type: ScriptType::SAL, usage };
        let node = NodeName::parse("there").unwrap();
        tracker.note_elsewhere(BTreeMap::from([(node, vec![told.clone()])]));
        assert_eq!(tracker.latest(&id("far"), date(8)), Some(usage));
        tracker.record(Vec::new(), Instant::now(), date(8));
        assert_eq!(tracker.round().elsewhere, [told]);
        tracker.note_elsewhere(BTreeMap::new());
        assert_eq!(tracker.latest(&id("far"), date(8)), None);
    }
}

//! Flow by key: the next job is looked for when an actor asks for one, and what counts is what actors have.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Lane, Place, State};
use crate::domain::model::flow::{FlowKeyFull, FlowRules, key_of};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::queue_name::QueueName;
use crate::ports::clock::Clock;
use crate::ports::queue_admin::FlowStanding;

impl State {
    pub(in crate::adapters::memory) fn set_flow(&mut self, name: QueueName, rules: FlowRules) {
        self.queue(name).flow = rules;
    }

    /// Finds the next place from which this actor takes a job.
    pub(super) fn next_place(&self, name: QueueName, actor: &ActorId) -> Option<Place> {
        let queue = self.look_at(name);
        let inbox = Lane::Inbox(actor.clone());
        let for_me = |lane: &Lane| *lane == inbox || matches!(lane, Lane::Front | Lane::Queue);
        let mut mine = queue.waiting.iter().filter(|((lane, ..), _waiting)| for_me(lane));
        if queue.flow.is_empty() {
            return mine.next().map(|(place, _waiting)| place.clone());
        }
        let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
        for (place, waiting) in mine {
            match self.flow_key(&waiting.job_id) {
                None => return Some(place.clone()),
                Some(key) => drop(first.entry(key).or_insert(place)),
            }
        }
        let now = self.clock.now();
        let opens =
            |key: &&str| queue.flow.gate_of(key, self.running_of(name, key).len() as u64, now).is_none();
        let key = queue.schedule.next(first.keys().copied().filter(opens))?;
        first.get(key).map(|place| (*place).clone())
    }

    /// The flow key of a job; None for one that is under no rule.
    fn flow_key(&self, id: &JobId) -> Option<&str> {
        key_of(&self.jobs.get(id)?.spec)
    }

    /// The jobs of a key that actors have, or have not stopped yet.
    fn running_of(&self, name: QueueName, key: &str) -> Vec<JobId> {
        let held = self.look_at(name).held.values().map(|held| &held.job_id);
        let now = Instant::now();
        let stopping = self.stopping.iter().filter(|(_id, stopping)| stopping.until() > now);
        let all = held.chain(stopping.map(|(id, _stopping)| id));
        let of_key = |id: &&JobId| {
            self.flow_key(id) == Some(key) && self.jobs.get(id).is_some_and(|job| job.spec.queue() == name)
        };
        all.filter(of_key).cloned().collect()
    }

    /// Notes that a job was handed out, or came back.
    pub(super) fn charge_flow(&mut self, name: QueueName, id: &JobId, comes_back: bool) {
        if self.look_at(name).flow.is_empty() {
            return;
        }
        let Some(key) = self.flow_key(id).map(str::to_owned) else { return };
        let queue = self.queue(name);
        let weight = queue.flow.weight_of(&key);
        match comes_back {
            true => queue.schedule.refund(&key, weight),
            false => queue.schedule.charge(&key, weight),
        }
    }

    /// The refusal of one more job of a key; None while there may be one.
    pub(in crate::adapters::memory) fn full_key(&self, name: QueueName, key: &str) -> Option<FlowKeyFull> {
        let queue = self.look_at(name);
        let most = u64::from(queue.flow.rule_of(key)?.max_queued?);
        let of_key = |id: &JobId| self.flow_key(id) == Some(key);
        let waiting = queue.waiting.values().filter(|waiting| of_key(&waiting.job_id)).count() as u64;
        let full = || FlowKeyFull { key: key.to_owned(), queued: waiting, limit: most };
        (waiting >= most).then(full)
    }

    /// True if a job that is cancelled while an actor has it counts as running until it is stopped.
    pub(super) fn stops_slowly(&self, id: &JobId) -> bool {
        let spec = self.jobs.get(id).map(|job| &job.spec);
        spec.is_some_and(|spec| spec.unique.is_some() || !self.look_at(spec.queue()).flow.is_empty())
    }

    pub(in crate::adapters::memory) fn flow_standing(
        &self,
        name: QueueName,
        key: &str,
        job: &JobId,
    ) -> FlowStanding {
        let jobs = self.running_of(name, key);
        FlowStanding { running: jobs.len() as u64, is_running: jobs.contains(job), jobs }
    }
}

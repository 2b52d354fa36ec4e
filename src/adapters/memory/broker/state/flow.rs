//! Flow by key: the next job is looked for when an actor asks for one, and what counts is what actors have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{InFlight, Lane, Place, Queue, State};
use crate::domain::model::flow::{FlowGate, FlowKeyFull, FlowRules, FlowUse, key_of};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::queue_name::QueueName;
use crate::ports::clock::Clock;
use crate::ports::queue_admin::{FlowHeld, FlowStanding};

impl State {
    pub(in crate::adapters::memory) fn set_flow(&mut self, name: QueueName, rules: FlowRules) {
        let now = self.clock.now();
        let queue = self.queue(name);
        if rules.is_empty() {
            queue.uses.clear();
        }
        for (key, used) in &mut queue.uses {
            if let Some(rate) = rules.rate_of(key) {
                *used = used.under(&rate, now);
            }
        }
        queue.flow = rules;
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
        let opens = |key: &&str| {
            let running = self.running_of(name, key).len() as u64;
            queue.flow.gate_of(key, running, now).is_none() && queue.opening_of(key, now).is_none()
        };
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

    pub(in crate::adapters::memory) fn flow_held(&self, name: QueueName) -> FlowHeld {
        let (queue, now) = (self.look_at(name), self.clock.now());
        let mut held = FlowHeld::default();
        if queue.flow.is_empty() {
            return held;
        }
        for key in queue.waiting.values().filter_map(|waiting| self.flow_key(&waiting.job_id)) {
            match queue.flow.gate_of(key, self.running_of(name, key).len() as u64, now) {
                Some(FlowGate::Paused(_pause)) => held.paused += 1,
                Some(FlowGate::AtLimit(_most)) => held.at_limit += 1,
                Some(FlowGate::OverRate { .. }) => held.over_rate += 1,
                None => held.over_rate += u64::from(queue.opening_of(key, now).is_some()),
            }
        }
        held
    }

    /// Returns the time until the next key that has jobs opens, as far as rates and pauses tell.
    pub(in crate::adapters::memory) fn time_to_opening(&self, name: QueueName) -> Option<Duration> {
        let (queue, now) = (self.look_at(name), self.clock.now());
        if queue.flow.is_empty() {
            return None;
        }
        let keys: BTreeSet<&str> =
            queue.waiting.values().filter_map(|waiting| self.flow_key(&waiting.job_id)).collect();
        let pauses = keys.iter().filter_map(|key| queue.flow.rule_of(key)?.pause_at(now)?.until);
        let rates = keys.iter().filter_map(|key| queue.opening_of(key, now));
        pauses.chain(rates).min().and_then(|opens| opens.duration_since(now).ok())
    }

    /// Notes that a job was handed out.
    pub(super) fn charge_flow(&mut self, name: QueueName, id: &JobId) {
        if self.look_at(name).flow.is_empty() {
            return;
        }
        let Some(key) = self.flow_key(id).map(str::to_owned) else { return };
        let now = self.clock.now();
        let queue = self.queue(name);
        queue.schedule.charge(&key, queue.flow.weight_of(&key));
        queue.uses.retain(|_key, used| used.counts_at(now));
        if let Some(rate) = queue.flow.rate_of(&key) {
            let used = FlowUse::after(queue.uses.get(&key).copied(), &rate, now);
            queue.uses.insert(key, used);
        }
    }

    /// Notes that a job came back that was handed out. Once an actor has begun it, it has counted for the rate.
    pub(super) fn refund_flow(&mut self, name: QueueName, held: &InFlight) {
        if self.look_at(name).flow.is_empty() {
            return;
        }
        let Some(key) = self.flow_key(&held.job_id).map(str::to_owned) else { return };
        let queue = self.queue(name);
        queue.schedule.refund(&key, queue.flow.weight_of(&key));
        let rate = queue.flow.rate_of(&key).filter(|_rate| !held.begun);
        if let Some(left) = rate.and_then(|rate| queue.uses.get(&key)?.given_back(&rate)) {
            queue.uses.insert(key, left);
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
        let opens = self.look_at(name).opening_of(key, self.clock.now());
        FlowStanding { running: jobs.len() as u64, is_running: jobs.contains(job), jobs, opens }
    }
}

impl Queue {
    /// Returns the time at which a key gives its next job, while its rate keeps it from that.
    fn opening_of(&self, key: &str, now: SystemTime) -> Option<SystemTime> {
        let rate = self.flow.rate_of(key)?;
        FlowUse::opens(self.uses.get(key).copied(), &rate, now)
    }
}

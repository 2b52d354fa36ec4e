//! Order in which keys give jobs: a virtual clock that goes on for each key by the inverse of its weight.

use std::collections::BTreeMap;

/// Virtual time of a job of weight 1. Every weight up to 1000 divides it well enough.
const COST: u64 = 1_000_000;

/// Shares of keys: of those that have jobs, the one with the least time is next. Time that a key has let pass is not made up for.
#[derive(Debug, Clone, Default)]
pub struct FlowSchedule {
    now: u64,
    times: BTreeMap<String, u64>,
}

impl FlowSchedule {
    /// Returns the key whose turn it is.
    pub fn next<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        keys.min_by_key(|key| (self.time_of(key), *key))
    }

    /// Notes that a key of this weight has given a job.
    pub fn charge(&mut self, key: &str, weight: u32) {
        let time = self.time_of(key);
        self.now = self.now.max(time);
        self.times.insert(key.to_owned(), time + cost(weight));
        let now = self.now;
        self.times.retain(|_key, time| *time > now);
    }

    /// Notes that a key has got back a job that it has given.
    pub fn refund(&mut self, key: &str, weight: u32) {
        if let Some(time) = self.times.get_mut(key) {
            *time = time.saturating_sub(cost(weight));
        }
    }

    fn time_of(&self, key: &str) -> u64 {
        self.times.get(key).copied().unwrap_or_default().max(self.now)
    }
}

fn cost(weight: u32) -> u64 {
    COST / u64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets keys give so many jobs, all of them having enough; answers with how many each has given.
    fn shares(weights: &[(&str, u32)], jobs: u32) -> BTreeMap<String, u32> {
        let mut schedule = FlowSchedule::default();
        let mut given = BTreeMap::new();
        for _job in 0..jobs {
            let key = schedule.next(weights.iter().map(|(key, _)| *key)).unwrap();
            let weight = weights.iter().find(|(name, _)| *name == key).unwrap().1;
            schedule.charge(key, weight);
            *given.entry(key.to_owned()).or_default() += 1;
        }
        given
    }

    #[test]
    fn keys_get_their_shares() {
        let given = shares(&[("a", 1), ("b", 2), ("c", 4)], 700);
        for (key, share) in [("a", 100), ("b", 200), ("c", 400_u32)] {
            assert!(given[key].abs_diff(share) <= 4, "{given:?}");
        }
        let given = shares(&[("a", 1), ("b", 1000)], 1001);
        assert!(given["a"] <= 2 && given["b"] >= 999, "{given:?}");
    }

    #[test]
    fn a_key_that_was_away_gets_no_more_than_its_share() {
        let mut schedule = FlowSchedule::default();
        for _job in 0..100 {
            schedule.charge("a", 1);
        }
        let mut given = Vec::new();
        for _job in 0..10 {
            let key = schedule.next(["a", "b"].into_iter()).unwrap();
            schedule.charge(key, 1);
            given.push(key);
        }
        assert!(given.iter().filter(|key| **key == "a").count() >= 4, "{given:?}");
    }

    #[test]
    fn a_job_that_comes_back_has_cost_nothing() {
        let mut schedule = FlowSchedule::default();
        for key in ["a", "b"] {
            schedule.charge(key, 1);
        }
        schedule.charge("a", 1);
        schedule.refund("a", 1);
        assert_eq!(schedule.next(["a", "b"].into_iter()), Some("a"));
        // Nothing is kept of keys that are not ahead.
        schedule.charge("b", 1000);
        assert!(schedule.times.len() <= 2);
    }
}

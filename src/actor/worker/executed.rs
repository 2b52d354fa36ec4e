//! Leases whose scripts have run in this process: they never run again, whatever the queue believes.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::ports::work_queue::Lease;

/// Leases that are remembered; far more than can be pending at a time.
const REMEMBERED: usize = 16 * 1024;

/// The last leases whose scripts may have run here, as their hashes.
#[derive(Debug, Default)]
pub(super) struct ExecutedLeases {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl ExecutedLeases {
    pub(super) fn add(&mut self, lease: &Lease) {
        let hash = hash(lease);
        if !self.known.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, lease: &Lease) -> bool {
        self.known.contains(&hash(lease))
    }
}

fn hash(lease: &Lease) -> u64 {
    let mut hasher = DefaultHasher::new();
    lease.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::id::JobId;

    #[test]
    fn the_latest_are_remembered_and_no_more() {
        let lease = |number: usize| Lease { token: number.to_string(), job_id: JobId::parse("j").unwrap() };
        let mut memory = ExecutedLeases::default();
        (0..REMEMBERED + 10).for_each(|number| memory.add(&lease(number)));
        memory.add(&lease(REMEMBERED));
        assert!(!memory.contains(&lease(9)));
        assert!(memory.contains(&lease(10)) && memory.contains(&lease(REMEMBERED + 9)));
        assert_eq!((memory.known.len(), memory.order.len()), (REMEMBERED, REMEMBERED));
    }
}

//! Statistics of the queues: their rates, whether they are paused, and the last decision of scaling.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::MutexGuard;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::ScalingDecision;
use crate::lock::Lock;
use crate::ports::queue_admin::QueueState;

/// Rates are taken over this long.
const SPAN: Duration = Duration::from_secs(30);
/// More looks than this in the span are not needed.
const MOST_LOOKS: usize = 64;

/// Statistics of the default queues, and of those that have actors here, from observations about a second apart.
#[derive(Debug, Default)]
pub(crate) struct QueueStats {
    queues: Lock<BTreeMap<QueueName, OfQueue>>,
}

#[derive(Debug, Default)]
struct OfQueue {
    paused: bool,
    looks: VecDeque<(Instant, u64, u64)>,
    decision: Option<ScalingDecision>,
    next_look: Option<SystemTime>,
}

/// Jobs a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QueueRates {
    /// Jobs that were submitted.
    pub submitted: f64,
    /// Jobs that have ended, in whatever way.
    pub finished: f64,
}

impl QueueStats {
    /// Notes a look.
    pub(crate) fn note(&self, queue: QueueName, state: &QueueState, now: Instant) {
        let mut queues = self.lock();
        let stats = queues.entry(queue).or_default();
        stats.paused = state.paused.is_some();
        let lost = stats.looks.back().is_some_and(|(_at, submitted, _finished)| *submitted > state.submitted);
        if lost {
            stats.looks.clear();
        }
        stats.looks.push_back((now, state.submitted, state.finished));
        let old = |look: &(Instant, u64, u64)| now - look.0 > SPAN;
        while stats.looks.len() > MOST_LOOKS
            || (stats.looks.len() > 2 && stats.looks.front().is_some_and(old))
        {
            stats.looks.pop_front();
        }
    }

    pub(crate) fn is_paused(&self, queue: QueueName) -> bool {
        self.lock().get(&queue).is_some_and(|stats| stats.paused)
    }

    pub(crate) fn set_paused(&self, queue: QueueName, paused: bool) {
        self.lock().entry(queue).or_default().paused = paused;
    }

    /// Rates over the last looks; 0 before there are two.
    pub(crate) fn rates(&self, queue: QueueName) -> QueueRates {
        let queues = self.lock();
        let looks = queues.get(&queue).map(|stats| (stats.looks.front(), stats.looks.back()));
        let Some((Some(first), Some(last))) = looks else { return QueueRates::default() };
        let span = (last.0 - first.0).as_secs_f64();
        if span <= 0.0 {
            return QueueRates::default();
        }
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / span;
        QueueRates { submitted: rate(first.1, last.1), finished: rate(first.2, last.2) }
    }

    /// The last decision, wherever it was made.
    pub(crate) fn decision(&self, queue: QueueName) -> Option<ScalingDecision> {
        self.lock().get(&queue).and_then(|stats| stats.decision.clone())
    }

    /// Takes over a decision, unless a younger one is known.
    pub(crate) fn set_decision(&self, queue: QueueName, decision: ScalingDecision) {
        let mut queues = self.lock();
        let known = &mut queues.entry(queue).or_default().decision;
        if known.as_ref().is_none_or(|known| known.at <= decision.at) {
            *known = Some(decision);
        }
    }

    /// Returns the time of the next scaling decision.
    pub(crate) fn next_look(&self, queue: QueueName) -> Option<SystemTime> {
        self.lock().get(&queue).and_then(|stats| stats.next_look)
    }

    pub(crate) fn set_next_look(&self, queue: QueueName, at: Option<SystemTime>) {
        self.lock().entry(queue).or_default().next_look = at;
    }

    /// Forgets the rates of all queues but these.
    pub(crate) fn retain_looks(&self, kept: &BTreeSet<QueueName>) {
        for (_queue, stats) in self.lock().iter_mut().filter(|(queue, _stats)| !kept.contains(queue)) {
            (stats.looks, stats.next_look) = (VecDeque::new(), None);
        }
    }

    /// Forgets a queue that is gone.
    pub(crate) fn forget(&self, queue: QueueName) {
        self.lock().remove(&queue);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<QueueName, OfQueue>> {
        self.queues.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::script_type::ScriptType;

    #[test]
    fn rates_are_those_of_the_last_half_minute() {
        let (stats, start) = (QueueStats::default(), Instant::now());
        for second in 0..=100_u64 {
            // 10 a second at first, 20 in the last 30 seconds.
            let submitted = if second <= 70 { 10 * second } else { 700 + 20 * (second - 70) };
            let state = QueueState { submitted, finished: 5 * second, ..QueueState::default() };
            stats.note(ScriptType::SAL.into(), &state, start + Duration::from_secs(second));
        }
        assert_eq!(stats.rates(ScriptType::SAL.into()), QueueRates { submitted: 20.0, finished: 5.0 });
        assert_eq!(stats.rates(ScriptType::OSIS.into()), QueueRates::default());
    }
}

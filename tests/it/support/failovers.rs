//! Failovers one after another, and how long each of them has kept jobs from their ends.

use std::time::Duration;

use tokio::time::Instant;

use super::full_service::ALLOWANCE;
use super::load::longest_gap;

/// Longest time without a completed job.
const OUTAGE: Duration = Duration::from_secs(10);

/// Number of failovers: that of HERO_FAILOVERS, or two: afterwards the first primary is it again.
pub(crate) fn rounds() -> usize {
    let given = std::env::var("HERO_FAILOVERS").ok();
    given.map_or(2, |number| number.parse().expect("HERO_FAILOVERS is a number"))
}

/// Sees that no failover has taken too long, and prints how long they have: `begun` has the time of each.
#[expect(clippy::print_stderr, reason = "figures for docs/benchmarks.md, shown with --nocapture")]
pub(crate) fn judge(what: &str, begun: &[Instant], ends: &[(String, Instant)]) {
    let mut outages: Vec<Duration> = begun
        .iter()
        .enumerate()
        .map(|(index, from)| {
            let upto = begun.get(index + 1);
            let before = ends.iter().rev().map(|(_name, at)| *at).find(|at| at <= from);
            let within = ends.iter().map(|(_name, at)| *at);
            let within = within.filter(|at| at > from && upto.is_none_or(|upto| at <= upto));
            longest_gap(before.into_iter().chain(within))
        })
        .collect();
    outages.sort();
    let at = |part: usize| outages[(outages.len() - 1) * part / 100];
    let mut seconds = std::collections::BTreeMap::<u64, usize>::new();
    for outage in &outages {
        *seconds.entry(outage.as_secs()).or_default() += 1;
    }
    eprintln!(
        "{what}: {} failovers, {} jobs, each run once; without a completed job for {:?} at least, {:?} p50, {:?} p90, {:?} \
         at most; by whole seconds: {seconds:?}",
        outages.len(),
        ends.len(),
        at(0),
        at(50),
        at(90),
        at(100)
    );
    assert!(at(100) < OUTAGE + ALLOWANCE, "{outages:?}");
}

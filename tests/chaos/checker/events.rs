//! P6 and P3: what followers of events were told, against what the log had.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::history::{Follower, History, LogEntry, Position};

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, follower) in history.followers.iter().enumerate() {
        let name = format!("follower {number}");
        for complaint in &follower.complaints {
            found.push(Violation::new("P6", format!("{name}: {complaint}")));
        }
        found.extend(order(&name, follower));
        found.extend(completeness(&name, follower, history));
    }
    found.extend(one_end(history));
    found
}

/// Each event once, in the order of its stream.
fn order(name: &str, follower: &Follower) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut at: BTreeMap<char, Position> = follower.begin.clone();
    let mut known: BTreeSet<(char, Position)> = BTreeSet::new();
    for entry in &follower.seen {
        let LogEntry { stream, at: position, job_id, .. } = entry;
        if !known.insert((*stream, *position)) {
            let what = format!("{name} was told twice of {stream}{position:?}");
            found.push(Violation::new("P6", what).of(job_id));
        } else if at.get(stream).is_none_or(|at| position <= at) {
            let what = format!("{name} was told of {stream}{position:?} after {:?}", at.get(stream));
            found.push(Violation::new("P6", what).of(job_id));
        }
        at.insert(*stream, *position);
    }
    found
}

/// Everything that the log had between its beginning and its end, and nothing else.
fn completeness(name: &str, follower: &Follower, history: &History) -> Vec<Violation> {
    let seen: BTreeSet<(char, Position)> =
        follower.seen.iter().map(|entry| (entry.stream, entry.at)).collect();
    let mut found = Vec::new();
    let mut expected = BTreeSet::new();
    for (stream, begin) in &follower.begin {
        let entries = history.log.get(stream).into_iter().flatten();
        let end = follower.end.get(stream).unwrap_or(begin);
        for entry in entries.filter(|entry| entry.at > *begin) {
            expected.insert((entry.stream, entry.at));
            if entry.at <= *end && !seen.contains(&(entry.stream, entry.at)) {
                let what = format!("{name} was never told of {stream}{:?}", entry.at);
                found.push(Violation::new("P6", what).of(&entry.job_id));
            }
        }
    }
    for invented in seen.difference(&expected) {
        found.push(Violation::new("P6", format!("{name} was told of {invented:?}, which the log never had")));
    }
    found
}

/// P3 by the log: a job ends once.
fn one_end(history: &History) -> Vec<Violation> {
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let entries = history.log.values().flatten();
    for entry in entries.filter(|entry| entry.end) {
        *ends.entry(&entry.job_id).or_default() += 1;
    }
    let twice = ends.into_iter().filter(|(_job, count)| *count > 1);
    twice
        .map(|(job, count)| Violation::new("P3", format!("the log has {count} ends of it")).of(job))
        .collect()
}

//! A history in words: what a failed run shows.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::checker::Violation;
use crate::history::{Answer, Call, History, Millis, State};

/// Violations that are shown in full; a run that breaks down breaks everything.
const SHOWN: usize = 8;
/// Faults so long before what is shown may have to do with it.
const AROUND: Millis = 8000;

/// The ids of all jobs that somebody was told of.
pub(crate) fn known_ids(history: &History) -> BTreeSet<String> {
    history.calls.iter().filter_map(id_of).map(str::to_owned).collect()
}

fn id_of(call: &Call) -> Option<&str> {
    match &call.answer {
        Answer::Job(told) => Some(&told.id),
        Answer::Error { .. } => None,
    }
}

/// What a run was like, in a few lines.
pub(crate) fn summary(history: &History) -> String {
    let ended = |state| history.ends.values().filter(|told| told.state == state).count();
    let starts = history.marks.iter().filter(|mark| !mark.end).count();
    let events: usize = history.log.values().map(Vec::len).sum();
    let followed: usize = history.followers.iter().map(|follower| follower.seen.len()).sum();
    let faults: Vec<&str> = history.faults.iter().map(|fault| fault.kind.as_str()).collect();
    format!(
        "{} jobs, {} calls; {} succeeded, {} failed, {} cancelled; {starts} marked executions; {events} events, {followed} \
         followed; faults: {}",
        history.jobs.len(),
        history.calls.len(),
        ended(State::Succeeded),
        ended(State::Failed),
        ended(State::Cancelled),
        faults.join(", "),
    )
}

/// What is wrong, each with the part of the history that it is about.
pub(crate) fn of(history: &History, violations: &[Violation]) -> String {
    let mut text = format!("{} violations\n", violations.len());
    for violation in violations.iter().take(SHOWN) {
        let Violation { promise, what, job } = violation;
        let _fits = writeln!(text, "\n{promise}: {what}");
        if let Some(job) = job {
            part_of(history, job, &mut text);
        }
    }
    for violation in violations.iter().skip(SHOWN) {
        let Violation { promise, what, job } = violation;
        let _fits = writeln!(text, "{promise}: {what} ({})", job.as_deref().unwrap_or("no job"));
    }
    let begin = begin(history);
    let _fits = writeln!(text, "\nall faults, in milliseconds since the first call:");
    for fault in &history.faults {
        let _fits =
            writeln!(text, "  {:6} … {:6} {}", since(begin, fault.from), since(begin, fault.to), fault.kind);
    }
    text
}

fn begin(history: &History) -> Millis {
    history.calls.iter().map(|call| call.from).min().unwrap_or_default()
}

fn since(begin: Millis, at: Millis) -> i64 {
    at.cast_signed() - begin.cast_signed()
}

/// Everything about one job, by its word or its id, in the order of time, with the faults around it.
fn part_of(history: &History, job: &str, text: &mut String) {
    let word =
        history.calls.iter().find(|call| id_of(call) == Some(job)).map_or(job, |call| call.job.as_str());
    let calls: Vec<&Call> = history.calls.iter().filter(|call| call.job == word).collect();
    let ids: BTreeSet<&str> = calls.iter().filter_map(|call| id_of(call)).chain([job]).collect();
    let mut lines: Vec<(Millis, String)> = Vec::new();
    for call in &calls {
        let took = call.to - call.from;
        lines.push((call.from, format!("{:?}, answered {took} ms later: {:?}", call.what, call.answer)));
    }
    for mark in history.marks.iter().filter(|mark| mark.job == word) {
        lines.push((
            mark.at,
            format!("its script {}", if mark.end { "ran to its end" } else { "was started" }),
        ));
    }
    for entry in history.log.values().flatten().filter(|entry| ids.contains(entry.job_id.as_str())) {
        let end = if entry.end { ", its end" } else { "" };
        lines.push((entry.at.0, format!("event {}{:?}{end}", entry.stream, entry.at)));
    }
    let (first, last) = (lines.iter().map(|line| line.0).min(), lines.iter().map(|line| line.0).max());
    let (Some(first), Some(last)) = (first, last) else { return };
    for fault in &history.faults {
        if fault.from < last + AROUND && first < fault.to + AROUND {
            lines.push((fault.from, format!("-- {} begins", fault.kind)));
            lines.push((fault.to, format!("-- {} ends", fault.kind)));
        }
    }
    lines.sort();
    let begin = begin(history);
    let _fits = writeln!(text, "  job {word} {:?} {ids:?}", history.jobs.get(word));
    for (at, line) in lines {
        let _fits = writeln!(text, "  {:6} {line}", since(begin, at));
    }
}

//! P1 to P4 and P10: what became of each job, against what really ran.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::history::{Answer, Asked, Call, History, JobFacts, Mark, Millis, State, Told};

/// A mark is found so much later than it was written, at most, when the machine is busy.
const FOUND_LATE: Millis = 1500;
/// Answers that leave no doubt: nothing was done.
const DEFINITE: [&str; 5] =
    ["InvalidArgument", "AlreadyExists", "FailedPrecondition", "ResourceExhausted", "NotFound"];

/// The fault in which Redis' clock, by which ends are dated, is another one than that of the marks.
pub(super) const CLOCK_STEPS: &str = "RedisClockSteps";

/// All that the history has about one job.
struct Story<'a> {
    word: &'a str,
    /// Redis' clock was stepped while somebody asked for it.
    misdated: bool,
    facts: &'a JobFacts,
    calls: Vec<&'a Call>,
    marks: Vec<&'a Mark>,
    /// Every time that somebody was told of it, and how it stands in the end.
    told: Vec<&'a Told>,
    end: Option<&'a Told>,
}

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut calls: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in &history.calls {
        calls.entry(&call.job).or_default().push(call);
    }
    let mut marks: BTreeMap<&str, Vec<&Mark>> = BTreeMap::new();
    for mark in &history.marks {
        marks.entry(&mark.job).or_default().push(mark);
    }
    let mut found = Vec::new();
    for (word, facts) in &history.jobs {
        let calls = calls.remove(word.as_str()).unwrap_or_default();
        let told = calls.iter().filter_map(|call| told_by(call)).collect::<Vec<_>>();
        let end = told.first().and_then(|told| history.ends.get(&told.id));
        let marks = marks.remove(word.as_str()).unwrap_or_default();
        let misdated = misdated(history, &calls);
        let story = Story { word, misdated, facts, calls, marks, told, end };
        found.extend(story.violations().into_iter().map(|violation| violation.of(word)));
    }
    let idle = history.idle.iter();
    found.extend(idle.map(|name| Violation::new("P10", format!("{name} does not run at the end"))));
    found
}

fn misdated(history: &History, calls: &[&Call]) -> bool {
    let steps = history.faults.iter().filter(|fault| fault.kind == CLOCK_STEPS);
    let (from, to) = (calls.iter().map(|call| call.from).min(), calls.iter().map(|call| call.to).max());
    let (Some(from), Some(to)) = (from, to) else { return false };
    steps.into_iter().any(|step| step.from < to + FOUND_LATE && from < step.to + FOUND_LATE)
}

fn told_by(call: &Call) -> Option<&Told> {
    match &call.answer {
        Answer::Job(told) => Some(told),
        Answer::Error { .. } => None,
    }
}

impl Story<'_> {
    fn violations(&self) -> Vec<Violation> {
        let mut found = self.loss();
        found.extend(self.executions());
        found.extend(self.ends());
        found.extend(self.identity());
        found
    }

    fn submits(&self) -> impl Iterator<Item = &&Call> {
        self.calls.iter().filter(|call| matches!(call.what, Asked::Submit | Asked::Run))
    }

    fn starts(&self) -> usize {
        self.marks.iter().filter(|mark| !mark.end).count()
    }

    /// P1: what was acknowledged is there and ends.
    fn loss(&self) -> Vec<Violation> {
        match (self.told.first(), self.end) {
            (Some(_acknowledged), None) => vec![Violation::new("P1", "an acknowledged job is gone")],
            (Some(_acknowledged), Some(end)) if end.state == State::Open => {
                vec![Violation::new("P1", "an acknowledged job never ended")]
            }
            (Some(_) | None, _) => Vec::new(),
        }
    }

    /// P2: it was started as often as it may be, and what succeeded did run.
    fn executions(&self) -> Vec<Violation> {
        let (starts, most) = (self.starts(), self.facts.max_attempts as usize);
        let mut found = Vec::new();
        if starts > most {
            found.push(Violation::new("P2", format!("it ran {starts} times; {most} allowed")));
        }
        let Some(end) = self.end.filter(|_end| self.facts.marks) else { return found };
        if starts > end.attempt as usize {
            let what = format!("it ran {starts} times and counts {} attempts", end.attempt);
            found.push(Violation::new("P2", what));
        }
        let ran_through = self.marks.iter().any(|mark| mark.end);
        if end.state == State::Succeeded && !ran_through {
            found.push(Violation::new("P1", "it succeeded and its script never ran to its end"));
        }
        found
    }

    /// P3: one end, the same for everybody, and nothing runs after it.
    fn ends(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let all = self.told.iter().copied().chain(self.end);
        let ends: Vec<&Told> = all.filter(|told| told.state != State::Open).collect();
        if let Some(pair) = ends.windows(2).find(|pair| pair[0] != pair[1]) {
            found.push(Violation::new("P3", format!("it ended twice: {:?} and {:?}", pair[0], pair[1])));
        }
        if let Some(end) = ends.first() {
            if end.state == State::Succeeded && end.result.as_deref() != Some(self.word) {
                found.push(Violation::new("P3", format!("it has the result {:?}", end.result)));
            }
            let late = |mark: &&&Mark| {
                !mark.end && end.finished.is_some_and(|finished| mark.at > finished + FOUND_LATE)
            };
            if let Some(mark) = self.marks.iter().find(late).filter(|_| !self.misdated) {
                let after = mark.at - end.finished.unwrap_or_default();
                found.push(Violation::new("P3", format!("it was started {after} ms after it had ended")));
            }
        }
        found
    }

    /// P4: one submission is one job, and is not refused because of itself.
    fn identity(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let ids: BTreeSet<&str> = self.told.iter().map(|told| told.id.as_str()).collect();
        if ids.len() > 1 {
            found.push(Violation::new("P4", format!("it is several jobs: {ids:?}")));
        }
        let refusals = self.submits().filter_map(|call| match &call.answer {
            Answer::Error { code, reason } if DEFINITE.contains(&code.as_str()) => Some((code, reason)),
            Answer::Error { .. } | Answer::Job(_) => None,
        });
        for (code, reason) in refusals {
            if code == "AlreadyExists" {
                found.push(Violation::new("P4", format!("it was refused because of itself: {reason}")));
            } else if self.submits().count() == 1 && self.starts() > 0 {
                found.push(Violation::new("P4", format!("it was refused ({code} {reason}) and ran")));
            }
        }
        let accepted = self.submits().any(|call| told_by(call).is_some());
        if self.facts.repeatable && !accepted && self.starts() > 0 && self.end.is_none() {
            // Asked again until the end of the run, it must be told of by then.
            found.push(Violation::new("P4", "it ran, and whoever asked with its request id was never told"));
        }
        found
    }
}

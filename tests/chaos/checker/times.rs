//! P5, P9 and P11: who waits is answered in time, and who cannot be served is told so, quickly and in the right words.

use super::Violation;
use crate::history::{Answer, Asked, Call, History, Millis, State};

/// From the end of a job to the answer of whoever waits for it, with what a busy machine takes.
const TOLD_WITHIN: Millis = 1000 + 1000;
/// Beyond the longest wait of a caller.
const DEADLINE_ALLOWANCE: Millis = 3000;
/// After a fault everything needs a moment.
const AFTERMATH: Millis = 4000;
const BEFORE: Millis = 500;

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for call in &history.calls {
        found.extend(late(history, call).map(|what| Violation::new("P5", what).of(&call.job)));
        found.extend(hung(history, call).map(|what| Violation::new("P5", what).of(&call.job)));
        found.extend(wrong_words(call).map(|what| Violation::new("P11", what).of(&call.job)));
    }
    for fault in &history.faults {
        let complaints = fault.complaints.iter();
        found.extend(
            complaints.map(|what| Violation::new(promise_of(&fault.kind), format!("{}: {what}", fault.kind))),
        );
    }
    found
}

fn promise_of(fault: &str) -> &'static str {
    match fault {
        fault if fault.contains("supervisor") => "P10",
        "CrashLoop" => "P9",
        _other => "P11",
    }
}

/// Whether some fault, or a machine that stood still, excuses what took this time.
fn is_excused(history: &History, from: Millis, to: Millis) -> bool {
    let mut excuses = history.faults.iter().filter(|fault| fault.excuses);
    excuses.any(|fault| fault.from < to + BEFORE && from < fault.to + AFTERMATH)
}

fn late(history: &History, call: &Call) -> Option<String> {
    let Answer::Job(told) = &call.answer else { return None };
    let waited = matches!(call.what, Asked::Await | Asked::Run) && told.state != State::Open;
    let ended = told.finished.filter(|_finished| waited)?.max(call.from);
    let took = call.to.saturating_sub(ended);
    (took > TOLD_WITHIN && !is_excused(history, ended, call.to))
        .then(|| format!("{:?} was answered {took} ms after the end", call.what))
}

fn hung(history: &History, call: &Call) -> Option<String> {
    let took = call.to - call.from;
    let too_long = took > call.wait + DEADLINE_ALLOWANCE;
    (too_long && !is_excused(history, call.from + call.wait, call.to))
        .then(|| format!("{:?} that waits {} ms at most took {took} ms", call.what, call.wait))
}

/// What fails because something is away is nobody's bug.
fn wrong_words(call: &Call) -> Option<String> {
    let Answer::Error { code, reason } = &call.answer else { return None };
    // Without a reason it comes from the connection, not from the service.
    let is_wrong = code == "Internal" || code == "DataLoss" || (code == "Unknown" && !reason.is_empty());
    is_wrong.then(|| format!("{:?} was told {code} {reason}", call.what))
}

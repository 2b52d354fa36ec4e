//! The checker finds nothing in a good history, and notices each way in which one can be spoiled.

use std::collections::BTreeMap;

use super::check;
use crate::history::{
    Answer, Asked, Call, Fault, Follower, History, JobFacts, LogEntry, Mark, Millis, State, Told,
};

const JOBS: u64 = 6;
const BEGIN: Millis = 1_000_000;

fn told(number: u64, state: State) -> Told {
    let succeeded = state == State::Succeeded;
    Told {
        id: format!("id-{number}"),
        state,
        attempt: u32::from(state != State::Open),
        result: succeeded.then(|| format!("w{number}")),
        finished: succeeded.then_some(BEGIN + number * 1000 + 300),
    }
}

fn call(number: u64, what: Asked, from: Millis, to: Millis, answer: Answer) -> Call {
    let begun = BEGIN + number * 1000;
    Call { from: begun + from, to: begun + to, what, job: format!("w{number}"), answer, wait: 20_000 }
}

fn entry(number: u64, step: u64) -> LogEntry {
    let at = (BEGIN + number * 1000 + step * 100, 0);
    LogEntry { stream: 'p', at, job_id: format!("id-{number}"), end: step == 3 }
}

fn unavailable() -> Answer {
    error("Unavailable", "REDIS_UNAVAILABLE")
}

fn error(code: &str, reason: &str) -> Answer {
    Answer::Error { code: code.to_owned(), reason: reason.to_owned() }
}

/// Jobs that are submitted, run once, succeed and are awaited; a fault in the middle that fails a call.
fn good() -> History {
    let mut history = History::default();
    for number in 0..JOBS {
        let word = format!("w{number}");
        let facts = JobFacts { max_attempts: 1, marks: true, repeatable: number % 2 == 0 };
        history.jobs.insert(word.clone(), facts);
        let accepted = Answer::Job(told(number, State::Open));
        let ended = Answer::Job(told(number, State::Succeeded));
        if number == 3 {
            history.calls.push(call(number, Asked::Await, 20, 30, unavailable()));
        }
        history.calls.push(call(number, Asked::Submit, 0, 10, accepted));
        history.calls.push(call(number, Asked::Await, 40, 310, ended));
        for (at, end) in [(100, false), (290, true)] {
            history.marks.push(Mark { at: BEGIN + number * 1000 + at, job: word.clone(), end });
        }
        history.ends.insert(format!("id-{number}"), told(number, State::Succeeded));
        history.log.entry('p').or_default().extend((1..=3).map(|step| entry(number, step)));
    }
    let seen = history.log[&'p'].clone();
    let begin = BTreeMap::from([('p', (0, 0)), ('k', (0, 0))]);
    let end = BTreeMap::from([('p', entry(JOBS - 1, 3).at), ('k', (0, 0))]);
    history.followers.push(Follower { begin, end, seen, complaints: Vec::new() });
    history.faults.push(Fault {
        from: BEGIN + 3000,
        to: BEGIN + 3100,
        kind: "redis cut".to_owned(),
        excuses: true,
        complaints: Vec::new(),
    });
    history
}

#[test]
fn a_good_history_keeps_every_promise() {
    assert_eq!(check(&good()), []);
}

/// Spoils a good history, and sees that the promise that this breaks, and no other, is found broken.
fn notices(promise: &str, what: &str, spoil: impl FnOnce(&mut History)) {
    let mut history = good();
    spoil(&mut history);
    let found = check(&history);
    assert!(
        found.iter().any(|found| found.promise == promise && found.what.contains(what)),
        "{what}: {found:#?}"
    );
    assert!(found.iter().all(|found| found.promise == promise), "{what}: {found:#?}");
}

#[test]
fn it_notices_what_is_lost_or_never_ends() {
    notices("P1", "is gone", |history| drop(history.ends.remove("id-1")));
    notices("P1", "never ended", |history| {
        history.ends.insert("id-1".to_owned(), Told { attempt: 1, ..told(1, State::Open) });
        history.calls.retain(|call| call.job != "w1" || call.what == Asked::Submit);
    });
    notices("P1", "never ran", |history| history.marks.retain(|mark| mark.job != "w1"));
    notices("P1", "never ran to its end", |history| {
        history.marks.retain(|mark| mark.job != "w1" || !mark.end)
    });
}

#[test]
fn it_notices_what_runs_more_often_than_it_may() {
    let again = |history: &mut History| history.marks.push(history.marks[0].clone());
    notices("P2", "it ran 2 times; 1 allowed", again);
    notices("P2", "it ran 2 times and counts 1", |history| {
        history.jobs.get_mut("w0").unwrap().max_attempts = 3;
        again(history);
    });
}

#[test]
fn it_notices_two_ends_and_what_comes_after_the_end() {
    let other_end = |history: &mut History, change: fn(&mut Told)| {
        let mut told = told(2, State::Succeeded);
        change(&mut told);
        history.calls.push(call(2, Asked::Get, 500, 510, Answer::Job(told)));
    };
    notices("P3", "ended twice", |history| other_end(history, |told| told.state = State::Failed));
    notices("P3", "ended twice", |history| other_end(history, |told| told.result = Some("x".to_owned())));
    notices("P3", "ended twice", |history| other_end(history, |told| told.finished = Some(BEGIN)));
    notices("P3", "has 2 ends", |history| history.log.get_mut(&'p').unwrap()[0].end = true);
    notices("P3", "after it had ended", |history| history.marks[0].at = BEGIN + 3000);
    // Unless the end bears the date of a clock that was stepped meanwhile.
    let mut history = good();
    history.marks[0].at = BEGIN + 3000;
    history.faults[0] =
        Fault { from: BEGIN, kind: super::jobs::CLOCK_STEPS.to_owned(), ..history.faults[0].clone() };
    assert_eq!(check(&history), []);
    notices("P3", "has the result", |history| {
        history.ends.get_mut("id-1").unwrap().result = Some("w2".to_owned());
        history.calls.retain(|call| call.job != "w1" || call.what == Asked::Submit);
    });
}

#[test]
fn it_notices_when_one_submission_is_not_one_job() {
    notices("P4", "several jobs", |history| {
        let other = Told { id: "id-1".to_owned(), ..told(0, State::Open) };
        history.calls.push(call(0, Asked::Submit, 400, 410, Answer::Job(other)));
    });
    notices("P4", "because of itself", |history| {
        history.calls.push(call(1, Asked::Submit, 5, 9, error("AlreadyExists", "JOB_EXISTS")));
    });
    notices("P4", "was refused (ResourceExhausted QUEUE_FULL) and ran", |history| {
        history.calls.retain(|call| call.job != "w1");
        history.calls.push(call(1, Asked::Submit, 5, 9, error("ResourceExhausted", "QUEUE_FULL")));
    });
    notices("P4", "was never told", |history| {
        history.calls.retain(|call| call.job != "w2");
        history.calls.push(call(2, Asked::Submit, 5, 9, unavailable()));
    });
}

#[test]
fn it_notices_answers_that_are_late_or_never_come_or_have_the_wrong_words() {
    let wait = |history: &mut History, to: Millis| {
        let ended = Answer::Job(told(0, State::Succeeded));
        history.calls.push(call(0, Asked::Await, 40, to, ended));
    };
    notices("P5", "after the end", |history| wait(history, 2400));
    notices("P5", "20000 ms at most took 25000", |history| {
        history.calls.push(call(5, Asked::Await, 60_000, 85_000, unavailable()));
    });
    notices("P11", "was told Internal INTERNAL", |history| {
        history.calls.push(call(3, Asked::Get, 10, 20, error("Internal", "INTERNAL")));
    });
    let complain = |history: &mut History, kind: &str| {
        history.faults[0].kind = kind.to_owned();
        history.faults[0].complaints.push("something".to_owned());
    };
    notices("P11", "redis killed: something", |history| complain(history, "redis killed"));
    notices("P10", "supervisor killed: something", |history| complain(history, "supervisor killed"));
    notices("P10", "does not run", |history| history.idle.push("sal_actor_0".to_owned()));

    // What a fault excuses is excused, and nothing else is.
    let mut history = good();
    wait(&mut history, 2400);
    history.faults[0].from = BEGIN + 1000;
    assert_eq!(check(&history), []);
    history.faults[0].excuses = false;
    assert_eq!(check(&history).len(), 1);
}

#[test]
fn it_notices_events_that_are_missing_doubled_swapped_or_invented() {
    let seen = |history: &mut History, change: fn(&mut Vec<LogEntry>)| change(&mut history.followers[0].seen);
    notices("P6", "never told of p", |history| seen(history, |seen| drop(seen.remove(4))));
    notices("P6", "never told of p", |history| seen(history, |seen| drop(seen.pop())));
    notices("P6", "told twice of p", |history| seen(history, |seen| seen.insert(4, seen[3].clone())));
    notices("P6", "after", |history| seen(history, |seen| seen.swap(3, 4)));
    notices("P6", "the log never had", |history| {
        seen(history, |seen| seen.push(LogEntry { at: (u64::MAX, 0), ..seen[0].clone() }));
    });
    notices("P6", "told of", |history| {
        // From before where it began.
        history.followers[0].begin.insert('p', entry(0, 1).at);
    });
    notices("P6", "cursor", |history| history.followers[0].complaints.push("its cursor expired".to_owned()));
}

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobResult, ResultKind};

fn end(name: &str) -> AttemptEnd {
    AttemptEnd {
        lease: lease(name),
        started_at: SystemTime::UNIX_EPOCH,
        outcome: Ok(JobResult { text: "x".repeat(10), kind: ResultKind::Text }),
        usage: None,
        output: Vec::new(),
    }
}

fn lease(name: &str) -> Lease {
    Lease { token: name.to_owned(), job_id: JobId::parse(name).unwrap() }
}

fn names(call: &[AttemptEnd]) -> Vec<&str> {
    call.iter().map(|end| end.lease.token.as_str()).collect()
}

#[test]
fn what_has_gathered_goes_in_one_call_and_one_call_at_a_time() {
    let now = Instant::now();
    let mut ends = PendingResults::new(now);
    (0..100).for_each(|number| ends.push(end(&format!("j{number}")), now));
    assert_eq!((ends.len(), ends.bytes()), (100, 1000));
    let first = ends.next_call(now).unwrap();
    assert_eq!((first.len(), names(&first)[0]), (64, "j0"));
    assert_eq!(ends.next_call(now), None);
    let fates = ends.answered(&[true; 64]);
    assert!(fates.iter().all(|(_, fate)| *fate == Fate::Written));
    assert_eq!(ends.next_call(now).unwrap().len(), 36);
    ends.answered(&[false; 36]);
    assert_eq!((ends.len(), ends.bytes()), (0, 0));
}

#[test]
fn one_that_is_refused_for_ever_keeps_no_other_back() {
    let mut now = Instant::now();
    let mut ends = PendingResults::new(now);
    ["a", "bad", "c"].into_iter().for_each(|name| ends.push(end(name), now));
    let mut written = Vec::new();
    for _call in 0..8 {
        now += Duration::from_millis(100);
        let Some(call) = ends.next_call(now) else { continue };
        match names(&call).contains(&"bad") {
            true => ends.failed(now, true, 1.0),
            false => written
                .extend(ends.answered(&vec![true; call.len()]).into_iter().map(|(lease, _)| lease.token)),
        }
    }
    assert_eq!(written, ["a", "c"]);
    assert_eq!(ends.len(), 1);
    ends.push(end("d"), now);
    assert_eq!(names(&ends.next_call(now).unwrap()), ["d"]);
    ends.answered(&[true]);
    now += Duration::from_secs(2);
    assert_eq!(names(&ends.next_call(now).unwrap()), ["bad"], "it is tried again and again");
    ends.failed(now, true, 1.0);
    assert!(ends.drop_void(&lease("bad")));
    assert!(ends.is_empty() && ends.stuck_since().is_none());
}

#[test]
fn one_whose_answer_was_lost_was_perhaps_written() {
    let now = Instant::now();
    let mut ends = PendingResults::new(now);
    ends.push(end("a"), now);
    ends.next_call(now).unwrap();
    ends.failed(now, false, 1.0);
    assert_eq!(ends.stuck_since(), Some(now));
    assert_eq!(ends.next_call(now), None, "not at once");
    ends.next_call(ends.due().unwrap()).unwrap();
    assert_eq!(ends.answered(&[false]), [(lease("a"), Fate::WrittenOrVoid)]);
}

/// Answer of the queue to a call.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Takes,
    Refuses,
    IsLost,
}

proptest! {
    #![proptest_config(crate::properties::config())]

    /// However long the queue refuses, every end is written once it does not, and none is lost or written twice.
    #[test]
    fn every_end_is_written_once_the_queue_takes_it(
        answers in prop::collection::vec(
            prop_oneof![Just(Answer::Takes), Just(Answer::Refuses), Just(Answer::IsLost)], 0..60),
        count in 1_usize..200,
    ) {
        let mut now = Instant::now();
        let mut ends = PendingResults::new(now);
        let mut written = BTreeSet::new();
        let mut pushed = 0;
        let mut answers = answers.into_iter();
        for _round in 0..2000 {
            let answer = answers.next();
            if pushed < count {
                ends.push(end(&format!("j{pushed}")), now);
                pushed += 1;
            }
            prop_assert_eq!(ends.len() + written.len(), pushed);
            if let Some(call) = ends.next_call(now) {
                prop_assert!((1..=BATCH).contains(&call.len()));
                match answer.unwrap_or(Answer::Takes) {
                    Answer::Takes => {
                        let taken: Vec<bool> = call.iter().map(|end| written.insert(end.lease.token.clone())).collect();
                        prop_assert!(taken.iter().all(|new| *new), "one was written twice");
                        ends.answered(&taken);
                    }
                    Answer::Refuses => ends.failed(now, true, 1.0),
                    Answer::IsLost => ends.failed(now, false, 1.0),
                }
            }
            now = now.max(ends.due().unwrap_or(now)) + Duration::from_millis(1);
            if written.len() == count {
                break;
            }
        }
        prop_assert_eq!(written.len(), count);
        prop_assert_eq!(ends.bytes(), 0);
    }
}

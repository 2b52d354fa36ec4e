use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::domain::model::id::JobId;
use crate::domain::model::job::JobState::{Cancelled, Failed, Queued, RetryWait, Running, Succeeded};
use crate::domain::model::job::{JobErrorKind, JobSpec, PastAttempt};
use crate::domain::model::script_type::ScriptType;

fn failure(attempt: u32) -> JobError {
    JobError::new(JobErrorKind::ScriptError, format!("attempt {attempt}"))
}

fn past(attempt: u32, left: JobState) -> PastAttempt {
    let ended_at = SystemTime::UNIX_EPOCH;
    PastAttempt {
        attempt,
        actor_id: None,
        started_at: None,
        ended_at,
        left,
        error: Some(failure(attempt)),
        usage: None,
    }
}

fn job(state: JobState, attempt: u32, past_attempts: Vec<PastAttempt>) -> Job {
    let spec = JobSpec::new(ScriptType::OSIS, "1");
    let accepted = Job::accepted(JobId::parse("j").unwrap(), spec, SystemTime::UNIX_EPOCH);
    let error = matches!(state, Failed | RetryWait).then(|| failure(attempt));
    Job { state, attempt, past_attempts, error, ..accepted }
}

/// States and attempts that are told, and whether each follows the one before.
fn told(from: (JobState, u32), job: &Job) -> Vec<(JobState, u32)> {
    let mut at = from.0;
    let told = |step: Step| {
        assert_eq!(step.change.old, at, "the chain has a gap");
        at = step.change.new;
        (step.change.new, step.change.attempt)
    };
    between(from.0, from.1, job).into_iter().map(told).collect()
}

#[test]
fn nothing_new_is_nothing_to_tell() {
    assert_eq!(told((Running, 2), &job(Running, 2, vec![past(1, RetryWait)])), []);
}

#[test]
fn an_attempt_that_began_and_ended_between_two_looks_is_told() {
    assert_eq!(told((Queued, 0), &job(Succeeded, 1, vec![])), [(Running, 1), (Succeeded, 1)]);
    let failed_at_once = job(Failed, 1, vec![]);
    assert_eq!(told((Queued, 0), &failed_at_once), [(Running, 1), (Failed, 1)]);
    let steps = between(Queued, 0, &failed_at_once);
    assert_eq!(steps[1].change.error, Some(failure(1)));
}

#[test]
fn attempts_between_two_looks_are_told_with_their_errors() {
    let seen = job(Succeeded, 3, vec![past(1, RetryWait), past(2, Queued)]);
    let all = [(Running, 1), (RetryWait, 1), (Running, 2), (Queued, 2), (Running, 3), (Succeeded, 3)];
    assert_eq!(told((Queued, 0), &seen), all);
    assert_eq!(told((Running, 1), &seen), all[1..]);
    assert_eq!(told((RetryWait, 1), &seen), all[2..]);
    assert_eq!(told((Queued, 2), &seen), all[4..]);
    assert_eq!(between(Running, 1, &seen)[0].change.error, Some(failure(1)));
}

#[test]
fn what_did_not_run_is_not_said_to_have_run() {
    assert_eq!(told((Queued, 0), &job(Failed, 0, vec![])), [(Failed, 0)], "a time-out in the queue");
    assert_eq!(told((Queued, 0), &job(Cancelled, 0, vec![])), [(Cancelled, 0)]);
    assert_eq!(told((Running, 1), &job(Queued, 0, vec![])), [(Queued, 0)], "given back untouched");
}

#[test]
fn a_job_that_was_tried_again_after_its_end_goes_on() {
    let again = job(Running, 2, vec![past(1, Failed)]);
    assert_eq!(told((Running, 1), &again), [(Failed, 1), (Running, 2)]);
    assert_eq!(told((Failed, 1), &again), [(Running, 2)]);
    assert_eq!(told((Failed, 3), &job(Queued, 0, vec![])), [(Queued, 0)], "counted anew");
}

#[test]
fn what_was_said_in_an_attempt_comes_between_its_beginning_and_its_end() {
    let heard: Vec<u32> = between(Queued, 0, &job(Failed, 2, vec![past(1, RetryWait)]))
        .iter()
        .map(|step| step.heard_before)
        .collect();
    assert_eq!(heard, [0, 1, 1, 2]);
}

proptest! {
    #![proptest_config(crate::properties::config())]

    /// Two looks tell the same as one, wherever the first one falls.
    #[test]
    fn it_does_not_matter_when_one_looks(ends in prop::collection::vec(prop::bool::ANY, 1..10), cut in 0usize..20) {
        let left = |failed: &bool| if *failed { RetryWait } else { Queued };
        let pasts: Vec<PastAttempt> =
            ends.iter().enumerate().map(|(index, end)| past(u32::try_from(index).unwrap() + 1, left(end))).collect();
        let count = u32::try_from(pasts.len()).unwrap();
        let end = job(Succeeded, count + 1, pasts.clone());
        let whole = told((Queued, 0), &end);
        let cut = cut.min(whole.len() - 1);
        let (state, attempt) = whole[cut];
        let known = pasts.iter().filter(|past| past.attempt < attempt || (past.attempt == attempt && state == past.left));
        let middle = job(state, attempt, known.cloned().collect());
        let mut halves = told((Queued, 0), &middle);
        halves.extend(told((state, attempt), &end));
        prop_assert_eq!(halves, whole);
    }
}

//! Decision about a job whose key another one may hold. The queue in Redis decides the same in `lua/unique.lua`.

use super::{HeldWhile, OnConflict, Unique};
use crate::domain::model::id::JobId;

/// State of the job that holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHolder {
    /// No actor has it: it waits for its time, for an actor, or for its next attempt.
    Waits,
    /// An actor has it.
    Begun {
        /// As the job itself says.
        held_while: HeldWhile,
    },
    /// Cancelled, and its actor may not have let go of it yet.
    Stopping,
    /// Ended, and it holds the key for some time.
    Ended,
}

/// The jobs of a key: the one that holds it, and perhaps one that waits for the end of that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The job that holds the key.
    pub holder: JobId,
    /// State of that job.
    pub state: KeyHolder,
    /// The job that waits for its end.
    pub next: Option<JobId>,
}

/// Fate of a new job whose key may be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// This job is the answer.
    Existing(JobId),
    /// The job is refused, since this one holds the key.
    Refused(JobId),
    /// The job is accepted.
    Accepted {
        /// The jobs that wait, and whose place the new one takes: the last one first.
        replaces: Vec<JobId>,
        /// The job that an actor has, and that is cancelled.
        cancels: Option<JobId>,
        /// The job for whose end the new one waits.
        behind: Option<JobId>,
    },
}

/// Decides about a new job of a key that `held` says who holds, if anybody does. `again` is the job that the new one runs again.
pub fn decide(new: &Unique, again: Option<&JobId>, held: Option<&Reservation>) -> Conflict {
    let after = |behind| Conflict::Accepted { replaces: Vec::new(), cancels: None, behind };
    let Some(held) = held else { return after(None) };
    let Reservation { holder, state, next } = held;
    let both_let_go = |theirs: HeldWhile| theirs == HeldWhile::Queued && new.held_while == HeldWhile::Queued;
    let begun = match state {
        KeyHolder::Ended if again == Some(holder) => return after(None),
        KeyHolder::Ended => {
            return match new.on_conflict {
                OnConflict::ReturnExisting => Conflict::Existing(holder.clone()),
                OnConflict::Reject
                | OnConflict::Replace
                | OnConflict::RunOnceMore
                | OnConflict::CancelRunning => Conflict::Refused(holder.clone()),
            };
        }
        KeyHolder::Stopping => return after(Some(holder.clone())),
        KeyHolder::Begun { held_while } if next.is_none() && both_let_go(*held_while) => {
            return after(None);
        }
        KeyHolder::Begun { .. } => true,
        KeyHolder::Waits => false,
    };
    let waits = next.iter().chain(Some(holder).filter(|_holder| !begun));
    let replaces: Vec<JobId> = waits.cloned().collect();
    let behind = begun.then(|| holder.clone());
    match (new.on_conflict, replaces.first()) {
        (OnConflict::ReturnExisting, _) => Conflict::Existing(holder.clone()),
        (OnConflict::Reject, _) | (OnConflict::Replace, None) => Conflict::Refused(holder.clone()),
        (OnConflict::Replace, Some(_)) => Conflict::Accepted { replaces, cancels: None, behind },
        (OnConflict::RunOnceMore, Some(last)) => Conflict::Existing(last.clone()),
        (OnConflict::RunOnceMore, None) => after(behind),
        (OnConflict::CancelRunning, _) => Conflict::Accepted { replaces, cancels: behind.clone(), behind },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> JobId {
        JobId::parse(text).unwrap()
    }

    fn accepted(replaces: &[&str], cancels: Option<&str>, behind: Option<&str>) -> Conflict {
        let id = |text: Option<&str>| text.map(|text| JobId::parse(text).unwrap());
        let replaces = replaces.iter().map(|text| JobId::parse(text).unwrap()).collect();
        Conflict::Accepted { replaces, cancels: id(cancels), behind: id(behind) }
    }

    #[test]
    fn every_answer_follows_from_who_holds_the_key() {
        use OnConflict::{CancelRunning, Reject, Replace, ReturnExisting, RunOnceMore};
        let begun = KeyHolder::Begun { held_while: HeldWhile::Unfinished };
        let (existing, refused) = (|text| Conflict::Existing(id(text)), |text| Conflict::Refused(id(text)));
        let free = || accepted(&[], None, None);
        let table = [
            (KeyHolder::Waits, None, ReturnExisting, existing("a")),
            (KeyHolder::Waits, None, Reject, refused("a")),
            (KeyHolder::Waits, None, Replace, accepted(&["a"], None, None)),
            (KeyHolder::Waits, None, RunOnceMore, existing("a")),
            (KeyHolder::Waits, None, CancelRunning, accepted(&["a"], None, None)),
            (KeyHolder::Waits, Some("b"), ReturnExisting, existing("a")),
            (KeyHolder::Waits, Some("b"), Reject, refused("a")),
            (KeyHolder::Waits, Some("b"), Replace, accepted(&["b", "a"], None, None)),
            (KeyHolder::Waits, Some("b"), RunOnceMore, existing("b")),
            (KeyHolder::Waits, Some("b"), CancelRunning, accepted(&["b", "a"], None, None)),
            (begun, None, ReturnExisting, existing("a")),
            (begun, None, Reject, refused("a")),
            (begun, None, Replace, refused("a")),
            (begun, None, RunOnceMore, accepted(&[], None, Some("a"))),
            (begun, None, CancelRunning, accepted(&[], Some("a"), Some("a"))),
            (begun, Some("b"), ReturnExisting, existing("a")),
            (begun, Some("b"), Reject, refused("a")),
            (begun, Some("b"), Replace, accepted(&["b"], None, Some("a"))),
            (begun, Some("b"), RunOnceMore, existing("b")),
            (begun, Some("b"), CancelRunning, accepted(&["b"], Some("a"), Some("a"))),
            (KeyHolder::Ended, None, ReturnExisting, existing("a")),
            (KeyHolder::Ended, None, Reject, refused("a")),
            (KeyHolder::Ended, None, Replace, refused("a")),
            (KeyHolder::Ended, None, RunOnceMore, refused("a")),
            (KeyHolder::Ended, None, CancelRunning, refused("a")),
        ];
        for (state, next, on_conflict, expected) in table {
            let held = Reservation { holder: id("a"), state, next: next.map(id) };
            let new = Unique { on_conflict, ..Unique::new("k") };
            assert_eq!(decide(&new, None, Some(&held)), expected, "{held:?} {on_conflict:?}");
            assert_eq!(decide(&new, None, None), free());
            // Whatever a job does at a conflict: it waits until the actor has let go of a cancelled one.
            let held = Reservation { state: KeyHolder::Stopping, next: None, ..held };
            assert_eq!(decide(&new, None, Some(&held)), accepted(&[], None, Some("a")));
        }
    }

    #[test]
    fn a_job_that_has_begun_is_passed_over_only_if_both_say_so() {
        use HeldWhile::{Queued, Unfinished};
        for (theirs, ours, passed) in
            [(Queued, Queued, true), (Queued, Unfinished, false), (Unfinished, Queued, false)]
        {
            let state = KeyHolder::Begun { held_while: theirs };
            let held = Reservation { holder: id("a"), state, next: None };
            let new = Unique { held_while: ours, on_conflict: OnConflict::Reject, ..Unique::new("k") };
            let answer = decide(&new, None, Some(&held));
            assert_eq!(answer == accepted(&[], None, None), passed, "{theirs:?} {ours:?}");
        }
    }

    #[test]
    fn an_ended_job_does_not_keep_itself_from_being_run_again() {
        let held = Reservation { holder: id("a"), state: KeyHolder::Ended, next: None };
        let new = Unique { on_conflict: OnConflict::Reject, ..Unique::new("k") };
        assert_eq!(decide(&new, Some(&id("a")), Some(&held)), accepted(&[], None, None));
        assert_eq!(decide(&new, Some(&id("b")), Some(&held)), Conflict::Refused(id("a")));
    }
}

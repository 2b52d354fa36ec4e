//! May this request be carried out now? A pure decision; the table in the tests is the rule book.

use crate::domain::model::actor::{ActorState, Desired, Verb};

/// Answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Carry it out.
    Run,
    /// Nothing to do.
    AlreadySo,
    /// The operation under way leads there; wait for its end.
    Join,
    /// Give up what is under way and do this.
    Replace,
    /// The operation under way must end first.
    Refuse,
}

/// An actor with which nothing is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtRest {
    /// Observed state.
    pub(super) state: ActorState,
    /// Desired state of the record. The observed state may be older, so both have to agree before there is nothing to
    /// do.
    pub(super) desired: Desired,
}

/// Decides on `request`, with `running` under way or, if nothing is, the actor at rest.
pub(super) fn admit(request: Verb, running: Option<Verb>, at_rest: AtRest) -> Admission {
    match running {
        None => admit_at_rest(request, at_rest),
        Some(running) => admit_beside(request, running),
    }
}

fn admit_at_rest(request: Verb, AtRest { state, desired }: AtRest) -> Admission {
    match (request, desired, state) {
        (Verb::Start, Desired::Up, ActorState::Running | ActorState::Starting) => Admission::AlreadySo,
        (Verb::Stop { .. }, Desired::Down, ActorState::Stopped) => Admission::AlreadySo,
        (Verb::Start | Verb::Stop { .. } | Verb::Restart | Verb::Delete { .. }, _desired, _state) => {
            Admission::Run
        }
    }
}

fn admit_beside(request: Verb, running: Verb) -> Admission {
    match (request, running) {
        (Verb::Start, Verb::Start | Verb::Restart) | (Verb::Restart, Verb::Restart) => Admission::Join,
        // Force overtakes a drain; the same again waits for the first.
        (Verb::Stop { force: true }, Verb::Stop { force: false })
        | (Verb::Delete { force: true }, Verb::Delete { force: false }) => Admission::Replace,
        (Verb::Stop { .. }, Verb::Stop { .. }) | (Verb::Delete { .. }, Verb::Delete { .. }) => {
            Admission::Join
        }
        (Verb::Stop { .. }, Verb::Start | Verb::Restart)
        | (Verb::Delete { .. }, Verb::Start | Verb::Stop { .. } | Verb::Restart) => Admission::Replace,
        (Verb::Start, Verb::Stop { .. } | Verb::Delete { .. })
        | (Verb::Stop { .. }, Verb::Delete { .. })
        | (Verb::Restart, Verb::Start | Verb::Stop { .. } | Verb::Delete { .. }) => Admission::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: Verb = Verb::Stop { force: false };
    const KILL: Verb = Verb::Stop { force: true };
    const DELETE: Verb = Verb::Delete { force: false };

    #[track_caller]
    fn check(request: Verb, running: Option<Verb>, state: ActorState, expected: Admission) {
        let desired = if state == ActorState::Stopped { Desired::Down } else { Desired::Up };
        assert_eq!(admit(request, running, AtRest { state, desired }), expected);
    }

    #[test]
    fn what_is_seen_counts_only_if_the_record_says_so_too() {
        // Another supervisor has stopped it, or started it, after we looked.
        let seen_up = AtRest { state: ActorState::Running, desired: Desired::Down };
        assert_eq!(admit(Verb::Start, None, seen_up), Admission::Run);
        let seen_down = AtRest { state: ActorState::Stopped, desired: Desired::Up };
        assert_eq!(admit(STOP, None, seen_down), Admission::Run);
    }

    #[test]
    fn repeats_are_harmless() {
        check(Verb::Start, None, ActorState::Running, Admission::AlreadySo);
        check(STOP, None, ActorState::Stopped, Admission::AlreadySo);
        check(Verb::Start, Some(Verb::Start), ActorState::Starting, Admission::Join);
        check(STOP, Some(STOP), ActorState::Draining, Admission::Join);
        check(DELETE, Some(DELETE), ActorState::Draining, Admission::Join);
    }

    #[test]
    fn a_start_brings_back_what_was_given_up() {
        for state in [ActorState::Failed, ActorState::CrashLoop, ActorState::Stopped, ActorState::Backoff] {
            check(Verb::Start, None, state, Admission::Run);
        }
    }

    #[test]
    fn a_stop_overtakes_a_start_and_force_overtakes_a_drain() {
        check(STOP, Some(Verb::Start), ActorState::Starting, Admission::Replace);
        check(STOP, Some(Verb::Restart), ActorState::Draining, Admission::Replace);
        check(KILL, Some(STOP), ActorState::Draining, Admission::Replace);
        check(KILL, Some(KILL), ActorState::Stopping, Admission::Join);
    }

    #[test]
    fn a_start_waits_its_turn_behind_a_stop() {
        check(Verb::Start, Some(STOP), ActorState::Draining, Admission::Refuse);
        check(Verb::Restart, Some(STOP), ActorState::Draining, Admission::Refuse);
        check(STOP, Some(DELETE), ActorState::Draining, Admission::Refuse);
    }
}

//! Brings a process to the desired state. Pure; the table in the tests is the rule book.

use crate::domain::model::actor::{Desired, ExitStatus, RestartMode, Verb};
use crate::ports::process_manager::ProcessState;

/// Operation that brings the process to its desired state; None when nothing is to be done, or when the process manager does it.
pub(super) fn needed(
    desired: Desired,
    restart: RestartMode,
    last_exit: Option<ExitStatus>,
    process: Option<ProcessState>,
    outdated: bool,
) -> Option<Verb> {
    let alive_or_coming = |state: ProcessState| match state {
        ProcessState::Running { .. }
        | ProcessState::Starting { .. }
        | ProcessState::Backoff { .. }
        | ProcessState::Waiting => true,
        ProcessState::Stopping { .. } | ProcessState::Down { .. } | ProcessState::SpawnFailed => false,
    };
    match (desired, process) {
        (Desired::Down, Some(state)) => alive_or_coming(state).then_some(Verb::Stop { force: false }),
        (Desired::Down, None) => None,
        (Desired::Up, None) => Some(Verb::Start),
        (Desired::Up, Some(ProcessState::Down { exit })) => {
            let exit = exit.or(last_exit);
            let again = match (restart, exit) {
                (RestartMode::Always, _) | (RestartMode::OnFailure | RestartMode::Never, None) => true,
                (RestartMode::OnFailure, Some(exit)) => exit != ExitStatus::Code(0),
                (RestartMode::Never, Some(_)) => false,
            };
            again.then_some(Verb::Start)
        }
        (Desired::Up, Some(ProcessState::SpawnFailed)) => Some(Verb::Start),
        // The process manager would start it once more by the old definition.
        (Desired::Up, Some(ProcessState::Backoff { .. })) if outdated => Some(Verb::Start),
        (
            Desired::Up,
            Some(
                ProcessState::Running { .. }
                | ProcessState::Starting { .. }
                | ProcessState::Stopping { .. }
                | ProcessState::Backoff { .. }
                | ProcessState::Waiting,
            ),
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: Option<Verb> = Some(Verb::Stop { force: false });
    const RUNNING: ProcessState = ProcessState::Running { pid: 7 };

    #[track_caller]
    fn check(desired: Desired, mode: RestartMode, process: Option<ProcessState>, expected: Option<Verb>) {
        assert_eq!(needed(desired, mode, None, process, false), expected);
    }

    fn down(code: i32) -> Option<ProcessState> {
        Some(ProcessState::Down { exit: Some(ExitStatus::Code(code)) })
    }

    #[test]
    fn what_is_not_wanted_is_stopped_and_what_is_wanted_is_started() {
        check(Desired::Down, RestartMode::Always, Some(RUNNING), STOP);
        check(Desired::Down, RestartMode::Always, None, None);
        check(Desired::Up, RestartMode::Always, None, Some(Verb::Start));
        check(Desired::Up, RestartMode::Always, Some(RUNNING), None);
    }

    #[test]
    fn a_process_in_backoff_is_the_process_managers_business_unless_it_is_not_wanted() {
        let backoff = Some(ProcessState::Backoff { exit: ExitStatus::Code(1) });
        check(Desired::Up, RestartMode::Always, backoff, None);
        check(Desired::Down, RestartMode::Always, backoff, STOP);
    }

    #[test]
    fn a_process_in_backoff_whose_definition_was_changed_is_started_by_the_new_one() {
        let backoff = Some(ProcessState::Backoff { exit: ExitStatus::Code(1) });
        let start = needed(Desired::Up, RestartMode::Always, None, backoff, true);
        assert_eq!(start, Some(Verb::Start));
        assert_eq!(needed(Desired::Up, RestartMode::Always, None, Some(RUNNING), true), None);
        assert_eq!(needed(Desired::Down, RestartMode::Always, None, backoff, true), STOP);
    }

    #[test]
    fn an_end_is_followed_by_a_start_as_the_policy_says() {
        for (mode, code, again) in [
            (RestartMode::Always, 0, true),
            (RestartMode::Always, 1, true),
            (RestartMode::OnFailure, 0, false),
            (RestartMode::OnFailure, 1, true),
            (RestartMode::Never, 0, false),
            (RestartMode::Never, 1, false),
        ] {
            check(Desired::Up, mode, down(code), again.then_some(Verb::Start));
            check(Desired::Down, mode, down(code), None);
        }
    }

    #[test]
    fn an_end_that_only_the_record_knows_counts_as_well() {
        let quiet = Some(ProcessState::Down { exit: None });
        let last = Some(ExitStatus::Code(0));
        assert_eq!(needed(Desired::Up, RestartMode::OnFailure, last, quiet, false), None);
        assert_eq!(needed(Desired::Up, RestartMode::OnFailure, None, quiet, false), Some(Verb::Start));
    }
}

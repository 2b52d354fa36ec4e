//! What every process manager promises, on memory, the local runner and a real Zinit.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one state of many")]

mod common;
mod local_only;
pub(crate) mod process_manager_contract;
mod real;

use self::process_manager_contract::ProcessManagerContract;

macro_rules! on_all {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $case() {
                super::common::$case(super::ProcessManagerContract::memory()).await;
            })*
        }
        mod local {
            $(#[tokio::test]
            async fn $case() {
                super::common::$case(super::ProcessManagerContract::local()).await;
            })*
        }
        mod zinit {
            $(#[tokio::test]
            async fn $case() {
                super::common::$case(super::ProcessManagerContract::zinit().await).await;
            })*
        }
    };
}

macro_rules! on_real_ones {
    ($($case:ident),* $(,)?) => {
        mod local_processes {
            $(#[tokio::test]
            async fn $case() {
                super::real::$case(super::ProcessManagerContract::local()).await;
            })*
        }
        mod zinit_processes {
            $(#[tokio::test]
            async fn $case() {
                super::real::$case(super::ProcessManagerContract::zinit().await).await;
            })*
        }
    };
}

on_all! {
    a_started_process_runs_and_a_second_start_leaves_it_alone,
    unknown_names_are_fine_or_not_found,
    a_stopped_process_is_down_and_can_be_started_again,
    a_removed_process_is_not_listed,
    a_running_process_is_not_removed,
    exits_are_told_exactly,
    restarts_follow_the_mode,
    a_crash_is_followed_by_a_new_pid,
    a_stop_during_backoff_is_final,
    a_start_during_backoff_runs_at_once,
    a_stop_while_starting_is_final,
    two_stops_at_once_both_return,
    a_start_while_stopping_is_not_lost,
    sigterm_is_followed_by_sigkill_after_the_grace,
    a_longer_grace_than_defined_is_kept,
    a_changed_definition_replaces_the_process,
    a_health_check_gates_running,
    a_health_check_that_never_passes_ends_the_process,
    fifty_processes_at_once,
}

on_real_ones! {
    arguments_environment_and_folder_arrive_exactly,
    what_a_process_leaves_in_its_group_is_ended,
    grandchildren_that_ignore_sigterm_are_ended,
    output_is_kept_in_order_with_its_stream,
    a_reader_of_lines_goes_on_where_it_was,
    a_program_that_cannot_be_executed_is_told,
    a_signal_reaches_the_process,
}

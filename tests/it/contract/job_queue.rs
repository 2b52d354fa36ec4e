//! What every job queue promises, on memory, on a real Redis, and on a real Redis Cluster.

mod actors;
mod attempts;
mod backups;
mod basics;
mod budget;
mod damaged;
mod ends;
mod fleet;
mod flow;
mod flow_model;
mod flow_rate;
mod flow_rate_model;
mod flow_rate_redis;
mod flow_redis;
mod found;
mod history;
mod leases;
mod lists;
mod many_actors;
mod named;
mod output;
mod pinned;
mod positions;
mod priorities;
mod priorities_redis;
mod priority_model;
mod queue_contract;
mod queues;
mod quotas;
mod redis_only;
mod redis_outages;
mod shared;
mod silence;
mod submits;
mod unfinished;
mod unique;
mod unique_model;
mod unique_redis;

/// Runs the same functions on every adapter.
macro_rules! on_every_queue {
    ($($suite:ident :: $name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$suite::$name(super::queue_contract::Kind::Memory).await;
            })*
        }

        mod on_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$suite::$name(super::queue_contract::Kind::Redis).await;
            })*
        }

        mod on_cluster {
            $(#[tokio::test]
            async fn $name() {
                super::$suite::$name(super::queue_contract::Kind::Cluster).await;
            })*
        }
    };
}

on_every_queue! {
    history::every_job_ends_once_whatever_happens,
    basics::a_job_is_submitted_taken_finished_and_awaited,
    basics::results_come_back_as_they_were,
    basics::scripts_arrive_as_they_were_whatever_their_size,
    basics::jobs_are_taken_in_the_order_of_submission,
    basics::a_batch_is_answered_in_its_order,
    basics::a_started_job_is_seen_running,
    basics::released_jobs_are_taken_again_first_and_in_order,
    basics::many_callers_and_actors_lose_and_double_nothing,
    basics::jobs_can_be_awaited_read_and_cancelled_by_another_supervisor,
    basics::closing_breaks_completions_and_not_jobs,
    leases::a_late_finish_is_refused_and_the_first_end_stays,
    leases::a_lost_lease_gives_the_job_to_another_and_the_first_is_fenced_off,
    leases::heartbeats_keep_a_lease,
    leases::a_cancelled_job_voids_its_lease_and_hints_at_it,
    leases::what_a_dead_process_had_is_taken_back_at_once,
    leases::a_job_that_kills_its_actors_ends,
    leases::what_was_delivered_and_never_seen_is_recovered,
    leases::a_failed_attempt_is_tried_again_after_a_pause_until_none_is_left,
    leases::an_error_that_would_come_again_ends_the_job,
    leases::an_attempt_that_was_not_started_does_not_count,
    submits::one_request_is_one_job,
    submits::one_request_twice_in_one_batch_is_one_job,
    submits::an_id_is_taken_once_in_all_queues,
    quotas::a_retry_of_ones_own_job_is_under_the_quota,
    quotas::an_identity_has_no_more_jobs_than_its_quotas_allow,
    submits::a_full_queue_refuses_and_takes_again_when_there_is_room,
    submits::a_job_waits_for_its_time,
    submits::a_job_that_nobody_takes_in_time_fails,
    submits::a_pinned_job_is_only_for_its_actor,
    pinned::what_is_for_an_absent_actor_is_counted_as_waiting,
    pinned::what_waits_for_its_time_is_lost_with_its_actor,
    pinned::what_waits_for_another_attempt_is_lost_with_its_actor,
    pinned::a_stray_is_refused_unless_its_request_made_it_before,
    ends::a_job_can_be_cancelled_in_every_state,
    ends::ended_jobs_are_counted_by_the_way_of_their_end,
    ends::only_an_ended_job_can_be_deleted,
    ends::an_ended_job_is_kept_for_its_time,
    ends::a_result_that_is_too_long_ends_its_job,
    ends::ends_in_any_order_leave_alone_what_is_held_and_what_waits,
    ends::only_so_many_ended_jobs_are_kept,
    queues::a_paused_queue_accepts_jobs_and_hands_out_none_until_it_goes_on,
    queues::what_actors_have_goes_on_while_their_queue_is_paused,
    queues::a_waiting_actor_heeds_a_pause_at_once,
    queues::the_state_of_a_queue_says_what_waits_since_when_and_how_much_came_and_went,
    queues::a_purge_cancels_what_waits_and_nothing_else,
    queues::a_purge_stops_at_its_limit,
    queues::what_failed_or_was_cancelled_can_be_tried_again,
    queues::the_depth_of_a_queue_can_be_limited_while_it_works,
    priorities::the_first_priority_comes_first_and_equals_in_their_order,
    priorities::jobs_that_waited_before_keep_their_order_around_urgent_and_lazy_ones,
    priorities::a_waiting_job_gains_a_level_with_each_span_of_ageing,
    priorities::a_job_that_waits_gets_another_priority,
    priorities::what_has_begun_comes_before_every_priority,
    priorities::what_is_released_returns_to_its_place,
    priorities::the_backlog_is_counted_limited_cancelled_and_timed_out_like_all_that_waits,
    positions::a_position_is_what_is_handed_out_first,
    positions::the_middle_of_a_long_queue_is_estimated_and_its_ends_are_not,
    positions::a_job_for_one_actor_waits_behind_those_for_that_actor,
    positions::only_a_job_that_waits_for_an_actor_has_a_position,
    positions::a_position_tells_the_latest_ends,
    lists::pages_show_every_job_once_newest_first,
    lists::every_filter_does_what_it_says,
    lists::pings_are_neither_listed_nor_counted,
    found::jobs_are_found_by_their_labels_and_by_how_they_failed,
    found::a_job_that_goes_on_has_not_failed_and_one_that_is_gone_is_found_by_nothing,
    output::what_a_script_says_is_kept_in_order_with_its_job,
    output::a_retry_that_counts_anew_is_heard_from_its_first_word,
    output::little_output_that_comes_with_the_end_is_read_like_any_other,
    output::a_void_lease_says_nothing,
    output::several_jobs_are_reported_in_one_call,
    output::output_is_bounded_and_goes_with_its_job,
    attempts::earlier_attempts_are_remembered,
    attempts::what_an_attempt_has_used_is_told_with_its_end,
    attempts::only_the_last_attempts_are_remembered_and_one_more_try_adds_to_them,
    attempts::a_job_cancelled_between_two_attempts_has_one_past_attempt,
    attempts::what_is_remembered_of_an_error_is_all_but_its_last_words,
    attempts::changes_of_a_job_are_hinted_at,
    actors::an_actor_is_there_until_it_leaves,
    actors::a_dead_process_is_no_longer_there,
    actors::a_drain_reaches_the_process_that_is_there,
    actors::a_waiting_take_can_be_ended,
    actors::a_full_actor_takes_messages_only,
    actors::a_forgotten_actor_takes_its_own_jobs_with_it,
    actors::an_actor_record_is_changed_by_who_has_read_it_last,
    shared::rules_are_kept_by_who_has_read_them_last,
    shared::a_named_queue_has_settings_and_a_template_until_it_is_forgotten,
    shared::verdicts_and_decisions_read_as_they_were_written,
    shared::usage_is_kept_for_its_time_and_its_points_for_a_day,
    shared::one_at_a_time_has_the_turn_of_a_node,
    fleet::machines_are_known_by_when_they_were_seen,
    fleet::one_machine_leads_the_fleet,
    actors::a_template_is_set_once_or_replaced_on_request,
    named::a_queue_is_created_once_listed_and_deleted,
    named::used_queues_are_told_without_those_that_never_were_the_busy_ones_first,
    named::jobs_of_a_queue_are_for_its_actors_only,
    named::an_id_leads_to_its_job_in_any_queue,
    named::ids_and_requests_count_in_all_queues,
    named::a_queue_takes_only_jobs_of_its_type_while_it_exists,
    named::jobs_are_listed_by_their_queues,
    named::a_used_queue_has_its_maintenance_by_any_supervisor,
    named::quotas_count_in_all_queues,
    named::a_retry_counts_jobs_in_named_queues_against_a_quota,
    named::there_are_no_more_named_queues_than_the_limit,
    named::another_supervisor_knows_a_queue_within_moments,
    flow::no_more_jobs_of_a_key_run_than_its_rule_allows,
    flow::a_place_is_given_back_once_however_an_attempt_ends,
    flow::a_paused_key_gives_nothing_until_its_pause_is_over,
    flow::a_full_key_refuses_and_leaves_others_alone,
    flow::keys_get_their_shares_and_one_that_comes_late_need_not_wait,
    flow::within_a_key_priority_and_age_decide,
    flow::rules_hold_for_what_waits_and_their_end_frees_all,
    flow_rate::a_key_is_handed_out_at_its_rate_while_others_go_on,
    flow_rate::a_burst_of_one_is_followed_by_one_in_each_interval,
    flow_rate::every_attempt_counts_and_what_is_given_back_does_not,
    flow_rate::what_changes_a_rate_holds_at_once,
    unique::a_key_is_held_until_the_end_and_found_by_it,
    unique::a_key_is_held_over_attempts_lost_leases_and_dead_actors,
    unique::a_key_can_be_held_for_some_time_after_the_end,
    unique::while_queued_a_key_is_free_once_an_actor_has_the_job,
    unique::a_waiting_job_is_replaced_by_its_successor,
    unique::one_more_run_waits_behind_the_one_that_has_begun,
    unique::what_replaces_a_running_job_waits_until_its_actor_lets_go,
    unique::what_a_silent_actor_has_been_cancelled_is_waited_for_a_lease,
    unique::a_retry_takes_its_key_again_unless_another_job_has_it,
    unique::requests_batches_and_purges_know_keys,
    unique::a_key_works_with_priorities_and_for_one_actor,
}

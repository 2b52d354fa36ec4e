//! What is counted and measured, under which names; exported as Prometheus text when somebody asks for it.
//!
//! Counters and histograms are written where things happen and cost next to nothing while no recorder is installed.
//! Gauges say how things are, so they are read when somebody looks ([`crate::app`] does that before each scrape).

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Calls by method and gRPC code.
pub const GRPC_REQUESTS: &str = "hero_grpc_requests_total";
/// Time from a call to the end of its answer, by method.
pub const GRPC_DURATION: &str = "hero_grpc_request_duration_seconds";
/// Calls under way, by method.
pub const GRPC_IN_FLIGHT: &str = "hero_grpc_requests_in_flight";
/// Time of a call to Redis, by outcome.
pub const REDIS_DURATION: &str = "hero_redis_call_duration_seconds";
/// Time of a call to Zinit, by method and outcome.
pub const ZINIT_DURATION: &str = "hero_zinit_call_duration_seconds";
/// Run time of jobs whose end was waited for here, by script type and final state.
pub const JOB_DURATION: &str = "hero_job_run_duration_seconds";
/// Time from acceptance to the first start of jobs whose end was waited for here, by script type.
pub const JOB_WAIT: &str = "hero_job_queue_duration_seconds";
/// Pings by script type and outcome.
pub const PINGS: &str = "hero_pings_total";
/// Round trip of pings that were answered, by script type.
pub const PING_DURATION: &str = "hero_ping_duration_seconds";
/// Events that were dropped because the log was away for too long, or would not take them.
pub const EVENTS_LOST: &str = "hero_events_lost_total";
/// Times that a damaged record in Redis was stepped over, by kind.
pub const RECORDS_UNREADABLE: &str = "hero_unreadable_records_total";
/// Which program this is.
pub const INFO: &str = "hero_supervisor_info";
/// Actors of this node by script type and state.
pub const ACTORS: &str = "hero_actors";
/// Unasked ends of an actor's process since the actor was made.
pub const ACTOR_RESTARTS: &str = "hero_actor_restarts_total";
/// What it is; not described to the recorder, which does not have it.
pub const ACTOR_RESTARTS_HELP: &str = "Unasked ends of an actor's process since the actor was made";
/// Jobs in a queue, by script type and state.
pub const QUEUE_JOBS: &str = "hero_queue_jobs";
/// How long the oldest queued job has waited, by script type; 0 when none waits.
pub const QUEUE_AGE: &str = "hero_queue_oldest_age_seconds";
/// Ends of jobs that an actor has and could not write, when it last announced itself, by actor and script type.
pub const PENDING_ENDS: &str = "hero_actor_pending_ends";
/// What it is; not described to the recorder, which does not have it.
pub const PENDING_ENDS_HELP: &str = "Ends of jobs that an actor could not write yet";
/// Calls with ends of jobs that Redis has refused to an actor since its start, by actor and script type.
pub const REFUSED_ENDS: &str = "hero_actor_refused_ends_total";
/// What it is; not described to the recorder, which does not have it.
pub const REFUSED_ENDS_HELP: &str =
    "Calls with ends of jobs that Redis has refused to an actor since its start";
/// Entries of a queue that could not be read and were taken out, by script type.
pub const MALFORMED_ENTRIES: &str = "hero_queue_malformed_entries_total";
/// Records with which upkeep could do nothing, each time that it met one, by script type.
pub const DAMAGED_RECORDS: &str = "hero_queue_damaged_records_total";
/// 1 while Redis, or the process manager, answers.
pub const DEPENDENCY_UP: &str = "hero_dependency_up";

/// From a Redis call of 50 µs to the longest wait of a call.
const BUCKETS: [f64; 20] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    15.0, 60.0, 300.0, 900.0,
];

static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to count; later calls in one process change nothing and answer with the same handle.
///
/// # Errors
/// When another recorder was installed by whoever embeds us.
pub fn install() -> Result<&'static PrometheusHandle, BuildError> {
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle);
    }
    let all = Matcher::Suffix("_seconds".to_owned());
    let installed = PrometheusBuilder::new().set_buckets_for_metric(all, &BUCKETS)?.install_recorder();
    match installed {
        Ok(handle) => {
            describe();
            Ok(INSTALLED.get_or_init(|| handle))
        }
        // Somebody was faster in another thread.
        Err(error) => INSTALLED.get().ok_or(error),
    }
}

/// True once [`install`] was called.
pub fn installed() -> bool {
    INSTALLED.get().is_some()
}

/// Seconds, as Prometheus wants them.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn describe() {
    describe_counter!(GRPC_REQUESTS, "Calls by method and gRPC code");
    describe_histogram!(GRPC_DURATION, Unit::Seconds, "Time from a call to the end of its answer, by method");
    describe_gauge!(GRPC_IN_FLIGHT, "Calls under way, by method");
    describe_histogram!(REDIS_DURATION, Unit::Seconds, "Time of a call to Redis, by outcome");
    describe_histogram!(ZINIT_DURATION, Unit::Seconds, "Time of a call to Zinit, by method and outcome");
    describe_histogram!(JOB_DURATION, Unit::Seconds, "Run time of jobs whose end was waited for here");
    describe_histogram!(JOB_WAIT, Unit::Seconds, "Time in the queue of jobs whose end was waited for here");
    describe_counter!(PINGS, "Health pings by script type and outcome");
    describe_histogram!(PING_DURATION, Unit::Seconds, "Round trip of answered pings, by script type");
    describe_counter!(
        EVENTS_LOST,
        "Events that were dropped: the log was away for too long, or would not take them"
    );
    describe_counter!(RECORDS_UNREADABLE, "Times that a damaged record in Redis was stepped over, by kind");
    describe_gauge!(INFO, "Which program this is; always 1");
    describe_gauge!(ACTORS, "Actors of this node by script type and state");
    describe_gauge!(QUEUE_JOBS, "Jobs in a queue by script type and state");
    describe_gauge!(QUEUE_AGE, Unit::Seconds, "How long the oldest queued job has waited; 0 when none waits");
    describe_counter!(MALFORMED_ENTRIES, "Entries of a queue that could not be read and were taken out");
    describe_counter!(
        DAMAGED_RECORDS,
        "Records with which upkeep could do nothing, each time that it met one"
    );
    describe_gauge!(DEPENDENCY_UP, "1 while Redis, or the process manager, answers");
}

//! Names of all metrics, and their recorder, which exports them as Prometheus text.
//!
//! Counters and histograms are updated where the events occur, and cost next to nothing without a recorder. Gauges
//! are read before each scrape ([`crate::app`]).

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Number of calls, by method and gRPC code.
pub const GRPC_REQUESTS: &str = "hero_grpc_requests_total";
/// Number of calls that came through, by identity and gRPC code; where callers have identities.
pub const IDENTITY_REQUESTS: &str = "hero_identity_requests_total";
/// Time from a call to the end of its response, by method.
pub const GRPC_DURATION: &str = "hero_grpc_request_duration_seconds";
/// Number of calls under way, by method.
pub const GRPC_IN_FLIGHT: &str = "hero_grpc_requests_in_flight";
/// Time of a call to Redis, by outcome.
pub const REDIS_DURATION: &str = "hero_redis_call_duration_seconds";
/// Time of a call to Zinit, by method and outcome.
pub const ZINIT_DURATION: &str = "hero_zinit_call_duration_seconds";
/// Run time of jobs whose end a caller of this server has awaited, by script type and terminal state.
pub const JOB_DURATION: &str = "hero_job_run_duration_seconds";
/// Time from acceptance to first start of jobs whose end a caller of this server has awaited, by script type.
pub const JOB_WAIT: &str = "hero_job_queue_duration_seconds";
/// Number of ended jobs, awaited or not, by script type, terminal state and kind of error. All supervisors of one Redis
/// count the same ones.
pub const JOBS: &str = "hero_jobs_total";
/// Number of restarts of actors that did not answer their pings, by script type.
pub const HEALTH_RESTARTS: &str = "hero_health_restarts_total";
/// Number of pings, by script type and outcome.
pub const PINGS: &str = "hero_pings_total";
/// Round-trip time of answered pings, by script type.
pub const PING_DURATION: &str = "hero_ping_duration_seconds";
/// Number of events that were dropped because the log was unreachable for too long or refused them.
pub const EVENTS_LOST: &str = "hero_events_lost_total";
/// Number of times that a damaged record in Redis was skipped, by kind.
pub const RECORDS_UNREADABLE: &str = "hero_unreadable_records_total";
/// Version of the program.
pub const INFO: &str = "hero_supervisor_info";
/// Number of actors of this node, by script type and state.
pub const ACTORS: &str = "hero_actors";
/// Number of unrequested ends of an actor's process since its creation.
pub const ACTOR_RESTARTS: &str = "hero_actor_restarts_total";
/// Help text of the metric above, which the recorder does not have.
pub const ACTOR_RESTARTS_HELP: &str = "Unasked ends of an actor's process since the actor was made";
/// Number of jobs in a queue, by script type and state.
pub const QUEUE_JOBS: &str = "hero_queue_jobs";
/// Age of the oldest queued job, by script type; 0 without queued jobs.
pub const QUEUE_AGE: &str = "hero_queue_oldest_age_seconds";
/// Number of jobs that flow rules hold back, by script type and reason: paused, `max_running` or rate.
pub const FLOW_HELD: &str = "hero_flow_held_jobs";
/// Number of ends of jobs that an actor could not write, as last announced, by actor and script type.
pub const PENDING_ENDS: &str = "hero_actor_pending_ends";
/// Help text of the metric above, which the recorder does not have.
pub const PENDING_ENDS_HELP: &str = "Ends of jobs that an actor could not write yet";
/// Number of calls with ends of jobs that Redis has refused to an actor since its start, by actor and script type.
pub const REFUSED_ENDS: &str = "hero_actor_refused_ends_total";
/// Help text of the metric above, which the recorder does not have.
pub const REFUSED_ENDS_HELP: &str =
    "Calls with ends of jobs that Redis has refused to an actor since its start";
/// Processor time that an actor uses with all processes below it, in cores, by actor and script type.
pub const ACTOR_CPU: &str = "hero_actor_cpu_cores";
/// Help text of the metric above, which the recorder does not have.
pub const ACTOR_CPU_HELP: &str = "Processor time of an actor with all processes below it, in cores";
/// Resident memory of an actor with all processes below it, by actor and script type.
pub const ACTOR_MEMORY: &str = "hero_actor_memory_bytes";
/// Help text of the metric above, which the recorder does not have.
pub const ACTOR_MEMORY_HELP: &str = "Resident memory of an actor with all processes below it";
/// Open files of an actor with all processes below it, by actor and script type.
pub const ACTOR_FILES: &str = "hero_actor_open_files";
/// Help text of the metric above, which the recorder does not have.
pub const ACTOR_FILES_HELP: &str = "Open files of an actor with all processes below it";
/// Threads of an actor with all processes below it, by actor and script type.
pub const ACTOR_THREADS: &str = "hero_actor_threads";
/// Help text of the metric above, which the recorder does not have.
pub const ACTOR_THREADS_HELP: &str = "Threads of an actor with all processes below it";
/// Number of unreadable queue entries that were removed, by script type.
pub const MALFORMED_ENTRIES: &str = "hero_queue_malformed_entries_total";
/// Number of times that maintenance has met an unusable record, by script type.
pub const DAMAGED_RECORDS: &str = "hero_queue_damaged_records_total";
/// Number of jobs in a named queue, by queue, script type and state.
pub const NAMED_QUEUE_JOBS: &str = "hero_named_queue_jobs";
/// Help text of the metric above, which the recorder does not have.
pub const NAMED_QUEUE_JOBS_HELP: &str = "Jobs in a queue that was created by name";
/// Age of the oldest queued job of a named queue, by queue and script type; 0 without queued jobs.
pub const NAMED_QUEUE_AGE: &str = "hero_named_queue_oldest_age_seconds";
/// Help text of the metric above, which the recorder does not have.
pub const NAMED_QUEUE_AGE_HELP: &str = "Age of the oldest queued job of a queue that was created by name";
/// Number of jobs of a named queue that flow rules hold back, by queue, script type and reason.
pub const NAMED_FLOW_HELD: &str = "hero_named_queue_flow_held_jobs";
/// Help text of the metric above, which the recorder does not have.
pub const NAMED_FLOW_HELD_HELP: &str =
    "Jobs of a queue that was created by name while their flow keys give none";
/// Number of actors that have announced themselves at a named queue, by queue and script type.
pub const NAMED_QUEUE_ACTORS: &str = "hero_named_queue_actors";
/// Help text of the metric above, which the recorder does not have.
pub const NAMED_QUEUE_ACTORS_HELP: &str = "Actors at a queue that was created by name";
/// Number of ended jobs of a named queue, by queue, script type, terminal state and kind of error.
pub const NAMED_QUEUE_ENDS: &str = "hero_named_queue_ended_jobs_total";
/// Help text of the metric above, which the recorder does not have.
pub const NAMED_QUEUE_ENDS_HELP: &str = "Ended jobs of a queue that was created by name";
/// 1 while a dependency answers, otherwise 0, by name.
pub const DEPENDENCY_UP: &str = "hero_dependency_up";
/// Seconds by which the clock of Redis is ahead of that of this machine.
pub const REDIS_CLOCK_OFFSET: &str = "hero_redis_clock_offset_seconds";

/// Number of calls whose caller has not shown who it is, by reason.
pub const AUTH_FAILURES: &str = "hero_auth_failures_total";
/// Number of lines that were written to the audit log.
pub const AUDIT_LINES: &str = "hero_audit_lines_total";
/// Number of lines that were to be written to the audit log and are lost.
pub const AUDIT_LOST: &str = "hero_audit_lost_lines_total";
/// Number of changes that were refused because the audit log could not take their line.
pub const AUDIT_REFUSED: &str = "hero_audit_refused_calls_total";
/// 1 while the audit log can be written, 0 while it cannot.
pub const AUDIT_UP: &str = "hero_audit_up";
/// 1 while the files that were read last are in force, 0 while they cannot be used, by subject.
pub const CONFIG_RELOAD_SUCCESS: &str = "hero_config_reload_success";

/// Number of TLS handshakes, by outcome.
pub const TLS_HANDSHAKES: &str = "hero_tls_handshakes_total";
/// Time at which the certificate of the server ends, in seconds since 1970.
pub const TLS_NOT_AFTER: &str = "hero_tls_not_after_seconds";
/// 1 while other machines can reach an address without TLS or without authentication, otherwise 0.
pub const INSECURE: &str = "hero_insecure";

/// Buckets from a Redis call of 50 µs to the longest wait of a call.
const BUCKETS: [f64; 20] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    15.0, 60.0, 300.0, 900.0,
];

static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder. Later calls in the process return the same handle.
///
/// # Errors
/// Another recorder in the process.
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
        // Another thread was faster.
        Err(error) => INSTALLED.get().ok_or(error),
    }
}

/// Returns true after a call of [`install`].
pub fn installed() -> bool {
    INSTALLED.get().is_some()
}

/// Returns seconds, the unit of Prometheus.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn describe() {
    describe_counter!(GRPC_REQUESTS, "Calls by method and gRPC code");
    describe_counter!(IDENTITY_REQUESTS, "Calls that came through, by identity and gRPC code");
    describe_histogram!(GRPC_DURATION, Unit::Seconds, "Time from a call to the end of its answer, by method");
    describe_gauge!(GRPC_IN_FLIGHT, "Calls under way, by method");
    describe_histogram!(REDIS_DURATION, Unit::Seconds, "Time of a call to Redis, by outcome");
    describe_histogram!(ZINIT_DURATION, Unit::Seconds, "Time of a call to Zinit, by method and outcome");
    describe_histogram!(JOB_DURATION, Unit::Seconds, "Run time of jobs whose end was waited for here");
    describe_histogram!(JOB_WAIT, Unit::Seconds, "Time in the queue of jobs whose end was waited for here");
    describe_counter!(
        JOBS,
        "Ended jobs by script type, state and kind of error, as all supervisors count them"
    );
    describe_counter!(HEALTH_RESTARTS, "Restarts of actors that did not answer their pings");
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
    describe_gauge!(FLOW_HELD, "Jobs that wait while their flow keys give none, by script type and reason");
    describe_counter!(MALFORMED_ENTRIES, "Entries of a queue that could not be read and were taken out");
    describe_counter!(
        DAMAGED_RECORDS,
        "Records with which upkeep could do nothing, each time that it met one"
    );
    describe_counter!(AUTH_FAILURES, "Calls whose caller has not shown who it is, by reason");
    describe_counter!(AUDIT_LINES, "Lines that were written to the audit log");
    describe_counter!(AUDIT_LOST, "Lines that were to be written to the audit log and are lost");
    describe_counter!(AUDIT_REFUSED, "Changes refused because the audit log could not take their line");
    describe_gauge!(AUDIT_UP, "1 while the audit log can be written, 0 while it cannot");
    describe_gauge!(
        CONFIG_RELOAD_SUCCESS,
        "1 while the files as they are now are in force, 0 while they cannot be used, by subject"
    );
    describe_counter!(TLS_HANDSHAKES, "TLS handshakes by outcome: ok, refused, plaintext, slow, closed");
    describe_gauge!(TLS_NOT_AFTER, Unit::Seconds, "When the certificate of the server ends, since 1970");
    describe_gauge!(INSECURE, "1 while other machines can reach an address without TLS or authentication");
    describe_gauge!(
        REDIS_CLOCK_OFFSET,
        "Seconds by which the clock of Redis is ahead of that of this machine; negative if it is behind"
    );
    describe_gauge!(DEPENDENCY_UP, "1 while Redis, or the process manager, answers");
}

//! The performance budget, measured: `make bench`. Each row stands beside the floor that the same machine shows in the
//! same run, because absolute figures say little about another machine or another day.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and talks on stdout"
)]

mod access;
mod backlog;
mod engines;
mod fleet;
mod floor;
mod idle;
mod load;
mod noop;
mod report;
mod stage;
mod watch;

use std::time::Duration;

use load::{ROUNDS, median};
use report::{Goal, Report, row, row_to};
use stage::Stage;

/// Jobs that wait before the drain begins.
const DRAIN_JOBS: usize = 200_000;
/// Jobs whose records are weighed, as many before as after.
const RECORDS: usize = 40_000;
/// Bytes of the script of such a job.
const SCRIPT_BYTES: usize = 300;
/// Callers that wait before an actor starts.
const AWAITERS: usize = 10_000;
/// Actors that are watched while they do nothing.
const CROWD: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(position) = arguments.iter().position(|argument| argument == "--echo-server") {
        return floor::serve_echo(&arguments[position + 1]);
    }
    if let Some(position) = arguments.iter().position(|argument| argument == "--noop-actor") {
        return noop::run(&arguments[position + 1], &arguments[position + 2]);
    }
    let wanted = arguments.into_iter().skip(1).find(|argument| !argument.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(wanted.as_deref().unwrap_or_default()));
}

/// Measures all groups, or those whose name has `wanted` in it: `cargo bench --bench budget -- drain`.
async fn measure(wanted: &str) {
    let is_wanted = |group: &str| group.contains(wanted);
    let report = Report::begin();
    if is_wanted("run") {
        run_rows().await;
    }
    if is_wanted("access") {
        access::rows().await;
    }
    if is_wanted("watch") {
        watch::rows().await;
    }
    if is_wanted("sal") {
        engines::sal_rows().await;
    }
    if is_wanted("python") {
        engines::python_rows().await;
    }
    if is_wanted("v-lang") {
        engines::v_rows().await;
    }
    if is_wanted("spawn") {
        engines::spawn_rows().await;
    }
    if is_wanted("said") {
        engines::said_rows().await;
    }
    if is_wanted("memory") {
        engines::memory_rows().await;
    }
    if is_wanted("drain") {
        drain_row().await;
    }
    if is_wanted("record") {
        record_row().await;
    }
    if is_wanted("waiting") {
        waiting_row().await;
    }
    if is_wanted("durable") {
        durable_row().await;
    }
    if is_wanted("fleet") {
        fleet::rows().await;
    }
    if is_wanted("idle") {
        idle_row().await;
    }
    report.end();
}

async fn run_rows() {
    let stage = Stage::start(&[]).await;
    let echo = floor::Echo::start(stage.folder()).await;
    let queue_floor = floor::queue_ping_pong(stage.redis_url(), ROUNDS).await;
    let _actor = stage.start_osis_actor("bench_0").await;
    for (name, address, echo_address) in [
        ("TCP", stage.tcp_address(), echo.tcp_address()),
        ("unix socket", stage.unix_address(), echo.unix_address()),
    ] {
        let client = load::connect(address).await;
        let one = median(ROUNDS, || load::run_jobs(client.clone(), 1, Duration::from_secs(2))).await;
        let echo_one = median(ROUNDS, || floor::echo_calls(echo_address, 1, Duration::from_secs(1))).await;
        let times = one.at(50.0) / echo_one.at(50.0);
        row_to(
            &format!("RunJob no-op OSIS, one at a time, {name}"),
            &format!("p50 {} ms, p99 {} ms", one.millis(50.0), one.millis(99.0)),
            &format!(
                "echo p50 {} ms (x{times:.1}); queue ping-pong p50 {} ms",
                echo_one.millis(50.0),
                queue_floor.millis(50.0)
            ),
            Goal::at_most(times, 4.0, " times the echo"),
        );
        let many = median(ROUNDS, || load::run_jobs(client.clone(), 64, Duration::from_secs(3))).await;
        let echo_many = median(ROUNDS, || floor::echo_calls(echo_address, 64, Duration::from_secs(1))).await;
        row(
            &format!("RunJob no-op OSIS, 64 at once, {name}"),
            &format!("{} jobs/s, p50 {} ms, p99 {} ms", many.rate(), many.millis(50.0), many.millis(99.0)),
            &format!(
                "echo {} calls/s (x{:.1})",
                echo_many.rate(),
                echo_many.per_second() / many.per_second()
            ),
        );
    }
}

async fn drain_row() {
    let stage = Stage::start(&[]).await;
    let queue_floor = floor::queue_ping_pong(stage.redis_url(), 1).await;
    let drained = backlog::drain(&stage, DRAIN_JOBS).await;
    let times = drained.drain_rate / queue_floor.per_second();
    row_to(
        &format!("drain of {DRAIN_JOBS} queued no-op jobs, one actor, in-process no-op"),
        &format!("{:.0} jobs/s (queued at {:.0} jobs/s)", drained.drain_rate, drained.submit_rate),
        &format!("stream ping-pong {} round trips/s (x{times:.1})", queue_floor.rate()),
        Goal::at_least(times, 7.5, " times the ping-pong"),
    );
}

async fn record_row() {
    let stage = Stage::start(&[]).await;
    let bytes = backlog::bytes_of_ended(&stage, RECORDS, SCRIPT_BYTES).await;
    row_to(
        &format!("Redis bytes of an ended job with a script of {SCRIPT_BYTES} bytes"),
        &format!("{bytes:.0} bytes"),
        "",
        Goal::at_most(bytes, 1_400.0, " bytes"),
    );
}

async fn waiting_row() {
    let stage = Stage::start(&[]).await;
    let waiting = backlog::awaiters(&stage, AWAITERS).await;
    row_to(
        &format!("{AWAITERS} waiting RunJobs"),
        &format!(
            "{:.1} KB each in the supervisor ({:.1} -> {:.1} MB); all answered {:.2} s after the actor's exec",
            waiting.kib_each,
            waiting.before_mib,
            waiting.after_mib,
            waiting.all_answered.as_secs_f64()
        ),
        "",
        Goal::at_most(waiting.kib_each, 6.0, " KB each"),
    );
}

async fn durable_row() {
    let stage = Stage::start(&["--appendonly", "yes", "--appendfsync", "everysec"]).await;
    let _actor = stage.start_osis_actor("bench_1").await;
    let client = load::connect(stage.tcp_address()).await;
    let many = median(ROUNDS, || load::run_jobs(client.clone(), 64, Duration::from_secs(3))).await;
    row(
        "RunJob no-op OSIS, 64 at once, TCP, Redis append-only (everysec)",
        &format!("{} jobs/s, p50 {} ms, p99 {} ms", many.rate(), many.millis(50.0), many.millis(99.0)),
        "",
    );
}

async fn idle_row() {
    let idle = idle::crowd(CROWD).await;
    row(
        &format!("{CROWD} idle actors on Zinit"),
        &format!("the supervisor uses {:.2} % of a core", idle.supervisor),
        &format!(
            "{:.2} % with no actor; Zinit itself {:.1} %, Redis {:.1} %",
            idle.empty, idle.zinit, idle.redis
        ),
    );
}

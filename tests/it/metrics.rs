//! What Prometheus is told by a real service with real actors, and whether the dashboard asks for the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::full_service::{FullService, osis, submit};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// One scrape, as Prometheus makes it.
pub(crate) async fn scrape(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    body.to_owned()
}

/// The value of the one series that begins with this and has these labels.
pub(crate) fn value(scraped: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let line =
        scraped.lines().filter(of_name).find(|line| labels.iter().all(|label| line.contains(label)))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn prometheus_sees_actors_queues_jobs_calls_and_what_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("m");
    let flag = format!("unix:{}", socket.display());
    let whole = FullService::start_on(PrivateRedis::start().await, &["--metrics-listen", &flag]).await;
    let actor = whole.running_actor("osis_actor_0").await;
    let mut client = whole.client();
    let job = pb::JobSpec {
        script_type: pb::ScriptType::Osis.into(),
        script: "40 + 2".into(),
        ..Default::default()
    };
    let run = pb::RunJobRequest { job: Some(job), ..Default::default() };
    client.run_job(run).await.unwrap();
    let unknown = pb::GetJobRequest { job_id: "nobody".into(), ..Default::default() };
    client.get_job(unknown).await.unwrap_err();
    let all = pb::ActorSelector { all: true, ..Default::default() };
    let scope = pb::check_health_request::Scope::All.into();
    let check = pb::CheckHealthRequest { selector: Some(all), scope, ..Default::default() };
    client.check_health(check).await.unwrap();

    check_all_series(&scrape(&socket).await);

    // Nobody awaits this one.
    let thrown = pb::JobSpec {
        script_type: pb::ScriptType::Osis.into(),
        script: "throw 1".into(),
        ..Default::default()
    };
    client.submit_job(pb::SubmitJobRequest { job: Some(thrown), ..Default::default() }).await.unwrap();
    eventually("the job is counted", LIMIT, || async {
        let seen = scrape(&socket).await;
        (value(&seen, "hero_jobs_total", &["osis", "failed", "script_error"]) == Some(1.0)).then_some(())
    })
    .await;

    eventually("its usage is shown", LIMIT, || async { usage(&scrape(&socket).await) }).await;

    kill(Pid::from_raw(actor.pid.unwrap()), Signal::SIGKILL).unwrap();
    eventually("the restart is counted", LIMIT, || async {
        let seen = scrape(&socket).await;
        (value(&seen, "hero_actor_restarts_total", &["osis_actor_0"]) == Some(1.0)).then_some(())
    })
    .await;
    let delete =
        pb::DeleteActorRequest { actor_id: "osis_actor_0".into(), force: true, ..Default::default() };
    client.delete_actor(delete).await.unwrap();
    let seen = scrape(&socket).await;
    assert_eq!(value(&seen, "hero_actor_restarts_total", &["osis_actor_0"]), None, "{seen}");
    assert!(seen.contains("# TYPE hero_actor_restarts_total counter"), "{seen}");
    assert_eq!(value(&seen, "hero_actor_memory_bytes", &["osis_actor_0"]), None, "{seen}");
}

/// Checks the usage of the process of the actor and its engine host; None while it was not sampled twice.
fn usage(seen: &str) -> Option<()> {
    let of = |name| value(seen, name, &["osis_actor_0", "osis"]);
    let (cpu, threads) = (of("hero_actor_cpu_cores")?, of("hero_actor_threads")?);
    let (memory, files) = (of("hero_actor_memory_bytes")?, of("hero_actor_open_files")?);
    assert!((0.0..100.0).contains(&cpu) && memory > 2e6 && files > 8.0 && threads >= 2.0, "{seen}");
    Some(())
}

/// Checks what a scrape shows after one job, one call that was refused and one ping.
fn check_all_series(seen: &str) {
    let of = |name, labels: &[&str]| value(seen, name, labels);
    assert_eq!(of("hero_grpc_requests_total", &["RunJob", "code=\"OK\""]), Some(1.0), "{seen}");
    assert_eq!(of("hero_grpc_requests_total", &["GetJob", "NOT_FOUND"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_grpc_request_duration_seconds_count", &["RunJob"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_grpc_requests_in_flight", &["RunJob"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_actors", &["osis", "running"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_actors", &["osis", "crash_loop"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_queue_jobs", &["osis", "queued"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_job_run_duration_seconds_count", &["osis", "succeeded"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_job_queue_duration_seconds_count", &["osis"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_queue_oldest_age_seconds", &["osis"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_actor_pending_ends", &["osis_actor_0", "osis"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_actor_refused_ends_total", &["osis_actor_0", "osis"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_queue_malformed_entries_total", &["osis"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_queue_damaged_records_total", &["osis"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_dependency_up", &["redis"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_dependency_up", &["process_manager"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_pings_total", &["osis", "ok"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_jobs_total", &["osis", "succeeded", "error_kind=\"\""]), Some(1.0), "{seen}");
    // What has not happened is there as well, so that its first time is a rise.
    assert_eq!(of("hero_jobs_total", &["python", "failed", "actor_lost"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_pings_total", &["osis", "timed_out"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_health_restarts_total", &["osis"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_events_lost_total", &[]), Some(0.0), "{seen}");
    assert!(of("process_resident_memory_bytes", &[]).unwrap() > 1e6, "{seen}");
    assert!(
        of("process_cpu_seconds_total", &[]).is_some() && of("process_open_fds", &[]).is_some(),
        "{seen}"
    );
    assert_eq!(of("hero_ping_duration_seconds_count", &["osis"]), Some(1.0), "{seen}");
    assert!(of("hero_redis_call_duration_seconds_count", &["ok"]).unwrap() > 1.0, "{seen}");
    assert!(of("hero_zinit_call_duration_seconds_count", &["service.list", "ok"]).unwrap() > 1.0, "{seen}");
}

#[tokio::test]
async fn a_named_queue_has_series_of_its_own_until_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("m");
    let flag = format!("unix:{}", socket.display());
    let whole = FullService::start_on(PrivateRedis::start().await, &["--metrics-listen", &flag]).await;
    let mut client = whole.client();
    for queue in ["gpu", "never-used"] {
        let script_type = pb::ScriptType::Osis.into();
        client.create_queue(pb::CreateQueueRequest { queue: queue.into(), script_type }).await.unwrap();
    }
    let waits = submit(&client, pb::JobSpec { queue: "gpu".into(), ..osis("1") }).await;
    let seen = scrape(&socket).await;
    let of = |name, labels: &[&str]| value(&seen, name, labels);
    let gpu = ["queue=\"gpu\"", "script_type=\"osis\""];
    assert_eq!(of("hero_named_queue_jobs", &[gpu[0], gpu[1], "queued"]), Some(1.0), "{seen}");
    assert_eq!(of("hero_named_queue_jobs", &[gpu[0], gpu[1], "running"]), Some(0.0), "{seen}");
    assert_eq!(of("hero_named_queue_actors", &gpu), Some(0.0), "{seen}");
    assert!(of("hero_named_queue_oldest_age_seconds", &gpu).is_some(), "{seen}");
    assert_eq!(
        of("hero_queue_jobs", &["osis", "queued"]),
        Some(0.0),
        "the default queue has its own: {seen}"
    );
    assert!(!seen.contains("never-used"), "{seen}");

    client.cancel_job(pb::CancelJobRequest { job_id: waits, ..Default::default() }).await.unwrap();
    let seen = scrape(&socket).await;
    let ended = value(&seen, "hero_named_queue_ended_jobs_total", &[gpu[0], gpu[1], "cancelled"]);
    assert_eq!(ended, Some(1.0), "{seen}");
    client.delete_queue(pb::DeleteQueueRequest { queue: "gpu".into() }).await.unwrap();
    let seen = scrape(&socket).await;
    assert!(!seen.contains("queue=\"gpu\""), "{seen}");
}

#[tokio::test]
async fn a_scrape_answers_while_redis_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("m");
    let flag = format!("unix:{}", socket.display());
    let whole = FullService::start_on(PrivateRedis::start().await, &["--metrics-listen", &flag]).await;
    let FullService { service: _service, zinit: _zinit, redis } = whole;
    drop(redis);
    let seen = tokio::time::timeout(Duration::from_secs(30), scrape(&socket)).await.unwrap();
    assert!(seen.contains("hero_supervisor_info{"), "{seen}");
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_there_are() {
    let dashboard = std::fs::read_to_string("docs/grafana-dashboard.json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(json["panels"].as_array().unwrap().len() >= 10);
    let source = std::fs::read_to_string("src/telemetry/metrics.rs").unwrap();
    let known: BTreeSet<&str> = source.split('"').filter(|word| word.starts_with("hero_")).collect();
    let words = dashboard.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let asked: BTreeSet<&str> = words
        .filter(|word| word.starts_with("hero_"))
        .map(|word| {
            ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word)
        })
        .collect();
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "not exported: {unknown:?}");
    let unused: Vec<_> = known.difference(&asked).collect();
    assert!(unused.is_empty(), "exported and not shown: {unused:?}");
}

//! Redis dies, hangs, or refuses.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::stage::Stage;
use crate::support::full_service::{JOBS, serves};

/// Health says within this time that jobs cannot be served, or that they can again.
const HEALTH_FLIPS: Duration = Duration::from_secs(5);
/// What a busy machine adds to it.
const ALLOWANCE: Duration = Duration::from_secs(3);

/// Why Redis refuses to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// NOREPLICAS: it wants a replica that is not there.
    NoReplicas,
    /// OOM: it is at its maxmemory.
    Full,
    /// READONLY: it is a replica, as after a failover.
    ReadOnly,
    /// MISCONF: it cannot save its snapshot.
    CannotSave,
    /// MISCONF: its append-only file cannot grow, as with a full disk.
    FullDisk,
    /// NOPERM: its user may not write.
    NotAllowed,
    /// BUSY: a script runs and runs.
    Busy,
}

pub(super) async fn kill(stage: &mut Stage, span: Duration) -> Vec<String> {
    stage.redis.kill9();
    let complaints = while_away(stage, span).await;
    stage.redis.restart().await;
    complaints.into_iter().chain(back(stage).await).collect()
}

pub(super) async fn freeze(stage: &Stage, span: Duration) -> Vec<String> {
    stage.redis.freeze();
    let complaints = while_away(stage, span).await;
    stage.redis.thaw();
    complaints.into_iter().chain(back(stage).await).collect()
}

pub(super) async fn refuse(stage: &Stage, refusal: Refusal, span: Duration) -> Vec<String> {
    let snapshot = stage.redis.socket().with_file_name("dump.rdb");
    match refusal {
        Refusal::NoReplicas => ask(stage, &["CONFIG", "SET", "min-replicas-to-write", "1"]).await,
        Refusal::Full => {
            let used = used_memory(stage).await.saturating_sub(100_000);
            ask(stage, &["CONFIG", "SET", "maxmemory", &used.to_string()]).await;
        }
        Refusal::ReadOnly => ask(stage, &["REPLICAOF", "127.0.0.1", "1"]).await,
        Refusal::CannotSave => {
            // Where the snapshot is to be there is a folder. A save of an earlier time that took longer than its refusal
            // has left a file there, which nobody reads.
            let _none = std::fs::remove_file(&snapshot);
            std::fs::create_dir_all(&snapshot).unwrap();
            ask(stage, &["CONFIG", "SET", "save", "3600 1"]).await;
            ask(stage, &["BGSAVE"]).await;
        }
        Refusal::FullDisk => {
            // With every write synced it ends instead, which is as if it were killed.
            ask(stage, &["CONFIG", "SET", "appendfsync", "everysec"]).await;
            limit_files(stage, &append_only_bytes(stage).await.to_string());
        }
        Refusal::NotAllowed => ask(stage, &["ACL", "SETUSER", "default", "-@write"]).await,
        Refusal::Busy => {
            ask(stage, &["CONFIG", "SET", "busy-reply-threshold", "100"]).await;
            let (mut connection, mut spin) = (stage.redis.connection().await, redis::cmd("EVAL"));
            spin.arg("while true do end").arg(0);
            let _spins = timeout(Duration::from_millis(50), spin.query_async::<()>(&mut connection)).await;
        }
    }
    // A script that runs and runs is known by that only after a while, and is soon over in life.
    let complaints = if refusal == Refusal::Busy {
        sleep(span).await;
        Vec::new()
    } else {
        while_away(stage, span).await
    };
    match refusal {
        Refusal::NoReplicas => ask(stage, &["CONFIG", "SET", "min-replicas-to-write", "0"]).await,
        Refusal::Full => ask(stage, &["CONFIG", "SET", "maxmemory", "0"]).await,
        Refusal::ReadOnly => ask(stage, &["REPLICAOF", "NO", "ONE"]).await,
        Refusal::CannotSave => {
            ask(stage, &["CONFIG", "SET", "save", ""]).await;
            std::fs::remove_dir(&snapshot).unwrap();
        }
        Refusal::FullDisk => {
            limit_files(stage, "unlimited");
            until_appended(stage).await;
            ask(stage, &["CONFIG", "SET", "appendfsync", "always"]).await;
        }
        Refusal::NotAllowed => ask(stage, &["ACL", "SETUSER", "default", "+@all"]).await,
        Refusal::Busy => ask(stage, &["SCRIPT", "KILL"]).await,
    }
    complaints.into_iter().chain(back(stage).await).collect()
}

/// Gives an order that is over at once.
pub(super) async fn order(stage: &Stage, words: &[&str]) -> Vec<String> {
    ask(stage, words).await;
    Vec::new()
}

async fn ask(stage: &Stage, words: &[&str]) {
    let (mut connection, mut command) = (stage.redis.connection().await, redis::cmd(words[0]));
    command.arg(&words[1..]);
    let _answer: redis::Value = command.query_async(&mut connection).await.unwrap();
}

async fn used_memory(stage: &Stage) -> u64 {
    info(stage, "memory", "used_memory").await.parse().unwrap()
}

/// The size of the append-only file that is written to.
async fn append_only_bytes(stage: &Stage) -> u64 {
    let whole: u64 = info(stage, "persistence", "aof_current_size").await.parse().unwrap();
    let base: u64 = info(stage, "persistence", "aof_base_size").await.parse().unwrap();
    // The file that grows begins behind the base; without a rewrite there is next to none.
    whole.saturating_sub(base)
}

/// Waits until everything that was held back is in the append-only file.
async fn until_appended(stage: &Stage) {
    let begun = Instant::now();
    while info(stage, "persistence", "aof_last_write_status").await != "ok" {
        assert!(begun.elapsed() < Duration::from_secs(20), "Redis does not write again");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn info(stage: &Stage, section: &str, name: &str) -> String {
    let mut connection = stage.redis.connection().await;
    let info: String = redis::cmd("INFO").arg(section).query_async(&mut connection).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} in {info}")).trim().to_owned()
}

/// No file that Redis writes may grow beyond this.
fn limit_files(stage: &Stage, bytes: &str) {
    let (limit, pid) = (format!("--fsize={bytes}:"), format!("--pid={}", stage.redis.pid()));
    let limited = std::process::Command::new("prlimit").args([&limit, &pid]).status();
    assert!(limited.unwrap().success(), "prlimit {limit} {pid}");
}

/// Its clock is put ahead or back for a while.
pub(super) async fn step_clock(stage: &Stage, millis: i64, span: Duration) -> Vec<String> {
    stage.redis.step_clock(millis);
    sleep(span).await;
    stage.redis.step_clock(0);
    back(stage).await
}

/// P11: health tells it, if it lasts long enough to be told.
async fn while_away(stage: &Stage, span: Duration) -> Vec<String> {
    let begun = Instant::now();
    if span < HEALTH_FLIPS {
        sleep(span).await;
        return Vec::new();
    }
    let told = told_within(stage, false, HEALTH_FLIPS + ALLOWANCE).await;
    sleep(span.saturating_sub(begun.elapsed())).await;
    told
}

async fn back(stage: &Stage) -> Vec<String> {
    told_within(stage, true, HEALTH_FLIPS + 2 * ALLOWANCE).await
}

/// Waits until both supervisors say that they serve jobs, or that they do not.
async fn told_within(stage: &Stage, up: bool, limit: Duration) -> Vec<String> {
    let begun = Instant::now();
    let mut missing: Vec<usize> = (0..stage.supervisors.len()).collect();
    while begun.elapsed() < limit {
        let mut still = Vec::new();
        for number in missing {
            let asked = timeout(Duration::from_secs(1), serves(&stage.supervisors[number], JOBS)).await;
            if asked != Ok(up) {
                still.push(number);
            }
        }
        if still.is_empty() {
            return Vec::new();
        }
        missing = still;
        sleep(Duration::from_millis(100)).await;
    }
    let word = if up { "SERVING" } else { "NOT_SERVING" };
    vec![format!("jobs of supervisors {missing:?} were not {word} after {limit:?}")]
}

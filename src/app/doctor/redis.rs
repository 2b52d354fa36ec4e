//! Checks of Redis: reachability, version, rights, and the durability of jobs.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use tokio::time::Instant;

use super::{Finding, clock, cluster, replication, sentinel};
use crate::adapters::redis::{AccessError, ClusterSurvey, SentinelSurvey, error_words, refusal_of};
use crate::config::Config;
use crate::domain::model::durability::Durability;
use crate::ports::store_fault::Refusal;

/// Limit of each call; Redis normally answers within a millisecond.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// Least version: the first one with functions.
const OLDEST: (u32, u32) = (7, 0);
/// A library that is loaded and removed again, to check the rights.
const TRIAL_LIBRARY: &str =
    "#!lua name=hero_doctor\nredis.register_function('hero_doctor', function() return 1 end)";

/// Advice about settings.
const NOEVICTION: &str = "set `maxmemory-policy noeviction` in redis.conf, and now with \
                          `redis-cli config set maxmemory-policy noeviction`";
const APPEND_ONLY: &str =
    "set `appendonly yes` in redis.conf, and now with `redis-cli config set appendonly yes`";

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let (access, url) = (config.redis_access(), config.redis_url.expose());
    if let Some(survey) = ClusterSurvey::of(url, &access).await {
        return check_cluster(config, &survey).await;
    }
    let survey = SentinelSurvey::of(url, &access).await;
    let mut findings = survey.as_ref().map(sentinel::judge).unwrap_or_default();
    let primary = match survey.map(|survey| survey.primary).transpose() {
        Ok(primary) => primary,
        Err(_no_primary) => return findings,
    };
    let client = access.client_at(url, primary.as_ref());
    findings.extend(check_server(config, client, &config.redis_url.to_string(), primary.is_some()).await);
    findings
}

/// Checks a Cluster, and each of its primaries as a server for itself.
async fn check_cluster(config: &Config, survey: &ClusterSurvey) -> Vec<Finding> {
    let mut findings = cluster::judge(survey);
    let (access, url) = (config.redis_access(), config.redis_url.expose());
    for server in survey.primaries.iter().filter(|server| server.answer.is_ok()) {
        let at = server.at.to_string();
        let of_one = check_server(config, access.client_in_cluster(url, &server.at), &at, false).await;
        findings.extend(of_one.into_iter().map(|finding| finding.at(&at)));
    }
    if config.durability == Durability::Primary {
        findings.push(replication::cost(config.durability));
    }
    findings
}

/// Checks one server. `has_sentinels` says that they make another one the primary when this one is lost.
async fn check_server(
    config: &Config,
    client: Result<Client, AccessError>,
    at: &str,
    has_sentinels: bool,
) -> Vec<Finding> {
    let (mut connection, latency) = match connect(config, client).await {
        Ok(connected) => connected,
        Err((why, todo)) => return vec![Finding::fail("redis", format!("{at}: {why}"), todo)],
    };
    let info: String = match redis::cmd("INFO").query_async(&mut connection).await {
        Ok(info) => info,
        Err(error) => {
            let (why, todo) = refused(&error).unwrap_or((
                "INFO is not answered",
                "give its user the right to call INFO (ACL SETUSER … +info)",
            ));
            return vec![Finding::fail("redis", format!("{at}: {why}: {}", error_words(&error)), todo)];
        }
    };
    let info = parse_info(&info);
    let mut findings = vec![version(at, &info, latency)];
    findings.extend(role(&info));
    findings.extend(clock::check(&mut connection).await);
    findings.push(functions(&mut connection).await);
    findings.push(eviction(&info));
    findings.push(durability(&mut connection, &info).await);
    let min_replicas = config_get(&mut connection, "min-replicas-to-write").await;
    let min_replicas = min_replicas.and_then(|number| number.parse().ok());
    findings.extend(replication::judge(&info, has_sentinels, config.durability, min_replicas));
    findings
}

/// Connects, and measures the time of an answer. The error is the fault, and advice.
async fn connect(
    config: &Config,
    client: Result<Client, AccessError>,
) -> Result<(MultiplexedConnection, Duration), (String, &'static str)> {
    const ABSENT: &str =
        "start Redis, name it with --redis-url, or try everything with `hero-supervisor dev`";
    let (access, url) = (config.redis_access(), config.redis_url.expose());
    let client = client.map_err(|error| (error.to_string(), ABSENT))?;
    ping(&client).await.map_err(|error| match refused(&error) {
        Some((why, todo)) => (format!("{why}: {}", error_words(&error)), todo),
        None => (access.explain(url, &error).unwrap_or_else(|| error.to_string()), ABSENT),
    })
}

async fn ping(client: &Client) -> RedisResult<(MultiplexedConnection, Duration)> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CALL_LIMIT))
        .set_response_timeout(Some(CALL_LIMIT));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let begun = Instant::now();
    redis::cmd("PING").query_async::<()>(&mut connection).await?;
    Ok((connection, begun.elapsed()))
}

/// Parses the `name:value` lines of INFO.
fn parse_info(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect()
}

fn version(at: &str, info: &HashMap<&str, &str>, latency: Duration) -> Finding {
    let version = info.get("redis_version").copied().unwrap_or("0");
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let text = format!("{version} at {at}, answers in {latency:.1?}");
    if found < OLDEST {
        return Finding::fail("redis", text, "install Redis 7.0 or later: jobs are kept by Redis Functions");
    }
    Finding::ok("redis", text)
}

fn role(info: &HashMap<&str, &str>) -> Option<Finding> {
    let todo = "name the primary with --redis-url";
    (info.get("role") == Some(&"slave"))
        .then(|| Finding::fail("redis role", "a replica, which cannot be written to", todo))
}

async fn functions(connection: &mut MultiplexedConnection) -> Finding {
    let check = "redis functions";
    let mut load = redis::cmd("FUNCTION");
    load.arg("LOAD").arg("REPLACE").arg(TRIAL_LIBRARY);
    let loaded: Result<String, RedisError> = load.query_async(connection).await;
    if let Err(error) = loaded {
        if let Some((found, todo)) = refused(&error) {
            return Finding::fail("redis writes", format!("{found}: {}", error_words(&error)), todo);
        }
        let todo = "use Redis 7.0 or later, and give its user the right (ACL SETUSER … +function +fcall)";
        return Finding::fail(check, format!("cannot be loaded: {error}"), todo);
    }
    let mut called = redis::cmd("FCALL");
    called.arg("hero_doctor").arg(0);
    let called: Result<i64, RedisError> = called.query_async(connection).await;
    let mut delete = redis::cmd("FUNCTION");
    delete.arg("DELETE").arg("hero_doctor");
    let deleted: Result<String, RedisError> = delete.query_async(connection).await;
    match called.and(deleted) {
        Ok(_) => Finding::ok(check, "can be loaded and called"),
        Err(error) => Finding::fail(
            check,
            format!("cannot be called: {error}"),
            "give its user the right (ACL SETUSER … +fcall)",
        ),
    }
}

/// Explains an error by which a Redis that is there refuses, with advice; None for any other error.
fn refused(error: &RedisError) -> Option<(&'static str, &'static str)> {
    Some(match refusal_of(error)? {
        Refusal::Full => (
            "Redis is full: it accepts no new jobs; those that are there still end",
            "let jobs end, purge or delete some, or raise `maxmemory`",
        ),
        Refusal::NotDurable if error.code() == Some("NOREPLICAS") => (
            "too few replicas follow, fewer than `min-replicas-to-write` asks for",
            "bring the replicas back, or lower `min-replicas-to-write`",
        ),
        Refusal::NotDurable => (
            "Redis accepts nothing because it could not save",
            "look at the disk and at Redis' log; it goes on once a save has worked (`redis-cli bgsave`)",
        ),
        Refusal::ReadOnly => {
            ("Redis is a replica, which cannot be written to", "name the primary with --redis-url")
        }
        Refusal::AccessDenied => (
            "Redis does not let its user in, or lets it do too little",
            "look at --redis-user and --redis-password-file, or at the user in the URL; `hero-supervisor doctor \
             --print-acl` prints the rights that the user needs",
        ),
        Refusal::Busy => {
            ("Redis is there and not ready", "wait, and look at Redis' log and its `maxclients`")
        }
    })
}

fn eviction(info: &HashMap<&str, &str>) -> Finding {
    let check = "redis eviction";
    let limit = info.get("maxmemory_human").copied().unwrap_or("?");
    match info.get("maxmemory_policy").copied() {
        Some("noeviction") => Finding::ok(check, format!("noeviction (maxmemory {limit})")),
        Some(policy) => {
            let found =
                format!("{policy}: Redis throws jobs away when its memory is full (maxmemory {limit})");
            Finding::fail(check, found, NOEVICTION)
        }
        None => Finding::warn(check, "Redis does not say", NOEVICTION),
    }
}

async fn durability(connection: &mut MultiplexedConnection, info: &HashMap<&str, &str>) -> Finding {
    let check = "redis durability";
    let failed = |field: &str| info.get(field).is_some_and(|status| *status != "ok");
    if failed("aof_last_write_status") {
        return Finding::fail(
            check,
            "the last write of the append-only file failed",
            "look at the disk and at Redis' log",
        );
    }
    if failed("rdb_last_bgsave_status") {
        return Finding::fail(
            check,
            "the last snapshot failed: Redis may refuse writes",
            "look at the disk and at Redis' log",
        );
    }
    if info.get("aof_enabled") == Some(&"1") {
        return match config_get(connection, "appendfsync").await.as_deref() {
            Some("always") => Finding::ok(
                check,
                "append-only, fsync at every write: nothing is lost, not even by a power cut",
            ),
            Some("everysec") => {
                Finding::ok(check, "append-only, fsync every second: a power cut can cost the last second")
            }
            Some("no") => Finding::warn(
                check,
                "append-only, fsync left to the system: a power cut can cost half a minute",
                "set `appendfsync everysec`",
            ),
            Some(_) | None => Finding::ok(check, "append-only"),
        };
    }
    match config_get(connection, "save").await.as_deref() {
        Some("") => Finding::warn(check, "none: all jobs are lost when Redis ends", APPEND_ONLY),
        Some(points) => {
            let found =
                format!("snapshots only (save {points}): jobs since the last one are lost when Redis dies");
            Finding::warn(check, found, APPEND_ONLY)
        }
        None => Finding::warn(check, "not append-only", APPEND_ONLY),
    }
}

/// Reads a setting; None without the right to do so.
async fn config_get(connection: &mut MultiplexedConnection, name: &str) -> Option<String> {
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg(name);
    let values: HashMap<String, String> = get.query_async(connection).await.ok()?;
    values.get(name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &str) -> super::super::Verdict {
        eviction(&parse_info(line)).verdict
    }

    #[test]
    fn only_noeviction_keeps_jobs() {
        use super::super::Verdict::{Fail, Ok, Warn};
        assert_eq!(verdict("maxmemory_policy:noeviction\r\n"), Ok);
        for policy in ["allkeys-lru", "volatile-ttl", "allkeys-random"] {
            assert_eq!(verdict(&format!("maxmemory_policy:{policy}\r\n")), Fail, "{policy}");
        }
        assert_eq!(verdict(""), Warn);
    }

    #[test]
    fn a_refusal_is_told_as_it_is() {
        let of = |code: &str| refused(&redis::make_extension_error(code.to_owned(), None));
        for (code, part) in [
            ("OOM", "maxmemory"),
            ("NOREPLICAS", "min-replicas-to-write"),
            ("MISCONF", "bgsave"),
            ("READONLY", "primary"),
            ("MASTERDOWN", "primary"),
            ("NOPERM", "--print-acl"),
            ("NOAUTH", "--redis-password-file"),
            ("WRONGPASS", "--redis-password-file"),
            ("LOADING", "wait"),
            ("BUSY", "wait"),
        ] {
            let (_why, todo) = of(code).unwrap_or_else(|| panic!("{code} is a refusal"));
            assert!(todo.contains(part), "{code}: {todo}");
        }
        assert_eq!(of("ERR"), None);
        let full = redis::make_extension_error("OOM".to_owned(), Some("command not allowed".to_owned()));
        assert_eq!(error_words(&full), "OOM command not allowed");
    }

    #[test]
    fn redis_6_is_too_old() {
        let of = |line: &str| version("redis://h", &parse_info(line), Duration::ZERO).verdict;
        assert_eq!(of("redis_version:6.2.14"), super::super::Verdict::Fail);
        assert_eq!(of("redis_version:7.0.15"), super::super::Verdict::Ok);
        assert_eq!(of("redis_version:8.2.0"), super::super::Verdict::Ok);
        assert_eq!(of(""), super::super::Verdict::Fail);
    }
}

//! `doctor` against good and bad surroundings.

use crate::support::redis::PrivateRedis;
use crate::support::service::{Ran, run};
use crate::support::zinit::PrivateZinit;

fn doctor(redis_url: &str, more: &[&str]) -> Ran {
    run(["doctor", "-o", "json", "--redis-url", redis_url].iter().chain(more))
}

fn finding(ran: &Ran, check: &str) -> serde_json::Value {
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    findings
        .into_iter()
        .find(|finding| finding["check"] == check)
        .unwrap_or_else(|| panic!("{check} in {ran:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_redis_passes_and_its_durability_is_named() {
    let redis = PrivateRedis::start_append_only().await;
    let ran = doctor(&redis.url(), &["--process-manager", "local"]);
    for check in ["redis", "redis functions", "redis eviction", "redis durability"] {
        assert_eq!(finding(&ran, check)["verdict"], "ok", "{ran:?}");
    }
    let found = finding(&ran, "redis durability")["found"].as_str().unwrap().to_owned();
    assert!(found.contains("append-only") && found.contains("fsync"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_evicts_is_refused_with_what_to_do() {
    let redis = PrivateRedis::start().await;
    let set = std::process::Command::new("redis-cli")
        .arg("-s")
        .arg(redis.socket())
        .args(["config", "set", "maxmemory-policy", "allkeys-lru"])
        .output()
        .expect("redis-cli comes with redis-server: apt-get install redis-tools");
    assert!(set.status.success(), "{set:?}");
    let ran = doctor(&redis.url(), &["--process-manager", "local"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.json()["healthy"], false);
    let eviction = finding(&ran, "redis eviction");
    assert_eq!(eviction["verdict"], "fail");
    assert!(eviction["todo"].as_str().unwrap().contains("noeviction"), "{eviction}");
    let durability = finding(&ran, "redis durability");
    assert_eq!(durability["verdict"], "warn");
    assert!(durability["found"].as_str().unwrap().starts_with("none"), "{durability}");

    let table = run(["doctor", "--redis-url", &redis.url(), "--process-manager", "local"]);
    assert!(table.stdout.contains("FAIL"), "{table:?}");
    let advice = table.stdout.lines().find(|line| line.contains("maxmemory-policy noeviction"));
    assert!(
        advice.is_some_and(|line| line.trim_start().starts_with("-> set")),
        "a line of its own: {table:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lets_nobody_in_is_there_and_is_told_so() {
    let redis = PrivateRedis::start().await;
    let mut connection = redis.connection().await;
    let _ok: String = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "s3cret"])
        .query_async(&mut connection)
        .await
        .unwrap();
    let without = finding(&doctor(&redis.url(), &["--process-manager", "local"]), "redis");
    let (found, todo) = (without["found"].as_str().unwrap(), without["todo"].as_str().unwrap());
    assert!(found.contains("NOAUTH") && todo.contains("--redis-password-file"), "{without}");
    let wrong = doctor(&format!("{}?pass=wr0ng", redis.url()), &["--process-manager", "local"]);
    let told = finding(&wrong, "redis");
    assert!(told["todo"].as_str().unwrap().contains("--redis-password-file"), "{told}");
    assert!(!wrong.stdout.contains("wr0ng"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_everything_is_fine() {
    let (redis, zinit) = (PrivateRedis::start_append_only().await, PrivateZinit::start().await);
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_osis_actor")).parent().unwrap();
    let socket = zinit.socket().display().to_string();
    let ran = doctor(&redis.url(), &["--zinit-socket", &socket, "--actor-dir", programs.to_str().unwrap()]);
    assert_eq!((ran.code, &ran.json()["healthy"]), (0, &true.into()), "{ran:?}");
    let found = finding(&ran, "zinit");
    assert_eq!(found["verdict"], "ok");
    assert!(found["found"].as_str().unwrap().contains("0.3.9"), "{found}");
    assert_eq!(finding(&ran, "osis_actor")["verdict"], "ok", "{ran:?}");
}

#[test]
fn nobody_at_home_is_told_for_each_with_what_to_do() {
    let ran = doctor(
        "redis://:s3cret@127.0.0.1:1",
        &["--zinit-socket", "/nonexistent/z.sock", "--actor-dir", "/nonexistent"],
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    for check in ["redis", "zinit", "actors"] {
        let finding = finding(&ran, check);
        assert_eq!(finding["verdict"], "fail", "{finding}");
        assert!(!finding["todo"].as_str().unwrap().is_empty(), "{finding}");
    }
    assert!(!ran.stdout.contains("s3cret"), "{ran:?}");
}

#[test]
fn programs_of_actors_are_not_blamed_for_a_redis_that_is_away() {
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_osis_actor")).parent().unwrap();
    let ran = doctor(
        "redis://127.0.0.1:1",
        &["--process-manager", "local", "--actor-dir", programs.to_str().unwrap()],
    );
    let report = ran.json();
    let failed = report["findings"].as_array().unwrap().iter().filter(|finding| finding["verdict"] == "fail");
    assert_eq!(failed.map(|finding| &finding["check"]).collect::<Vec<_>>(), ["redis"], "{ran:?}");
    assert_eq!(finding(&ran, "osis_actor")["verdict"], "note", "{ran:?}");
}

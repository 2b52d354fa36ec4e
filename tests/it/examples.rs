//! The examples do what they say, on a Redis of their own, on a given one, and under a real Zinit.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use crate::support::redis::PrivateRedis;
use crate::support::zinit::PrivateZinit;

/// Building is done by then; this is for starting seven processes on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

async fn lifecycle_demo(environment: &[(&str, String)]) -> String {
    // Cargo builds examples with the tests, beside them.
    let folder: PathBuf = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let mut command = Command::new(folder.join("lifecycle_demo"));
    command.env_remove("REDIS_URL").env_remove("ZINIT_SOCKET").kill_on_drop(true);
    command.envs(environment.iter().map(|(name, value)| (*name, value.clone())));
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("the demo ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

fn check(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("Actor state: Running, PID: ")), "{text}");
    assert!(lines.contains(&"Running OSIS actors: 3"), "{text}");
    assert!(lines.contains(&"Running OSIS actors: 1"), "{text}");
    assert!(lines.contains(&"Job result: Hello World!"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("demo_actor_0: Healthy")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("Failed to start demo_broken: ")), "{text}");
    assert!(lines.contains(&"Actor state: Stopped, PID: -"), "{text}");
}

#[tokio::test]
async fn the_lifecycle_demo_brings_its_own_redis() {
    check(&lifecycle_demo(&[]).await);
}

#[tokio::test]
async fn the_lifecycle_demo_works_on_a_given_redis_and_zinit_and_leaves_nothing_behind() {
    let redis = PrivateRedis::start().await;
    let zinit = PrivateZinit::start().await;
    let socket = zinit.socket().display().to_string();
    check(&lifecycle_demo(&[("REDIS_URL", redis.url()), ("ZINIT_SOCKET", socket)]).await);
    let listed = zinit.call("service.list", serde_json::json!({})).await;
    let left: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    assert!(!left.iter().any(|name| name.starts_with("demo_")), "{left:?}");
}

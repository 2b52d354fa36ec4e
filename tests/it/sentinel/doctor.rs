//! `doctor` judges Sentinels and replicas.

use crate::support::sentinels::Sentinels;
use crate::support::service::{self, LIMIT};
use crate::support::wait::eventually;

fn verdicts(url: &str, durability: &str) -> Vec<(String, String, String)> {
    let ran = service::run([
        "doctor",
        "--redis-url",
        url,
        "--durability",
        durability,
        "--zinit-socket",
        "/nonexistent",
        "--output",
        "json",
    ]);
    let report = ran.json();
    let text = |finding: &serde_json::Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| (text(finding, "check"), text(finding, "verdict"), text(finding, "found")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_a_failover_would_cost() {
    let mut sentinels = Sentinels::start().await;
    let of = |findings: &[(String, String, String)], check: &str| {
        let found: Vec<String> = findings
            .iter()
            .filter(|(name, ..)| name == check)
            .map(|(_name, verdict, found)| format!("{verdict}: {found}"))
            .collect();
        found.join("; ")
    };
    let found = verdicts(&sentinels.url(), "replicated");
    let (_place, port) = sentinels.primary().await.unwrap();
    assert_eq!(
        of(&found, "redis primary"),
        format!("ok: 127.0.0.1:{port} (epoch 0), as a majority of the Sentinels says")
    );
    assert_eq!(of(&found, "sentinels"), "ok: 3, a majority of them is enough");
    assert_eq!(of(&found, "redis replicas"), "ok: 2 online");
    assert!(of(&found, "redis min-replicas-to-write").starts_with("warn: 0: a primary that is cut off"));
    assert!(of(&found, "durability").starts_with("ok: replicated"));

    sentinels.kill9(1);
    sentinels.kill9(2);
    sentinels.kill9(4);
    let mut command = redis::cmd("CONFIG");
    sentinels.ask::<()>(0, command.arg("SET").arg("min-replicas-to-write").arg(1)).await.unwrap();
    let found = verdicts(&sentinels.url(), "primary");
    assert!(of(&found, "sentinels").contains("does not answer"), "{found:?}");
    assert!(of(&found, "redis replicas").starts_with("warn: none follows"), "{found:?}");
    assert_eq!(of(&found, "redis min-replicas-to-write"), "ok: 1");
    assert!(of(&found, "durability").starts_with("warn: primary: a failover can cost"), "{found:?}");

    sentinels.kill9(5);
    let found = verdicts(&sentinels.url(), "primary");
    assert!(of(&found, "redis primary").starts_with("fail: 1 of 3 Sentinels answered"), "{found:?}");
    eventually("the last Sentinel misses the others", LIMIT, || async {
        let found = verdicts(&sentinels.url(), "primary");
        of(&found, "sentinels").contains("no failover is possible").then_some(())
    })
    .await;
}

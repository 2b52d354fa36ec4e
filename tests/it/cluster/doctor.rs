//! `doctor` judges a Cluster.

use crate::support::cluster::PrivateCluster;
use crate::support::service;

fn verdicts(url: &str) -> Vec<(String, String, String)> {
    let args = ["doctor", "--redis-url", url, "--zinit-socket", "/nonexistent", "--output", "json"];
    let report = service::run(args).json();
    let text = |finding: &serde_json::Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| (text(finding, "check"), text(finding, "verdict"), text(finding, "found")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_a_cluster_lacks() {
    let mut cluster = PrivateCluster::start_with_replicas().await;
    let of = |findings: &[(String, String, String)], check: &str| {
        let of_check = findings.iter().filter(|(name, ..)| name == check);
        let found: Vec<String> =
            of_check.map(|(_name, verdict, found)| format!("{verdict}: {found}")).collect();
        found.join("; ")
    };
    let found = verdicts(&cluster.url());
    assert_eq!(of(&found, "redis cluster"), "ok: 3 primaries have all slots");
    for place in 0..3 {
        let at = format!("127.0.0.1:{}", cluster.port(place));
        assert!(of(&found, "redis replicas").contains(&format!("ok: {at}: 1 online")), "{found:?}");
        assert!(of(&found, "redis functions").contains(&format!("note: {at}: not there yet")), "{found:?}");
        assert!(of(&found, "redis durability").contains(&format!("warn: {at}: none: all jobs")), "{found:?}");
    }
    assert!(of(&found, "redis replicas").contains("it has the queues of osis"), "{found:?}");
    cluster.load_functions().await;
    let found = verdicts(&cluster.url());
    assert!(!of(&found, "redis functions").contains("not there yet"), "{found:?}");
    assert!(of(&found, "redis functions").contains("revision"), "{found:?}");

    cluster.kill9(3);
    let mut drop_slots = redis::cmd("CLUSTER");
    cluster.ask::<()>(2, drop_slots.arg("DELSLOTS").arg(16383)).await.unwrap();
    let found = verdicts(&cluster.url());
    let slots = "0 slots are not reached, 1 have no primary); it has the queues of osis";
    assert!(of(&found, "redis cluster").contains(slots), "{found:?}");
    let alone = format!("warn: 127.0.0.1:{}: none follows", cluster.port(0));
    assert!(of(&found, "redis replicas").contains(&alone), "{found:?}");
}

//! A Cluster whose servers speak nothing but TLS, with each other and with everybody else.

use hero_supervisor::adapters::redis::{RedisAccess, RedisConfig, RedisQueue};
use hero_supervisor::error::chain;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;

use super::failover::SAL;
use crate::support::cluster::PrivateCluster;
use crate::support::full_service::{JOBS, READY, run, until_serves};
use crate::support::load::{Load, MarkedService};
use crate::support::service::run as command;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_run_once_each_through_a_failover_by_tls() {
    let mut cluster = PrivateCluster::start_with_tls().await;
    let flags = cluster.tls().flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let stage = MarkedService::start(&cluster.url(), &flags).await;
    let load = Load::start(&stage);
    load.more().await;
    let before = cluster.owner(SAL).await.unwrap();
    cluster.swap(SAL, before).await;
    cluster.until_whole().await;
    load.more().await;
    let (names, _outage) = load.end().await;
    until_serves(&stage.service, &[(READY, true), (JOBS, true)]).await;
    stage.each_was_run_once(&names).await;

    let after = cluster.owner(SAL).await.unwrap();
    cluster.kill9(after);
    cluster.until_moved(SAL, after).await;
    until_serves(&stage.service, &[(READY, true), (JOBS, true)]).await;
    assert_eq!(run(&stage.client(), stage.marking("last")).await.result(), "last");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_by_the_setting() {
    let cluster = PrivateCluster::start_with_tls().await;
    let known = cluster.tls().access();
    let cases = [
        (RedisAccess { tls_ca: None, ..known.clone() }, "redis_tls_ca is not set"),
        (
            RedisAccess { tls_cert: None, tls_key: None, ..known.clone() },
            "redis_tls_cert: Redis seems to want a certificate",
        ),
    ];
    for (access, expected) in cases {
        let config = RedisConfig { url: cluster.url(), access, ..RedisConfig::default() };
        let queue = RedisQueue::new(config).unwrap();
        let told = chain(&queue.probe().await.unwrap_err());
        queue.close().await;
        assert!(told.contains(expected), "{told}");
    }
    let doctor = ["doctor", "--process-manager=local", "--redis-url", &cluster.url()].map(str::to_owned);
    let judged = command(doctor.iter().chain(&cluster.tls().flags()));
    assert!(judged.code == 0 && judged.stdout.contains("3 primaries"), "{judged:?}");
}

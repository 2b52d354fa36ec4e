//! What keeps a queue from its Cluster is told, with the setting that is at fault.

use hero_supervisor::adapters::redis::{RedisAccess, RedisConfig, RedisQueue};
use hero_supervisor::error::chain;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;

use crate::support::cluster::PrivateCluster;
use crate::support::lent_cluster::LentCluster;
use crate::support::sentinels::free_ports;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

async fn told(url: &str, access: RedisAccess) -> String {
    let config = RedisConfig { url: url.to_owned(), access, ..RedisConfig::default() };
    let queue = RedisQueue::new(config).unwrap();
    let error = queue.probe().await.unwrap_err();
    queue.close().await;
    chain(&error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_or_login_is_told() {
    let cluster = LentCluster::take().await;
    let port = free_ports(1)[0];
    let text = told(&format!("redis+cluster://127.0.0.1:{port}"), RedisAccess::default()).await;
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("refused"), "{text}");
    // One server that answers is enough.
    let url = cluster.url().replace("redis+cluster://", &format!("redis+cluster://127.0.0.1:{port},"));
    let queue = RedisQueue::new(RedisConfig { url, ..RedisConfig::default() }).unwrap();
    queue.probe().await.unwrap();
    let at = queue.primary().unwrap();
    assert!(at.contains(&format!("127.0.0.1:{}", cluster.port(2))) && at.contains("(Cluster, epoch"), "{at}");
    queue.close().await;

    let wrong = cluster.url().replace("redis+cluster://", "redis+cluster://me:s3cret@");
    let text = told(&wrong, RedisAccess::default()).await;
    assert!(text.contains("redis_user, redis_password_file: the server 127.0.0.1:"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_a_cluster_are_not_mistaken_for_each_other() {
    let cluster = LentCluster::take().await;
    let text = told(&format!("redis://127.0.0.1:{}", cluster.port(0)), RedisAccess::default()).await;
    assert!(text.contains("redis_url names one server of a Cluster: use redis+cluster://"), "{text}");

    let port = free_ports(1)[0];
    let mut single = std::process::Command::new(crate::support::redis::redis_server())
        .args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let url = format!("redis+cluster://127.0.0.1:{port}");
    let text = eventually("it answers", LIMIT, || async {
        Some(told(&url, RedisAccess::default()).await)
            .filter(|text| !text.contains("refused ("))
            .filter(|text| text.contains("is no server of a Cluster"))
    })
    .await;
    assert!(text.contains(&format!("use redis://127.0.0.1:{port}")), "{text}");
    single.kill().unwrap();
    single.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_down_or_not_whole_is_told() {
    let mut cluster = PrivateCluster::start().await;
    cluster.load_functions().await;
    let queue = RedisQueue::new(RedisConfig { url: cluster.url(), ..RedisConfig::default() }).unwrap();
    queue.probe().await.unwrap();
    // Slots that nobody has: the others stop as well, as `cluster-require-full-coverage` says.
    let mut drop_slots = redis::cmd("CLUSTER");
    cluster.ask::<()>(0, drop_slots.arg("DELSLOTS").arg(5225)).await.unwrap();
    eventually("the Cluster is down", LIMIT, || async {
        let error = chain(&queue.probe().await.err()?);
        error.contains("CLUSTERDOWN").then_some(())
    })
    .await;
    let mut add_slots = redis::cmd("CLUSTER");
    cluster.ask::<()>(0, add_slots.arg("ADDSLOTS").arg(5225)).await.unwrap();
    eventually("the Cluster is back", LIMIT, || async { queue.probe().await.ok() }).await;
    // Nobody takes the place of a primary that is gone.
    cluster.kill9(1);
    eventually("a server is away", LIMIT, || async { queue.probe().await.err() }).await;
    cluster.restart(1);
    eventually("the Cluster is back", LIMIT, || async { queue.probe().await.ok() }).await;
    queue.close().await;
}
